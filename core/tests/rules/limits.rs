//! The limits and the spellings of received baggage.

use std::mem::size_of;

use tracehop::wire::Baggage;
use tracehop::{DynamicSamplingContext, NotContinued, Propagator};

use crate::{SPAN_ID, TRACE_ID, incoming, outgoing, value};

/// Features must not change the size. This assertion is compiled with every set of features.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<DynamicSamplingContext>() == 56);

fn dsc(lines: &[String]) -> DynamicSamplingContext {
    DynamicSamplingContext::from_baggage(lines.iter().map(|line| line.as_bytes()))
}

/// Returns DSC items with short names and values, each with a comma after it.
fn items(count: usize) -> String {
    (0..count).map(|n| format!("sentry-k{n}=v,")).collect()
}

/// Returns a member of another vendor with this length.
fn other_vendor(len: usize) -> String {
    format!("k={}", "v".repeat(len - 2))
}

#[test]
fn organisations_over_a_limit_do_not_count() {
    let replaced_by =
        |blanks: usize| format!("sentry-k=v,sentry-org_id=1,sentry-k=x{}x", " ".repeat(blanks));
    for (line, org_id) in [
        (items(63) + "sentry-org_id=1", Some("1")),
        (items(64) + "sentry-org_id=1", None),
        // A member whose name is already in the list replaces the first one, and does not count again.
        (items(63) + "sentry-k0=v,sentry-org_id=1", Some("1")),
        (items(64) + "sentry-k0=v,sentry-org_id=1", None),
        (format!("sentry-org_id=2,{}sentry-org_id=1", items(64)), Some("1")),
        // Members of other vendors count for the bytes, and not for the 64 members.
        ("k=v,".repeat(65) + "sentry-org_id=1", Some("1")),
        // A blank takes three bytes once it is encoded. A member that does not fit replaces nothing.
        (replaced_by(2_700), Some("1")),
        (replaced_by(2_725), Some("1")),
        (format!("sentry-k=x{}x,sentry-org_id=1", " ".repeat(2_700)), Some("1")),
        (format!("sentry-k=x{}x,sentry-org_id=1", " ".repeat(2_722)), None),
    ] {
        assert_eq!(dsc(std::slice::from_ref(&line)).org_id().as_deref(), org_id, "{line}");
        let strict = Propagator::builder().strict_trace_continuation(true);
        for (ours, is_continued) in [(1, org_id == Some("1")), (2, false)] {
            let propagator = strict.clone().org_id(ours).build().unwrap();
            let context = propagator.continue_trace(&incoming("-1", &line));
            assert_eq!(context.is_continued(), is_continued, "{ours} {line}");
        }
    }
}

#[test]
fn bytes_after_the_first_8_kib_are_not_read() {
    let item = "sentry-org_id=2,sentry-sample_rand=0.5";
    let fits = Baggage::MAX_BYTES - item.len() - 1;
    let table = [
        (vec![format!("{},{item}", other_vendor(fits))], true),
        (vec![format!("{},{item}", other_vendor(fits + 1))], false),
        (vec![other_vendor(fits), item.to_owned()], true),
        (vec![other_vendor(fits + 1), item.to_owned()], false),
        (vec![other_vendor(Baggage::MAX_BYTES), item.to_owned()], false),
        (vec![other_vendor(Baggage::MAX_BYTES + 1), item.to_owned()], false),
        (vec![format!("{},{item}", " ".repeat(fits))], true),
        (vec![format!("{},{item}", " ".repeat(fits + 1))], false),
        // An item that is cut in half does not count.
        (vec![other_vendor(fits + 20), item.to_owned()], false),
    ];
    for (lines, is_read) in table {
        let shown = lines.iter().map(String::len).collect::<Vec<_>>();
        let read = dsc(&lines);
        // Where the last byte is cut off, only the last item is lost.
        assert_eq!(read.sample_rand().is_some(), is_read, "{shown:?}");

        let mut headers = incoming("", "");
        headers.extend(lines.iter().map(|line| ("baggage".to_owned(), line.clone())));
        let context = Propagator::builder().build().unwrap().continue_trace(&headers);
        assert_eq!(context.dsc().is_empty(), read.is_empty(), "{shown:?}");
        let is_own = context.sample_rand().to_string() != "0.500000";
        assert_eq!(is_own, !is_read, "{shown:?}");
    }
}

#[test]
fn organisations_after_the_first_8_kib_are_unknown() {
    let after_limit = format!("{},sentry-org_id=2", other_vendor(Baggage::MAX_BYTES));
    let lines = [other_vendor(Baggage::MAX_BYTES), "sentry-org_id=2".to_owned()];
    let refused = Some(NotContinued::UnknownOrganisation);
    let table = [
        // Without strict continuation the trace of an unknown organisation is continued.
        (Propagator::builder(), None),
        (Propagator::builder().org_id(1), None),
        (Propagator::builder().org_id(2), None),
        (Propagator::builder().strict_trace_continuation(true), None),
        (Propagator::builder().strict_trace_continuation(true).org_id(1), refused.clone()),
        (Propagator::builder().strict_trace_continuation(true).org_id(2), refused),
    ];
    for (options, reason) in table {
        let propagator = options.build().unwrap();
        let mut two_lines = incoming("-1", "");
        two_lines.extend(lines.iter().map(|line| ("baggage".to_owned(), line.clone())));
        for headers in [incoming("-1", &after_limit), two_lines] {
            let context = propagator.continue_trace(&headers);
            assert_eq!(context.not_continued(), reason.as_ref(), "{propagator:?}");
        }
    }
}

#[test]
fn spellings_of_one_list_give_the_same_dsc() {
    let tidy = "sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-sample_rand=0.5,\
        sentry-release=shop%401.4.0,sentry-transaction=GET%20%2Fa,sentry-org_id=7";
    let members: Vec<&str> = tidy.split(',').collect();
    let spellings: Vec<Vec<String>> = vec![
        vec![members.join(", ")],
        vec![members.join(" ,\t")],
        vec![format!("  {} \t", members.join(","))],
        vec![format!(",,{},,", members.join(", ,"))],
        vec![tidy.replace('=', " = ")],
        vec![tidy.replace("%20", " ")],
        vec![format!("a=1,{}", members.join(",b=2,"))],
        vec![format!("{},malformed,c=%zz,d=é,sentry-x=\u{7f}", members.join(", "))],
        members.iter().map(|member| (*member).to_owned()).collect(),
        vec![String::new(), members.join(", "), " ".to_owned()],
        vec![members[..2].join(","), format!("a=1 , {}", members[2..].join(", "))],
        // The last of equal names counts, in the place of the first.
        vec![tidy.replace("sample_rand=0.5", "sample_rand=0.1"), "sentry-sample_rand=0.5".into()],
        vec![members[0].to_owned(), tidy.to_owned()],
    ];
    let expected = dsc(&[tidy.to_owned()]);
    assert_eq!(expected.as_str(), tidy);
    for lines in spellings {
        let read = dsc(&lines);
        assert_eq!(read, expected, "{lines:?}");
        assert_eq!(read.as_str(), tidy, "{lines:?}");
        assert_eq!(read.org_id(), expected.org_id(), "{lines:?}");
        assert_eq!(read.sample_rand(), expected.sample_rand(), "{lines:?}");

        let mut headers = incoming("-1", "");
        headers.extend(lines.iter().map(|line| ("baggage".to_owned(), line.clone())));
        let ours = Propagator::builder().org_id(7).strict_trace_continuation(true).build().unwrap();
        assert_eq!(value(&outgoing(&ours.continue_trace(&headers)), "baggage"), Some(tidy));
        let other = Propagator::builder().org_id(8).build().unwrap();
        assert!(!other.continue_trace(&headers).is_continued(), "{lines:?}");
    }
}

#[test]
fn organisations_are_found_by_their_whole_name() {
    let table: &[(&[&str], Option<&str>)] = &[
        (&[], None),
        (&["sentry-org_id=1"], Some("1")),
        (&["a=1,sentry-org_id=1,b=2"], Some("1")),
        (&["a=1 ,\t sentry-org_id = 1 ;p, b=2"], Some("1")),
        (&["a=1", "sentry-org_id=1", "b=2"], Some("1")),
        (&["sentry-org_id=1,sentry-org_id=2"], Some("2")),
        (&["sentry-org_id=1", "sentry-org_id=%zz"], Some("1")),
        (&["sentry-org_id=1,sentry-org_id="], None),
        (&["sentry-org_id=%31%32"], Some("12")),
        (&["xsentry-org_id=1"], None),
        (&["x sentry-org_id=1"], None),
        (&["a=sentry-org_id=1"], None),
        (&["a=1;sentry-org_id=1"], None),
        (&["sentry-org_idx=1"], None),
        (&["sentry-org_id"], None),
        (&["sentry-org_id=1é"], None),
        (&["Sentry-Org_Id=1"], None),
        (&["sentry-a=100,sentry-org_id=1,sentry-a=1"], Some("1")),
        (&["sentry-a=1,sentry-org_id=1,sentry-a=100,sentry-org_id=20"], Some("20")),
    ];
    let propagator = Propagator::builder().org_id(9).build().unwrap();
    for (lines, org_id) in table {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(dsc(&lines).org_id().as_deref(), *org_id, "{lines:?}");
        let mut headers = incoming("-1", "");
        headers.extend(lines.iter().map(|line| ("baggage".to_owned(), line.clone())));
        let context = propagator.continue_trace(&headers);
        let theirs = match context.not_continued() {
            Some(NotContinued::OtherOrganisation { theirs, .. }) => Some(theirs.as_str()),
            _ => None,
        };
        assert_eq!(theirs, *org_id, "{lines:?}");
    }
}

#[test]
fn sentry_members_are_found_in_any_line() {
    for (line, expected) in [
        ("", ""),
        (",", ""),
        (",,sentry-a=1,,", "sentry-a=1"),
        ("x=1,sentry-a=1,sentry-b=2", "sentry-a=1,sentry-b=2"),
        (
            "sentry-a=1,x=1,y=2,sentry-b=2,z=3,sentry-sample_rand=0.5",
            "sentry-a=1,sentry-b=2,sentry-sample_rand=0.5",
        ),
        ("sentry-,sentry-=1,sentry-a,sentry-b=", "sentry-b="),
        ("sentry-a,b=1", ""),
        ("sentry-a(b=1,sentry-c=1", "sentry-c=1"),
        (
            "sentry-a-name-that-is-longer-than-a-word=1,sentry-a-name-that-is-longer=",
            "sentry-a-name-that-is-longer-than-a-word=1,sentry-a-name-that-is-longer=",
        ),
        ("sentry-a=1=2=3,Sentry-b=1,sentry_c=1", "sentry-a=1=2=3"),
        ("sentry-a=%41,sentry-%41=1", "sentry-a=%41,sentry-%41=1"),
        ("sentry-a=1,sentry-ab=2,sentry-b=3", "sentry-a=1,sentry-ab=2,sentry-b=3"),
        ("sentry-a=%C3%A9,sentry-b=\u{e9},sentry-c=1", "sentry-a=%C3%A9,sentry-c=1"),
    ] {
        let read = dsc(&[line.to_owned()]);
        assert_eq!(read.as_str(), expected, "{line}");
        assert_eq!(read.as_baggage().len(), read.iter().count(), "{line}");
    }
}

#[test]
fn repeated_names_keep_place_and_last_value() {
    for (line, expected) in [
        ("sentry-a=1,sentry-a=2", "sentry-a=2"),
        ("sentry-a=1,sentry-b=2,sentry-a=3", "sentry-a=3,sentry-b=2"),
        ("sentry-a=1,x=1,sentry-ab=2,sentry-a=", "sentry-a=,sentry-ab=2"),
        ("sentry-a=1,Sentry-a=2,sentry-A=3", "sentry-a=1,sentry-A=3"),
        ("sentry-a=1,sentry-b=2,sentry-b=%zz,sentry-a=3;p", "sentry-a=3;p,sentry-b=2"),
    ] {
        assert_eq!(dsc(&[line.to_owned()]).as_str(), expected, "{line}");
    }
    // Names that differ only in the middle, in order and then in reverse.
    let names: Vec<String> = ('a'..='z').map(|middle| format!("x{middle}yz")).collect();
    let first: Vec<String> = names.iter().map(|name| format!("sentry-{name}=1")).collect();
    let again: Vec<String> = names.iter().rev().map(|name| format!("sentry-{name}=22")).collect();
    let expected: Vec<String> = names.iter().map(|name| format!("sentry-{name}=22")).collect();
    assert_eq!(dsc(&[first.join(","), again.join(", ")]).as_str(), expected.join(","));
}

#[test]
fn all_injections_write_the_same_baggage() {
    let baggage = "sentry-sample_rand=0.5,sentry-release=shop%401.4.0";
    let propagator = Propagator::builder().propagate_traceparent(true).build().unwrap();
    for context in [
        propagator.start_new_trace(),
        propagator.continue_trace(&incoming("-1", baggage)),
        propagator.continue_trace(&incoming("-1", &baggage.replace(',', " , a=1, "))),
        propagator.continue_trace(&incoming("", "sentry-release=theirs")),
    ] {
        let first = outgoing(&context);
        assert_eq!(first.len(), 3);
        assert_eq!(outgoing(&context), first);
        assert_eq!(outgoing(&context.clone()), first);
        let of_child = outgoing(&context.child());
        assert_eq!(value(&of_child, "baggage"), value(&first, "baggage"));
        assert_ne!(value(&of_child, "sentry-trace"), value(&first, "sentry-trace"));
        let sentry_trace = value(&first, "sentry-trace").unwrap();
        assert!(sentry_trace.contains(&context.span_id().to_string()));
        assert!(!sentry_trace.contains(SPAN_ID));
        assert_eq!(sentry_trace.starts_with(TRACE_ID), context.is_continued());
        // The next service hands on the same text.
        let next = propagator.continue_trace(&first);
        assert_eq!(value(&outgoing(&next), "baggage"), value(&first, "baggage"));
    }
}
