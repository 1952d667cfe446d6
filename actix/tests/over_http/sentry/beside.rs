//! This middleware together with the SDK's own middleware, in both orders.

use std::collections::HashSet;

use actix_web::{App, error, web};
use sentry_actix::Sentry;
use sentry_core::{ClientOptions, Hub};
use tracehop_actix::TracePropagation;
use tracehop_actix::tracehop::Propagator;
use tracehop_actix::tracehop::PropagatorBuilder;
use tracehop_envelopes::{Capture, Sent};

use super::{
    BAGGAGE, DSN, PARENT, TRACE_ID, bind, options, outgoing, read, recording, sampling,
    transactions, work,
};
use crate::{Server, body, serve, status};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Order {
    /// The SDK's middleware comes first.
    SdkOutside,
    SdkInside,
}

use Order::{SdkInside, SdkOutside};

async fn fail() -> actix_web::Result<String> {
    Err(error::ErrorInternalServerError(outgoing()))
}

fn routes(config: &mut web::ServiceConfig) {
    config.route("/work/{id}", web::get().to(work)).route("/fail", web::get().to(fail));
}

fn serve_both(
    order: Order,
    with_transaction: bool,
    options: PropagatorBuilder,
    sdk: ClientOptions,
) -> (Capture, Server) {
    serve_with(order, with_transaction, options, sdk, || ())
}

/// `start` is called on the worker's thread.
fn serve_with(
    order: Order,
    with_transaction: bool,
    options: PropagatorBuilder,
    sdk: ClientOptions,
    start: impl Fn() + Clone + Send + 'static,
) -> (Capture, Server) {
    let (propagator, envelopes, client) = recording(options, sdk);
    let ours = TracePropagation::new(propagator);
    let sdk = move || {
        let hub = bind(&client);
        Sentry::builder().with_hub(hub).start_transaction(with_transaction).finish()
    };
    let server = match order {
        SdkOutside => {
            serve!(move || {
                start();
                App::new().configure(routes).wrap(ours.clone()).wrap(sdk())
            })
        }
        SdkInside => {
            serve!(move || {
                start();
                App::new().configure(routes).wrap(sdk()).wrap(ours.clone())
            })
        }
    };
    (envelopes, server)
}

fn incoming(sampled: &str) -> Vec<u8> {
    format!("sentry-trace: {TRACE_ID}-{PARENT}{sampled}").into_bytes()
}

fn unique<'s>(sent: &'s [Sent], field: &str) -> HashSet<&'s str> {
    sent.iter().map(|sent| sent.trace(field)).collect()
}

#[actix_web::test]
async fn both_middlewares_share_one_trace_in_either_order() {
    let cases: [(&str, Vec<Vec<u8>>, &str, bool); 5] = [
        ("head", vec![], "", true),
        ("continued", vec![incoming("-1"), BAGGAGE.to_vec()], PARENT, true),
        ("deferred", vec![incoming(""), BAGGAGE.to_vec()], PARENT, true),
        ("not sampled", vec![incoming("-0"), BAGGAGE.to_vec()], PARENT, false),
        ("without a DSC", vec![incoming("-1")], PARENT, true),
    ];
    for order in [SdkOutside, SdkInside] {
        for with_transaction in [false, true] {
            let (envelopes, server) = serve_both(order, with_transaction, options(), sampling());
            for (name, lines, parent, is_sampled) in &cases {
                let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
                for path in ["/work/7", "/fail"] {
                    let case = format!("{order:?} {with_transaction} {name} {path}");
                    let response = server.get(path, &lines).await;
                    let is_error = path == "/fail";
                    assert_eq!(status(&response), if is_error { "500" } else { "200" });
                    let (trace_id, span_id, sampled, dsc) = read(body(&response));
                    // Client reports have no trace.
                    let mut sent = envelopes.take();
                    sent.retain(|sent| sent.types != ["client_report"]);

                    // All envelopes are of one trace, with the DSC that outgoing requests carry.
                    assert_eq!(unique(&sent, "trace_id"), [&*trace_id].into(), "{case}");
                    assert_eq!(*name == "head", trace_id != TRACE_ID, "{case}");
                    assert_eq!(sampled.as_deref() == Some("1"), *is_sampled, "{case}");
                    for sent in &sent {
                        assert_eq!(sent.dsc(), dsc, "{case}");
                    }
                    if *name == "continued" {
                        assert!(dsc.contains("replay_id=") && dsc.contains("sample_rate=0.10"));
                    }

                    // The transaction at our position is the child of the caller's span.
                    let transactions = transactions(&sent);
                    let both = order == SdkInside && with_transaction;
                    let expected = usize::from(*is_sampled) * (1 + usize::from(both));
                    assert_eq!(transactions.len(), expected, "{case}");
                    for transaction in &transactions {
                        let at_ours = transaction.trace("span_id") == span_id;
                        let expected = if at_ours { *parent } else { &*span_id };
                        assert_eq!(transaction.trace("parent_span_id"), expected, "{case}");
                        let status = if is_error { "internal_error" } else { "ok" };
                        assert_eq!(transaction.trace("status"), status, "{case}");
                        let name = if is_error { "GET /fail" } else { "GET /work/{id}" };
                        assert_eq!(transaction.payload["transaction"], name, "{case}");
                    }
                    if *is_sampled {
                        let at_ours =
                            transactions.iter().filter(|sent| sent.trace("span_id") == span_id);
                        assert_eq!(at_ours.count(), 1, "{case}");
                    }

                    // An error, the handler's or the one that the SDK's middleware finds in the response, is of
                    // the transaction that was running.
                    let errors: Vec<_> =
                        sent.iter().filter(|sent| !sent.is_transaction()).collect();
                    let [error] = &*errors else { panic!("{case}: {sent:#?}") };
                    if both {
                        assert_eq!(error.trace("parent_span_id"), span_id, "{case}");
                    } else {
                        assert_eq!(error.trace("span_id"), span_id, "{case}");
                        assert_eq!(error.trace("parent_span_id"), *parent, "{case}");
                    }
                }
            }
        }
    }
}

#[actix_web::test]
async fn outgoing_requests_carry_the_decision_of_the_sdk() {
    let never = || ClientOptions::new().traces_sampler(|_: &_| 0.0);
    for (sdk, lines, sampled, in_dsc) in [
        (ClientOptions::new(), vec![], None, None),
        (ClientOptions::new().traces_sample_rate(0.0), vec![], Some("0"), Some("sampled=false")),
        (never(), vec![incoming("-1"), BAGGAGE.to_vec()], Some("0"), None),
        (never(), vec![], Some("0"), Some("sampled=false")),
    ] {
        let (envelopes, server) = serve_both(SdkOutside, true, options(), sdk);
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let (_, _, decision, dsc) = read(body(&server.get("/work/7", &lines).await));
        assert_eq!(decision.as_deref(), sampled, "{lines:?}");
        if let Some(in_dsc) = in_dsc {
            assert!(dsc.contains(in_dsc), "{dsc}");
        }
        let sent = envelopes.take();
        let [error] = &*sent else { panic!("one error: {sent:#?}") };
        assert_eq!(error.dsc(), dsc);
    }
}

#[actix_web::test]
async fn strict_continuation_on_both_sides_keeps_one_trace() {
    let strict = options().strict_trace_continuation(true);
    let sdk = sampling().strict_trace_continuation(true);
    let (envelopes, server) = serve_both(SdkInside, true, strict, sdk);
    let foreign = b"baggage: a=1,sentry-org_id=8".to_vec();
    for lines in [vec![], vec![incoming("-1"), foreign], vec![incoming("-1"), BAGGAGE.to_vec()]] {
        let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        let (trace_id, ..) = read(body(&server.get("/work/7", &lines).await));
        let sent = envelopes.take();
        assert_eq!(unique(&sent, "trace_id"), [&*trace_id].into());
        assert_eq!(transactions(&sent).len(), 2);
    }
}

#[actix_web::test]
async fn deferred_decisions_send_only_errors() {
    for order in [SdkOutside, SdkInside] {
        let (envelopes, server) =
            serve_both(order, false, Propagator::builder().dsn(DSN), sampling());
        for (lines, decision) in [
            (vec![], None),
            (vec![incoming("")], None),
            (vec![incoming("-1"), BAGGAGE.to_vec()], Some("1")),
        ] {
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            let (trace_id, span_id, sampled, dsc) =
                read(body(&server.get("/work/7", &lines).await));
            assert_eq!(sampled.as_deref(), decision);
            let sent = envelopes.take();
            let [error] = &*sent else { panic!("one error: {sent:#?}") };
            assert_eq!(error.trace("trace_id"), trace_id);
            assert_eq!(error.trace("span_id"), span_id);
            assert_eq!(error.dsc(), dsc);
        }
    }
}

/// Most applications bind one client to the main hub of the process. No other test binds a client there.
#[actix_web::test]
async fn the_sdk_middleware_works_with_the_main_hub() {
    let (propagator, envelopes, client) = recording(options(), sampling());
    Hub::main().bind_client(Some(client));
    let ours = TracePropagation::new(propagator);
    let inside = ours.clone();
    let servers = [
        serve!(move || App::new().configure(routes).wrap(inside.clone()).wrap(Sentry::new())),
        serve!(move || App::new().configure(routes).wrap(Sentry::new()).wrap(ours.clone())),
    ];
    for server in servers {
        for path in ["/work/7", "/fail"] {
            let (trace_id, span_id, _, dsc) = read(body(&server.get(path, &[]).await));
            let sent = envelopes.take();
            assert_eq!((sent.len(), transactions(&sent).len()), (2, 1), "{path}");
            for sent in &sent {
                assert_eq!(sent.trace("trace_id"), trace_id, "{path}");
                assert_eq!(sent.trace("span_id"), span_id, "{path}");
                assert_eq!(sent.dsc(), dsc, "{path}");
            }
        }
    }
}

#[cfg(feature = "tracing")]
#[actix_web::test]
async fn transactions_of_the_sdk_middleware_warn_once() {
    for order in [SdkOutside, SdkInside] {
        for with_transaction in [false, true] {
            let log = crate::log::Log::default();
            let writer = log.clone();
            let start = move || crate::log::listen(writer.as_text());
            let (_, server) = serve_with(order, with_transaction, options(), sampling(), start);
            for _ in 0..3 {
                assert_eq!(status(&server.get("/work/7", &[]).await), "200");
            }
            server.handle.stop(true).await;
            let warnings =
                log.text().matches("sentry-actix or sentry-tower starts transactions").count();
            assert_eq!(warnings, usize::from(with_transaction), "{order:?} {with_transaction}");
        }
    }
}
