//! Reads `sentry-trace` and `baggage` of requests and pages without this library, because the library is compared with
//! what is read here.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use percent_encoding::percent_decode_str;

/// The parts of a `sentry-trace` header or tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SentryTrace {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    /// `None`: the decision is deferred.
    pub(crate) sampled: Option<bool>,
}

impl SentryTrace {
    pub(crate) fn parse(content: &str) -> Result<Self> {
        let mut parts = content.split('-');
        let read = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(trace_id), Some(span_id), sampled, None)
                if is_lower_hex(trace_id, 32) && is_lower_hex(span_id, 16) =>
            {
                let sampled = match sampled {
                    None => Some(None),
                    Some("1") => Some(Some(true)),
                    Some("0") => Some(Some(false)),
                    Some(_) => None,
                };
                sampled.map(|sampled| Self {
                    trace_id: trace_id.to_owned(),
                    span_id: span_id.to_owned(),
                    sampled,
                })
            }
            _ => None,
        };
        read.with_context(|| format!("the sentry-trace is malformed: {content:?}"))
    }
}

fn is_lower_hex(text: &str, length: usize) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == length && text.bytes().all(is_digit)
}

/// A dynamic sampling context by its names, without the prefix.
pub(crate) type Dsc = BTreeMap<String, String>;

/// The dynamic sampling context in tidy baggage.
pub(crate) fn dsc(baggage: &str) -> Dsc {
    let members = baggage.split(',').filter_map(|member| member.trim().split_once('='));
    let own = members.filter_map(|(key, value)| Some((key.strip_prefix("sentry-")?, value)));
    let decoded = |value| percent_decode_str(value).decode_utf8_lossy().into_owned();
    own.map(|(name, value)| (name.to_owned(), decoded(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";
    const SPAN_ID: &str = "2b11dafbc1cd4d3f";

    #[test]
    fn every_sampling_decision_is_read() {
        for (flag, sampled) in [("-1", Some(true)), ("-0", Some(false)), ("", None)] {
            let content = format!("{TRACE_ID}-{SPAN_ID}{flag}");
            let tag = SentryTrace::parse(&content).unwrap();
            assert_eq!(tag.sampled, sampled, "{content}");
            assert_eq!((&*tag.trace_id, &*tag.span_id), (TRACE_ID, SPAN_ID));
        }
    }

    #[test]
    fn malformed_values_are_refused() {
        let upper = TRACE_ID.to_uppercase();
        for content in [
            "",
            TRACE_ID,
            &format!("{TRACE_ID}-"),
            &format!("{TRACE_ID}-{SPAN_ID}-"),
            &format!("{TRACE_ID}-{SPAN_ID}-2"),
            &format!("{TRACE_ID}-{SPAN_ID}-1-1"),
            &format!("{TRACE_ID}-{SPAN_ID}0-1"),
            &format!("{upper}-{SPAN_ID}-1"),
            &format!(" {TRACE_ID}-{SPAN_ID}-1"),
        ] {
            assert!(SentryTrace::parse(content).is_err(), "{content:?}");
        }
    }

    #[test]
    fn only_sentry_members_are_in_the_dsc() {
        let read =
            dsc("other=1, sentry-release=shop%401,sentry-sampled=true,sentry-sample_rate=1.0");
        let expected = [("release", "shop@1"), ("sampled", "true"), ("sample_rate", "1.0")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(dsc(""), Dsc::new());
    }
}
