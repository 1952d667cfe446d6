//! Writes a trace into a carrier, beside what the application wrote there itself.

use super::{PropagationContext, TraceData};
use crate::carrier::{Field, Injector};
use crate::targets::RequestUrl;
use crate::wire::{Baggage, SentryTrace, Traceparent, lines_within_limit};

impl PropagationContext {
    /// Writes the trace into a carrier without a URL, such as a queue message or a child process.
    ///
    /// What the application wrote itself is respected, as far as the carrier
    /// [shows it](Injector::existing). Empty values count as absent.
    ///
    /// * If there is a `sentry-trace`, nothing is written at all.
    /// * In a `baggage`, members of other vendors are kept, unchanged and first. `sentry-` members are
    ///   replaced, if there are any to send.
    /// * A `traceparent` is kept, with its `tracestate`. A `tracestate` without a `traceparent` means nothing, and
    ///   is replaced if the trace has one.
    pub fn inject<I: Injector + ?Sized>(&self, carrier: &mut I) {
        if has_value(carrier, Field::SentryTrace) {
            return;
        }
        let dsc = self.dsc();
        let sentry_trace = self.sentry_trace();
        carrier.set(Field::SentryTrace, sentry_trace.encode(&mut [0; SentryTrace::MAX_LEN]));
        if !dsc.is_empty() {
            let merged = carrier
                .existing(Field::Baggage)
                .and_then(|existing| merge_baggage(&existing, dsc.as_str()));
            carrier.set(Field::Baggage, merged.as_deref().unwrap_or(dsc.as_str()));
        }
        if let Some(traceparent) = self.traceparent()
            && !has_value(carrier, Field::Traceparent)
        {
            carrier.set(Field::Traceparent, traceparent.encode(&mut [0; Traceparent::LEN]));
            if let Some(tracestate) = self.trace.tracestate() {
                carrier.set(Field::Tracestate, tracestate.as_str());
            }
        }
    }

    /// Writes the trace into the headers of a request, as [`inject`](Self::inject) does, if its URL is a target.
    ///
    /// That is: the URL is one of the
    /// [`trace_propagation_targets`](crate::PropagatorBuilder::trace_propagation_targets), none of the
    /// [exceptions](crate::PropagatorBuilder::trace_propagation_exceptions), and not Sentry's. It is the absolute URL
    /// that the request goes to.
    pub fn inject_to<U: RequestUrl + ?Sized, I: Injector + ?Sized>(
        &self,
        url: &U,
        carrier: &mut I,
    ) {
        if self.propagates_to(url) {
            self.inject(carrier);
        }
    }

    /// Whether [`inject_to`](Self::inject_to) writes the trace into a request to this URL. A client that follows
    /// redirects asks this, because it sends the headers of one request to another URL.
    pub fn propagates_to<U: RequestUrl + ?Sized>(&self, url: &U) -> bool {
        self.options().is_target(url)
    }

    /// Writes this position into the headers that the trace was read from. See
    /// [`ServerHop::inject_position`](crate::hop::ServerHop::inject_position).
    pub(crate) fn inject_position<I: Injector + ?Sized>(&self, carrier: &mut I) {
        let position = self.sentry_trace();
        carrier.set(Field::SentryTrace, position.encode(&mut [0; SentryTrace::MAX_LEN]));
        if self.is_continued() && self.dsc_not_used().is_none() {
            return;
        }
        let mut organisation = Baggage::new();
        if let Some(org_id) = &self.options().org_id {
            // A number always fits.
            let _ = organisation.push("sentry-org_id", org_id);
        }
        let existing = carrier.existing(Field::Baggage);
        let has_baggage = existing.is_some();
        let merged = existing.and_then(|existing| {
            // This list was received, and counts up to the limit. `merge_baggage` itself keeps lists of any length,
            // for those that the application sets.
            let mut counted = lines_within_limit([&*existing]);
            merge_baggage(counted.next().unwrap_or_default(), organisation.as_str())
        });
        let baggage = merged.as_deref().unwrap_or(organisation.as_str());
        if has_baggage || !baggage.is_empty() {
            carrier.set(Field::Baggage, baggage);
        }
    }

    /// Returns what is handed on, as pairs of name and value for carriers of any kind. Freezes the dynamic sampling
    /// context.
    ///
    /// ```
    /// # let context = tracehop::Propagator::builder().build()?.start_new_trace();
    /// for (name, value) in context.trace_data().iter() {
    ///     println!("{name}: {value}");
    /// }
    /// # Ok::<(), tracehop::BuildError>(())
    /// ```
    #[must_use]
    pub fn trace_data(&self) -> TraceData<'_> {
        TraceData::new(self.sentry_trace(), self.dsc(), self.traceparent(), self.trace.tracestate())
    }
}

/// Whether a field has more than empty lines.
fn has_value<I: Injector + ?Sized>(carrier: &I, field: Field) -> bool {
    let is_empty = |value: &[u8]| value.iter().all(|byte| matches!(byte, b' ' | b'\t' | b','));
    carrier.existing(field).is_some_and(|value| !is_empty(&value))
}

/// Puts the members of a tidy list after the members of other vendors in a header value. Returns `None` if there
/// are no such members.
///
/// Members of other vendors are the application's, and stay as they are, even malformed or over a limit: they are only
/// split, and not read. Ours are added as far as the limits allow. Members that are not UTF-8 are dropped: a text cannot
/// hold them.
pub(crate) fn merge_baggage(existing: &[u8], ours: &str) -> Option<String> {
    let foreign = existing
        .split(|byte| *byte == b',')
        .filter_map(|member| std::str::from_utf8(member).ok())
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty() && !member.starts_with("sentry-"));
    let mut merged = String::new();
    let mut members = 0;
    for member in foreign {
        push_member(&mut merged, member);
        members += 1;
    }
    if members == 0 {
        return None;
    }
    for member in ours.split(',').filter(|member| !member.is_empty()) {
        let fits = merged.len() + 1 + member.len() <= Baggage::MAX_BYTES;
        if members >= Baggage::MAX_MEMBERS || !fits {
            break;
        }
        push_member(&mut merged, member);
        members += 1;
    }
    Some(merged)
}

fn push_member(list: &mut String, member: &str) {
    if !list.is_empty() {
        list.push(',');
    }
    list.push_str(member);
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::propagator::Propagator;

    #[test]
    fn members_of_other_vendors_stay_unchanged_and_first() {
        let table: &[(&[u8], Option<&str>)] = &[
            (b"", None),
            (b"sentry-release=old,sentry-old=1", None),
            (b"a=1", Some("a=1,sentry-x=1")),
            (b"b = 2;p , a=%zz,c", Some("b = 2;p,a=%zz,c,sentry-x=1")),
            (b"a=1,sentry-x=0,b=2,sentry-y=0", Some("a=1,b=2,sentry-x=1")),
            (b"a=\xff,b=2", Some("b=2,sentry-x=1")),
            ("a=é".as_bytes(), Some("a=é,sentry-x=1")),
        ];
        for (existing, expected) in table {
            let shown = String::from_utf8_lossy(existing);
            assert_eq!(merge_baggage(existing, "sentry-x=1").as_deref(), *expected, "{shown}");
        }
    }

    #[test]
    fn whole_members_are_dropped_where_limits_end() {
        let members = |n: usize| (0..n).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        let filler = |bytes: usize| format!("k={}", "v".repeat(bytes - 2));
        let table = [
            (members(62), ",sentry-x=1,sentry-y=2"),
            (members(63), ",sentry-x=1"),
            (members(64), ""),
            (members(70), ""),
            (filler(8192 - 22), ",sentry-x=1,sentry-y=2"),
            (filler(8192 - 21), ",sentry-x=1"),
            (filler(8192 - 10), ""),
            (filler(9000), ""),
        ];
        for (foreign, end) in table {
            let merged = merge_baggage(foreign.as_bytes(), "sentry-x=1,sentry-y=2").unwrap();
            assert_eq!(merged, format!("{foreign}{end}"));
        }
    }

    #[test]
    fn write_only_and_dynamic_carriers_take_a_trace() {
        struct WriteOnly(Vec<(Field, String)>);

        impl Injector for WriteOnly {
            fn set(&mut self, field: Field, value: &str) {
                self.0.push((field, value.to_owned()));
            }
        }

        let context = Propagator::builder().build().unwrap().start_new_trace();
        let mut write_only = WriteOnly(Vec::new());
        context.inject(&mut write_only);
        let fields: Vec<_> = write_only.0.iter().map(|(field, _)| *field).collect();
        assert_eq!(fields, [Field::SentryTrace, Field::Baggage]);

        let mut map = HashMap::<String, String>::new();
        let dynamic: &mut dyn Injector = &mut map;
        context.inject(dynamic);
        assert_eq!(map["sentry-trace"], context.trace_data().sentry_trace());
    }

    #[test]
    fn positions_in_requests_name_our_organisation_unless_continued() {
        let continued = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";
        for (org_id, sentry_trace, baggage, expected) in [
            (Some(7), None, None, Some("sentry-org_id=7")),
            (None, None, None, None),
            (Some(7), None, Some("a=1"), Some("a=1,sentry-org_id=7")),
            (None, None, Some("a=1"), Some("a=1")),
            // The trace of another organisation.
            (Some(7), Some(continued), Some("a=1,sentry-org_id=8"), Some("a=1,sentry-org_id=7")),
            (None, None, Some("sentry-org_id=8"), Some("")),
            (Some(7), Some(continued), Some("sentry-org_id=7,a=1"), Some("sentry-org_id=7,a=1")),
            (Some(7), Some(continued), None, None),
            // The DSC of another trace.
            (
                Some(7),
                Some(continued),
                Some("a=1,sentry-trace_id=1b7651916cd43dd8448eb211c80319cc"),
                Some("a=1,sentry-org_id=7"),
            ),
        ] {
            let mut builder = Propagator::builder();
            if let Some(org_id) = org_id {
                builder = builder.org_id(org_id);
            }
            let mut carrier = HashMap::<String, String>::new();
            for (name, value) in [("sentry-trace", sentry_trace), ("baggage", baggage)] {
                if let Some(value) = value {
                    carrier.insert(name.to_owned(), value.to_owned());
                }
            }
            let context = builder.build().unwrap().continue_trace(&carrier);
            context.inject_position(&mut carrier);
            assert_eq!(carrier["sentry-trace"], context.trace_data().sentry_trace());
            assert_eq!(carrier.get("baggage").map(String::as_str), expected, "{baggage:?}");
        }
    }

    #[test]
    fn received_baggage_is_kept_up_to_the_limit() {
        let context = Propagator::builder().build().unwrap().start_new_trace();
        let mut carrier = HashMap::from([("baggage".to_owned(), "a=1,".repeat(25_000))]);
        context.inject_position(&mut carrier);
        assert_eq!(carrier["baggage"], "a=1,".repeat(2048).trim_end_matches(','));
    }
}
