use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use tracehop::wire::{Baggage, BaggageErrorKind, BaggageMembers};
use tracehop::{DynamicSamplingContext, Propagator};

use crate::{baggage_lines, config, is_tidy, slices};

/// Returns keys, values and numbers of properties of the well-formed members, read in the simplest way.
fn read_simply(line: &[u8]) -> Vec<(String, String, usize)> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_key = |key: &[u8]| !key.is_empty() && key != b"sentry-" && key.iter().all(is_token);
    let is_octet = |byte: &u8| byte.is_ascii_graphic() && !b"\",;\\".contains(byte);
    let trim = |text: &[u8]| {
        let text: Vec<char> = text.iter().map(|byte| char::from(*byte)).collect();
        let text: String = text.into_iter().collect();
        text.trim_matches([' ', '\t']).chars().map(|it| it as u8).collect::<Vec<u8>>()
    };
    let split = |text: &[u8]| {
        let at = text.iter().position(|byte| *byte == b'=')?;
        Some((trim(&text[..at]), trim(&text[at + 1..])))
    };
    let decode = |value: &[u8]| {
        let mut decoded = Vec::new();
        let mut bytes = value.iter().copied();
        while let Some(byte) = bytes.next() {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            decoded.push(match byte {
                b'%' => (digit(bytes.next())? * 16 + digit(bytes.next())?) as u8,
                byte => byte,
            });
        }
        String::from_utf8(decoded).ok()
    };
    let read = |member: &[u8]| {
        let mut parts = member.split(|byte| *byte == b';');
        let (key, value) = split(parts.next()?)?;
        let is_value = value.iter().all(|byte| is_octet(byte) || b" \t\"\\".contains(byte));
        let properties: Vec<_> = parts.map(trim).filter(|property| !property.is_empty()).collect();
        let are_properties = properties.iter().all(|property| {
            let (key, value) = split(property).unwrap_or((property.clone(), Vec::new()));
            is_key(&key) && value.iter().all(is_octet)
        });
        let is_member = is_key(&key) && is_value && are_properties;
        let value = decode(&value).filter(|_| is_member)?;
        Some((String::from_utf8(key).ok()?, value, properties.len()))
    };
    line.split(|byte| *byte == b',').filter_map(read).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn values_round_trip(values in vec(("[-a-z0-9_.!#$%&'*+^`|~]{1,9}", ".*"), 0..20)) {
        let mut list = Baggage::new();
        for (key, value) in &values {
            let before = list.clone();
            match list.push(key, value) {
                Ok(()) => assert_eq!(list.get(key).as_deref(), Some(value.as_str())),
                Err(error) => {
                    assert!(
                        error.kind() == BaggageErrorKind::Limit || key == "sentry-", "{}", error,
                    );
                    assert_eq!(&list, &before);
                }
            }
        }
        assert!(is_tidy(&list), "{}", list);
        assert_eq!(list.members().count(), list.len());
        if !list.is_empty() {
            assert_eq!(list.to_string().parse(), Ok(list));
        }
    }

    #[test]
    fn lists_hold_64_members_and_8192_bytes(
        lengths in vec(prop_oneof![0_usize..10, 90_usize..200, 2_000_usize..9_000], 0..90),
    ) {
        let mut list = Baggage::new();
        let mut expected = Vec::new();
        for (index, length) in lengths.into_iter().enumerate() {
            let member = format!("sentry-k{index}={}", "v".repeat(length));
            let bytes = expected.join(",").len() + usize::from(!expected.is_empty()) + member.len();
            let fits = bytes <= 8192 && expected.len() < 64;
            let (key, value) = member.split_once('=').unwrap();
            assert_eq!(list.push(key, value).is_ok(), fits);
            if fits {
                expected.push(member);
            }
        }
        assert_eq!(list.as_str(), expected.join(","));
        assert!(is_tidy(&list));
    }

    #[test]
    fn members_are_read_up_to_the_limits(
        lengths in vec(prop_oneof![0_usize..10, 90_usize..200, 2_000_usize..9_000], 0..90), lines in 1_usize..5,
    ) {
        let members: Vec<String> = lengths.iter().enumerate()
            .map(|(index, length)| format!("sentry-k{index}={}", "v".repeat(*length))).collect();
        let per_line = members.len().div_ceil(lines).max(1);
        let lines: Vec<String> = members.chunks(per_line).map(|chunk| chunk.join(",")).collect();
        let dsc = DynamicSamplingContext::from_baggage(lines.iter().map(|line| line.as_bytes()));
        let fits = |count: &usize| {
            *count <= 64 && members[..*count].join(",").len() <= 8192
        };
        let count = (0..=members.len()).take_while(fits).last().unwrap();
        assert_eq!(dsc.as_str(), members[..count].join(","));
    }

    #[test]
    fn any_lines_give_a_tidy_list(lines in baggage_lines()) {
        let list = Baggage::from_lines(slices(&lines));
        assert!(is_tidy(&list), "{}", list);
        for line in &lines {
            let errors = BaggageMembers::new(line).filter_map(Result::err);
            for error in errors {
                assert!(error.position() < line.len());
            }
        }
    }

    #[test]
    fn reader_agrees_with_a_simple_one(lines in baggage_lines()) {
        for line in &lines {
            let read: Vec<_> = BaggageMembers::new(line).flatten()
                .map(|member| (member.key().to_owned(), member.value().into_owned(), member.properties().count()))
                .collect();
            assert_eq!(read, read_simply(line), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn changes_keep_lists_tidy(
        lines in baggage_lines(), other in baggage_lines(), key in "[a-c]{1,2}|sentry-[a-c]", value in ".*",
    ) {
        let list = Baggage::from_lines(slices(&lines));
        let other = Baggage::from_lines(slices(&other));
        let keys_without = |list: &Baggage, key: &str| {
            list.members().map(|member| member.key().to_owned()).filter(|it| it != key).collect::<Vec<_>>()
        };
        let mut changed = list.clone();
        match changed.set(&key, &value) {
            Ok(()) => {
                assert_eq!(changed.get(&key).as_deref(), Some(value.as_str()));
                assert_eq!(changed.members().filter(|member| member.key() == key).count(), 1);
                assert_eq!(keys_without(&changed, &key), keys_without(&list, &key));
            }
            Err(error) => {
                assert_eq!(error.kind(), BaggageErrorKind::Limit);
                assert_eq!(&changed, &list);
            }
        }
        assert!(is_tidy(&changed));

        let has_key = changed.get(&key).is_some();
        assert_eq!(changed.remove(&key), has_key);
        assert_eq!(changed.get(&key), None);
        assert_eq!(keys_without(&changed, &key), keys_without(&list, &key));
        assert!(is_tidy(&changed));

        let mut merged = list.clone();
        if merged.merge(&other).is_ok() {
            for member in list.members().chain(other.members()) {
                let expected = other.get(member.key()).or_else(|| list.get(member.key()));
                assert_eq!(merged.get(member.key()), expected);
            }
        } else {
            assert_eq!(&merged, &list);
        }
        assert!(is_tidy(&merged));
    }

    /// Members are copied whole if they are tidy, and part by part if not.
    #[test]
    fn spellings_of_one_list_give_the_same_dsc(lines in baggage_lines()) {
        let dsc = DynamicSamplingContext::from_baggage(slices(&lines));
        assert!(is_tidy(dsc.as_baggage()));
        let names: BTreeSet<&str> = dsc.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), dsc.as_baggage().len());
        let blanks: Vec<_> = lines.iter().map(|line| [b" ", line.as_slice()].concat()).collect();
        for same in [blanks, vec![lines.join(&b',')], vec![dsc.as_str().as_bytes().to_vec()]] {
            assert_eq!(&DynamicSamplingContext::from_baggage(slices(&same)), &dsc);
        }
    }

    #[test]
    fn the_organisation_of_the_dsc_decides(
        lines in baggage_lines(), others in 0_usize..80,
    ) {
        let ours = Propagator::builder().org_id(1).build().unwrap();
        let others: Vec<_> = (0..others).map(|index| format!("sentry-k{index}=v")).collect();
        let trace = b"771a43a4192642f0b136d5159a501700-b72fa28504b07285".to_vec();
        let mut headers = vec![("sentry-trace", trace), ("baggage", others.join(",").into_bytes())];
        headers.extend(lines.into_iter().map(|line| ("baggage", line)));
        let dsc = DynamicSamplingContext::from_baggage(headers[1..].iter().map(|(_, line)| &**line));
        let is_continued = ours.continue_trace(&headers).is_continued();
        assert_eq!(is_continued, dsc.org_id().is_none_or(|id| id == "1"));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn dsc_round_trips_through_json(lines in baggage_lines()) {
        let dsc = DynamicSamplingContext::from_baggage(slices(&lines));
        let json = serde_json::to_string(&dsc).unwrap();
        let found: DynamicSamplingContext = serde_json::from_str(&json).unwrap();
        assert!(found.iter().eq(dsc.iter()), "{}", json);
    }
}
