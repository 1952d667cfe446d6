//! Whether Relay, Sentry's own receiver of envelopes, reads the envelopes of services of ours.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::{Value, json};

use super::facts::Facts;
use super::install::Interpreter;
use super::lab::{Generator, Lab};
use super::matrix::Cell;
use super::peer::{Options, Peer};
use super::services::{BY_TRACEPARENT, options};
use super::{pages, wire};
use crate::process::run;

/// The services whose envelopes are ours, the demo's among them.
const OURS: [&str; 3] = ["ours", "storefront", "inventory"];

/// A public key as Sentry makes them.
const PUBLIC_KEY: &str = "49d0f7386ad645858ae85020e393bef3";
const SPAN_ID: &str = "b72fa28504b07285";

/// The requests between two waits. The SDK's queue holds their transactions and errors, and drops what is more.
const AT_ONCE: usize = 10;

/// The number of generated lists that are sent.
const HOSTILE: usize = 200;

/// Members that a service may send, and that Relay cannot read or reads differently. A line each.
const ODD: &str = include_str!("../../interop/relay/odd-members.txt");

/// The peer starts a trace, and calls two services of ours. Then Relay reads these envelopes, and those of the other
/// checks.
pub(super) fn check(lab: &mut Lab, peer: Peer) -> Result<Cell> {
    let mut facts = Facts::default();
    facts.case("a trace", |facts| is_one_decision(lab, facts, peer));
    if peer == Peer::Script {
        facts.case("odd members", |facts| odd_members_are_readable_or_left_out(lab, facts));
        pages::shop(lab, &mut facts);
    }
    facts.case("all that was sent", |facts| {
        let sent = lab.new_envelopes()?;
        let ours = sent.iter().filter(|it| OURS.contains(&it.service().as_str()));
        let ours = ours.cloned().collect::<Vec<_>>();
        let expected = if peer == Peer::Script { &OURS[..] } else { &OURS[..1] };
        for name in expected {
            let has_sent = ours.iter().any(|sent| sent.service() == *name);
            facts.hold(format_args!("{name} sent something"), has_sent);
        }
        are_read(lab, facts, &ours)
    });
    let cell = Cell::can(facts);
    Ok(if peer == Peer::OpenTelemetry { cell.with_note(BY_TRACEPARENT) } else { cell })
}

/// An envelope with a transaction, an error or streamed spans.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// The header `trace`.
    pub(super) dsc: Option<Value>,
    pub(super) payload: Value,
}

impl Sent {
    /// Reads an envelope; `None` if it has no transaction, no error and no spans.
    pub(super) fn read(text: &str) -> Result<Option<Self>> {
        let mut lines = text.lines();
        let mut next = || lines.next().map(serde_json::from_str::<Value>).transpose();
        let header = next()?.context("an envelope without a header")?;
        while let Some(item) = next()? {
            let payload = next()?.context("an item without a payload")?;
            if matches!(item["type"].as_str(), Some("transaction" | "event" | "span")) {
                return Ok(Some(Self { dsc: header.get("trace").cloned(), payload }));
            }
        }
        Ok(None)
    }

    /// The name in the release.
    fn service(&self) -> String {
        let release = self.payload["release"].as_str().unwrap_or_default();
        release.split('@').next().unwrap_or_default().to_owned()
    }

    fn trace_id(&self) -> &str {
        let trace = match self.payload.get("contexts") {
            Some(contexts) => &contexts["trace"],
            // All spans of an envelope are of one trace.
            None => &self.payload["items"][0],
        };
        trace["trace_id"].as_str().unwrap_or_default()
    }
}

/// Checks that Relay decides the same by the DSC of each service of a trace.
fn is_one_decision(lab: &mut Lab, facts: &mut Facts, peer: Peer) -> Result<()> {
    let ours = options(peer, true);
    let service = (Peer::OursWithSdk, &ours);
    let replies = match peer {
        Peer::Browser => {
            let url = lab.service(Peer::OursWithSdk, &Options::rate(1.0))?;
            pages::call(lab, facts, &[url.clone(), url])?
        }
        // Has no SDK that could start a trace.
        Peer::Script => lab.chain(&[], &[service, service])?,
        _ => lab.chain(&[], &[(peer, &ours), service, service])?.split_off(1),
    };
    let trace_id = replies[0].trace_id.clone().context("ours is in no trace")?;
    for reply in &replies {
        lab.span(&trace_id, reply.span_id.as_deref().context("ours has no span")?)?;
    }
    let all = lab.all_envelopes()?;
    let of_trace = all.iter().filter(|sent| sent.trace_id() == trace_id);
    // Rust's SDK and OpenTelemetry hand no DSC on, and ours makes none for a trace that it continues.
    let has_dsc = !matches!(peer, Peer::Rust | Peer::OpenTelemetry);
    let of_trace = of_trace.filter(|sent| has_dsc || sent.service() == "ours");
    let headers = of_trace.map(|sent| sent.dsc.clone()).collect::<Vec<_>>();
    facts.hold("a transaction and an error of each", headers.len() >= 4);
    if !has_dsc {
        facts.hold("no header without a DSC", headers.iter().all(Option::is_none));
        return Ok(());
    }
    let headers = headers.iter().map(|header| header.clone().unwrap_or_default());
    let decisions = decisions(lab, &headers.collect::<Vec<_>>())?;
    facts.hold("Relay reads the DSC", decisions.iter().all(|it| !it.is_null()));
    for decision in &decisions[1..] {
        facts.equal("the decision of another service", decision, &decisions[0]);
    }
    Ok(())
}

/// Checks that ours sends each header that Relay reads, and none that Relay cannot read.
fn odd_members_are_readable_or_left_out(lab: &mut Lab, facts: &mut Facts) -> Result<()> {
    let made_up = wire::baggage(lab, Generator { count: 3 * HOSTILE, ..lab.generator() })?;
    let odd = ODD.lines().map(str::to_owned);
    let lists = odd.chain(made_up.into_iter().take(HOSTILE)).collect::<Vec<_>>();
    let options = Options::rate(1.0);
    let run = lab.next_run();
    let mut arrived = BTreeMap::new();
    for (batch, lists) in lists.chunks(AT_ONCE).enumerate() {
        let mut last = None;
        for (index, list) in lists.iter().enumerate() {
            let trace_id = format!("{run:08x}{:024x}", batch * AT_ONCE + index + 1);
            let sentry_trace = format!("{trace_id}-{SPAN_ID}-1");
            let baggage =
                format!("sentry-trace_id={trace_id},sentry-public_key={PUBLIC_KEY},{list}");
            let headers = [("sentry-trace", &*sentry_trace), ("baggage", &*baggage)];
            let replies = lab.chain(&headers, &[(Peer::OursWithSdk, &options)])?;
            let reply = replies.into_iter().next().context("no service replied")?;
            facts.equal("the trace is continued", reply.trace_id.as_deref(), Some(&*trace_id));
            last = reply.span_id.clone().map(|span_id| (trace_id.clone(), span_id));
            arrived.insert(trace_id, (list, reply.exact_dsc()));
        }
        let (trace_id, span_id) = last.context("ours has no span")?;
        lab.span(&trace_id, &span_id)?;
    }
    let whole = arrived.values().map(|(_, dsc)| json!(dsc)).collect::<Vec<_>>();
    let whole = decisions(lab, &whole)?;
    let arrived = arrived
        .into_iter()
        .zip(whole)
        .map(|((trace_id, (list, dsc)), decision)| (trace_id, (list, dsc, !decision.is_null())));
    let arrived = arrived.collect::<BTreeMap<_, _>>();
    let (mut with_header, mut without) = (0, 0);
    for sent in lab.all_envelopes()? {
        let Some((list, dsc, is_readable)) = arrived.get(sent.trace_id()) else { continue };
        if *is_readable {
            facts.equal(format_args!("the header of {list:?}"), &sent.dsc, &Some(json!(dsc)));
        }
        *if sent.dsc.is_some() { &mut with_header } else { &mut without } += 1;
    }
    facts.hold("some have a header", with_header > AT_ONCE);
    facts.hold("some have none", without > 0);
    facts.equal("a transaction and an error of each", with_header + without, 2 * lists.len());
    Ok(())
}

/// Relay reads each header, and keeps each transaction and error as it is.
fn are_read(lab: &Lab, facts: &mut Facts, sent: &[Sent]) -> Result<()> {
    let with_header = sent.iter().filter(|it| it.dsc.is_some()).collect::<Vec<_>>();
    let dscs = with_header.iter().map(|it| it.dsc.clone()).collect::<Vec<_>>();
    for (sent, decision) in with_header.iter().zip(decisions(lab, &dscs)?) {
        facts.hold(format_args!("Relay reads {:?}", sent.dsc), !decision.is_null());
    }
    let payloads = sent.iter().map(|it| &it.payload).collect::<Vec<_>>();
    for (sent, changes) in sent.iter().zip(ask(lab, &lab.installed().relay_events, &payloads)?) {
        let what = sent.payload["type"].as_str().unwrap_or("error");
        facts.equal(format_args!("{what} of {}", sent.service()), changes, json!([]));
    }
    Ok(())
}

/// Returns Relay's decision by each of these headers; null for those that it cannot read.
fn decisions(lab: &Lab, headers: &[impl Serialize]) -> Result<Vec<Value>> {
    ask(lab, &lab.installed().relay_sampling, headers)
}

fn ask(lab: &Lab, relay: &Interpreter, questions: &[impl Serialize]) -> Result<Vec<Value>> {
    let input = lab.artifacts().join("envelopes.jsonl");
    let mut file = BufWriter::new(File::create(&input)?);
    for question in questions {
        serde_json::to_writer(&mut file, question)?;
        writeln!(file)?;
    }
    file.flush()?;
    let output = lab.artifacts().join("relay.jsonl");
    let mut command = relay.command("read.py");
    run("Relay", command.stdin(File::open(&input)?).stdout(File::create(&output)?))?;
    let answers = wire::lines(&output)?;
    ensure!(answers.len() == questions.len(), "Relay left envelopes unread");
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_are_read_to_their_main_item() {
        let text = "{\"trace\":{\"release\":\"a\"}}\n{\"type\":\"log\"}\n{}\n{\"type\":\"event\"}\n\
            {\"release\":\"ours@1\",\"contexts\":{\"trace\":{\"trace_id\":\"1\"}}}\n";
        let sent = Sent::read(text).unwrap().unwrap();
        assert_eq!(sent.dsc, Some(json!({ "release": "a" })));
        assert_eq!((sent.service().as_str(), sent.trace_id()), ("ours", "1"));
        let spans = "{}\n{\"type\":\"span\"}\n{\"items\":[{\"trace_id\":\"2\"}]}";
        assert_eq!(Sent::read(spans).unwrap().unwrap().trace_id(), "2");
        assert!(Sent::read("{}\n{\"type\":\"session\"}\n{}").unwrap().is_none());
        Sent::read("").unwrap_err();
    }
}
