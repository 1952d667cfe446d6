//! A hub in which the SDK's `tracing` layer records nothing.

use std::sync::Arc;

use sentry_core::{Hub, TransactionContext};

/// Returns a hub whose spans are never sent.
///
/// The SDK's layer starts a span below that of the hub that is current where a `tracing` span is opened. Below a
/// transaction without a client the span keeps its attributes for errors and logs, and goes nowhere.
pub(crate) fn quiet_hub() -> Arc<Hub> {
    // The main hub is that of the thread that first asks for a hub. It must not be a worker's.
    Hub::main();
    let hub = Hub::new(None, Arc::default());
    let transaction = hub.start_transaction(TransactionContext::new("log spans", "log"));
    hub.configure_scope(|scope| scope.set_span(Some(transaction.into())));
    Arc::new(hub)
}
