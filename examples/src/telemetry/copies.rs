//! A transport that sends each envelope to several destinations.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sentry::transports::{DefaultTransportFactory, StdTransportThread, StdTransportThreadOptions};
use sentry::{Envelope, Transport, TransportFactory, TransportOptions};
use ureq::Agent;
use url::Url;

use super::{Destinations, PATIENCE};
use crate::loopback::is_on_this_machine;

/// Makes transports that send to a project and send copies to other URLs.
pub(super) struct WithCopies {
    has_project: bool,
    copies: Vec<Url>,
}

impl WithCopies {
    pub(super) fn to(destinations: &Destinations) -> Self {
        let copies = destinations.copies().to_vec();
        Self { has_project: destinations.has_project(), copies }
    }
}

impl TransportFactory for WithCopies {
    fn create_transport_with_options(&self, mut options: TransportOptions) -> Arc<dyn Transport> {
        let host = Url::parse(&options.dsn.to_string()).ok();
        if host.is_some_and(|url| is_on_this_machine(&url)) {
            // A proxy cannot reach the loopback addresses of this machine.
            (options.http_proxy, options.https_proxy) = (None, None);
        }
        let project = || DefaultTransportFactory.create_transport_with_options(options);
        let copies = self.copies.iter().cloned().map(copier).collect();
        Arc::new(Several { project: self.has_project.then(project), copies })
    }
}

struct Several {
    project: Option<Arc<dyn Transport>>,
    copies: Vec<StdTransportThread>,
}

impl Transport for Several {
    fn send_envelope(&self, envelope: Envelope) {
        for copy in &self.copies {
            // Does not block: an envelope that the queue has no room for is dropped.
            copy.send(envelope.clone());
        }
        if let Some(project) = &self.project {
            project.send_envelope(envelope);
        }
    }

    /// Returns whether the project got all envelopes. The copies share the timeout, but their result does not count.
    fn flush(&self, timeout: Duration) -> bool {
        let start = Instant::now();
        let flushed = self.project.as_ref().is_none_or(|project| project.flush(timeout));
        for copy in &self.copies {
            copy.flush(timeout.saturating_sub(start.elapsed()));
        }
        flushed
    }

    fn shutdown(&self, timeout: Duration) -> bool {
        self.flush(timeout)
    }
}

/// The number of envelopes that may wait, a few kilobytes each. The SDK's default is 30. Two dozen visitors at once
/// make more.
const QUEUE: usize = 1_000;

/// Starts a thread that posts envelopes to a URL.
fn copier(url: Url) -> StdTransportThread {
    let proxy = if is_on_this_machine(&url) { None } else { ureq::Proxy::try_from_env() };
    let config = Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(proxy).build();
    let agent = Agent::from(config);
    let mut backoff = Backoff::default();
    let send = move |envelope: Envelope, _: &mut _| {
        let mut body = Vec::new();
        if backoff.is_over(Instant::now()) && envelope.to_writer(&mut body).is_ok() {
            let request = agent.post(url.as_str());
            let request = request.header("content-type", "application/x-sentry-envelope");
            // The response is read to its end, so that the connection can be reused.
            let sent =
                request.send(&body).and_then(|mut response| response.body_mut().read_to_vec());
            match sent {
                Ok(_) => backoff = Backoff::default(),
                Err(error) if backoff.fail(Instant::now()) => {
                    eprintln!("cannot send to {url}, drops envelopes until it answers: {error}");
                }
                Err(_) => (),
            }
        }
    };
    StdTransportThreadOptions::new(send).with_channel_capacity(QUEUE).spawn_thread()
}

/// The pause after a failed request.
#[derive(Debug, Default)]
struct Backoff {
    until: Option<(Instant, Duration)>,
}

impl Backoff {
    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(60);

    fn is_over(&self, now: Instant) -> bool {
        self.until.is_none_or(|(until, _)| now >= until)
    }

    /// Doubles the pause. Returns whether this was the first failure.
    fn fail(&mut self, now: Instant) -> bool {
        let delay = self.until.map_or(Self::FIRST, |(_, last)| (last * 2).min(Self::LONGEST));
        self.until.replace((now + delay, delay)).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut backoff = Backoff::default();
        assert!(backoff.is_over(start));
        assert!(backoff.fail(start));
        assert!(!backoff.is_over(start));
        assert!(backoff.is_over(after(1)));
        assert!(!backoff.fail(after(1)));
        assert!(!backoff.is_over(after(2)));
        assert!(backoff.is_over(after(3)));
        for _ in 0..100 {
            assert!(!backoff.fail(start));
        }
        assert!(!backoff.is_over(after(59)));
        assert!(backoff.is_over(after(60)));
    }
}
