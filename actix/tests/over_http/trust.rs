use actix_web::{App, web};
use tracehop_actix::tracehop::{IncomingTrace, Network, Trust as Policy};
use tracehop_actix::{Trace, TracePropagation};

use crate::{SENTRY_TRACE, TRACE_ID, body, options, serve};

async fn page(trace: Trace) -> String {
    format!("{} {:?}", trace.trace_id(), trace.sampled())
}

#[actix_web::test]
async fn policies_decide_by_peer_and_route() {
    let own: Network = "127.0.0.0/8".parse().unwrap();
    let policy = move |trace: &IncomingTrace<'_>| match trace.route().as_deref() {
        Some("/own/{id}") if trace.peer().is_some_and(|peer| own.contains(peer)) => {
            Policy::Continue
        }
        Some("/public/{id}") => Policy::DecideHere,
        _ => Policy::NewTrace,
    };
    let propagator = options().traces_sample_rate(0.0).trust_incoming(policy).build().unwrap();
    let server = serve!(move || {
        App::new()
            .wrap(TracePropagation::new(propagator.clone()))
            .route("/own/{id}", web::get().to(page))
            .route("/public/{id}", web::get().to(page))
            .route("/other", web::get().to(page))
    });
    let server = &server;
    let ids = async |path| server.get(path, &[SENTRY_TRACE.as_bytes()]).await;
    assert_eq!(body(&ids("/own/7").await), format!("{TRACE_ID} Some(true)"));
    assert_eq!(body(&ids("/public/7").await), format!("{TRACE_ID} Some(false)"));
    let other = ids("/other").await;
    assert!(body(&other).ends_with("Some(false)") && !other.contains(TRACE_ID), "{other}");
}
