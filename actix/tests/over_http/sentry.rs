//! Requests with Sentry's SDK, and what it sends.

mod beside;
mod endings;
mod errors;
mod nested;
mod untrusted;

use std::sync::Arc;

use actix_web::HttpResponse;
use sentry_core::{Client, ClientOptions, Hub, Level};
use tracehop_actix::tracehop::{Propagator, PropagatorBuilder};
use tracehop_actix::{PropagationContext, Trace};
use tracehop_envelopes::{Capture, Sent};
use tracehop_sentry::SentryRecorder;

const TRACE_ID: &str = crate::TRACE_ID;
const PARENT: &str = "b72fa28504b07285";
const BAGGAGE: &[u8] = b"baggage: other=1,sentry-trace_id=771a43a4192642f0b136d5159a501700,\
    sentry-public_key=49d0f7386ad645858ae85020e393bef3,\
    sentry-sample_rate=0.10,sentry-sample_rand=0.050000,sentry-sampled=true,\
    sentry-replay_id=0af7651916cd43dd8448eb211c80319c,sentry-org_id=7";

/// A DSN with a public key of 32 hex digits, as Sentry makes them. With another key, envelopes have no `trace` header.
const DSN: &str = "https://49d0f7386ad645858ae85020e393bef3@o7.example/1";

fn options() -> PropagatorBuilder {
    crate::options().dsn(DSN).release("shop@2")
}

/// Makes a propagator that records with a client, and what the client sends.
fn recording(
    builder: PropagatorBuilder,
    options: ClientOptions,
) -> (Propagator, Capture, Arc<Client>) {
    let (recorder, capture) = (SentryRecorder::new(), Capture::default());
    let hub = capture.hub(options, |transport| recorder.transport(transport));
    let propagator = builder.recorder(recorder).build().unwrap();
    (propagator, capture, hub.client().unwrap())
}

fn sampling() -> ClientOptions {
    ClientOptions::new().traces_sample_rate(1.0)
}

/// Binds a client to the hub of the calling thread. Call this where the worker makes its App.
fn bind(client: &Arc<Client>) -> Arc<Hub> {
    let hub = Hub::current();
    hub.bind_client(Some(Arc::clone(client)));
    hub
}

fn capture(message: &str) {
    Hub::current().capture_message(message, Level::Error);
}

/// Returns what an outgoing request would carry: `sentry-trace` and `baggage`, each on a line.
fn outgoing() -> String {
    let context = PropagationContext::current().unwrap();
    let data = context.trace_data();
    format!("{}\n{}", data.sentry_trace(), data.baggage().map_or("", |baggage| baggage.as_str()))
}

/// Captures an error, and answers with what an [`outgoing`] request would carry.
async fn work(trace: Trace) -> String {
    assert_eq!(Some(trace.span_id()), PropagationContext::current().map(|here| here.span_id()));
    capture("boom");
    outgoing()
}

/// Parses the answer of [`work`]: trace id, span id, decision, and the DSC as [`Sent::dsc`] has it.
fn read(answer: &str) -> (String, String, Option<String>, String) {
    let (sentry_trace, baggage) = answer.split_once('\n').unwrap();
    let mut parts = sentry_trace.split('-').map(str::to_owned);
    let mut next = || parts.next();
    let (trace_id, span_id, sampled) = (next().unwrap(), next().unwrap(), next());
    let dsc = tracehop_actix::tracehop::DynamicSamplingContext::from_baggage([baggage.as_bytes()]);
    let mut items: Vec<_> = dsc.iter().map(|(name, value)| format!("{name}={value}")).collect();
    items.sort_unstable();
    (trace_id, span_id, sampled, items.join(","))
}

fn transactions(sent: &[Sent]) -> Vec<&Sent> {
    sent.iter().filter(|sent| sent.is_transaction()).collect()
}

async fn fine() -> HttpResponse {
    HttpResponse::Ok().finish()
}
