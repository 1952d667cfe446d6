//! Traces of callers that are not trusted.

use actix_web::{App, web};
use tracehop_actix::TracePropagation;
use tracehop_actix::tracehop::Trust;

use super::{
    BAGGAGE, PARENT, TRACE_ID, bind, options, read, recording, sampling, transactions, work,
};
use crate::{body, serve};

#[actix_web::test]
async fn transactions_have_the_decision_and_dsc_made_here() {
    let builder = options().trust_incoming(|_| Trust::DecideHere);
    let (propagator, envelopes, client) = recording(builder, sampling());
    let server = serve!(move || {
        bind(&client);
        App::new()
            .wrap(TracePropagation::new(propagator.clone()))
            .route("/{id}", web::get().to(work))
    });
    let not_sampled = format!("sentry-trace: {TRACE_ID}-{PARENT}-0");
    let answer = server.get("/7", &[not_sampled.as_bytes(), BAGGAGE]).await;
    let (trace_id, span_id, sampled, dsc) = read(body(&answer));
    assert_eq!((trace_id.as_str(), sampled.as_deref()), (TRACE_ID, Some("1")));
    assert!(dsc.contains("release=shop@2") && !dsc.contains("replay_id"), "{dsc}");
    let sent = envelopes.take();
    assert_eq!((sent.len(), transactions(&sent).len()), (2, 1));
    for sent in &sent {
        assert_eq!(sent.trace("trace_id"), TRACE_ID);
        assert_eq!(sent.trace("span_id"), span_id);
        assert_eq!(sent.trace("parent_span_id"), PARENT);
        assert_eq!(sent.dsc(), dsc);
    }
}
