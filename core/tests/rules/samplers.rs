use tracehop::{Propagator, SamplingContext};

use crate::{incoming, outgoing, value};

/// Returns the decisions of a service with this sampler, and the rates that it sends. The parent sampled the traces at
/// 0.5; the random number of each differs.
fn decisions(sampler: fn(&SamplingContext<'_>) -> f64) -> Vec<(Option<bool>, String)> {
    let propagator = Propagator::builder().traces_sampler(sampler).build().unwrap();
    let numbers = ["0.01", "0.09", "0.11", "0.49", "0.7"];
    let traces = numbers.map(|rand| {
        let baggage = format!("sentry-sample_rand={rand},sentry-sample_rate=0.5");
        propagator.continue_trace(&incoming("-1", &baggage))
    });
    let rate = |sent: &str| sent.rsplit_once('=').unwrap().1.to_owned();
    traces
        .iter()
        .map(|trace| (trace.sampled(), rate(value(&outgoing(trace), "baggage").unwrap())))
        .collect()
}

#[test]
fn inherited_decisions_stand_and_keep_the_rate() {
    let yes = |rate: &str| (Some(true), rate.to_owned());
    assert_eq!(
        decisions(|trace| trace.inherit_decision_or_sample_with(0.0)),
        [yes("0.5"), yes("0.5"), yes("0.5"), yes("0.5"), yes("1")]
    );
}

#[test]
fn sample_rand_decides_which_share_is_kept() {
    let kept: Vec<_> =
        decisions(|trace| trace.keep_or_sample_with(0.2, 0.0)).into_iter().map(|it| it.0).collect();
    assert_eq!(kept, [true, true, false, false, false].map(Some));
    let propagator = Propagator::builder()
        .traces_sampler(|trace| trace.keep_or_sample_with(0.2, 0.0))
        .build()
        .unwrap();
    // Without an incoming `sample_rand`, this service draws one that agrees with the parent's rate and decision.
    let traces = (0..2_000).map(|n| {
        let trace = format!("{:032x}-b72fa28504b07285-1", n + 1);
        propagator
            .continue_trace(&[("sentry-trace", &*trace), ("baggage", "sentry-sample_rate=0.5")])
    });
    let kept = traces.filter(|trace| trace.sampled() == Some(true)).count();
    // Five standard deviations of a binomial distribution around 400 are 90.
    assert!((310..=490).contains(&kept), "{kept}");
}
