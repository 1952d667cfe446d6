//! Requests that a recorder records for an adapter.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use sentry_core::Hub;
use sentry_core::protocol::{Event, Request};
use tracehop::hop::{ResponseHeaders, ServerHop, name_by_route};
use tracehop::recorder::IncomingRequest;
use tracehop::{PropagationContext, Propagator};
use tracehop_sentry::SentryRecorder;

use super::{DSC, PARENT, TRACE_ID, capture, capturing, child_of, headers, items, options, sdk};

/// The head of a request, or of a response without headers.
pub(crate) struct Head {
    method: &'static str,
    route: Option<&'static str>,
}

pub(crate) const GET: Head = Head { method: "GET", route: Some("/users/{id}") };

impl IncomingRequest for Head {
    fn method(&self) -> &str {
        self.method
    }

    fn route(&self) -> Option<Cow<'_, str>> {
        self.route.map(Cow::Borrowed)
    }

    fn url(&self) -> String {
        "https://user:hush@shop.example.com/users/7?token=hush#hush".to_owned()
    }
}

impl ResponseHeaders for Head {
    fn lines(&self, _: &'static str) -> impl Iterator<Item = &[u8]> {
        std::iter::empty()
    }
}

pub(crate) fn propagator(recorder: &SentryRecorder) -> Propagator {
    options().traces_sample_rate(1.0).recorder(recorder.clone()).build().unwrap()
}

/// Starts the hop of a request in a hub.
pub(crate) fn start(propagator: &Propagator, hub: &Arc<Hub>, request: &Head) -> ServerHop {
    let carrier = HashMap::<String, String>::new();
    Hub::run(Arc::clone(hub), || ServerHop::start(propagator, None, &carrier, request))
}

/// Returns the number of event processors in a hub's scope, which the SDK shows only as text.
fn event_processors(hub: &Hub) -> usize {
    let shown = hub.configure_scope(|scope| format!("{scope:?}"));
    let (_, rest) = shown.split_once("event_processors: ").unwrap();
    rest.split(',').next().unwrap().parse().unwrap()
}

#[test]
fn each_request_adds_one_event_processor() {
    let recorder = SentryRecorder::new();
    let propagator = propagator(&recorder);
    let (_sent, hub) = capturing(&recorder, sdk());
    assert_eq!(event_processors(&hub), 0);
    for _ in 0..3 {
        let mut hop = start(&propagator, &hub, &GET);
        hop.respond(200, &GET, Some(&GET), false);
        assert_eq!(event_processors(&hop.run(Hub::current)), 1);
        hop.finish();
    }
    assert_eq!(event_processors(&hub), 0);

    let context = propagator.start_new_trace();
    let transaction = recorder.start_transaction(&context, child_of(&hub), "a", "task");
    transaction.set_request(Request::default());
    assert_eq!(event_processors(transaction.hub()), 1);
}

#[test]
fn transactions_and_errors_describe_the_request() {
    let recorder = SentryRecorder::new();
    let propagator = propagator(&recorder);
    let (sent, hub) = capturing(&recorder, sdk());
    let carrier = headers(&format!("{TRACE_ID}-{PARENT}-1"), DSC);
    let mut hop =
        Hub::run(Arc::clone(&hub), || ServerHop::start(&propagator, None, &carrier, &GET));
    let given = Request { method: Some("GIVEN".to_owned()), ..Request::default() };
    hop.run(|| {
        capture(&Hub::current(), "without request");
        let event = Event { request: Some(given), ..Event::default() };
        Hub::current().capture_event(event);
    });
    hop.respond(404, &GET, Some(&GET), false);
    hop.finish();
    let context = hop.context();
    let sent = sent.take();
    let [error, with_request, transaction] = &*sent else { panic!("{sent:#?}") };
    for sent in &sent {
        assert_eq!(sent.trace("trace_id"), TRACE_ID);
        assert_eq!(sent.trace("parent_span_id"), PARENT);
        assert_eq!(sent.trace("span_id"), context.span_id().to_string());
        assert_eq!(sent.dsc(), items(context));
    }
    for sent in [error, transaction] {
        assert_eq!(sent.payload["request"]["url"], "https://shop.example.com/users/7");
        assert_eq!(sent.payload["request"]["method"], "GET");
    }
    assert_eq!(with_request.payload["request"]["method"], "GIVEN");
    assert!(transaction.is_transaction());
    assert_eq!(transaction.payload["transaction"], "GET /users/{id}");
    assert_eq!(transaction.trace("op"), "http.server");
    assert_eq!(transaction.trace("origin"), "auto.http.tracehop");
    assert_eq!(transaction.trace("status"), "not_found");
    let data = serde_json::json!({
        "http.request.method": "GET",
        "http.route": "/users/{id}",
        "http.response.status_code": 404,
    });
    assert_eq!(transaction.payload["contexts"]["trace"]["data"], data);
}

#[test]
fn errors_in_a_shared_hub_describe_their_request() {
    let recorder = SentryRecorder::new();
    let propagator = propagator(&recorder);
    let (sent, worker) = capturing(&recorder, sdk());
    let propagator =
        Hub::run(Arc::clone(&worker), || ServerHop::propagator_for_worker(&propagator));
    // One hub for all requests, bound by another middleware.
    let shared = child_of(&worker);
    let post = Head { method: "POST", ..GET };
    for request in [&GET, &post, &GET] {
        let hop = start(&propagator, &shared, request);
        hop.run(|| capture(&Hub::current(), "inside"));
        assert_eq!(sent.take()[0].payload["request"]["method"], request.method);
        hop.finish();
        sent.take();
    }
}

#[test]
fn request_transactions_have_route_or_given_name() {
    let recorder = SentryRecorder::new();
    let propagator = propagator(&recorder);
    let (sent, hub) = capturing(&recorder, sdk());
    for (method, route, given, name) in [
        ("GET", Some("/users/{id}"), None, "GET /users/{id}"),
        ("GET", None, None, "GET <none>"),
        ("GET", Some("/users/{id}"), Some("checkout"), "checkout"),
        ("GET", None, Some("checkout"), "checkout"),
        // Unknown methods are arbitrary client input.
        ("EVIL", None, None, "_OTHER <none>"),
        ("EVIL", Some("/users/{id}"), None, "_OTHER /users/{id}"),
    ] {
        let request = Head { method, route };
        let mut hop = start(&propagator, &hub, &request);
        if let Some(given) = given {
            hop.run(|| PropagationContext::current().unwrap().set_transaction(given));
        }
        hop.respond(200, &request, Some(&request), false);
        hop.finish();
        assert_eq!(sent.take()[0].payload["transaction"], name, "{method} {route:?}");
    }
}

#[test]
fn names_given_to_the_sdk_outlast_later_routes() {
    let recorder = SentryRecorder::new();
    let propagator = propagator(&recorder);
    let (sent, hub) = capturing(&recorder, sdk());
    // Guards decide on the route after the middleware was called, and before the handler is.
    let mut hop = start(&propagator, &hub, &Head { method: "GET", route: None });
    name_by_route(hop.context(), &GET);
    hop.run(|| Hub::current().configure_scope(|scope| scope.set_transaction(Some("mine"))));
    hop.respond(200, &GET, Some(&GET), false);
    hop.finish();
    assert_eq!(sent.take()[0].payload["transaction"], "mine");
}

#[test]
fn requests_end_with_status_failure_or_cancellation() {
    let recorder = SentryRecorder::new();
    let propagator = propagator(&recorder);
    let (sent, hub) = capturing(&recorder, sdk());
    let table: &[(fn(ServerHop), &str)] = &[
        (|hop| hop.finish(), "ok"),
        (|hop| hop.finish_with_error(503, &std::fmt::Error), "unavailable"),
        (|hop| hop.fail("body"), "internal_error"),
        (drop, "cancelled"),
    ];
    for (end, status) in table {
        let mut hop = start(&propagator, &hub, &GET);
        hop.respond(200, &GET, Some(&GET), false);
        end(hop);
        let sent = sent.take();
        let [transaction] = &*sent.iter().filter(|sent| sent.is_transaction()).collect::<Vec<_>>()
        else {
            panic!("one transaction")
        };
        assert_eq!(transaction.trace("status"), *status);
    }
}

#[test]
fn requests_use_a_hub_that_another_middleware_bound() {
    let recorder = SentryRecorder::new();
    let propagator = propagator(&recorder);
    let (sent, worker) = capturing(&recorder, sdk());
    let of_worker = Hub::run(Arc::clone(&worker), || ServerHop::propagator_for_worker(&propagator));
    // The hub of the worker belongs to no request, and gets no span.
    let hop = start(&of_worker, &worker, &GET);
    assert!(!Arc::ptr_eq(&hop.run(Hub::current), &worker));
    assert!(hop.needs_position_in_request());
    assert!(worker.configure_scope(|scope| scope.get_span()).is_none());

    let bound = child_of(&worker);
    let hop = start(&of_worker, &bound, &GET);
    assert!(Arc::ptr_eq(&hop.run(Hub::current), &bound));
    hop.finish();
    sent.take();
    // The other middleware captures an error after the response.
    capture(&bound, "late");
    let [error] = &*sent.take() else { panic!("one error") };
    assert_eq!(error.trace("span_id"), hop.context().span_id().to_string());
    assert_eq!(error.dsc(), items(hop.context()));
}
