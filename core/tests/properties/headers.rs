use proptest::collection::vec;
use proptest::prelude::*;
use tracehop::wire::{SentryTrace, SentryTraceError, Traceparent, TraceparentError, Tracestate};

use crate::{any_line, config, is_header_value, sentry_trace, slices, span_id, trace_id};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn sentry_trace_round_trips(
        value in sentry_trace(), before in "[ \t]{0,3}", after in "[ \t]{0,3}", count in 1_usize..4,
    ) {
        let text = value.to_string();
        assert!(is_header_value(&text) && text.len() <= 51);
        // A dash after the ids means a deferred decision. A dash after a decision is malformed.
        let with_dash = SentryTrace::parse(format!("{text}-").as_bytes());
        assert_eq!(with_dash.ok(), (value.sampled.is_none()).then_some(value));
        assert_eq!(text.parse(), Ok(value));
        let untidy = format!("{before}{}{after}", text.to_uppercase());
        assert_eq!(SentryTrace::parse(untidy.as_bytes()), Ok(value));
        let lines = vec![untidy.as_bytes(); count];
        assert_eq!(SentryTrace::parse_lines(lines), Ok(Some(value)));
    }

    #[test]
    fn sentry_trace_with_a_changed_byte_differs(
        value in sentry_trace(), at in any::<prop::sample::Index>(), byte: u8,
    ) {
        let mut bytes = value.to_string().into_bytes();
        let at = at.index(bytes.len());
        let is_same = bytes[at].eq_ignore_ascii_case(&byte);
        bytes[at] = byte;
        match SentryTrace::parse(&bytes) {
            Ok(found) => {
                // A blank in place of the decision leaves a dash at the end.
                let is_deferred = value.sampled.is_some() && found.sampled.is_none();
                assert_eq!(found == value, is_same);
                if !is_deferred {
                    assert_eq!(found.to_string().as_bytes(), bytes.to_ascii_lowercase());
                }
                let text = value.to_string();
                let both = SentryTrace::parse_lines([text.as_bytes(), &bytes]);
                assert_eq!(both == Err(SentryTraceError::Conflict), !is_same);
            }
            Err(_) => assert!(!is_same),
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn header_values_and_rates_round_trip_through_json(
        value in sentry_trace(), line in any_line(), millionths in 0_u32..1_000_000,
    ) {
        fn assert_round_trip<T>(value: T)
        where
            T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
        {
            let json = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value);
        }

        assert_round_trip(value);
        assert_round_trip(value.trace_id);
        assert_round_trip(value.span_id);
        assert_round_trip(Traceparent::new(value.trace_id, value.span_id, value.sampled == Some(true)));
        assert_round_trip(tracehop::wire::Baggage::from_header(&line));
        // By default `serde_json` may read a number with more digits as the next larger or smaller `f64`.
        let number = f64::from(millionths) / 1e6;
        assert_round_trip(tracehop::SampleRate::new(number).unwrap());
        assert_round_trip(tracehop::SampleRand::new(number).unwrap());
    }

    #[test]
    fn any_lines_are_header_values_or_errors(lines in vec(any_line(), 0..3)) {
        assert!(!matches!(SentryTrace::parse_lines(slices(&lines)), Ok(Some(_))));
        assert!(!matches!(Traceparent::parse_lines(slices(&lines)), Ok(Some(_))));
        if let Ok(Some(list)) = Tracestate::parse_lines(slices(&lines)) {
            assert!(is_header_value(list.as_str()));
        }
    }

    #[test]
    fn traceparent_round_trips(
        trace_id in trace_id(), parent_id in span_id(), sampled: bool, random_trace_id: bool,
    ) {
        let mut value = Traceparent::new(trace_id, parent_id, sampled);
        value.random_trace_id = random_trace_id;
        let text = value.to_string();
        assert!(is_header_value(&text));
        assert_eq!(text.len(), 55);
        assert_eq!(text.parse(), Ok(value));
        let twice = [text.as_bytes(); 2];
        assert_eq!(Traceparent::parse_lines(twice), Err(TraceparentError::Several));
    }

    #[test]
    fn traceparent_of_later_versions_may_be_longer(
        trace_id in trace_id(), parent_id in span_id(), version: u8, flags: u8, more in "(-.{0,20})?",
    ) {
        let text = format!("{version:02x}-{trace_id}-{parent_id}-{flags:02x}{more}");
        let mut value = Traceparent::new(trace_id, parent_id, flags & 1 == 1);
        value.random_trace_id = flags & 2 == 2;
        let is_read = version != 0xff && (version != 0 || more.is_empty());
        assert_eq!(text.parse().ok(), is_read.then_some(value));
    }

    #[test]
    fn tracestate_lines_round_trip_as_one(
        lines in vec(vec("[a-z0-9][-a-z0-9_*/@]{0,20}=[!-+\\--<>-~ ]{0,20}[!-+\\--<>-~]", 0..14), 0..4),
        blanks in "[ \t]{0,2}",
    ) {
        let members = lines.concat();
        let separator = format!("{blanks},{blanks}");
        let lines: Vec<_> = lines.iter().map(|line| line.join(&separator).into_bytes()).collect();
        match Tracestate::parse_lines(slices(&lines)) {
            Ok(None) => assert!(members.is_empty()),
            Ok(Some(list)) => {
                assert!(members.len() <= 32);
                let members: Vec<_> = members.iter().map(|it| it.trim_matches(' ')).collect();
                assert_eq!(list.as_str(), members.join(","));
                assert!(is_header_value(list.as_str()));
                assert_eq!(list.as_str().parse(), Ok(list.clone()));
            }
            Err(error) => assert!(members.len() > 32, "{}", error),
        }
    }

    #[test]
    fn tracestate_refuses_other_bytes(at in 0_usize..9, byte: u8) {
        let mut bytes = b"a@b=c d,e=f".to_vec();
        bytes.insert(at, byte);
        let is_key = |key: &str| {
            let is_next = |it: char| matches!(it, 'a'..='z' | '0'..='9' | '_' | '-' | '*' | '/' | '@');
            key.starts_with(|it: char| it.is_ascii_lowercase() || it.is_ascii_digit()) && key.chars().all(is_next)
        };
        let is_value = |value: &str| !value.is_empty() && value.chars().all(|it| (' '..='~').contains(&it) && it != '=');
        let is_member = |member: &str| {
            let member = member.trim_matches([' ', '\t']);
            member.is_empty() || member.split_once('=').is_some_and(|(key, value)| is_key(key) && is_value(value))
        };
        let text = String::from_utf8(bytes.clone());
        let is_list = text.is_ok_and(|text| text.split(',').all(is_member));
        assert_eq!(Tracestate::parse_lines([bytes.as_slice()]).is_ok(), is_list, "{}", bytes.escape_ascii());
    }
}
