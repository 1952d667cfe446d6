//! Requests that a service makes, recorded by a third party.

use super::*;

#[test]
fn moved_spans_are_the_parents_of_outgoing_requests() {
    let to: SentryTrace = format!("{TRACE_ID}-0000000000000001-1").parse().unwrap();
    let log = Log::default();
    let recorder = Logging { moves_to: Some(to), ..Logging::new("r", &log) };
    let propagator = Propagator::builder().recorder(recorder).build().unwrap();
    let context = propagator.continue_trace(&incoming("-1", "sentry-sample_rand=0.5"));
    let choice = Some(TraceChoice::Given(context.clone()));
    let hop = ClientHop::start(&propagator, choice, || panic!("a trace was given"), &Call(URL));
    let mut request = Headers::new();
    hop.inject(&mut request);
    assert_eq!(value(&request, "sentry-trace"), Some(&*to.to_string()));
    assert_eq!(value(&request, "baggage"), Some("sentry-sample_rand=0.5"));
    // The position of the caller is not moved.
    assert_ne!(context.span_id(), to.span_id);
    let started = format!("r: start {URL} at {}", position(Some(&context)));
    assert_eq!(log.take(), [&started, "r: enter in none", "r: leave"]);
}

#[test]
fn outgoing_requests_are_polled_inside_recorders() {
    let log = Log::default();
    let propagator = options().recorder(Logging::new("r", &log)).build().unwrap();
    with_log(&log, || {
        let context = propagator.start_new_trace();
        let at = position(Some(&context));
        context.in_scope(|| {
            let hop =
                ClientHop::start(&propagator, None, || panic!("a trace is current"), &Call(URL));
            log.take();
            let mut polls = 0;
            let request = std::future::poll_fn(|_| {
                log.add("poll");
                polls += 1;
                if polls == 2 { Poll::Ready(polls) } else { Poll::Pending }
            });
            let mut future = pin!(hop.around(request));
            let mut waiting = Context::from_waker(Waker::noop());
            assert!(future.as_mut().poll(&mut waiting).is_pending());
            assert_eq!(future.as_mut().poll(&mut waiting), Poll::Ready(2));
        });
        let inside = format!("r: enter in {at}");
        let span = format!("span: enter in {at}");
        let once = [&*span, &inside, "poll", "r: leave", "span: leave"];
        let lines = log.take();
        let twice = [expected(once), expected(once), expected(["span: drop", "r: drop"])].concat();
        assert_eq!(lines, twice);
    });
}

#[test]
fn requests_without_a_trace_have_no_context() {
    let log = Log::default();
    let propagator = options().recorder(Logging::new("r", &log)).build().unwrap();
    with_log(&log, || {
        let current = propagator.start_new_trace();
        current.in_scope(|| {
            let call = Call("https://user:hush@api.example.com/stock?token=hush");
            let choice = Some(TraceChoice::Without);
            let hop = ClientHop::start(&propagator, choice, || panic!("no trace"), &call);
            let started = format!("r: start {} at none", call.0);
            // The log has no secrets of the URL.
            let span = format!("span: http.client method=\"GET\" url={URL:?}");
            assert_eq!(log.take(), expected([&started, &span]));
            assert!(!hop.propagates_to(URL));
            assert!(hop.carried_trace().is_none());
            let mut request = Headers::new();
            hop.inject(&mut request);
            assert!(request.is_empty());
            hop.finish(200);
        });
    });
}

#[test]
fn own_span_ids_are_below_the_given_span() {
    let log = Log::default();
    let to: SentryTrace = format!("{TRACE_ID}-0000000000000001-1").parse().unwrap();
    let still = || Logging::new("r", &log);
    let moving = || Logging { moves_to: Some(to), ..Logging::new("m", &log) };
    let builder = || options().span_id_per_request(true);
    let table = [
        (builder().build().unwrap(), false),
        (builder().recorder(still()).build().unwrap(), false),
        (builder().recorder(moving()).build().unwrap(), true),
        (builder().recorder(still()).recorder(moving()).build().unwrap(), true),
    ];
    for (propagator, is_recorded) in table {
        let given = propagator.continue_trace(&incoming("-1", ""));
        let at = position(Some(&given));
        let choice = Some(TraceChoice::Given(given.clone()));
        let (sent, lines) = with_log(&log, || {
            let hop = ClientHop::start(&propagator, choice, || unreachable!(), &Call(URL));
            (hop.context().cloned().unwrap(), log.take())
        });
        assert_eq!(sent.trace_id(), given.trace_id());
        if is_recorded {
            assert_eq!(sent.span_id(), to.span_id);
        } else {
            assert_ne!(sent.span_id(), given.span_id());
            assert_eq!(sent.parent_span_id(), Some(given.span_id()));
        }
        // A recorder may start its span below the given one. The log span has the id that is sent.
        let spans = lines.iter().filter(|line| line.contains("http.client"));
        assert!(spans.clone().all(|line| line.contains(&format!("span_id={}", sent.span_id()))));
        assert_eq!(spans.count(), usize::from(cfg!(feature = "tracing")));
        let mut starts = lines.iter().filter(|line| line.contains(": start"));
        assert!(starts.all(|line| line.ends_with(&at)), "{lines:?}");
    }
}

#[test]
fn current_contexts_of_recorders_are_used() {
    struct Bound(PropagationContext);

    impl Recorder for Bound {
        fn current_context(&self) -> Option<PropagationContext> {
            Some(self.0.clone())
        }
    }

    let bound = options().build().unwrap().start_new_trace();
    let propagator = options().recorder(Bound(bound.clone())).build().unwrap();
    let start = || {
        let hop = ClientHop::start(&propagator, None, || panic!("a trace is current"), &Call(URL));
        position(hop.context())
    };
    assert_eq!(start(), position(Some(&bound)));
    // The context of the task has priority.
    let current = propagator.start_new_trace();
    assert_eq!(current.in_scope(start), position(Some(&current)));
}
