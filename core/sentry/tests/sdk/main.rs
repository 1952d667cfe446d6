//! Transactions, spans and errors of Sentry's SDK in the trace that is propagated, as they are sent.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod child_spans;
mod current;
mod envelopes;
mod grpc;
#[cfg(feature = "transport")]
mod http_transport;
mod jobs;
mod joined;
mod requests;
#[cfg(feature = "release-health")]
mod sessions;
mod shared_traces;
mod tower;
mod transactions;

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use sentry_core::{ClientOptions, Hub, Level};
use tracehop::{PropagationContext, Propagator, PropagatorBuilder};
use tracehop_envelopes::Capture;
use tracehop_sentry::SentryRecorder;

const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";
const PARENT: &str = "b72fa28504b07285";
const DSC: &str = "sentry-trace_id=771a43a4192642f0b136d5159a501700,\
    sentry-public_key=49d0f7386ad645858ae85020e393bef3,sentry-sample_rand=0.123456,\
    sentry-sample_rate=0.10,sentry-sampled=true,sentry-release=shop%401.4.0,\
    sentry-replay_id=0af7651916cd43dd8448eb211c80319c";

fn options() -> PropagatorBuilder {
    Propagator::builder()
        .dsn("https://49d0f7386ad645858ae85020e393bef3@o7.example/1")
        .release("shop@2")
}

fn sdk() -> ClientOptions {
    ClientOptions::new().traces_sample_rate(1.0)
}

/// Returns what a hub's client sends through the transport of a recorder, and the hub.
fn capturing(recorder: &SentryRecorder, options: ClientOptions) -> (Capture, Arc<Hub>) {
    let sent = Capture::default();
    let hub = sent.hub(options, |sent| recorder.transport(sent));
    (sent, hub)
}

fn headers(sentry_trace: &str, baggage: &str) -> HashMap<String, String> {
    let pairs = [("sentry-trace", sentry_trace), ("baggage", baggage)];
    let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn child_of(hub: &Arc<Hub>) -> Arc<Hub> {
    Arc::new(Hub::new_from_top(hub))
}

fn capture(hub: &Hub, message: &str) {
    hub.capture_message(message, Level::Error);
}

/// Returns the items of a DSC without prefix, as [`Sent::dsc`] has them.
fn items(context: &PropagationContext) -> String {
    let mut items: Vec<_> =
        context.dsc().iter().map(|(name, value)| format!("{name}={value}")).collect();
    items.sort_unstable();
    items.join(",")
}

/// Answers one request, with a status and headers, and returns its body.
fn receive(listener: &TcpListener, answer: &str) -> Vec<u8> {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let response = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    reader.get_mut().write_all(response.as_bytes()).unwrap();
    body
}
