//! What a server gets of the HTTP transport: rate limits are kept, and nothing is lost at shutdown.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sentry::{Client, ClientOptions, Hub, TransactionContext};
use sentry_core::protocol::SpanStatus;
use tracehop_envelopes::Sent;
use tracehop_sentry::SentryRecorder;

use super::{capture, child_of, items, receive, sdk};

/// A server that gives all requests one answer, until a request without a body.
struct Server {
    address: SocketAddr,
    sent: JoinHandle<Vec<Sent>>,
}

impl Server {
    /// The first answer waits for the gate.
    fn start(answer: &'static str, gate: Receiver<()>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sent = thread::spawn(move || {
            let mut sent = Vec::new();
            gate.recv().unwrap();
            loop {
                let body = receive(&listener, answer);
                if body.is_empty() {
                    return sent;
                }
                sent.push(Sent::read(&body));
            }
        });
        Self { address, sent }
    }

    /// With room for all envelopes of a test. By default the SDK keeps 30, and drops more.
    fn options(&self) -> ClientOptions {
        sdk()
            .dsn(&format!("http://49d0f7386ad645858ae85020e393bef3@{}/1", self.address))
            .http_proxy("")
            .transport_channel_capacity(100)
    }

    fn stop(self) -> Vec<Sent> {
        TcpStream::connect(self.address).unwrap().write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        self.sent.join().unwrap()
    }
}

fn hub(options: ClientOptions) -> (Arc<Client>, Arc<Hub>) {
    let client = Arc::new(Client::from(options));
    (Arc::clone(&client), Arc::new(Hub::new(Some(client), Arc::default())))
}

/// A server whose answers wait for nothing.
fn prompt(answer: &'static str) -> Server {
    let (open, gate) = channel();
    open.send(()).unwrap();
    Server::start(answer, gate)
}

/// The errors and the transactions among envelopes.
fn counts(sent: &[Sent]) -> (usize, usize) {
    let transactions = sent.iter().filter(|sent| sent.is_transaction()).count();
    let errors = sent.iter().filter(|sent| sent.types.iter().any(|kind| kind == "event")).count();
    (errors, transactions)
}

const ROUNDS: usize = 20;

/// Waits before the last round until all else was sent or held back, so that its envelopes report what was lost.
fn report_losses(client: &Client, round: usize) {
    if round == ROUNDS - 1 {
        assert!(client.flush(Some(Duration::from_secs(60))));
    }
}

/// What the server gets of requests that fail, with our transport.
fn through_ours(answer: &'static str) -> Vec<Sent> {
    let server = prompt(answer);
    let mut options = server.options();
    let recorder = SentryRecorder::new();
    let propagator = recorder.propagator_builder(&mut options).build().unwrap();
    let (client, hub) = hub(options);
    let mut dscs = Vec::new();
    for round in 0..ROUNDS {
        report_losses(&client, round);
        let context = propagator.start_new_trace();
        let transaction =
            recorder.start_transaction(&context, child_of(&hub), "GET", "http.server");
        capture(transaction.hub(), "boom");
        transaction.finish(SpanStatus::Ok);
        dscs.push(items(&context));
    }
    assert!(client.close(Some(Duration::from_secs(60))));
    let sent = server.stop();
    for sent in sent.iter().filter(|sent| !sent.payload.is_null()) {
        assert!(dscs.contains(&sent.dsc()), "{answer}: {:?}", sent.headers);
        assert_eq!(sent.payload["contexts"].get("tracehop.headers"), None);
    }
    sent
}

/// What the server gets of the same from the SDK alone.
fn through_the_sdk(answer: &'static str) -> Vec<Sent> {
    let server = prompt(answer);
    let (client, hub) = hub(sentry::apply_defaults(server.options()));
    for round in 0..ROUNDS {
        report_losses(&client, round);
        let hub = child_of(&hub);
        let transaction = hub.start_transaction(TransactionContext::new("GET", "http.server"));
        hub.configure_scope(|scope| scope.set_span(Some(transaction.clone().into())));
        capture(&hub, "boom");
        transaction.finish();
    }
    assert!(client.close(Some(Duration::from_secs(60))));
    server.stop()
}

#[test]
fn rate_limits_hold_back_what_they_name() {
    let all = ROUNDS;
    for (answer, expected) in [
        ("200 OK", (all, all)),
        ("429 Too Many Requests\r\nX-Sentry-Rate-Limits: 60:transaction:organization", (all, 0)),
        ("200 OK\r\nX-Sentry-Rate-Limits: 60:error:project:quota", (1, all)),
        ("200 OK\r\nX-Sentry-Rate-Limits: 60:session:key, 60:transaction;error:key", (1, 0)),
        ("200 OK\r\nX-Sentry-Rate-Limits: 60::organization", (1, 0)),
        ("429 Too Many Requests\r\nX-Sentry-Rate-Limits: 60:session:key", (all, all)),
        ("429 Too Many Requests\r\nRetry-After: 60", (1, 0)),
        ("429 Too Many Requests", (1, 0)),
        ("500 Internal Server Error", (all, all)),
    ] {
        let (ours, of_sdk) = (through_ours(answer), through_the_sdk(answer));
        assert_eq!(counts(&ours), expected, "{answer}");
        assert_eq!(counts(&ours), counts(&of_sdk), "{answer}");
        let reports = |sent: &[Sent]| {
            sent.iter().filter(|sent| sent.types.iter().any(|kind| kind == "client_report")).count()
        };
        assert_eq!(reports(&ours) > 0, reports(&of_sdk) > 0, "{answer}");
    }
}

#[test]
fn all_envelopes_that_wait_are_sent_at_shutdown() {
    let (open, gate) = channel();
    let server = Server::start("200 OK", gate);
    let mut options = server.options();
    let recorder = SentryRecorder::new();
    let propagator = recorder.propagator_builder(&mut options).build().unwrap();
    let (client, hub) = hub(options);
    for _ in 0..60 {
        let context = propagator.start_new_trace();
        recorder
            .start_transaction(&context, child_of(&hub), "GET", "http.server")
            .finish(SpanStatus::Ok);
    }
    open.send(()).unwrap();
    assert!(client.close(Some(Duration::from_secs(60))));
    assert_eq!(counts(&server.stop()), (0, 60));
}
