//! The name of a transaction: by the application, or by the route of a request.

use std::sync::{Arc, Mutex};

use tracehop::hop::{ServerHop, continue_request, name_by_route};
use tracehop::{PropagationContext, Propagator};

use crate::{Headers, incoming, received};

fn sampling() -> Propagator {
    Propagator::builder().traces_sample_rate(1.0).build().unwrap()
}

#[test]
fn routes_name_the_transaction_with_a_known_method() {
    let propagator = sampling();
    for (method, route, name) in [
        ("GET", Some("/users/{id}"), Some("GET /users/{id}")),
        ("PATCH", Some("/users/{id}"), Some("PATCH /users/{id}")),
        ("GET", None, None),
        // The pattern of files that are served at `/`.
        ("GET", Some(""), None),
        ("GET", Some(" "), None),
        ("get", Some("/users/{id}"), None),
        ("EVIL", Some("/users/{id}"), None),
    ] {
        let request = received(method, route);
        let named = propagator.start_new_trace();
        name_by_route(&named, &request);
        let continued = continue_request(&propagator, None, &Headers::new(), &request);
        let hop = ServerHop::start(&propagator, None, &Headers::new(), &request);
        for context in [&named, &continued, hop.context()] {
            assert_eq!(context.transaction().as_deref(), name, "{method} {route:?}");
            assert_eq!(context.dsc().transaction().as_deref(), name, "{method} {route:?}");
        }
    }
}

#[test]
fn empty_names_count_as_none() {
    let context = sampling().start_new_trace();
    context.set_transaction("GET /");
    for empty in ["", " ", "\t\n"] {
        context.set_transaction("GET /");
        context.set_transaction(empty);
        assert_eq!(context.transaction(), None);
    }
    assert_eq!(context.dsc().transaction(), None);
}

#[test]
fn routes_do_not_replace_the_given_name() {
    let by_route: fn(&PropagationContext) = |context| {
        name_by_route(context, &received("GET", Some("/users/{id}")));
    };
    let by_guard: fn(&PropagationContext) = |context| {
        name_by_route(context, &received("GET", Some("/users/{name}")));
    };
    let by_application: fn(&PropagationContext) = |context| context.set_transaction("checkout");
    let removed: fn(&PropagationContext) = |context| context.set_transaction("");
    let table: &[(&[fn(&PropagationContext)], Option<&str>)] = &[
        (&[by_route], Some("GET /users/{id}")),
        // Guards decide after routing.
        (&[by_route, by_guard], Some("GET /users/{name}")),
        (&[by_application, by_route], Some("checkout")),
        (&[by_route, by_application], Some("checkout")),
        (&[by_route, by_application, by_guard], Some("checkout")),
        (&[by_application, removed, by_route], Some("GET /users/{id}")),
    ];
    for (index, (steps, name)) in table.iter().enumerate() {
        let context = sampling().start_new_trace();
        for step in *steps {
            step(&context.clone());
        }
        assert_eq!(context.transaction().as_deref(), *name, "row {index}");
        assert_eq!(context.dsc().transaction().as_deref(), *name, "row {index}");
    }
}

#[test]
fn routes_are_read_exactly_if_names_matter() {
    let seen = Arc::new(Mutex::new(None));
    let by_sampler = Arc::clone(&seen);
    let options = [
        Propagator::builder(),
        Propagator::builder().traces_sample_rate(0.5),
        Propagator::builder().traces_sampler(move |context| {
            *by_sampler.lock().unwrap() = context.name().map(str::to_owned);
            1.0
        }),
    ];
    let rows = [[false, false], [true, false], [true, true]];
    for (options, has_effect) in options.into_iter().zip(rows) {
        let propagator = options.build().unwrap();
        let started = propagator.start_new_trace();
        let continued = propagator.continue_trace(&incoming("-1", "sentry-release=a"));
        for (context, has_effect) in [started, continued].into_iter().zip(has_effect) {
            *seen.lock().unwrap() = None;
            let request = received("GET", Some("/users"));
            name_by_route(&context, &request);
            assert_eq!(request.routes_read.get() != 0, has_effect, "{propagator:?}");
            context.set_transaction("GET /users");
            let is_sent = context.dsc().transaction().is_some();
            assert_eq!(is_sent || seen.lock().unwrap().is_some(), has_effect, "{propagator:?}");
        }
    }
}
