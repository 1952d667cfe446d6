//! Sessions of the SDK's release health, one for each request.

use std::sync::Arc;

use sentry::test::TestTransport;
use sentry::{Client, ClientOptions, Hub, SessionMode};
use sentry_core::protocol::{EnvelopeItem, SessionAggregateItem};
use tracehop_sentry::SentryRecorder;

use super::capture;
use super::requests::{GET, propagator, start};

/// Returns the sessions of four requests, of which two fail: one in its handler, the other in a job after its response.
fn sessions(options: ClientOptions) -> Option<[u32; 2]> {
    let (recorder, sent) = (SentryRecorder::new(), TestTransport::new());
    let options = options
        .dsn("https://key@o7.ingest.sentry.io/1")
        .release("shop@1.4.0")
        .transport(recorder.transport(sent.clone()).with_items());
    let client = Arc::new(Client::from(options));
    let hub = Arc::new(Hub::new(Some(Arc::clone(&client)), Arc::default()));
    let propagator = propagator(&recorder);
    for fails in ["never", "never", "at once", "later"] {
        let hop = start(&propagator, &hub, &GET);
        let of_request = hop.run(Hub::current);
        if fails == "at once" {
            capture(&of_request, "boom");
        }
        hop.finish();
        if fails == "later" {
            capture(&of_request, "boom");
        }
    }
    client.close(None);
    let envelopes = sent.fetch_and_clear_envelopes();
    let mut aggregates =
        envelopes.iter().flat_map(|sent| sent.items()).filter_map(|item| match item {
            EnvelopeItem::SessionAggregates(sessions) => Some(&sessions.aggregates),
            _ => None,
        });
    let counts = aggregates.next().map(|aggregates| {
        let sum = |of: fn(&_) -> u32| aggregates.iter().map(of).sum();
        [sum(|sessions: &SessionAggregateItem| sessions.exited), sum(|sessions| sessions.errored)]
    });
    assert!(aggregates.next().is_none());
    counts
}

#[test]
fn each_request_is_a_session_where_the_sdk_is_set_so() {
    let by_request = || ClientOptions::new().session_mode(SessionMode::Request);
    assert_eq!(sessions(by_request().auto_session_tracking(true)), Some([2, 2]));
    assert_eq!(sessions(by_request().auto_session_tracking(false)), None);
    assert_eq!(sessions(ClientOptions::new().auto_session_tracking(true)), None);
}
