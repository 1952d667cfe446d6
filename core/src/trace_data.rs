//! What is handed on, as values.

use crate::carrier::Field;
use crate::dsc::DynamicSamplingContext;
use crate::text::StackText;
use crate::wire::{Baggage, SentryTrace, Traceparent, Tracestate};

/// What a [`PropagationContext`](crate::PropagationContext) hands on.
///
/// Every value is printable ASCII and can stand in a header as it is. All but the `tracestate` are without
/// `"` and `\`, and can stand in a quoted string as well. In HTML they must be escaped, since the baggage may
/// come from outside and may have `&` and `<`.
///
/// ```
/// let propagator = tracehop::Propagator::builder().environment("staging").build()?;
/// let context = propagator.start_new_trace();
/// let data = context.trace_data();
/// let (trace_id, span_id) = (context.trace_id(), context.span_id());
/// assert_eq!(data.sentry_trace(), format!("{trace_id}-{span_id}"));
/// assert!(data.baggage().is_some_and(|it| it.as_str().contains("sentry-environment=staging")));
/// assert_eq!((data.traceparent(), data.tracestate()), (None, None));
/// # Ok::<(), tracehop::BuildError>(())
/// ```
#[derive(Debug, Clone)]
pub struct TraceData<'a> {
    sentry_trace: StackText<{ SentryTrace::MAX_LEN }>,
    dsc: &'a DynamicSamplingContext,
    traceparent: Option<StackText<{ Traceparent::LEN }>>,
    tracestate: Option<&'a Tracestate>,
}

impl<'a> TraceData<'a> {
    pub(crate) fn new(
        sentry_trace: SentryTrace,
        dsc: &'a DynamicSamplingContext,
        traceparent: Option<Traceparent>,
        tracestate: Option<&'a Tracestate>,
    ) -> Self {
        Self {
            sentry_trace: StackText::new(|buffer| sentry_trace.encode(buffer)),
            dsc,
            traceparent: traceparent.map(|value| StackText::new(|buffer| value.encode(buffer))),
            tracestate,
        }
    }

    /// The `sentry-trace` value.
    pub fn sentry_trace(&self) -> &str {
        &self.sentry_trace
    }

    /// The `baggage` list; `None` if the dynamic sampling context is empty, and no `baggage` is to be sent.
    pub fn baggage(&self) -> Option<&'a Baggage> {
        Some(self.dsc.as_baggage()).filter(|baggage| !baggage.is_empty())
    }

    /// The `traceparent` value; `None` unless
    /// [`propagate_traceparent`](crate::PropagatorBuilder::propagate_traceparent) is on.
    pub fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    /// The `tracestate` list, if one arrived beside the `traceparent` that the trace was continued from.
    /// Only together with a [`traceparent`](Self::traceparent).
    pub fn tracestate(&self) -> Option<&'a str> {
        self.traceparent.and(self.tracestate).map(Tracestate::as_str)
    }

    /// All names, as headers and metadata keys have them, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            (Field::SentryTrace, Some(self.sentry_trace())),
            (Field::Baggage, self.baggage().map(Baggage::as_str)),
            (Field::Traceparent, self.traceparent()),
            (Field::Tracestate, self.tracestate()),
        ]
        .into_iter()
        .filter_map(|(field, value)| Some((field.name(), value?)))
    }

    /// The value of a [`Server-Timing`](https://www.w3.org/TR/server-timing/) response header, from which
    /// the browser SDK continues the trace of a page that has no meta tags.
    ///
    /// A response that shared caches may keep must not have it: it would give one trace to every visitor.
    pub fn server_timing(&self) -> String {
        let mut value = ["sentry-trace;desc=\"", self.sentry_trace(), "\""].concat();
        if let Some(baggage) = self.baggage() {
            value.extend([", baggage;desc=\"", baggage.as_str(), "\""]);
        }
        value
    }
}

/// The application's own baggage with ours behind it, which may be empty; `None` if it has no members of other vendors.
///
/// What other vendors put there is not looked into, and stays even where it exceeds a limit: it is the
/// application's. Ours is added as far as the limits allow. A member that is not UTF-8 cannot be in a text,
/// and is no baggage either.
pub(crate) fn merge_baggage<'a, 'b>(
    lines: impl Iterator<Item = &'a [u8]>,
    ours: impl FnOnce() -> &'b Baggage,
) -> Option<String> {
    // As a rule there is none, which takes no more than to look.
    let mut lines = lines.peekable();
    lines.peek()?;
    let foreign = lines
        .flat_map(|line| line.split(|byte| *byte == b','))
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
    // A member of ours has no comma in it.
    for member in ours().as_str().split(',').filter(|member| !member.is_empty()) {
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
    use super::*;

    fn merged(lines: &[&[u8]], ours: &str) -> Option<String> {
        let ours = ours.parse().unwrap();
        merge_baggage(lines.iter().copied(), || &ours)
    }

    #[test]
    fn members_of_other_vendors_stay_unchanged_and_first() {
        let table: &[(&[&[u8]], Option<&str>)] = &[
            (&[], None),
            (&[b""], None),
            (&[b"sentry-release=old,sentry-old=1"], None),
            (&[b"a=1"], Some("a=1,sentry-x=1")),
            (&[b"b = 2;p , a=%zz", b"c"], Some("b = 2;p,a=%zz,c,sentry-x=1")),
            (&[b"a=1,sentry-x=0,b=2", b"sentry-y=0"], Some("a=1,b=2,sentry-x=1")),
            (&[b"a=\xff,b=2"], Some("b=2,sentry-x=1")),
            (&["a=é".as_bytes()], Some("a=é,sentry-x=1")),
        ];
        for (lines, expected) in table {
            assert_eq!(merged(lines, "sentry-x=1").as_deref(), *expected, "{lines:?}");
        }
    }

    #[test]
    fn ours_is_dropped_by_whole_members_where_the_limits_end() {
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
            let merged = merged(&[foreign.as_bytes()], "sentry-x=1,sentry-y=2").unwrap();
            assert_eq!(merged, format!("{foreign}{end}"));
        }
    }
}
