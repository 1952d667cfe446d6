//! Pages that ours renders, in a real browser.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::facts::Facts;
use super::install::bundle;
use super::lab::{Lab, relay};
use super::matrix::Cell;
use super::peer::{Options, Peer};
use super::reply::{Reply, dsc};
use crate::collector::trace::Span;
use crate::debian::is_root;
use crate::headers::{self, SentryTrace};
use crate::shop::elsewhere::Elsewhere;
use crate::shop::{Shop, wait};

const NO_PAGE: &str = "does not run in a browser";

/// What the browser saw.
#[derive(Debug, Deserialize)]
struct Visit {
    /// The contents of the page's tags.
    sentry_trace: Option<String>,
    baggage: Option<String>,
    server_timing: Option<String>,
    /// What the page's script shows when it is done.
    shown: String,
    /// Errors in the browser's console, such as a call that was not allowed.
    complaints: Vec<String>,
}

impl Visit {
    /// The trace and the baggage that the page was given, in this place alone.
    fn rendered(&self, facts: &mut Facts, from: From) -> (Option<String>, Option<String>) {
        let tags = (self.sentry_trace.clone(), self.baggage.clone());
        if from == From::Tags {
            return tags;
        }
        facts.equal("tags", tags, (None, None));
        let header = self.server_timing.as_deref().unwrap_or_default();
        (described(header, "sentry-trace"), described(header, "baggage"))
    }
}

/// Where a page takes its trace from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Tags,
    ServerTiming,
    Nowhere,
}

/// The page starts the trace, and calls ours.
pub(super) fn calls(lab: &mut Lab) -> Result<Cell> {
    let mut facts = Facts::default();
    facts.case("a page without tags", |facts| {
        let next = callee(lab)?;
        let (visit, reply) = visit(lab, From::Nowhere, &Options::rate(1.0), "no-tags", &next)?;
        facts.equal("tags and header", (visit.sentry_trace, visit.server_timing), (None, None));
        let sent = reply.sentry_trace()?;
        let load = page_load(lab, &sent.trace_id)?;
        facts.equal("the parent of the page load", load.parent_span_id, None);
        facts.equal("the DSC of its envelope", load.dsc, Some(reply.dsc()));
        is_called(facts, lab, &reply)
    });
    Ok(Cell::can(facts))
}

/// A page with the two tags.
pub(super) fn tags(lab: &mut Lab, peer: Peer) -> Result<Cell> {
    match peer {
        Peer::Browser => load(lab, From::Tags, "tags"),
        Peer::Script => {
            let mut facts = script(lab, From::Tags)?;
            shop(lab, &mut facts);
            Ok(Cell::can(facts))
        }
        _ => Ok(Cell::cannot(Facts::default(), NO_PAGE)),
    }
}

/// A page whose trace is in the `Server-Timing` header alone.
pub(super) fn server_timing(lab: &mut Lab, peer: Peer) -> Result<Cell> {
    match peer {
        Peer::Browser => load(lab, From::ServerTiming, "server-timing"),
        Peer::Script => Ok(Cell::can(script(lab, From::ServerTiming)?)),
        _ => Ok(Cell::cannot(Facts::default(), NO_PAGE)),
    }
}

/// What ours gets from a page whose SDK writes `traceparent` as well.
pub(super) fn call_with_traceparent(lab: &mut Lab, facts: &mut Facts) -> Result<Reply> {
    let options = Options::rate(1.0).with_traceparent();
    let next = callee(lab)?;
    let (visit, reply) = visit(lab, From::Tags, &options, "traceparent", &next)?;
    facts.equal("complaints", visit.complaints, Vec::new());
    Ok(reply)
}

/// What services get from a page whose SDK starts the trace.
pub(super) fn call(lab: &mut Lab, facts: &mut Facts, services: &[String]) -> Result<Vec<Reply>> {
    let next = relay(services);
    let (visit, reply) = visit(lab, From::Nowhere, &Options::rate(1.0), "envelopes", &next)?;
    facts.equal("complaints", visit.complaints, Vec::new());
    Ok(reply.flatten())
}

/// Another service of ours for a page to call.
fn callee(lab: &mut Lab) -> Result<String> {
    Ok(relay(&[lab.service(Peer::Ours, &Options::default().with_traceparent())?]))
}

/// The page is a hop between two of ours: one trace with one DSC.
fn load(lab: &mut Lab, from: From, screenshot: &str) -> Result<Cell> {
    let mut facts = Facts::default();
    facts.case(screenshot, |facts| {
        let next = callee(lab)?;
        let (visit, reply) = visit(lab, from, &Options::rate(1.0), screenshot, &next)?;
        let (sentry_trace, baggage) = visit.rendered(facts, from);
        let rendered = SentryTrace::parse(&sentry_trace.context("the page has no trace")?)?;
        let rendered_dsc = dsc(&baggage.context("the page has no baggage")?);

        let load = page_load(lab, &rendered.trace_id)?;
        facts.equal("the parent of the page load", load.parent_span_id, Some(rendered.span_id));
        facts.equal("the DSC of its envelope", load.dsc, Some(rendered_dsc.clone()));
        facts.equal("the trace that is called", &reply.trace_id, &Some(rendered.trace_id));
        facts.equal("the DSC that is sent", reply.dsc(), rendered_dsc);
        facts.equal("the decision", reply.sampled, rendered.sampled);
        facts.equal("complaints", visit.complaints, Vec::new());
        is_called(facts, lab, &reply)
    });
    Ok(Cell::can(facts))
}

/// The call from the page is a span of the page, and goes on through ours.
fn is_called(facts: &mut Facts, lab: &Lab, reply: &Reply) -> Result<()> {
    let sent = reply.sentry_trace()?;
    facts.equal("the decision sent", sent.sampled, Some(true));
    facts.equal("the callee's trace", reply.trace_id.as_ref(), Some(&sent.trace_id));
    facts.equal("the callee's parent", reply.parent_span_id.as_ref(), Some(&sent.span_id));
    facts.equal("a reason not to continue", reply.not_continued.as_deref(), None);
    let span = lab.span(&sent.trace_id, &sent.span_id)?;
    facts.equal("the span is a client's", span.op.as_deref(), Some("http.client"));
    facts.equal("the DSC of its envelope", span.dsc, Some(reply.dsc()));
    facts.equal("the DSC of ours", reply.own_dsc(), reply.dsc());
    Ok(())
}

fn page_load(lab: &Lab, trace_id: &str) -> Result<Span> {
    lab.find_span(&format!("the page load of trace {trace_id}"), |span| {
        span.trace_id == trace_id && span.is_segment && span.op.as_deref() == Some("pageload")
    })
}

/// Loads a page of ours whose script runs the browser's SDK and calls `next`.
fn visit(
    lab: &mut Lab,
    from: From,
    options: &Options,
    name: &str,
    next: &str,
) -> Result<(Visit, Reply)> {
    let folder = lab.artifacts().to_owned();
    let script = folder.join("page.js");
    bundle(&lab.installed().node, "page.mjs", &script)?;
    visit_with(lab, from, options, name, next, &script, &[])
}

/// Loads a page of ours with this script. The flag `--page-script` loads the page script before it.
fn visit_with(
    lab: &mut Lab,
    from: From,
    options: &Options,
    name: &str,
    next: &str,
    script: &Path,
    flags: &[&str],
) -> Result<(Visit, Reply)> {
    let folder = lab.artifacts().to_owned();
    let server_timing = (from == From::ServerTiming).then_some("--server-timing");
    let flags = [flags, server_timing.as_slice()].concat();
    let pages = lab.pages(options, script, &flags)?;
    let tags = if from == From::Tags { "with-tags" } else { "without-tags" };
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("options", &lab.options("browser", options)?)
        .append_pair("next", next)
        .finish();
    let url = format!("{pages}/pages/{tags}?{query}");
    let visit = open(lab, &url, &folder.join(format!("{name}.png")), "#reply[data-done]", None)?;
    let reply = serde_json::from_str(&visit.shown).context("the page's script got no reply")?;
    Ok((visit, reply))
}

/// The page script hands the trace on to ours, to Node and to Python, and each of them to ours.
fn script(lab: &mut Lab, from: From) -> Result<Facts> {
    let mut facts = Facts::default();
    let caller = lab.installed().node.folder().join("caller.mjs");
    for peer in [Peer::Ours, Peer::Node, Peer::Python] {
        facts.case(peer.service().unwrap_or_default(), |facts| {
            let options = Options::rate(1.0);
            let next = relay(&[lab.service(peer, &options)?, lab.service(Peer::Ours, &options)?]);
            let flags = ["--page-script"];
            let (visit, reply) =
                visit_with(lab, from, &options, "page-script", &next, &caller, &flags)?;
            let (sentry_trace, baggage) = visit.rendered(facts, from);
            let rendered = SentryTrace::parse(&sentry_trace.context("the page has no trace")?)?;
            let baggage = baggage.context("the page has no baggage")?;
            let sent = reply.sentry_trace()?;
            facts.equal("the trace that is sent", &sent.trace_id, &rendered.trace_id);
            facts.hold("the span is one of the page", sent.span_id != rendered.span_id);
            facts.equal("the decision that is sent", sent.sampled, rendered.sampled);
            // Byte for byte.
            facts.equal("the baggage that is sent", reply.baggage(), &baggage);
            facts.equal("the callee's trace", reply.trace_id.as_ref(), Some(&sent.trace_id));
            facts.equal("the callee's parent", reply.parent_span_id.as_ref(), Some(&sent.span_id));
            facts.equal("complaints", visit.complaints, Vec::new());
            let replies = reply.flatten();
            let [_, last] = &*replies else { bail!("{} services replied", replies.len()) };
            facts.equal("the trace of the last", last.trace_id.as_ref(), Some(&rendered.trace_id));
            facts.equal("the DSC of the last", last.own_dsc(), dsc(&baggage));
            Ok(())
        });
    }
    Ok(facts)
}

/// The page of the demo, and all that its two services and the page send.
pub(super) fn shop(lab: &mut Lab, facts: &mut Facts) {
    facts.case("the shop", |facts| {
        let rust = &lab.installed().rust;
        let mut shop = Shop::open(rust, lab.collector(), &Elsewhere::default(), None)?;
        let url = format!("{}/", shop.url());
        let screenshot = lab.artifacts().join("shop.png");
        let envelope = format!("{}/stream", lab.collector().url());
        let visit = open(lab, &url, &screenshot, "#live:has-text('in stock')", Some(&envelope))?;
        facts.equal("complaints", visit.complaints, Vec::new());
        let rendered = SentryTrace::parse(&visit.sentry_trace.context("the page has no trace")?)?;
        let find = || Ok(Some(rendered.trace_id.clone()));
        let whole = wait::until_whole(lab.collector(), find, &mut shop.processes())?;
        facts.equal("the trace that is whole", whole, rendered.trace_id.clone());
        let trace = lab.collector().trace(&rendered.trace_id)?;
        // Byte for byte: all of them have it from the same text.
        let rendered_dsc = Some(headers::dsc(&visit.baggage.context("the page has no baggage")?));
        for span in &trace.spans {
            facts.equal(format!("the DSC of {span}"), &span.dsc, &rendered_dsc);
        }
        for event in &trace.events {
            facts.equal(format!("the DSC of {event}"), &event.dsc, &rendered_dsc);
        }
        Ok(())
    });
}

/// Opens a page in Chromium. Waits for the element with the selector `shows`, and for the response of the URL `then`.
fn open(lab: &Lab, url: &str, screenshot: &Path, shows: &str, then: Option<&str>) -> Result<Visit> {
    let mut command = lab.installed().node.command("visit.mjs");
    command.arg("--chromium").arg(&lab.installed().chromium);
    command.args(["--url", url, "--shows", shows]).arg("--screenshot").arg(screenshot);
    if let Some(then) = then {
        command.args(["--then", then]);
    }
    // Chromium refuses to run as root with its sandbox.
    command.args(is_root().then_some("--no-sandbox"));
    let output = command.stdin(Stdio::null()).output().context("cannot start Node.js")?;
    if !output.status.success() {
        bail!("cannot open {url}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("cannot read what visit.mjs printed")
}

/// The description of a metric in a `Server-Timing` header.
fn described(header: &str, name: &str) -> Option<String> {
    let (_, rest) = header.split_once(&format!("{name};desc=\""))?;
    let (description, _) = rest.split_once('"')?;
    Some(description.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_found_by_name() {
        let header = "sentry-trace;desc=\"a-b-1\", baggage;desc=\"sentry-release=1,other=2\"";
        assert_eq!(described(header, "sentry-trace").as_deref(), Some("a-b-1"));
        assert_eq!(described(header, "baggage").as_deref(), Some("sentry-release=1,other=2"));
        assert_eq!(described("cache;desc=\"hit\"", "baggage"), None);
    }
}
