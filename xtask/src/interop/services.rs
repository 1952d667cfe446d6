//! Services with a peer, called by ours, calling ours, and between ours.

use anyhow::{Context, Result};

use super::facts::Facts;
use super::lab::Lab;
use super::matrix::Cell;
use super::pages;
use super::peer::{Options, Peer};
use super::reply::{Dsc, Reply};

const NO_BAGGAGE: &str = "sends no baggage, and drops what it receives";
const NO_SERVICE: &str = "runs in a page: see `tags` and `Server-Timing`";
pub(super) const BY_TRACEPARENT: &str = "by `traceparent`";

/// The peer is the head of the trace, and ours continues it.
pub(super) fn upstream(lab: &mut Lab, peer: Peer) -> Result<Cell> {
    if peer == Peer::Browser {
        return pages::calls(lab);
    }
    each_decision(peer, |facts, sampled| {
        let options = options(peer, sampled);
        let chain = [(peer, &options), (Peer::Ours, &options), (Peer::Ours, &options)];
        let [head, ours, next] = replies(lab, &chain)?;
        is_continued(facts, lab, peer, &head, &ours, sampled)?;
        facts.equal("ours inherits the decision", ours.sampled, Some(sampled));
        sends_on(facts, peer, &head, &ours, &next)
    })
}

/// Ours is the head of the trace, and the peer continues it.
pub(super) fn downstream(lab: &mut Lab, peer: Peer) -> Result<Cell> {
    each_decision(peer, |facts, sampled| {
        let options = options(peer, sampled);
        let chain = [(Peer::Ours, &options), (peer, &options), (Peer::Ours, &options)];
        let [head, theirs, next] = replies(lab, &chain)?;
        is_continued(facts, lab, Peer::Ours, &head, &theirs, sampled)?;
        facts.equal(
            "the DSC is of this trace",
            theirs.dsc().get("trace_id"),
            head.trace_id.as_ref(),
        );
        sends_on(facts, peer, &head, &theirs, &next)
    })
}

/// Ours, the peer, ours: one tree with one DSC.
pub(super) fn middle(lab: &mut Lab, peer: Peer) -> Result<Cell> {
    each_decision(peer, |facts, sampled| {
        let options = options(peer, sampled);
        let chain = [(Peer::Ours, &options), (peer, &options), (Peer::Ours, &options)];
        let [head, theirs, tail] = replies(lab, &chain)?;
        is_continued(facts, lab, Peer::Ours, &head, &theirs, sampled)?;
        is_continued(facts, lab, peer, &theirs, &tail, sampled)?;
        facts.equal("head and tail are of one trace", &tail.trace_id, &head.trace_id);
        facts.equal("the decision arrives", tail.sampled, Some(sampled));
        if peer != Peer::Rust {
            facts.equal("the DSC of the tail", tail.own_dsc(), tail.dsc());
        }
        sends_on(facts, peer, &head, &theirs, &tail)
    })
}

/// Runs a check for a trace that is sampled, and for one that is not.
fn each_decision(
    peer: Peer,
    mut check: impl FnMut(&mut Facts, bool) -> Result<()>,
) -> Result<Cell> {
    if peer.service().is_none() {
        return Ok(Cell::cannot(Facts::default(), NO_SERVICE));
    }
    let mut facts = Facts::default();
    facts.case("sampled", |facts| check(facts, true));
    if peer != Peer::OpenTelemetry {
        facts.case("not sampled", |facts| check(facts, false));
    }
    Ok(match peer {
        Peer::Rust => Cell::can(facts).with_note(NO_BAGGAGE),
        Peer::OpenTelemetry => Cell::can(facts).with_note(BY_TRACEPARENT),
        _ => Cell::can(facts),
    })
}

pub(super) fn options(peer: Peer, sampled: bool) -> Options {
    let options = Options::rate(if sampled { 1.0 } else { 0.0 });
    if peer == Peer::OpenTelemetry { options.with_traceparent() } else { options }
}

pub(super) fn replies<const N: usize>(
    lab: &mut Lab,
    chain: &[(Peer, &Options); N],
) -> Result<[Reply; N]> {
    let replies = lab.chain(&[], chain)?;
    replies.try_into().ok().context("a service did not reply")
}

/// `callee` continues the trace of `caller`, and says so; what `caller` sent agrees with the spans that it sent to
/// the collector.
fn is_continued(
    facts: &mut Facts,
    lab: &Lab,
    caller_is: Peer,
    caller: &Reply,
    callee: &Reply,
    sampled: bool,
) -> Result<()> {
    let (trace_id, span_id) = if caller_is == Peer::OpenTelemetry {
        let (trace_id, span_id, flags) = callee.traceparent()?;
        facts.equal("the decision is sent", flags.as_str(), "01");
        (trace_id, span_id)
    } else {
        let sent = callee.sentry_trace()?;
        facts.equal("the decision is sent", sent.sampled, Some(sampled));
        (sent.trace_id, sent.span_id)
    };
    facts.equal("the caller's trace is sent", Some(&trace_id), caller.trace_id.as_ref());
    facts.equal("the callee's trace is the one sent", callee.trace_id.as_ref(), Some(&trace_id));
    facts.equal(
        "the callee's parent is the one sent",
        callee.parent_span_id.as_ref(),
        Some(&span_id),
    );
    facts.equal("a reason not to continue", callee.not_continued.as_deref(), None);
    match caller_is {
        Peer::Ours | Peer::OpenTelemetry => {
            facts.equal(
                "the span sent is the caller's",
                Some(&span_id),
                caller.client_span_id.as_ref(),
            );
        }
        _ if sampled => {
            let span = lab.span(&trace_id, &span_id)?;
            facts.equal("the span is a client's", span.op.as_deref(), Some("http.client"));
            facts.equal("it is below the caller's", &span.parent_span_id, &caller.span_id);
            let has_dsc = caller_is != Peer::Rust;
            facts.equal("the DSC of its envelope", span.dsc, has_dsc.then(|| callee.dsc()));
        }
        // Spans of a trace that is not sampled are not sent.
        _ => {}
    }
    Ok(())
}

/// Checks that `after` receives from `between` what `between` received from `before`.
fn sends_on(
    facts: &mut Facts,
    peer: Peer,
    before: &Reply,
    between: &Reply,
    after: &Reply,
) -> Result<()> {
    facts.equal("one trace id", &after.trace_id, &before.trace_id);
    let expected = match peer {
        // When an SDK for Rust sends a DSC, the note in the matrix has to change.
        Peer::Rust => Dsc::new(),
        Peer::OpenTelemetry if before.service == "opentelemetry" => Dsc::new(),
        _ => between.dsc(),
    };
    facts.equal("the DSC sent on", after.dsc(), expected);
    if between.service == "ours" {
        facts.equal("the baggage byte for byte", after.baggage(), between.baggage());
    }
    Ok(())
}
