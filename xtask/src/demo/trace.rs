//! What came of a trace, as the collector tells it.

use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// A dynamic sampling context by its names, without the prefix.
pub(crate) type Dsc = BTreeMap<String, String>;

/// The dynamic sampling context in tidy baggage. Not read with this library: it is what that is compared with.
pub(crate) fn dsc(baggage: &str) -> Dsc {
    let members = baggage.split(',').filter_map(|member| member.trim().split_once('='));
    let own = members.filter_map(|(key, value)| Some((key.strip_prefix("sentry-")?, value)));
    let decoded = |value| percent_decode_str(value).decode_utf8_lossy().into_owned();
    own.map(|(name, value)| (name.to_owned(), decoded(value))).collect()
}

/// All that came of a trace.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Trace {
    pub(crate) spans: Vec<Span>,
    pub(crate) events: Vec<Event>,
}

/// A span that an SDK sent.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Span {
    pub(crate) service: String,
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) parent_span_id: Option<String>,
    pub(crate) op: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) is_segment: bool,
    /// From the header of its envelope.
    pub(crate) dsc: Option<Dsc>,
}

/// An error that an SDK sent.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Event {
    pub(crate) service: String,
    pub(crate) span_id: String,
    pub(crate) title: String,
    /// From the header of its envelope.
    pub(crate) dsc: Option<Dsc>,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (op, name) = (self.op.as_deref(), self.name.as_deref());
        let (op, name) = (op.unwrap_or("span"), name.unwrap_or("unnamed"));
        write!(f, "{}'s {op} \"{name}\" ({})", self.service, self.span_id)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}'s \"{}\" (in {})", self.service, self.title, self.span_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sentrys_members_are_of_the_dsc() {
        let read =
            dsc("other=1, sentry-release=shop%401,sentry-sampled=true,sentry-sample_rate=1.0");
        let expected = [("release", "shop@1"), ("sampled", "true"), ("sample_rate", "1.0")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(dsc(""), Dsc::new());
    }
}
