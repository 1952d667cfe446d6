use std::net::IpAddr;

use tracehop::hop::{ServerHop, continue_request};
use tracehop::recorder::IncomingRequest;
use tracehop::{
    DscNotUsed, IncomingTrace, Network, NotContinued, Propagator, PropagatorBuilder, Trust,
};

use crate::{SPAN_ID, TRACE_ID, incoming, outgoing, received, value};

const BAGGAGE: &str = "sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-sample_rand=0.000001,\
    sentry-sample_rate=1,sentry-sampled=true,sentry-release=theirs,sentry-org_id=1";

fn trusting(trust: Trust) -> PropagatorBuilder {
    Propagator::builder().trust_incoming(move |_| trust).release("ours")
}

#[test]
fn trusted_traces_are_continued() {
    let context =
        trusting(Trust::Continue).build().unwrap().continue_trace(&incoming("-1", BAGGAGE));
    assert_eq!(value(&outgoing(&context), "baggage"), Some(BAGGAGE));
    assert_eq!((context.sampled(), context.dsc_not_used()), (Some(true), None));
}

#[test]
fn own_decisions_keep_only_the_ids() {
    let propagator = trusting(Trust::DecideHere).traces_sample_rate(0.0).org_id(1).build().unwrap();
    let context = propagator.continue_trace(&incoming("-1", BAGGAGE));
    context.set_transaction("GET /users/{id}");
    assert_eq!(context.trace_id().to_string(), TRACE_ID);
    assert_eq!(context.parent_span_id().unwrap().to_string(), SPAN_ID);
    assert_eq!((context.is_continued(), context.not_continued()), (true, None));
    assert_eq!(context.dsc_not_used(), Some(&DscNotUsed::NotTrusted));
    assert_eq!((context.parent_sampled(), context.sampled()), (None, Some(false)));
    let sent = outgoing(&context);
    let sent = value(&sent, "baggage").unwrap();
    assert_eq!(
        sent,
        format!(
            "sentry-trace_id={TRACE_ID},sentry-sample_rand={},sentry-sample_rate=0,sentry-sampled=false,\
             sentry-org_id=1,sentry-release=ours,sentry-environment=production,\
             sentry-transaction=GET%20%2Fusers%2F%7Bid%7D",
            context.sample_rand(),
        )
    );
}

#[test]
fn callers_cannot_choose_the_random_number() {
    let propagator = trusting(Trust::DecideHere).traces_sample_rate(0.5).build().unwrap();
    let sampled = (0..1_000)
        .filter(|_| propagator.continue_trace(&incoming("-1", BAGGAGE)).sampled() == Some(true))
        .count();
    // Five standard deviations of a binomial distribution around 500 are 79.
    assert!((420..=580).contains(&sampled), "{sampled}");
}

#[test]
fn samplers_do_not_see_untrusted_decisions() {
    let sampler = |trace: &tracehop::SamplingContext<'_>| {
        assert_eq!((trace.parent_sampled(), trace.parent_sample_rate()), (None, None));
        trace.inherit_or_sample_with(0.0)
    };
    let propagator = trusting(Trust::DecideHere).traces_sampler(sampler).build().unwrap();
    assert_eq!(propagator.continue_trace(&incoming("-1", BAGGAGE)).sampled(), Some(false));
}

#[test]
fn services_without_a_rate_defer_untrusted_decisions() {
    let propagator = trusting(Trust::DecideHere).build().unwrap();
    let context = propagator.continue_trace(&incoming("-1", BAGGAGE));
    assert_eq!((context.sampled(), context.dsc().sampled()), (None, None));
    assert_ne!(context.dsc().sample_rand().unwrap().to_string(), "0.000001");
}

#[test]
fn new_traces_use_nothing_of_the_caller() {
    let propagator = trusting(Trust::NewTrace).traces_sample_rate(1.0).build().unwrap();
    let context = propagator.continue_trace(&incoming("-0", BAGGAGE));
    assert_eq!(context.not_continued(), Some(&NotContinued::NotTrusted));
    assert_eq!((context.parent_span_id(), context.sampled()), (None, Some(true)));
    let sent = outgoing(&context);
    assert!(sent.iter().all(|(_, value)| !value.contains(TRACE_ID) && !value.contains("theirs")));
}

#[test]
fn policies_that_panic_start_a_new_trace() {
    let policy = |_: &IncomingTrace<'_>| panic!("on purpose");
    let propagator = Propagator::builder().trust_incoming(policy).build().unwrap();
    let context = propagator.continue_trace(&incoming("-1", BAGGAGE));
    assert_eq!(context.not_continued(), Some(&NotContinued::NotTrusted));
}

/// A request: the address of its peer, and its route.
struct Caller(Option<&'static str>, &'static str);

impl IncomingRequest for Caller {
    fn method(&self) -> &str {
        "GET"
    }

    fn route(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(self.1.into())
    }

    fn url(&self) -> String {
        "https://shop.example.com/".to_owned()
    }

    fn peer(&self) -> Option<IpAddr> {
        self.0.map(|peer| peer.parse().unwrap())
    }
}

#[test]
fn policies_see_peer_route_and_values() {
    let own: Network = "10.0.0.0/8".parse().unwrap();
    let policy = move |trace: &IncomingTrace<'_>| match (trace.peer(), trace.route().as_deref()) {
        (Some(peer), _) if own.contains(peer) => Trust::Continue,
        (_, Some("/public")) => Trust::NewTrace,
        _ if trace.dsc().release().as_deref() == Some("theirs") => Trust::DecideHere,
        _ if trace.sentry_trace().sampled == Some(false) => Trust::Continue,
        _ => Trust::NewTrace,
    };
    let propagator = Propagator::builder().trust_incoming(policy).build().unwrap();
    for (request, baggage, decision, expected) in [
        (Caller(Some("10.1.2.3"), "/public"), BAGGAGE, "-1", Trust::Continue),
        (Caller(Some("192.0.2.1"), "/public"), BAGGAGE, "-1", Trust::NewTrace),
        (Caller(None, "/"), BAGGAGE, "-1", Trust::DecideHere),
        (Caller(None, "/"), "", "-0", Trust::Continue),
        (Caller(None, "/"), "", "-1", Trust::NewTrace),
    ] {
        let headers = incoming(decision, baggage);
        let hop = ServerHop::start(&propagator, None, &headers, &request);
        for context in [hop.context(), &continue_request(&propagator, None, &headers, &request)] {
            let trust = match (context.not_continued(), context.dsc_not_used()) {
                (Some(_), _) => Trust::NewTrace,
                (None, Some(_)) => Trust::DecideHere,
                (None, None) => Trust::Continue,
            };
            assert_eq!(trust, expected, "{:?} {decision}", request.0);
        }
    }
}

#[test]
fn policies_see_only_traces_that_would_continue() {
    let policy = |_: &IncomingTrace<'_>| unreachable!();
    let propagator = Propagator::builder().trust_incoming(policy).org_id(2).build().unwrap();
    let request = received("GET", None);
    for (headers, reason) in [
        (vec![], NotContinued::NoTrace),
        (
            incoming("-1", BAGGAGE),
            NotContinued::OtherOrganisation { theirs: "1".into(), ours: "2".into() },
        ),
    ] {
        let context = continue_request(&propagator, None, &headers, &request);
        assert_eq!(context.not_continued(), Some(&reason));
    }
}
