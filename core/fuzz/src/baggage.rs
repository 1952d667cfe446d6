use tracehop::wire::{Baggage, BaggageMembers};
use tracehop::{DynamicSamplingContext, SampleRand, SampleRate};

use crate::{reference, valid};

/// Values are at most three times as long when written, so that nothing shorter meets the limit of 8192 bytes.
const FAR_FROM_THE_LIMIT: usize = Baggage::MAX_BYTES / 3;

/// Lines of baggage: read as they should be, tidy when written, and never too long.
pub fn baggage(data: &[u8]) {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let list = Baggage::from_lines(lines.iter().copied());
    valid::list(&list);
    let dsc = DynamicSamplingContext::from_baggage(lines.iter().copied());
    valid::dsc(&dsc);
    let joined = lines.join(&b',');
    assert_eq!(DynamicSamplingContext::from_baggage([&*joined]), dsc);

    let members = reference::members(lines.iter().copied());
    if data.len() < FAR_FROM_THE_LIMIT {
        let first = &members[..members.len().min(Baggage::MAX_MEMBERS)];
        assert_eq!(list.as_str(), reference::text(first));
        let items = reference::items(members);
        assert_eq!(dsc.as_str(), reference::text(&items));
        for (read, item) in dsc.iter().zip(&items) {
            assert_eq!((read.0, &*read.1), (&item.key["sentry-".len()..], item.value.as_str()));
        }
    }
    errors_point_into_the_line(&joined);
    values_come_back(&dsc);
    values_that_are_written_can_be_read(data);
}

fn errors_point_into_the_line(line: &[u8]) {
    for error in BaggageMembers::new(line).filter_map(Result::err) {
        assert!(error.position() < line.len());
        assert!(error.to_string().is_ascii());
    }
    if let Ok(line) = std::str::from_utf8(line) {
        let all_are_well_formed = BaggageMembers::new(line.as_bytes()).all(|member| member.is_ok());
        let fits = line.len() < FAR_FROM_THE_LIMIT
            && BaggageMembers::new(line.as_bytes()).count() <= Baggage::MAX_MEMBERS;
        if fits {
            assert_eq!(line.parse::<Baggage>().is_ok(), all_are_well_formed);
        }
    }
}

/// What is a number, an id or a decision reads the same after it was written.
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
