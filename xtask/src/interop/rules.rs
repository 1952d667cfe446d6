//! Whether to continue, and what to decide: the rules that all services must apply alike.

use anyhow::{Context, Result, ensure};

use super::facts::Facts;
use super::lab::Lab;
use super::matrix::Cell;
use super::peer::{Options, Peer};
use super::reply::{Dsc, Reply};
use super::services::replies;

const OURS: Peer = Peer::Ours;

/// Which organisations continue each other's traces: the table that the library's own tests use.
const CONTINUATION: &str = include_str!("../../../core/tests/data/continuation.csv");

const NO_SUCH_RULE: &str = "has no such rule";

const IN_A_PAGE: &str = "takes the page's trace and decision";

/// Every row of the table, in both directions.
pub(super) fn organisations(lab: &mut Lab, peer: Peer) -> Result<Cell> {
    each_case(peer, |facts| {
        for row in CONTINUATION.lines().skip(1) {
            let [sent, own, strict, result] = *row.split(',').collect::<Vec<_>>() else {
                anyhow::bail!("malformed row of the table: {row}");
            };
            let caller = Options { org_id: organisation(sent)?, ..Options::rate(1.0) };
            let callee = Options {
                org_id: organisation(own)?,
                strict_trace_continuation: strict.parse()?,
                ..Options::rate(1.0)
            };
            for (first, second) in directions(peer) {
                facts.case(&format!("{row}, from {first:?} to {second:?}"), |facts| {
                    let chain = [(first, &caller), (second, &callee), (OURS, &callee)];
                    let [head, called, tail] = replies(lab, &chain)?;
                    let same = called.trace_id == head.trace_id;
                    facts.equal("continued", same, result == "continue");
                    facts.equal(
                        "the organisation sent",
                        called.dsc().get("org_id").map_or("", |it| it),
                        sent,
                    );
                    if !same {
                        facts.equal("a parent", called.parent_span_id.as_deref(), None);
                        if second == Peer::Rust {
                            return Ok(());
                        }
                        let started = tail.dsc();
                        facts.equal(
                            "the DSC sent on",
                            started.get("trace_id"),
                            called.trace_id.as_ref(),
                        );
                        facts.equal(
                            "its organisation",
                            started.get("org_id").map_or("", |it| it),
                            own,
                        );
                    }
                    Ok(())
                });
            }
        }
        Ok(())
    })
}

fn organisation(number: &str) -> Result<Option<u64>> {
    Ok((!number.is_empty()).then(|| number.parse()).transpose()?)
}

/// A deferred decision.
pub(super) fn deferred(lab: &mut Lab, peer: Peer) -> Result<Cell> {
    let (none, all) = (Options::default(), Options::rate(1.0));
    let cell = each_case(peer, |facts| {
        for (first, second) in directions(peer) {
            let names = format!("{first:?} defers, {second:?}");
            facts.case(&format!("{names} decides"), |facts| {
                let [head, called, tail] =
                    replies(lab, &[(first, &none), (second, &all), (OURS, &none)])?;
                is_one_trace(facts, &head, &called, &tail)?;
                facts.equal("the decision sent", called.sentry_trace()?.sampled, None);
                facts.equal("sampled in the DSC", called.dsc().get("sampled"), None);
                facts.equal("the decision sent on", tail.sentry_trace()?.sampled, Some(true));
                let own_rate = (second != Peer::PythonStreamed).then_some("1");
                sends_on(facts, second, &called, &tail, own_rate);
                Ok(())
            });
            facts.case(&format!("{names} as well"), |facts| {
                let [head, called, tail] =
                    replies(lab, &[(first, &none), (second, &none), (OURS, &none)])?;
                is_one_trace(facts, &head, &called, &tail)?;
                facts.equal("the decision sent", called.sentry_trace()?.sampled, None);
                facts.equal("the decision sent on", tail.sentry_trace()?.sampled, None);
                sends_on(facts, second, &called, &tail, None);
                Ok(())
            });
        }
        Ok(())
    })?;
    Ok(match peer {
        Peer::PythonStreamed => cell.with_note("adds no rate to a DSC with a deferred decision"),
        _ => cell,
    })
}

/// A sampler that decides against the caller, and one that follows the caller.
pub(super) fn sampler(lab: &mut Lab, peer: Peer) -> Result<Cell> {
    let all = Options::rate(1.0);
    each_case(peer, |facts| {
        for (first, second) in directions(peer) {
            facts.case(&format!("{first:?} says yes, {second:?}'s sampler no"), |facts| {
                let never = Options::sampler(0.0);
                let [head, called, tail] =
                    replies(lab, &[(first, &all), (second, &never), (OURS, &all)])?;
                is_one_trace(facts, &head, &called, &tail)?;
                facts.equal("the decision sent", called.sentry_trace()?.sampled, Some(true));
                facts.equal("the decision sent on", tail.sentry_trace()?.sampled, Some(false));
                facts.equal("what the next does", tail.sampled, Some(false));
                sends_on(facts, second, &called, &tail, Some("0"));
                Ok(())
            });
            facts.case(&format!("{second:?}'s sampler follows {first:?}'s"), |facts| {
                let half = Options::sampler(0.5);
                let follows = Options { sampler_inherits_or: Some(0.0), ..Options::default() };
                let [head, called, tail] =
                    replies(lab, &[(first, &half), (second, &follows), (OURS, &all)])?;
                is_one_trace(facts, &head, &called, &tail)?;
                let sampled = called.sentry_trace()?.sampled;
                facts.equal("the decision sent", sampled, Some(is_sampled(&called.dsc())?));
                facts.equal("the decision sent on", tail.sentry_trace()?.sampled, sampled);
                Ok(())
            });
        }
        Ok(())
    })
}

/// A caller that sends `sentry-trace` alone, as SDKs without a dynamic sampling context do. The SDK for Rust is one.
pub(super) fn no_dsc(lab: &mut Lab, peer: Peer) -> Result<Cell> {
    let all = Options::rate(1.0);
    let cell = each_case(peer, |facts| {
        for (second, third) in [(OURS, peer), (peer, OURS)] {
            facts.case(&format!("{second:?}, then {third:?}"), |facts| {
                let chain = [(Peer::Rust, &all), (second, &all), (third, &all), (OURS, &all)];
                let [head, called, next, tail] = replies(lab, &chain)?;
                is_one_trace(facts, &head, &called, &next)?;
                is_one_trace(facts, &called, &next, &tail)?;
                facts.equal("baggage of the old SDK", called.baggage(), "");
                adds(facts, second, &called, &next);
                adds(facts, third, &next, &tail);
                facts.equal("the decision", tail.sampled, Some(true));
                Ok(())
            });
        }
        Ok(())
    })?;
    Ok(match peer {
        Peer::Node => cell.with_note("sends a DSC with `sample_rand` alone if it receives none"),
        Peer::Python | Peer::PythonStreamed => {
            cell.with_note("makes a DSC of its own if it receives none")
        }
        _ => cell,
    })
}

/// Returns the callers and callees to check. The SDK for Rust is only a callee, because it sends no DSC.
fn directions(peer: Peer) -> Vec<(Peer, Peer)> {
    let called = (peer != Peer::Rust).then_some((peer, OURS));
    [(OURS, peer)].into_iter().chain(called).collect()
}

fn each_case(peer: Peer, check: impl FnOnce(&mut Facts) -> Result<()>) -> Result<Cell> {
    match peer {
        Peer::Node | Peer::Python | Peer::PythonStreamed | Peer::Rust => {}
        Peer::OpenTelemetry => return Ok(Cell::cannot(Facts::default(), NO_SUCH_RULE)),
        _ => return Ok(Cell::cannot(Facts::default(), IN_A_PAGE)),
    }
    let mut facts = Facts::default();
    check(&mut facts)?;
    let cell = Cell::can(facts);
    Ok(if peer == Peer::Rust { cell.with_note("as a callee only") } else { cell })
}

fn is_one_trace(facts: &mut Facts, head: &Reply, called: &Reply, tail: &Reply) -> Result<()> {
    let sent = called.sentry_trace()?;
    facts.equal("the trace that is called", called.trace_id.as_ref(), Some(&sent.trace_id));
    facts.equal("its parent", called.parent_span_id.as_ref(), Some(&sent.span_id));
    facts.equal("the trace of the head", head.trace_id.as_ref(), Some(&sent.trace_id));
    facts.equal("the trace sent on", &tail.sentry_trace()?.trace_id, &sent.trace_id);
    Ok(())
}

/// Checks what a service makes of a missing DSC. Ours sends none, as the rule says; each SDK has its own way.
fn adds(facts: &mut Facts, who: Peer, called: &Reply, tail: &Reply) {
    let received = called.dsc();
    let names = |dsc: Dsc| dsc.into_keys().collect::<Vec<_>>().join(" ");
    let expected = match who {
        Peer::Node if received.is_empty() => "sample_rand".to_owned(),
        Peer::Python | Peer::PythonStreamed if received.is_empty() => {
            "environment public_key release sample_rand sample_rate sampled trace_id transaction"
                .to_owned()
        }
        OURS if received.is_empty() => String::new(),
        _ => return sends_on(facts, who, called, tail, None),
    };
    facts.equal("the names in the DSC sent on", names(tail.dsc()), expected);
}

/// Checks that `tail` receives the DSC that `called` received. The rate differs if `called` decided by its own rate,
/// and ours adds a missing random number.
fn sends_on(facts: &mut Facts, who: Peer, called: &Reply, tail: &Reply, own_rate: Option<&str>) {
    let mut expected = called.dsc();
    let mut sent = tail.dsc();
    if who == Peer::Rust {
        facts.equal("the DSC sent on", sent, Dsc::new());
        return;
    }
    if let Some(rate) = own_rate {
        expected.insert("sample_rate".to_owned(), rate.to_owned());
    }
    if who == OURS && !expected.contains_key("sample_rand") {
        facts.equal("a random number is added", sent.remove("sample_rand").is_some(), true);
    }
    facts.equal("the DSC sent on", sent, expected);
}

/// Returns the decision that follows from `sample_rand` and `sample_rate`.
fn is_sampled(dsc: &Dsc) -> Result<bool> {
    let number = |name: &str| -> Result<f64> {
        let text = dsc.get(name).with_context(|| format!("the DSC has no {name}"))?;
        Ok(text.parse()?)
    };
    let (rand, rate) = (number("sample_rand")?, number("sample_rate")?);
    ensure!((0.0..1.0).contains(&rand), "sample_rand is {rand}");
    Ok(rand < rate)
}
