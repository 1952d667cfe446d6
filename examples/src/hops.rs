//! What a service reports of its part in a trace.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use tracehop::{NotContinued, PropagationContext, SpanId, TraceId};

/// One service's part in a trace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hop {
    /// Who reports.
    pub service: String,
    /// What it did: method and route.
    pub name: String,
    /// The trace.
    pub trace_id: TraceId,
    /// The service's own span.
    pub span_id: SpanId,
    /// The span that called it; `None` at the head of the trace.
    pub parent_span_id: Option<SpanId>,
    /// The sampling decision; `None` if deferred.
    pub sampled: Option<bool>,
    /// The dynamic sampling context, as it travels.
    pub dsc: String,
    /// Whether the trace was begun by another service.
    pub continued: bool,
    /// Why the trace was not continued.
    pub reason: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub start_ms: f64,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
}

/// What a clock may say, in milliseconds: up to the year 2286.
const PLAUSIBLE_MS: std::ops::RangeInclusive<f64> = 0.0..=1e13;

impl Hop {
    /// Whether a picture can be drawn of this report, which may have come from anybody.
    pub fn is_plausible(&self) -> bool {
        PLAUSIBLE_MS.contains(&self.start_ms) && PLAUSIBLE_MS.contains(&self.duration_ms)
    }

    fn new(
        service: &str,
        name: String,
        context: &PropagationContext,
        start: SystemTime,
        duration: Duration,
    ) -> Self {
        Self {
            service: service.to_owned(),
            name,
            trace_id: context.trace_id(),
            span_id: context.span_id(),
            parent_span_id: context.parent_span_id(),
            sampled: context.sampled(),
            dsc: context.dsc().as_str().to_owned(),
            continued: context.is_continued(),
            reason: context.not_continued().map(NotContinued::to_string),
            start_ms: start.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3,
            duration_ms: duration.as_secs_f64() * 1e3,
        }
    }
}

/// The last hops of a service, in memory.
#[derive(Debug, Clone)]
pub struct HopLog {
    service: &'static str,
    hops: Arc<Mutex<VecDeque<Hop>>>,
}

impl HopLog {
    /// Hops that are kept; older ones are forgotten.
    const CAPACITY: usize = 1_000;

    /// An empty log of this service.
    pub fn new(service: &'static str) -> Self {
        Self { service, hops: Arc::default() }
    }

    /// Adds a hop.
    pub fn push(&self, hop: Hop) {
        let mut hops = self.hops.lock().unwrap_or_else(PoisonError::into_inner);
        if hops.len() == Self::CAPACITY {
            hops.pop_front();
        }
        hops.push_back(hop);
    }

    /// All hops, oldest first.
    pub fn all(&self) -> Vec<Hop> {
        self.hops.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Middleware that reports each request to the [`HopLog`] in the App's data. It belongs inside of
/// [`TracePropagation`](tracehop_actix::TracePropagation), which it asks for the trace.
///
/// # Errors
///
/// Those of the handler, and none of its own.
pub async fn report(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let log = request.app_data::<Data<HopLog>>().cloned();
    let name = format!("{} {}", request.method(), request.match_pattern().unwrap_or_default());
    let (start, clock) = (SystemTime::now(), Instant::now());
    let response = next.call(request).await;
    if let (Some(log), Some(context)) = (log, PropagationContext::current()) {
        log.push(Hop::new(log.service, name, &context, start, clock.elapsed()));
    }
    response
}
