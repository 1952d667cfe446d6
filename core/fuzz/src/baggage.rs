use std::collections::BTreeMap;

use tracehop::wire::{Baggage, BaggageErrorKind, BaggageMember, BaggageMembers};
use tracehop::{DynamicSamplingContext, SampleRand, SampleRate};

use crate::{reference, valid};

/// Reads lines of baggage as the reference does, and changes the list.
pub fn baggage(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let list = Baggage::from_lines(lines.iter().copied());
    valid::list(&list);
    let dsc = DynamicSamplingContext::from_baggage(lines.iter().copied());
    valid::dsc(&dsc);
    let joined = lines.join(&b',');
    assert_eq!(Baggage::from_header(&joined), list);
    assert_eq!(DynamicSamplingContext::from_baggage([&*joined]), dsc);

    let members = reference::members(&lines);
    assert_eq!(list.as_str(), reference::text(&reference::fitting(&members)));
    let items = reference::items(&members);
    assert_eq!(dsc.as_str(), reference::text(&items));
    assert_eq!(dsc.iter().count(), items.len());
    for (read, item) in dsc.iter().zip(&items) {
        assert_eq!((read.0, &*read.1), (&item.key["sentry-".len()..], item.value.as_str()));
    }
    errors_point_into_the_line(&joined);
    only_well_formed_lists_parse(&joined, &list);
    values_come_back(&dsc);
    members_can_be_pushed(&list);
    values_that_are_written_can_be_read(data);
    changes_do_what_they_say(&list, data);
}

fn errors_point_into_the_line(line: &[u8]) {
    for error in BaggageMembers::new(line).filter_map(Result::err) {
        assert!(error.position() < line.len());
        assert!(error.to_string().is_ascii());
    }
}

/// Checks that `FromStr` refuses exactly the lines from which a lenient reader leaves something out.
fn only_well_formed_lists_parse(line: &[u8], list: &Baggage) {
    let Ok(line) = std::str::from_utf8(line) else { return };
    let members = BaggageMembers::new(line.as_bytes());
    let is_cut = line.len() > Baggage::MAX_BYTES;
    match line.parse::<Baggage>() {
        Ok(parsed) if is_cut => valid::list(&parsed),
        Ok(parsed) => {
            assert_eq!(&parsed, list);
            assert_eq!(members.count(), parsed.len());
        }
        Err(error) if error.kind() == BaggageErrorKind::Limit => {
            assert!(is_cut || members.flatten().count() > list.len());
        }
        Err(error) => {
            let first = members.filter_map(Result::err).next();
            assert_eq!(first, Some(error));
        }
    }
}

/// Checks that numbers, ids and decisions read the same after they were written.
fn values_come_back(dsc: &DynamicSamplingContext) {
    if let Some(rate) = dsc.sample_rate() {
        assert_eq!(rate.to_string().parse::<SampleRate>(), Ok(rate));
    }
    if let Some(rand) = dsc.sample_rand() {
        assert_eq!(rand.to_string().parse::<SampleRand>(), Ok(rand));
        assert!(!rand.is_sampled_at(SampleRate::NEVER) && rand.is_sampled_at(SampleRate::ALWAYS));
    }
    if let Some(id) = dsc.trace_id() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}

/// Checks that a list can be built again from its members, with their properties.
fn members_can_be_pushed(list: &Baggage) {
    let mut again = Baggage::new();
    for member in list.members() {
        again.push_member(&member).unwrap();
    }
    assert_eq!(&again, list);
    let mut again = Baggage::new();
    for member in list.members() {
        let properties: Vec<_> = member.properties().collect();
        if again.push_with_properties(member.key(), &member.value(), &properties).is_err() {
            // Characters that came unencoded are written encoded, and may not fit.
            return;
        }
    }
    let parts = |member: BaggageMember<'_>| {
        let properties = member.properties().map(|(key, value)| format!("{key}={value:?}"));
        (member.key().to_owned(), member.value().into_owned(), properties.collect::<Vec<_>>())
    };
    assert!(again.members().map(parts).eq(list.members().map(parts)));
}

fn values_that_are_written_can_be_read(data: &[u8]) {
    let value = String::from_utf8_lossy(data);
    let mut list = Baggage::new();
    if list.push("key", &value).is_ok() {
        assert_eq!(list.get("key").as_deref(), Some(&*value));
        valid::list(&list);
    }
    let before = list.clone();
    if list.push(&value, "value").is_ok() {
        assert_eq!(list.get(&value).as_deref(), Some("value"));
        valid::list(&list);
    } else {
        assert_eq!(list, before);
    }
}

fn values_by_key(list: &Baggage) -> BTreeMap<&str, &str> {
    list.members().map(|member| (member.key(), member.raw_value())).collect()
}

/// Sets, removes and merges members of a list. The first line of the input is the value and the other list.
fn changes_do_what_they_say(list: &Baggage, data: &[u8]) {
    let first_line = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let value = String::from_utf8_lossy(first_line);
    let keys: Vec<&str> = list.members().map(|member| member.key()).take(1).collect();
    for key in keys.into_iter().chain(["new"]) {
        let others = |list: &Baggage| -> Vec<String> {
            let members = list.as_str().split(',').filter(|member| !member.is_empty());
            let is_other = |member: &&str| member.split('=').next() != Some(key);
            members.filter(is_other).map(str::to_owned).collect()
        };
        let mut changed = list.clone();
        if changed.set(key, &value).is_ok() {
            assert_eq!(changed.members().filter(|member| member.key() == key).count(), 1);
            assert_eq!(changed.get(key).as_deref(), Some(&*value));
        } else {
            assert_eq!(&changed, list);
        }
        valid::list(&changed);
        assert_eq!(others(&changed), others(list));

        let is_there = list.get(key).is_some();
        let mut changed = list.clone();
        assert_eq!(changed.remove(key), is_there);
        valid::list(&changed);
        assert_eq!((changed.get(key), others(&changed)), (None, others(list)));
    }

    let other = Baggage::from_header(first_line);
    let mut merged = list.clone();
    if merged.merge(&other).is_ok() {
        // Of equal keys the last one counts.
        let mut values = values_by_key(list);
        values.extend(values_by_key(&other));
        assert_eq!(values_by_key(&merged), values);
    } else {
        assert_eq!(&merged, list);
    }
    valid::list(&merged);
}
