use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use tracehop::wire::{Baggage, BaggageErrorKind, BaggageMembers};
use tracehop::{DynamicSamplingContext, Propagator};

use crate::{baggage_lines, config, is_tidy, slices};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_value_comes_back(values in vec(("[-a-z0-9_.!#$%&'*+^`|~]{1,9}", ".*"), 0..20)) {
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
    fn a_list_takes_64_members_and_8192_bytes_and_no_more(
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
    fn what_is_read_ends_with_the_last_member_within_the_limits(
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
    fn any_lines_are_read_as_a_tidy_list(lines in baggage_lines()) {
        let list = Baggage::from_lines(slices(&lines));
        assert!(is_tidy(&list), "{}", list);
        for line in &lines {
            let errors = BaggageMembers::new(line).filter_map(Result::err);
            for error in errors {
                assert!(error.position() < line.len());
            }
        }
    }

    /// Lines with nothing to tidy are taken over in a fast way, which a blank in front prevents.
    #[test]
    fn plain_lines_are_read_as_lines_that_have_to_be_tidied(lines in baggage_lines()) {
        let dsc = DynamicSamplingContext::from_baggage(slices(&lines));
        assert!(is_tidy(dsc.as_baggage()));
        let names: BTreeSet<&str> = dsc.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), dsc.as_baggage().len());
        let blanks: Vec<_> = lines.iter().map(|line| [b" ", line.as_slice()].concat()).collect();
        for same in [blanks, vec![lines.join(&b',')], vec![dsc.as_str().as_bytes().to_vec()]] {
            assert_eq!(&DynamicSamplingContext::from_baggage(slices(&same)), &dsc);
        }
    }

    /// It is looked for by itself.
    #[test]
    fn the_organisation_that_decides_is_the_one_that_is_handed_on(
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
    fn a_dynamic_sampling_context_comes_back_from_json(lines in baggage_lines()) {
        let dsc = DynamicSamplingContext::from_baggage(slices(&lines));
        let json = serde_json::to_string(&dsc).unwrap();
        let found: DynamicSamplingContext = serde_json::from_str(&json).unwrap();
        assert!(found.iter().eq(dsc.iter()), "{}", json);
    }
}
