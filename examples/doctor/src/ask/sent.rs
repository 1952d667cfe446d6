use tracehop::wire::{Baggage, SentryTrace};
use tracehop::{DynamicSamplingContext, Propagator};
use ureq::http::{HeaderMap, HeaderValue};

use crate::{Report, explain};

/// A member of another vendor, which the service must not hand on.
pub(super) const FOREIGN: &str = "doctor-foreign";

/// An item that no service knows, and that all services must hand on.
const UNKNOWN: &str = "sentry-doctor";

/// The trace that a request is sent with.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) sentry_trace: SentryTrace,
    pub(super) dsc: DynamicSamplingContext,
    /// The foreign member, and the members of `dsc`.
    baggage: Baggage,
}

impl Sent {
    pub(super) fn new(org_id: Option<&str>) -> anyhow::Result<Self> {
        let builder = Propagator::builder()
            .dsn("https://doctor@doctor.invalid/1")
            .release(concat!("tracehop-doctor@", env!("CARGO_PKG_VERSION")))
            .environment("doctor")
            .traces_sample_rate(1.0);
        let propagator = match org_id {
            Some(org_id) => builder.org_id(org_id).build()?,
            None => builder.build()?,
        };
        let trace = propagator.start_new_trace();
        // Has characters that must be encoded.
        trace.set_transaction("GET /doctor/{patient}");
        let mut items = trace.dsc().as_baggage().clone();
        items.push(UNKNOWN, "an unknown item")?;
        let dsc = DynamicSamplingContext::from_baggage([items.as_str().as_bytes()]);
        let mut baggage = Baggage::new();
        baggage.push(FOREIGN, "private")?;
        for member in items.members() {
            baggage.push_member(&member)?;
        }
        let sentry_trace = SentryTrace::new(trace.trace_id(), trace.span_id(), trace.sampled());
        Ok(Self { sentry_trace, dsc, baggage })
    }

    pub(super) fn headers(&self) -> HeaderMap {
        let sentry_trace = self.sentry_trace.to_string();
        let lines = [("sentry-trace", &*sentry_trace), ("baggage", self.baggage.as_str())];
        // Both are printable ASCII.
        lines
            .into_iter()
            .filter_map(|(name, value)| {
                Some((name.parse().ok()?, HeaderValue::from_str(value).ok()?))
            })
            .collect()
    }

    /// Puts the parts of the sent headers into the report.
    pub(super) fn explain(&self, report: &mut Report) {
        report.parts = explain("", &self.headers()).parts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    #[test]
    fn sent_headers_pass_all_checks() {
        let sent = Sent::new(Some("123")).unwrap();
        let report = explain("", &sent.headers());
        let remarks: Vec<_> =
            report.checks.iter().filter(|check| check.verdict != Verdict::Good).collect();
        assert_eq!(remarks.len(), 1, "{remarks:?}");
        assert!(remarks[0].what.ends_with(FOREIGN));
        assert_eq!(sent.dsc.sampled(), Some(true));
        assert_eq!(sent.dsc.org_id().as_deref(), Some("123"));
        assert_ne!(sent.dsc, Sent::new(None).unwrap().dsc);
        assert!(Sent::new(Some("acme")).is_err());
    }
}
