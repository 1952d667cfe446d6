//! A client of Sentry's SDK whose envelopes a test can read, as they would go over the wire.
//!
//! The crate knows nothing of `tracehop`: the tests of that depend on it.

#![allow(clippy::unwrap_used, reason = "for tests, which fail by panicking")]

use std::fmt;
use std::sync::{Arc, Mutex};

use sentry_core::{
    Client, ClientOptions, Envelope, Hub, Transport, TransportFactory, TransportOptions,
};
use serde_json::Value;

/// Keeps what is sent, as bytes.
#[derive(Clone, Default)]
pub struct Recorder {
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    /// A hub whose client sends through the transport that `wrapped` makes of this recorder.
    pub fn hub<F: TransportFactory + 'static>(
        &self,
        options: ClientOptions,
        wrapped: impl FnOnce(Self) -> F,
    ) -> Arc<Hub> {
        let options =
            options.dsn("https://sdk@o7.ingest.sentry.io/1").transport(wrapped(self.clone()));
        Arc::new(Hub::new(Some(Arc::new(Client::from(options))), Arc::default()))
    }

    /// What was sent since the last time.
    pub fn take(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().drain(..).map(|bytes| Sent::read(&bytes)).collect()
    }
}

impl Transport for Recorder {
    fn send_envelope(&self, envelope: Envelope) {
        let mut bytes = Vec::new();
        envelope.to_writer(&mut bytes).unwrap();
        self.sent.lock().unwrap().push(bytes);
    }
}

impl TransportFactory for Recorder {
    fn create_transport_with_options(&self, _: TransportOptions) -> Arc<dyn Transport> {
        Arc::new(self.clone())
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

/// An envelope.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The headers.
    pub headers: Value,
    /// The types of all items.
    pub types: Vec<String>,
    /// The transaction or error: its only one, as the SDK sends them.
    pub payload: Value,
}

impl Sent {
    /// Reads an envelope whose items are all JSON.
    pub fn read(bytes: &[u8]) -> Self {
        let mut lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let mut json = || lines.next().map(|line| serde_json::from_slice::<Value>(line).unwrap());
        let mut sent = Self { headers: json().unwrap(), types: Vec::new(), payload: Value::Null };
        while let (Some(header), Some(payload)) = (json(), json()) {
            let kind = header["type"].as_str().unwrap();
            if matches!(kind, "transaction" | "event") {
                sent.payload = payload;
            }
            sent.types.push(kind.to_owned());
        }
        sent
    }

    /// Whether it is a transaction.
    pub fn is_transaction(&self) -> bool {
        self.types.iter().any(|kind| kind == "transaction")
    }

    /// A field of what the transaction or error says of its trace; empty if it is not there.
    pub fn trace(&self, field: &str) -> &str {
        self.payload["contexts"]["trace"][field].as_str().unwrap_or_default()
    }

    /// The `trace` header as members of a `baggage`, in the order of their names; empty if there is none.
    pub fn dsc(&self) -> String {
        let items = self.headers["trace"].as_object().into_iter().flatten();
        let items = items.map(|(name, value)| format!("{name}={}", value.as_str().unwrap()));
        items.collect::<Vec<_>>().join(",")
    }

    /// The spans in the transaction.
    pub fn spans(&self) -> &[Value] {
        self.payload["spans"].as_array().map_or(&[], Vec::as_slice)
    }
}
