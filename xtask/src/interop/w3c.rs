//! `traceparent` and `tracestate`: traces that go through services that know only these.

use anyhow::{Context, Result};

use super::facts::Facts;
use super::lab::Lab;
use super::matrix::Cell;
use super::pages;
use super::peer::{Options, Peer};
use super::reply::Reply;
use super::services::replies;

const OURS: Peer = Peer::Ours;
const OPENTELEMETRY: Peer = Peer::OpenTelemetry;

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN_ID: &str = "00f067aa0ba902b7";
const TRACESTATE: &str = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";

/// What the peer does with `traceparent`.
pub(super) fn traceparent(lab: &mut Lab, peer: Peer) -> Result<Cell> {
    let mut facts = Facts::default();
    Ok(match peer {
        OPENTELEMETRY => {
            passes_on_tracestate(lab, &mut facts);
            defers_what_is_not_sampled(lab, &mut facts);
            Cell::can(facts)
        }
        Peer::Node => {
            begins_a_trace_through_opentelemetry(lab, &mut facts);
            facts.case("read", |facts| {
                let options = Options::rate(1.0).with_traceparent();
                let [.., theirs] =
                    replies(lab, &[(OURS, &options), (OPENTELEMETRY, &options), (peer, &options)])?;
                let (sent, ..) = theirs.traceparent()?;
                facts.hold("it starts a trace", theirs.trace_id != Some(sent));
                Ok(())
            });
            Cell::can(facts).with_note("writes it, and does not read it")
        }
        Peer::Browser => {
            facts.case("written", |facts| {
                let called = pages::call_with_traceparent(lab, facts)?;
                both_headers_agree(facts, &called)
            });
            Cell::can(facts).with_note("writes it, and does not read it")
        }
        Peer::Python | Peer::PythonStreamed | Peer::Rust => {
            facts.case("neither sent nor read", |facts| {
                let options = Options::rate(1.0).with_traceparent();
                let [_, theirs, tail] =
                    replies(lab, &[(OPENTELEMETRY, &options), (peer, &options), (OURS, &options)])?;
                let (sent, ..) = theirs.traceparent()?;
                facts.hold("it starts a trace", theirs.trace_id != Some(sent));
                facts.equal("its own", tail.received.get("traceparent"), None);
                Ok(())
            });
            Cell::cannot(facts, "does not support `traceparent`")
        }
        Peer::Ours | Peer::OursWithSdk | Peer::Script => Cell::cannot(facts, "does not write it"),
    })
}

/// `tracestate` goes through OpenTelemetry and ours as it came.
fn passes_on_tracestate(lab: &mut Lab, facts: &mut Facts) {
    facts.case("tracestate", |facts| {
        let options = Options::rate(1.0).with_traceparent();
        let sent = format!("00-{TRACE_ID}-{SPAN_ID}-01");
        let headers = [("traceparent", sent.as_str()), ("tracestate", TRACESTATE)];
        for chain in [[OPENTELEMETRY, OURS, OURS], [OURS, OPENTELEMETRY, OURS]] {
            let chain = chain.map(|peer| (peer, &options));
            let replies = lab.chain(&headers, &chain)?;
            let mut parent = Some(SPAN_ID.to_owned());
            for reply in replies {
                let at = format!("in {}", reply.service);
                facts.equal(
                    format_args!("tracestate {at}"),
                    reply.received.get("tracestate").map(String::as_str),
                    Some(TRACESTATE),
                );
                facts.equal(
                    format_args!("trace id {at}"),
                    reply.trace_id.as_deref(),
                    Some(TRACE_ID),
                );
                facts.equal(format_args!("parent {at}"), &reply.parent_span_id, &parent);
                facts.equal(format_args!("decision {at}"), reply.sampled, Some(true));
                parent = reply.client_span_id;
            }
        }
        Ok(())
    });
}

/// SDKs write the flag for "not sampled" also for a deferred decision.
fn defers_what_is_not_sampled(lab: &mut Lab, facts: &mut Facts) {
    facts.case("not sampled", |facts| {
        let sent = format!("00-{TRACE_ID}-{SPAN_ID}-00");
        let none = Options::default().with_traceparent();
        let all = Options::rate(1.0).with_traceparent();
        for (options, expected) in [(&none, None), (&all, Some(true))] {
            let chain = [(OPENTELEMETRY, options), (OURS, options)];
            let replies = lab.chain(&[("traceparent", &sent)], &chain)?;
            let ours = replies.last().context("no service replied")?;
            facts.equal("the flags", ours.traceparent()?.2.as_str(), "00");
            facts.equal("the trace", ours.trace_id.as_deref(), Some(TRACE_ID));
            facts.equal("what ours decides", ours.sampled, expected);
        }
        Ok(())
    });
}

/// Sentry's SDK, OpenTelemetry, ours: one trace.
fn begins_a_trace_through_opentelemetry(lab: &mut Lab, facts: &mut Facts) {
    facts.case("through OpenTelemetry to ours", |facts| {
        let options = Options::rate(1.0).with_traceparent();
        let chain = [(Peer::Node, &options), (OPENTELEMETRY, &options), (OURS, &options)];
        let [head, between, tail] = replies(lab, &chain)?;
        both_headers_agree(facts, &between)?;
        let (trace_id, span_id, _) = between.traceparent()?;
        facts.equal("the trace sent", Some(trace_id), head.trace_id.clone());
        facts.equal("the parent", &between.parent_span_id, &Some(span_id));
        facts.equal("the trace that arrives", &tail.trace_id, &head.trace_id);
        facts.equal("its parent", &tail.parent_span_id, &between.client_span_id);
        facts.equal("its decision", tail.sampled, Some(true));
        facts.equal("its DSC", tail.own_dsc(), between.dsc());
        Ok(())
    });
}

/// `sentry-trace` and `traceparent` say the same.
fn both_headers_agree(facts: &mut Facts, callee: &Reply) -> Result<()> {
    let own = callee.sentry_trace()?;
    let (trace_id, span_id, flags) = callee.traceparent()?;
    facts.equal("the trace in both headers", &trace_id, &own.trace_id);
    facts.equal("the span in both headers", &span_id, &own.span_id);
    facts.equal("the decision in both headers", flags == "01", own.sampled == Some(true));
    Ok(())
}
