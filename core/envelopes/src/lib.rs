//! A client of Sentry's SDK whose envelopes a test can read, as they would be sent.
//!
//! The crate does not depend on `tracehop`, because the tests of `tracehop` depend on this crate.

#![allow(clippy::unwrap_used, reason = "for tests, which fail by panicking")]

use std::fmt;
use std::sync::{Arc, Mutex};

use sentry_core::{
    Client, ClientOptions, Envelope, Hub, Transport, TransportFactory, TransportOptions,
};
use serde_json::Value;

/// A transport that keeps the bytes of envelopes instead of sending them.
#[derive(Clone, Default)]
pub struct Capture {
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Capture {
    /// Returns a hub whose client sends through the transport that `wrapped` makes of this one.
    pub fn hub<F: TransportFactory + 'static>(
        &self,
        options: ClientOptions,
        wrapped: impl FnOnce(Self) -> F,
    ) -> Arc<Hub> {
        let options =
            options.dsn("https://sdk@o7.ingest.sentry.io/1").transport(wrapped(self.clone()));
        Arc::new(Hub::new(Some(Arc::new(Client::from(options))), Arc::default()))
    }

    /// Returns the envelopes that were sent since the last call.
    pub fn take(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().drain(..).map(|bytes| Sent::read(&bytes)).collect()
    }
}

impl Transport for Capture {
    fn send_envelope(&self, envelope: Envelope) {
        let mut bytes = Vec::new();
        envelope.to_writer(&mut bytes).unwrap();
        self.sent.lock().unwrap().push(bytes);
    }
}

impl TransportFactory for Capture {
    fn create_transport_with_options(&self, _: TransportOptions) -> Arc<dyn Transport> {
        Arc::new(self.clone())
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").finish_non_exhaustive()
    }
}

/// An envelope.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The headers.
    pub headers: Value,
    /// The types of all items.
    pub types: Vec<String>,
    /// The transaction or error. The SDK sends one in an envelope.
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

    /// Whether the envelope has a transaction.
    pub fn is_transaction(&self) -> bool {
        self.types.iter().any(|kind| kind == "transaction")
    }

    /// Returns a field of the trace context of the transaction or error; an empty text if there is none.
    pub fn trace(&self, field: &str) -> &str {
        self.payload["contexts"]["trace"][field].as_str().unwrap_or_default()
    }

    /// Returns the `trace` header as members of a `baggage`, sorted by name; an empty text if there is none.
    pub fn dsc(&self) -> String {
        let items = self.headers["trace"].as_object().into_iter().flatten();
        let items = items.map(|(name, value)| format!("{name}={}", value.as_str().unwrap()));
        items.collect::<Vec<_>>().join(",")
    }

    /// Returns the spans in the transaction.
    pub fn spans(&self) -> &[Value] {
        self.payload["spans"].as_array().map_or(&[], Vec::as_slice)
    }
}
