//! The envelopes of services with this library and Sentry's SDK, in traces that peers start.

use anyhow::{Context, Result};

use super::facts::Facts;
use super::lab::Lab;
use super::matrix::Cell;
use super::pages;
use super::peer::{Options, Peer};
use super::reply::Reply;
use super::services::{BY_TRACEPARENT, options};
use crate::headers;

/// The peer starts a trace, and calls ours, which calls another of ours.
pub(super) fn check(lab: &mut Lab, peer: Peer) -> Result<Cell> {
    let mut facts = Facts::default();
    match peer {
        Peer::Script => return Ok(Cell::cannot(facts, "records nothing")),
        Peer::Browser => facts.case("a page", |facts| {
            let service = lab.service(Peer::OursWithSdk, &Options::rate(1.0))?;
            let replies = pages::call(lab, facts, &[service.clone(), service])?;
            sends(facts, lab, &replies, true)
        }),
        _ => {
            for sampled in [true, false] {
                // The service with OpenTelemetry samples every trace that it starts.
                if sampled || peer != Peer::OpenTelemetry {
                    let case = if sampled { "sampled" } else { "not sampled" };
                    facts.case(case, |facts| {
                        let theirs = options(peer, sampled);
                        // The head's decision counts, not this rate.
                        let ours = options(peer, true);
                        let service = (Peer::OursWithSdk, &ours);
                        let replies = lab.chain(&[], &[(peer, &theirs), service, service])?;
                        if !sampled {
                            wait_for_all_that_was_sent(lab, service)?;
                        }
                        sends(facts, lab, &replies[1..], sampled)
                    });
                }
            }
        }
    }
    let cell = Cell::can(facts);
    Ok(if peer == Peer::OpenTelemetry { cell.with_note(BY_TRACEPARENT) } else { cell })
}

/// Waits for the span of one more request, which is sampled. A service sends in the order in which it finishes: when
/// that span has arrived, everything earlier has.
fn wait_for_all_that_was_sent(lab: &mut Lab, service: (Peer, &Options)) -> Result<()> {
    let replies = lab.chain(&[], &[service])?;
    let [reply] = &*replies else { anyhow::bail!("{} services replied", replies.len()) };
    let trace_id = reply.trace_id.as_deref().context("ours is in no trace")?;
    let span_id = reply.span_id.as_deref().context("ours has no span")?;
    lab.span(trace_id, span_id).map(drop)
}

/// Checks that two services of ours send their spans and errors at the right place in the trace. Their envelopes have
/// the dynamic sampling context that arrived.
fn sends(facts: &mut Facts, lab: &Lab, replies: &[Reply], sampled: bool) -> Result<()> {
    let [first, second] = replies else { anyhow::bail!("{} services replied", replies.len()) };
    let trace_id = first.trace_id.as_deref().context("ours is in no trace")?;
    for reply in [first, second] {
        facts.equal("the trace", reply.trace_id.as_deref(), Some(trace_id));
        // Byte for byte, as it arrived.
        let on_the_wire = Some(headers::dsc(reply.baggage())).filter(|dsc| !dsc.is_empty());
        let span_id = reply.span_id.as_deref().context("ours has no span")?;
        let error = lab.event(trace_id, span_id)?;
        facts.equal("the DSC of the error", &error.dsc, &on_the_wire);
        if sampled {
            let request = lab.span(trace_id, span_id)?;
            facts.equal(
                "the parent of the request",
                &request.parent_span_id,
                &reply.parent_span_id,
            );
            facts.equal("what the request is", request.op.as_deref(), Some("http.server"));
            let sent = lab.collector().trace(trace_id)?;
            let raw = sent.spans.into_iter().find(|span| span.span_id == span_id);
            facts.equal("the DSC of the request", raw.and_then(|raw| raw.dsc), on_the_wire);
        }
    }
    let sent = second.sentry_trace()?;
    facts.equal("the decision sent", sent.sampled, Some(sampled));
    if sampled {
        let call = lab.span(trace_id, &sent.span_id)?;
        facts.equal("what the call is", call.op.as_deref(), Some("http.client"));
        facts.equal("the call is below the request", &call.parent_span_id, &first.span_id);
    } else {
        let spans = lab.collector().trace(trace_id)?.spans;
        let ours = spans.into_iter().filter(|span| span.service == "ours").count();
        facts.equal("spans of a trace that is not sampled", ours, 0);
    }
    Ok(())
}
