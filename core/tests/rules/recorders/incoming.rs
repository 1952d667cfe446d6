//! Requests that a service answers, recorded by a third party.

use std::fmt;

use super::*;

#[test]
fn the_log_span_encloses_recorders_and_the_context() {
    let log = Log::default();
    let propagator = options()
        .recorder(Logging::new("outer", &log))
        .recorder(Logging::new("inner", &log))
        .build()
        .unwrap();
    with_log(&log, || {
        let hop = start(&propagator, &received("GET", None));
        let inside = position(Some(hop.context()));
        log.take();
        hop.run(|| log.add(format!("handler in {}", current_position())));
        assert_eq!(
            log.take(),
            expected([
                "span: enter in none",
                "outer: enter in none",
                "inner: enter in none",
                &format!("handler in {inside}"),
                "inner: leave",
                "outer: leave",
                "span: leave",
            ])
        );
        assert_eq!(current_position(), "none");
        hop.finish();
        drop(hop);
        assert_eq!(
            log.take(),
            expected([
                "inner: completed 0",
                "outer: completed 0",
                "span: drop",
                "outer: drop",
                "inner: drop",
            ])
        );
    });
}

#[test]
fn futures_and_bodies_work_and_drop_inside_recorders() {
    struct Body(Log);

    impl Drop for Body {
        fn drop(&mut self) {
            self.0.add(format!("body dropped in {}", current_position()));
        }
    }

    let log = Log::default();
    let propagator = options().recorder(Logging::new("r", &log)).build().unwrap();
    let hop = start(&propagator, &received("GET", None));
    let inside = position(Some(hop.context()));
    log.take();
    let mut body = Box::pin(InHop::new(Body(log.clone()), hop));
    assert_eq!(body.as_mut().work(|_| current_position()).as_ref(), Some(&inside));
    assert_eq!(log.take(), ["r: enter in none", "r: leave"]);
    drop(body);
    let dropped = format!("body dropped in {inside}");
    // The client is gone: there is no outcome.
    assert_eq!(log.take(), ["r: enter in none", &dropped, "r: leave", "r: drop"]);

    let mut body =
        Box::pin(InHop::new(Body(log.clone()), start(&propagator, &received("GET", None))));
    let hop = body.as_mut().take_hop().unwrap();
    assert!(body.value().is_none() && body.as_mut().work(|_| ()).is_none());
    drop(body);
    log.take();
    hop.finish();
    assert_eq!(log.take(), ["r: completed 0"]);
}

/// An error of a handler, as the recorder of these tests logs it.
const ERROR: &str = "r: error 500, an error occurred when formatting an argument";

#[test]
fn recordings_finish_once_and_drops_are_cancellations() {
    let log = Log::default();
    let propagator = options().recorder(Logging::new("r", &log)).build().unwrap();
    let server: &[(fn(ServerHop), &[&str])] = &[
        (|hop| hop.finish(), &["r: status 200", "r: completed 200"]),
        (|hop| hop.fail("body"), &["r: status 200", "r: failed body"]),
        (
            |hop| hop.finish_with_error(500, &fmt::Error),
            &["r: status 200", ERROR, "r: status 500", "r: completed 500"],
        ),
        (drop, &["r: status 200"]),
        (
            |hop| {
                hop.fail("body");
                hop.finish();
            },
            &["r: status 200", "r: failed body"],
        ),
    ];
    for (index, (end, lines)) in server.iter().enumerate() {
        let request = received("GET", None);
        let mut hop = start(&propagator, &request);
        log.take();
        hop.respond(200, &NoHeaders, Some(&request), false);
        end(hop);
        assert_eq!(log.take(), [*lines, &["r: drop"]].concat(), "row {index}");
    }
    let client: &[(fn(ClientHop), &[&str])] = &[
        (|hop| hop.finish(503), &["r: status 503", "r: completed 503"]),
        (|hop| hop.fail("timeout"), &["r: failed timeout"]),
        (|hop| drop(hop), &[]),
    ];
    for (index, (end, lines)) in client.iter().enumerate() {
        let hop = ClientHop::start(&propagator, None, || propagator.start_new_trace(), &Call(URL));
        log.take();
        end(hop);
        assert_eq!(log.take(), [*lines, &["r: drop"]].concat(), "row {index}");
    }
}

#[test]
fn responses_without_a_body_are_complete() {
    let log = Log::default();
    let propagator = options().recorder(Logging::new("r", &log)).build().unwrap();
    for (method, status, is_ended, is_complete) in [
        ("GET", 101, true, true),
        ("HEAD", 200, false, true),
        ("GET", 204, false, true),
        ("GET", 304, false, true),
        ("GET", 200, false, false),
        ("head", 200, false, false),
    ] {
        let request = received(method, None);
        let mut hop = start(&propagator, &request);
        hop.respond(status, &NoHeaders, Some(&request), false);
        let ended = format!("r: completed {status}");
        let before = log.take().contains(&ended);
        drop(hop);
        let after = before || log.take().contains(&ended);
        assert_eq!((before, after), (is_ended, is_complete), "{method} {status}");
    }
}

struct NoHeaders;

impl tracehop::hop::ResponseHeaders for NoHeaders {
    fn lines(&self, _: &'static str) -> impl Iterator<Item = &[u8]> {
        std::iter::empty()
    }
}

#[test]
fn grpc_statuses_reach_recordings_from_head_and_trailers() {
    struct Status(Option<&'static str>);

    impl tracehop::hop::ResponseHeaders for Status {
        fn lines(&self, name: &'static str) -> impl Iterator<Item = &[u8]> {
            self.0.filter(|_| name == "grpc-status").into_iter().map(str::as_bytes)
        }
    }

    let log = Log::default();
    let propagator = options().recorder(Logging::new("r", &log)).build().unwrap();
    for (head, trailers, noted) in [
        (None, None, None),
        (None, Some("5"), Some("r: grpc 5")),
        (Some("7"), None, Some("r: grpc 7")),
        (Some("x"), Some("300"), None),
    ] {
        let request = received("POST", None);
        let mut hop = start(&propagator, &request);
        hop.respond(200, &Status(head), Some(&request), false);
        hop.finish_with_trailers(Some(&Status(trailers)));
        let lines = log.take();
        let of_grpc: Vec<_> = lines.iter().filter(|line| line.contains("grpc")).collect();
        assert_eq!(of_grpc, Vec::from_iter(noted), "{head:?} {trailers:?}");
    }
}

#[test]
fn all_recordings_extend_the_request() {
    let log = Log::default();
    let recorders = ["a", "b"].map(|name| Logging::new(name, &log));
    let [a, b] = recorders;
    let propagator = options().recorder(a).recorder(b).build().unwrap();
    let mut extensions = Vec::<&str>::new();
    start(&propagator, &received("GET", None)).extend(&mut extensions);
    assert_eq!(extensions, ["a", "b"]);
}

#[test]
fn hops_are_shown_for_debugging() {
    let propagator = options().recorder(Logging::new("r", &Log::default())).build().unwrap();
    let hop = start(&propagator, &received("GET", None));
    let shown = |hop: &ServerHop| format!("{hop:?}");
    assert!(shown(&hop).contains("Recordings { len: 1, is_finished: false }"), "{hop:?}");
    hop.finish();
    assert!(shown(&hop).contains("is_finished: true"), "{hop:?}");
}

#[test]
fn values_in_a_hop_can_be_taken_and_put_back() {
    let propagator = options().build().unwrap();
    let mut body = InHop::new(7, start(&propagator, &received("GET", None)));
    assert_eq!((body.take_value(), body.value()), (Some(7), None));
    body.put_back(8);
    assert_eq!(body.value(), Some(&8));
    assert!(body.hop().is_some());
}

#[test]
fn panics_in_handlers_are_cancellations() {
    let log = Log::default();
    let propagator = options().recorder(Logging::new("r", &log)).build().unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        start(&propagator, &received("GET", None)).run(|| panic!("on purpose"))
    }));
    assert!(panic.is_err());
    assert_eq!(current_position(), "none");
    let lines = log.take();
    assert_eq!(lines[1..], ["r: enter in none", "r: drop"]);
}

#[test]
fn recorders_can_move_contexts_to_own_spans() {
    let same: SentryTrace = format!("{TRACE_ID}-0000000000000001-0").parse().unwrap();
    let other: SentryTrace = "11111111111111111111111111111111-0000000000000001-0".parse().unwrap();
    for (to, reason) in [(same, None), (other, Some(&NotContinued::OtherTransaction))] {
        let log = Log::default();
        let mover = Logging { moves_to: Some(to), ..Logging::new("mover", &log) };
        let propagator = Propagator::builder()
            .recorder(mover)
            .recorder(Logging::new("next", &log))
            .build()
            .unwrap();
        let moved = format!("{}-{}", to.trace_id, to.span_id);
        with_log(&log, || {
            let headers = incoming("", "sentry-sample_rand=0.5");
            let hop =
                ServerHop::start(&propagator, None, &headers, &received("GET", Some("/users")));
            let lines = log.take();
            let before = lines[0].strip_prefix("mover: start GET at ").unwrap();
            assert!(before.starts_with(TRACE_ID) && before != moved, "{before}");
            assert_eq!(lines[1], format!("next: start GET at {moved}"));
            #[cfg(feature = "tracing")]
            assert_eq!(
                lines[2],
                format!(
                    "span: http.server trace_id={} span_id={} method=\"GET\" route=\"/users\"",
                    to.trace_id, to.span_id
                )
            );

            let context = hop.context();
            assert_eq!(position(Some(context)), moved);
            assert_eq!(context.not_continued(), reason);
            assert_eq!(context.sampled(), Some(false));
            assert_eq!(context.trace_data().sentry_trace(), to.to_string());
            assert_eq!(hop.run(current_position), moved);
            log.take();

            // A job on another thread enters the environment that the context carries.
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    context.in_scope(|| assert_eq!(current_position(), moved));
                    context.child().in_scope(|| assert_ne!(current_position(), moved));
                    context.clone().without_scope().in_scope(|| ());
                });
            });
            assert_eq!(log.take(), ["mover: scope in none"; 2]);
        });
    }
}

#[test]
fn traces_are_recorded_once_for_each_request() {
    let log = Log::default();
    let propagator = options().recorder(Logging::new("r", &log)).build().unwrap();
    let request = received("GET", None);
    let outer = start(&propagator, &request);
    assert_eq!(log.take().len(), 1);
    // The same middleware further in finds the context with the request.
    let known = Some(outer.context().clone());
    let inner = ServerHop::start(&propagator, known.clone(), &incoming("-1", ""), &request);
    assert_eq!(inner.context().span_id(), outer.context().span_id());
    let found = continue_request(&propagator, known.clone(), &incoming("-1", ""), &request);
    assert_eq!(found.span_id(), outer.context().span_id());
    inner.finish();
    drop(inner);
    assert_eq!(log.take(), Vec::<String>::new());

    // The middleware of another propagator has a trace of its own.
    let other = options().recorder(Logging::new("other", &log)).build().unwrap();
    let hop = ServerHop::start(&other, known, &incoming("-1", ""), &request);
    assert_eq!(hop.context().parent_span_id().unwrap().to_string(), SPAN_ID);
    let started = format!("other: start GET at {}", position(Some(hop.context())));
    assert_eq!(log.take(), [started]);
}

/// Records no request, and counts the requests that it was asked to record.
struct Refusing(Arc<AtomicUsize>);

impl Recorder for Refusing {
    fn start_incoming(
        &self,
        _: &PropagationContext,
        _: &dyn IncomingRequest,
    ) -> Option<Box<dyn Recording>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[test]
fn recorders_that_refuse_are_asked_once() {
    let asked = Arc::<AtomicUsize>::default();
    let propagator = Propagator::builder().recorder(Refusing(Arc::clone(&asked))).build().unwrap();
    let request = received("GET", None);
    let outer = start(&propagator, &request);
    let known = Some(outer.context().clone());
    let _inner = ServerHop::start(&propagator, known, &incoming("-1", ""), &request);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn routes_reach_recordings_while_the_request_lives() {
    let log = Log::default();
    let propagator = options().recorder(Logging::new("r", &log)).build().unwrap();
    let request = received("EVIL", Some("/users/{id}"));
    let mut hop = start(&propagator, &request);
    let context = hop.context().clone();
    log.take();
    name_by_route(&context, &received("EVIL", Some("/users/{name}")));
    name_by_route(&context.child(), &received("EVIL", None));
    hop.respond(404, &NoHeaders, Some(&request), false);
    let lines = ["r: route EVIL /users/{name}", "r: route EVIL /users/{id}", "r: status 404"];
    assert_eq!(log.take(), lines);
    // Unknown methods are arbitrary client input, and name nothing.
    assert_eq!(context.transaction(), None);
    drop(hop);
    log.take();
    name_by_route(&context, &request);
    assert_eq!(log.take(), Vec::<String>::new());
}

#[cfg(feature = "tracing")]
#[test]
fn log_spans_are_opened_inside_of_all_recorders() {
    struct Around(&'static str, Log);

    impl Recorder for Around {
        fn around_log_span(&self, open: &mut dyn FnMut()) {
            self.1.add(self.0);
            open();
            self.1.add(self.0);
        }
    }

    let log = Log::default();
    let [outer, inner] = ["outer", "inner"].map(|name| Around(name, log.clone()));
    let propagator = options().recorder(outer).recorder(inner).build().unwrap();
    with_log(&log, || drop(start(&propagator, &received("GET", None))));
    let lines = log.take();
    let [outer, inner, span, inner_end, outer_end, "span: drop"] =
        &*lines.iter().map(String::as_str).collect::<Vec<_>>()
    else {
        panic!("{lines:?}")
    };
    assert_eq!([*outer, inner, inner_end, outer_end], ["outer", "inner", "inner", "outer"]);
    assert!(span.starts_with("span: http.server"), "{span}");
}

#[test]
fn any_recorder_can_ask_for_the_position() {
    for (first, second) in [(false, false), (true, false), (false, true)] {
        let log = Log::default();
        let recorder = |needs_position| Logging { needs_position, ..Logging::new("r", &log) };
        let options = options().org_id(7).recorder(recorder(first)).recorder(recorder(second));
        let mut headers = incoming("-1", "a=1,sentry-org_id=7");
        let request = received("GET", None);
        let hop = ServerHop::start(&options.build().unwrap(), None, &headers, &request);
        assert_eq!(hop.needs_position_in_request(), first || second);
        hop.inject_position(&mut headers);
        let ours = hop.context().trace_data().sentry_trace().to_owned();
        assert_eq!(value(&headers, "sentry-trace"), Some(&*ours));
        assert_eq!(value(&headers, "baggage"), Some("a=1,sentry-org_id=7"));
    }
    let without = Propagator::builder().build().unwrap();
    assert!(!start(&without, &received("GET", None)).needs_position_in_request());
}

#[test]
fn inner_propagators_continue_from_the_received_headers() {
    let log = Log::default();
    let recorder = Logging { needs_position: true, ..Logging::new("r", &log) };
    let propagator = || options().recorder(recorder.clone()).build().unwrap();
    let mut headers = incoming("-1", "sentry-release=a");
    let mut known = None;
    let mut hops = Vec::new();
    for depth in 0..3 {
        let hop = ServerHop::start(&propagator(), known, &headers, &received("GET", None));
        assert_eq!(hop.context().parent_span_id().unwrap().to_string(), SPAN_ID, "{depth}");
        hop.inject_position(&mut headers);
        known = Some(hop.context().clone());
        hops.push(hop);
    }
}

#[test]
fn recorders_are_asked_once_for_each_worker() {
    #[derive(Default)]
    struct Workers(Log);

    impl Recorder for Workers {
        fn for_worker(&self) -> Option<Arc<dyn Recorder>> {
            Some(Arc::new(Logging::new("worker", &self.0)))
        }
    }

    let log = Log::default();
    let propagator = options()
        .recorder(Logging::new("shared", &log))
        .recorder(Workers(log.clone()))
        .build()
        .unwrap();
    start(&propagator, &received("GET", None)).finish();
    assert!(log.take().iter().all(|line| line.starts_with("shared: ")));
    let of_worker = ServerHop::propagator_for_worker(&propagator);
    assert_eq!(log.take(), ["shared: worker"]);
    let hop = start(&of_worker, &received("GET", None));
    let at = position(Some(hop.context()));
    let started = ["shared", "worker"].map(|name| format!("{name}: start GET at {at}"));
    assert_eq!(log.take(), started);
    assert!(propagator.is_propagator_of(hop.context()));
}

#[test]
fn handlers_run_once_whatever_a_recorder_does() {
    struct Calls(usize);

    impl Recorder for Calls {
        fn start_incoming(
            &self,
            _: &PropagationContext,
            _: &dyn IncomingRequest,
        ) -> Option<Box<dyn Recording>> {
            Some(Box::new(Self(self.0)))
        }
    }

    impl Recording for Calls {
        fn enter(&self, work: &mut dyn FnMut()) {
            (0..self.0).for_each(|_| work());
        }

        fn finish(&self, _: &Outcome<'_>) {}
    }

    impl RecorderScope for Calls {
        fn enter(&self, work: &mut dyn FnMut()) {
            Recording::enter(self, work);
        }
    }

    for calls in 0..3 {
        let propagator = options().recorder(Calls(calls)).recorder(Calls(calls)).build().unwrap();
        let hop = start(&propagator, &received("GET", None));
        let mut called = 0;
        hop.run(|| called += 1);
        hop.context().clone().with_scope(Arc::new(Calls(calls))).in_scope(|| called += 1);
        assert_eq!(called, 2, "{calls} calls");
    }
}
