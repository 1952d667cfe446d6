//! Headers that no client should send. They never fail a request, and outgoing headers are always valid.

use tracehop::{PropagationContext, Propagator};

use crate::{SPAN_ID, TRACE_ID, outgoing};

type Lines<'a> = Vec<(&'a str, &'a [u8])>;

fn assert_sends_valid_headers(context: &PropagationContext) {
    for (name, value) in outgoing(context) {
        assert!(value.len() <= 8192, "{name}");
        let is_valid =
            |byte: u8| byte == b' ' || byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        assert!(value.bytes().all(is_valid), "{name}: {value:?}");
    }
}

#[test]
fn malformed_sentry_trace_starts_a_new_trace() {
    let good = format!("{TRACE_ID}-{SPAN_ID}-1");
    let table: &[&[&[u8]]] = &[
        &[b""],
        &[b"1"],
        &[b"\xff\xfe"],
        &[format!("{good}-1").leak().as_bytes()],
        &[format!("{good}\0").leak().as_bytes()],
        &[format!("{good}, {good}").leak().as_bytes()],
        &[good.clone().leak().as_bytes(), format!("{TRACE_ID}-{SPAN_ID}-0").leak().as_bytes()],
        &["7".repeat(1 << 20).leak().as_bytes()],
    ];
    let propagator = Propagator::builder().build().unwrap();
    for lines in table {
        let mut headers: Lines = lines.iter().map(|line| ("sentry-trace", *line)).collect();
        headers.push(("baggage", b"sentry-release=theirs"));
        let context = propagator.continue_trace(&headers);
        assert!(!context.is_continued());
        assert_eq!(context.dsc().release(), None);
        assert_sends_valid_headers(&context);
    }
}

#[test]
fn malformed_members_are_dropped_and_the_trace_continues() {
    let mut huge = b"sentry-a=1,sentry-b=".to_vec();
    huge.resize(1 << 20, b'x');
    let mut many = b"sentry-a=1".to_vec();
    for n in 0..100_000 {
        many.extend(format!(",sentry-k{n}=v").bytes());
    }
    let table: &[(&[u8], usize)] = &[
        (b"sentry-a=1,sentry-b=\xc3\xa9,sentry-\xff=1", 1),
        (b"sentry-a=1,sentry-b=%,sentry-c=%z,sentry-d=%zz,sentry-e=%ff", 1),
        (b"sentry-a=1,sentry-a=2,sentry-a=3", 1),
        (b"sentry-a=1\r\nevil: 1,sentry-b=2", 1),
        (b"sentry-a=\0,sentry-b=\x7f", 0),
        (b"sentry-a=\"<script>\",sentry-b=\\", 2),
        (b"====,;;;;,sentry-a=1,=;=", 1),
        (b"sentry-a=1;p\tq,sentry-b=1;\"p\",sentry-c=1;p=\x7f,sentry-d=1;p", 1),
        (&huge, 1),
        (&many, 64),
    ];
    let propagator = Propagator::builder().traces_sample_rate(0.5).build().unwrap();
    let sentry_trace = format!("{TRACE_ID}-{SPAN_ID}");
    for (baggage, members) in table {
        let headers: Lines = vec![("sentry-trace", sentry_trace.as_bytes()), ("baggage", baggage)];
        let context = propagator.continue_trace(&headers);
        assert!(context.is_continued());
        let received =
            context.dsc().iter().filter(|(name, _)| !name.starts_with("sample_")).count();
        let shown = String::from_utf8_lossy(&baggage[..baggage.len().min(100)]).into_owned();
        assert_eq!(received, *members, "{shown}");
        assert_sends_valid_headers(&context);
    }
}

#[test]
fn a_thousand_lines_are_read_up_to_the_limits() {
    let sentry_trace = format!("{TRACE_ID}-{SPAN_ID}");
    let mut headers: Lines = vec![("sentry-trace", sentry_trace.as_bytes()); 1_000];
    let members: Vec<String> = (0..1_000).map(|n| format!("sentry-k{n}=v")).collect();
    headers.extend(members.iter().map(|member| ("baggage", member.as_bytes())));
    let context = Propagator::builder().build().unwrap().continue_trace(&headers);
    assert!(context.is_continued());
    assert_eq!(context.dsc().iter().count(), 64);
    assert_sends_valid_headers(&context);
}
