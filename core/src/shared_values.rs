//! The header values of the requests of one trace.

use std::borrow::Cow;
use std::sync::OnceLock;

use bytes::Bytes;
use http::HeaderValue;

use crate::items::{Items, plain_list};
use crate::wire::{Baggage, SentryTrace};

/// The values that all requests of a trace share.
///
/// All have the same baggage, and those of the same span the same `sentry-trace`, which is all of them unless the
/// application records spans of its own. What was made for the first is lent to the others.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedValues {
    arrived: Option<Arrived>,
    first: OnceLock<Values>,
}

/// What arrived, as it is sent from where it is: the items side by side in a line, and `sentry-trace` in the
/// [room](SharedValues::ROOM) before it, all in one piece of memory.
#[derive(Debug, Clone)]
struct Arrived {
    values: Values,
    members: usize,
}

#[derive(Debug, Clone)]
struct Values {
    of: SentryTrace,
    sentry_trace: HeaderValue,
    baggage: HeaderValue,
}

impl SharedValues {
    /// Bytes before a line that arrived.
    pub(crate) const ROOM: usize = SentryTrace::MAX_LEN;

    /// The values of what was found in a line that has [room](Self::ROOM) before it, for a service that is likely to
    /// send this; the line without the room, if the items are not to be sent from there.
    pub(crate) fn within(
        mut line: Vec<u8>,
        items: &Items,
        of: &SentryTrace,
    ) -> Result<Self, Vec<u8>> {
        let (Some((run, members)), Some(room)) = (items.run(), line.first_chunk_mut()) else {
            return Err(without_room(line));
        };
        let len = of.encode_bytes(room).len();
        let memory = Bytes::from(line);
        let baggage = memory.slice(Self::ROOM + run.start..Self::ROOM + run.end);
        match Values::new(of, memory.slice(..len), baggage) {
            Some(values) => {
                Ok(Self { arrived: Some(Arrived { values, members }), first: OnceLock::new() })
            }
            None => Err(without_room(memory.into())),
        }
    }

    /// The list that arrived.
    pub(crate) fn to_list(&self) -> Baggage {
        self.arrived.as_ref().map_or_else(Baggage::new, |Arrived { values, members }| {
            plain_list(values.baggage.as_bytes().to_vec(), *members)
        })
    }

    /// Both values of a request; the text of the baggage must be the same each time, and what arrived if anything did.
    /// `None` if it is not a header value.
    #[inline]
    pub(crate) fn of<'a>(
        &self,
        sentry_trace: &SentryTrace,
        baggage: impl FnOnce() -> &'a str,
    ) -> Option<(Cow<'_, HeaderValue>, &HeaderValue)> {
        match &self.arrived {
            Some(Arrived { values, .. }) if values.of == *sentry_trace => Some(values.lent()),
            arrived => self.made(sentry_trace, || match arrived {
                Some(Arrived { values: Values { baggage, .. }, .. }) => Some(Values {
                    of: *sentry_trace,
                    sentry_trace: header_value(sentry_trace)?,
                    baggage: baggage.clone(),
                }),
                None => Values::from_text(sentry_trace, baggage()),
            }),
        }
    }

    /// The same by values that are made here, for whoever is first.
    fn made(
        &self,
        sentry_trace: &SentryTrace,
        make: impl FnOnce() -> Option<Values>,
    ) -> Option<(Cow<'_, HeaderValue>, &HeaderValue)> {
        let first = match self.first.get() {
            Some(first) => first,
            None => {
                let values = make()?;
                self.first.get_or_init(|| values)
            }
        };
        if first.of == *sentry_trace {
            return Some(first.lent());
        }
        Some((Cow::Owned(header_value(sentry_trace)?), &first.baggage))
    }
}

impl Values {
    fn new(of: &SentryTrace, sentry_trace: Bytes, baggage: Bytes) -> Option<Self> {
        Some(Self {
            of: *of,
            sentry_trace: HeaderValue::from_maybe_shared(sentry_trace).ok()?,
            baggage: HeaderValue::from_maybe_shared(baggage).ok()?,
        })
    }

    fn lent(&self) -> (Cow<'_, HeaderValue>, &HeaderValue) {
        (Cow::Borrowed(&self.sentry_trace), &self.baggage)
    }

    fn from_text(sentry_trace: &SentryTrace, baggage: &str) -> Option<Self> {
        let mut buffer = [0; SentryTrace::MAX_LEN];
        let text = sentry_trace.encode_bytes(&mut buffer);
        // Both in one piece of memory, to ask for it once.
        let mut both = Vec::with_capacity(text.len() + baggage.len());
        both.extend_from_slice(text);
        both.extend_from_slice(baggage.as_bytes());
        let mut both = Bytes::from(both);
        let first = both.split_to(text.len());
        Self::new(sentry_trace, first, both)
    }
}

fn without_room(mut line: Vec<u8>) -> Vec<u8> {
    line.drain(..SharedValues::ROOM.min(line.len()));
    line
}

fn header_value(sentry_trace: &SentryTrace) -> Option<HeaderValue> {
    HeaderValue::from_bytes(sentry_trace.encode_bytes(&mut [0; SentryTrace::MAX_LEN])).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPANS: [&str; 3] = ["b72fa28504b07285", "00f067aa0ba902b7", "b72fa28504b07285"];

    fn sentry_trace(span_id: &str, end: &str) -> SentryTrace {
        format!("771a43a4192642f0b136d5159a501700-{span_id}{end}").parse().unwrap()
    }

    fn assert_values(shared: &SharedValues, of: &SentryTrace, baggage: &str) {
        let (sentry_trace, baggage_value) = shared.of(of, || baggage).unwrap();
        assert_eq!(*sentry_trace, of.to_string());
        assert_eq!(baggage_value, baggage);
    }

    fn within(line: &str) -> Result<SharedValues, Vec<u8>> {
        let mut memory = vec![0; SharedValues::ROOM];
        memory.extend_from_slice(line.as_bytes());
        let items = Items::find(line.as_bytes());
        SharedValues::within(memory, &items, &sentry_trace(SPANS[0], ""))
    }

    #[test]
    fn every_span_has_its_own_sentry_trace_and_all_the_same_baggage() {
        let shared = SharedValues::default();
        for span_id in SPANS {
            for end in ["", "-1", "-0"] {
                assert_values(&shared, &sentry_trace(span_id, end), "a=1");
            }
        }
    }

    #[test]
    fn what_arrived_is_sent_from_where_it_is_by_whichever_span_is_first() {
        for span_id in SPANS {
            for end in ["", "-1", "-0"] {
                let shared = within("a=1,sentry-x=1,sentry-y=%2F,b=2").unwrap();
                assert_values(&shared, &sentry_trace(span_id, end), "sentry-x=1,sentry-y=%2F");
                assert_values(&shared, &sentry_trace(SPANS[1], "-1"), "sentry-x=1,sentry-y=%2F");
                assert_eq!(shared.to_list(), "sentry-x=1,sentry-y=%2F".parse().unwrap());
            }
        }
    }

    #[test]
    fn both_values_of_what_arrived_are_in_its_memory() {
        let mut line = vec![0; SharedValues::ROOM];
        line.extend_from_slice(b"a=1,sentry-x=1");
        let memory = line.as_ptr_range();
        let of = sentry_trace(SPANS[0], "-0");
        let shared = SharedValues::within(line, &Items::find(b"a=1,sentry-x=1"), &of).unwrap();
        let (sentry_trace, baggage) = shared.of(&of, || "").unwrap();
        for value in [&*sentry_trace, baggage] {
            assert!(memory.contains(&value.as_bytes().as_ptr()), "{value:?}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_sent_from_where_it_is_comes_back() {
        for line in
            ["", "a=1", "sentry-x=1,a=1,sentry-y=1", "sentry-x = 1", "sentry-x=1,sentry-x=2"]
        {
            assert_eq!(within(line).unwrap_err(), line.as_bytes(), "{line}");
        }
    }

    #[test]
    fn what_is_no_header_value_is_none_and_not_kept() {
        let shared = SharedValues::default();
        assert!(shared.of(&sentry_trace(SPANS[0], ""), || "\n").is_none());
        assert_values(&shared, &sentry_trace(SPANS[0], ""), "a=1");
    }
}
