//! Transactions, spans and errors of Sentry's SDK in the trace that is propagated, as they are sent.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
#![cfg(feature = "sentry")]

mod child_spans;
#[cfg(feature = "tokio")]
mod current;
mod envelopes;
mod joined;
mod transactions;

use std::collections::HashMap;
use std::sync::Arc;

use sentry_core::{ClientOptions, Hub, Level};
use tracehop::{PropagationContext, Propagator, PropagatorBuilder};
use tracehop_envelopes::Recorder;

const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";
const PARENT: &str = "b72fa28504b07285";
const DSC: &str = "sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-sample_rand=0.123456,\
    sentry-sample_rate=0.10,sentry-sampled=true,sentry-release=shop%401.4.0,\
    sentry-replay_id=0af7651916cd43dd8448eb211c80319c";

fn options() -> PropagatorBuilder {
    Propagator::builder().dsn("https://ours@o7.example/1").release("shop@2")
}

fn sdk() -> ClientOptions {
    ClientOptions::new().traces_sample_rate(1.0)
}

/// A recorder, and a hub whose client sends to it through the propagator's transport.
fn recorder(propagator: &Propagator, options: ClientOptions) -> (Recorder, Arc<Hub>) {
    let recorder = Recorder::default();
    let hub = recorder.hub(options, |recorder| propagator.sentry_transport(recorder));
    (recorder, hub)
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

/// The items of a DSC without prefix, as [`Sent::dsc`] has them.
fn items(context: &PropagationContext) -> String {
    let mut items: Vec<_> =
        context.dsc().iter().map(|(name, value)| format!("{name}={value}")).collect();
    items.sort_unstable();
    items.join(",")
}
