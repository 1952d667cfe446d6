//! The stacks of middleware, and a service with actix-web for each.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Condition, Next, from_fn};
use actix_web::{App, Error, web};
use sentry::{Hub, SentryFutureExt as _};
use tracehop::Propagator;
use tracing::Instrument as _;
use tracing_actix_web::TracingLogger;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::handlers::{NextUrl, routes};
use crate::server::{Sentry, Server, serve};

/// What a service is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framework {
    Actix,
    Axum,
}

/// Where a middleware is, as seen from ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Nowhere,
    Outside,
    Inside,
}

use Place::{Inside, Nowhere, Outside};

const PLACES: [Place; 3] = [Nowhere, Outside, Inside];

/// What is around a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stack {
    pub(crate) framework: Framework,
    /// Sentry's own middleware for the framework, and whether it starts transactions.
    pub(crate) sentrys: (Place, bool),
    pub(crate) tracing_logger: Place,
    /// A middleware with a span of its own.
    pub(crate) span: Place,
    /// The SDK's layer for `tracing`.
    pub(crate) layer: bool,
    pub(crate) log_spans: bool,
    /// A middleware that binds a hub for the request.
    pub(crate) tenant: bool,
}

impl Stack {
    pub(crate) fn all(framework: Framework) -> impl Iterator<Item = Self> {
        let sentrys =
            [(Nowhere, false), (Outside, false), (Outside, true), (Inside, false), (Inside, true)];
        let flags = [false, true];
        let loggers = match framework {
            Framework::Actix => &PLACES[..],
            Framework::Axum => &[Nowhere],
        };
        sentrys.into_iter().flat_map(move |sentrys| {
            loggers.iter().flat_map(move |&tracing_logger| {
                PLACES.into_iter().flat_map(move |span| {
                    (0..8).map(move |bits: usize| Self {
                        framework,
                        sentrys,
                        tracing_logger,
                        span,
                        layer: flags[bits & 1],
                        log_spans: flags[bits >> 1 & 1],
                        tenant: flags[bits >> 2],
                    })
                })
            })
        })
    }
}

/// The trace that a request comes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incoming {
    Sampled,
    Unsampled,
    Deferred,
    Nothing,
}

pub(crate) const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";
pub(crate) const PARENT: &str = "b72fa28504b07285";

impl Incoming {
    pub(crate) const ALL: [Self; 4] =
        [Self::Sampled, Self::Unsampled, Self::Deferred, Self::Nothing];

    pub(crate) fn header(self) -> Option<&'static str> {
        Some(match self {
            Self::Sampled => {
                "sentry-trace: 771a43a4192642f0b136d5159a501700-b72fa28504b07285-1\r\n\
                 baggage: sentry-trace_id=771a43a4192642f0b136d5159a501700,\
                 sentry-public_key=49d0f7386ad645858ae85020e393bef3,sentry-release=caller\r\n"
            }
            Self::Unsampled => {
                "sentry-trace: 771a43a4192642f0b136d5159a501700-b72fa28504b07285-0\r\n"
            }
            Self::Deferred => "sentry-trace: 771a43a4192642f0b136d5159a501700-b72fa28504b07285\r\n",
            Self::Nothing => return None,
        })
    }
}

/// Serves an App with a stack, on a worker thread of its own.
pub(crate) fn start(stack: Stack, propagator: &Propagator, sentry: &Sentry) -> Server {
    let (propagator, next) = (propagator.clone(), NextUrl(sentry.next()));
    let app = move || {
        // The subscriber of the worker thread, for as long as that runs.
        std::mem::forget(tracing::subscriber::set_default(subscriber(stack)));
        let client = reqwest_middleware::ClientBuilder::new(
            reqwest::Client::builder().no_proxy().build().unwrap(),
        )
        .with(tracehop_reqwest::TracePropagation::new(propagator.clone()))
        .build();
        let logger =
            |place| Condition::new(stack.tracing_logger == place, TracingLogger::default());
        let (sdk_place, with_transaction) = stack.sentrys;
        let sdk = |place| {
            let sdk = sentry_actix::Sentry::builder().start_transaction(with_transaction).finish();
            Condition::new(sdk_place == place, sdk)
        };
        App::new()
            .app_data(web::Data::new(client))
            .app_data(web::Data::new(next.clone()))
            .configure(routes)
            .wrap(Condition::new(stack.span == Inside, from_fn(in_span)))
            .wrap(logger(Inside))
            .wrap(sdk(Inside))
            .wrap(tracehop_actix::TracePropagation::new(propagator.clone()))
            .wrap(Condition::new(stack.span == Outside, from_fn(in_span)))
            .wrap(logger(Outside))
            .wrap(sdk(Outside))
            .wrap(Condition::new(stack.tenant, from_fn(in_hub)))
    };
    serve!(app)
}

#[expect(deprecated, reason = "most applications still have this layer")]
pub(crate) fn subscriber(stack: Stack) -> impl tracing::Subscriber + Send + Sync {
    let targets = Targets::new().with_default(tracing::Level::INFO);
    let targets = if stack.log_spans {
        targets
    } else {
        targets.with_target("tracehop", tracing::level_filters::LevelFilter::OFF)
    };
    let layer = stack.layer.then(sentry::integrations::tracing::layer);
    tracing_subscriber::registry().with(layer.with_filter(targets))
}

async fn in_span(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    next.call(request).instrument(tracing::info_span!("span of a middleware")).await
}

async fn in_hub(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let hub = Arc::new(Hub::new_from_top(Hub::current()));
    let future = Hub::run(Arc::clone(&hub), || next.call(request));
    future.bind_hub(hub).await
}
