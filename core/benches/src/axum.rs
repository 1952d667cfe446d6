//! A request through axum: without a layer, with ours, and with those of others.

use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Path};
use axum::routing::get;
use axum_tracing_opentelemetry::middleware::OtelAxumLayer;
use http::{HeaderMap, Request};
use opentelemetry_031::global;
use opentelemetry_031::trace::TracerProvider as _;
use opentelemetry_sdk_031::propagation::TraceContextPropagator;
use opentelemetry_sdk_031::trace::SdkTracerProvider;
use sentry_core::{
    Client, ClientOptions, Envelope, Hub, Transport, TransportFactory, TransportOptions,
};
use sentry_tower::{NewSentryLayer, SentryHttpLayer};
use tower_service::Service as _;
use tracehop::Propagator;
use tracehop::tower::TracePropagationLayer;
use tracehop_sentry::SentryRecorder;
use tracing::Dispatch;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::fixture::{builder, propagator};

/// The same service several times.
#[derive(Debug)]
pub(crate) struct Apps {
    pub(crate) plain: Router,
    pub(crate) traced: Router,
    /// With the recorder for Sentry's SDK.
    pub(crate) recorded: Router,
    /// With both layers of sentry-tower, and a transaction.
    pub(crate) sentry: Router,
    /// With the layer of axum-tracing-opentelemetry.
    pub(crate) opentelemetry: Router,
    /// The subscriber for the spans of that layer, without an exporter.
    pub(crate) spans: Dispatch,
}

/// Drops all envelopes.
#[derive(Debug)]
struct Nowhere;

impl Transport for Nowhere {
    fn send_envelope(&self, envelope: Envelope) {
        drop(black_box(envelope));
    }
}

impl TransportFactory for Nowhere {
    fn create_transport_with_options(&self, _: TransportOptions) -> Arc<dyn Transport> {
        Arc::new(Self)
    }
}

fn routes() -> Router {
    Router::new().route("/users/{id}", get(async |Path(id): Path<u32>| id.to_string()))
}

/// The layer of a service with axum.
pub fn axum_layer(propagator: Propagator) -> TracePropagationLayer {
    TracePropagationLayer::new(propagator)
        .route(|request| request.extensions.get::<MatchedPath>().map(MatchedPath::as_str))
}

/// Sets the propagator of OpenTelemetry, and returns a subscriber that makes its spans. There is no exporter: the spans
/// are dropped.
pub fn opentelemetry_spans() -> Dispatch {
    global::set_text_map_propagator(TraceContextPropagator::new());
    let tracer = SdkTracerProvider::builder().build().tracer("benches");
    let spans = tracing_opentelemetry::layer().with_tracer(tracer);
    Dispatch::new(tracing_subscriber::registry().with(spans))
}

impl Default for Apps {
    /// # Panics
    ///
    /// Never: the options are constants, and tested.
    #[expect(clippy::expect_used, reason = "constants")]
    fn default() -> Self {
        let recorder = SentryRecorder::new();
        let options = ClientOptions::new()
            .dsn("https://49d0f7386ad645858ae85020e393bef3@o1234567.ingest.sentry.io/42")
            .traces_sample_rate(0.25)
            .transport(recorder.transport(Nowhere));
        let recorded = builder().recorder(recorder.clone()).build().expect("options");
        Hub::current().bind_client(Some(Arc::new(Client::from(options))));
        Self {
            plain: routes(),
            traced: routes().layer(axum_layer(propagator())),
            recorded: routes().layer(axum_layer(recorded)),
            sentry: routes()
                .layer(SentryHttpLayer::new().enable_transaction())
                .layer(NewSentryLayer::new_from_top()),
            opentelemetry: routes().layer(OtelAxumLayer::default()),
            spans: opentelemetry_spans(),
        }
    }
}

/// Sends a request with these headers through the service, and drops the response. Returns its status.
pub(crate) fn answer(app: &mut Router, headers: &HeaderMap) -> u16 {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = http::Uri::from_static("/users/7");
    request.headers_mut().clone_from(headers);
    let future = pin!(app.call(request));
    // Nothing in the service waits.
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => black_box(response).status().as_u16(),
        Poll::Pending => 0,
    }
}
