//! An HTTP transport that keeps both the `trace` header of envelopes and the rate limits of Sentry's server.
//!
//! The SDK's own holds items back by their category, and drops the headers of what is left. Here its thread does the
//! first, and the headers wait inside of the items until the envelope is written.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Proxy, StatusCode};
use sentry::transports::{RateLimiter, TokioTransportThread, TokioTransportThreadOptions};
use sentry_core::client_report::Reason;
use sentry_core::{Envelope, Transport, TransportFactory, TransportOptions, sentry_debug};

use crate::envelope::write;

/// Makes transports that send by `reqwest`, as the SDK does with its default features.
pub(crate) struct HttpTransportFactory;

impl TransportFactory for HttpTransportFactory {
    fn create_transport_with_options(&self, options: TransportOptions) -> Arc<dyn Transport> {
        Arc::new(HttpTransport(start(options)))
    }
}

struct HttpTransport(TokioTransportThread);

impl Transport for HttpTransport {
    fn send_envelope(&self, envelope: Envelope) {
        self.0.send(envelope);
    }

    fn flush(&self, timeout: Duration) -> bool {
        self.0.flush(timeout)
    }

    fn shutdown(&self, timeout: Duration) -> bool {
        self.flush(timeout)
    }
}

/// Starts the thread that sends.
fn start(options: TransportOptions) -> TokioTransportThread {
    let client = client(&options)
        .inspect_err(|error| sentry_debug!("nothing can be sent: no HTTP client: {error}"))
        .ok();
    let url = options.dsn.envelope_api_url();
    let auth = options.dsn.to_auth(Some(&options.user_agent)).to_string();
    let capacity = options.transport_channel_capacity;
    let reports = options.client_report_recorder;
    let lost = reports.clone();
    let send = move |envelope, mut limits: RateLimiter| {
        let (envelope, body) = write(envelope);
        let request = client.as_ref().zip(body.ok()).map(|(client, body)| {
            client.post(url.clone()).header("X-Sentry-Auth", &auth).body(body)
        });
        let lost = lost.clone();
        async move {
            let Some(request) = request else {
                lost.record_lost_data(&envelope, Reason::InternalError);
                return limits;
            };
            match request.send().await {
                Ok(response) => {
                    let status = response.status();
                    update(&mut limits, status, response.headers());
                    let is_error = status.is_client_error() || status.is_server_error();
                    if is_error && status != StatusCode::TOO_MANY_REQUESTS {
                        lost.record_lost_data(&envelope, Reason::SendError);
                    }
                    // The connection is used again once the body is read.
                    let text = response.text().await.unwrap_or_default();
                    sentry_debug!("Sentry answered {status}: {text}");
                }
                Err(error) => {
                    sentry_debug!("envelope was not sent: {error}");
                    lost.record_lost_data(&envelope, Reason::NetworkError);
                }
            }
            limits
        }
    };
    let mut thread = TokioTransportThreadOptions::new(send).with_client_report_recorder(reports);
    if let Some(capacity) = capacity {
        thread = thread.with_channel_capacity(capacity.get());
    }
    thread.spawn_thread()
}

fn client(options: &TransportOptions) -> reqwest::Result<Client> {
    let mut builder =
        Client::builder().tls_danger_accept_invalid_certs(options.accept_invalid_certs);
    let of_http = options.http_proxy.as_deref().map(Proxy::http);
    let of_https = options.https_proxy.as_deref().map(Proxy::https);
    for proxy in [of_http, of_https].into_iter().flatten() {
        match proxy {
            Ok(proxy) => builder = builder.proxy(proxy),
            Err(error) => sentry_debug!("malformed proxy: {error}"),
        }
    }
    builder.build()
}

/// Notes the [rate limits](https://develop.sentry.dev/sdk/expected-features/rate-limiting/) of an answer.
fn update(limits: &mut RateLimiter, status: StatusCode, headers: &HeaderMap) {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    if let Some(by_category) = text("X-Sentry-Rate-Limits") {
        limits.update_from_sentry_header(by_category);
    } else if let Some(all) = text(RETRY_AFTER.as_str()) {
        limits.update_from_retry_after(all);
    } else if status == StatusCode::TOO_MANY_REQUESTS {
        limits.update_from_429();
    }
}
