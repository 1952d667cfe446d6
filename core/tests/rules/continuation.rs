use serde::Deserialize;
use tracehop::{NotContinued, PropagationContext, Propagator, PropagatorBuilder};

use crate::{SPAN_ID, TRACE_ID, incoming, outgoing, value};

#[derive(Debug, Deserialize)]
struct Row {
    baggage_org_id: String,
    sdk_org_id: String,
    strict_trace_continuation: bool,
    result: String,
}

/// Each row is checked with the organisation in the option and in the DSN.
#[test]
fn every_row_of_the_continuation_table_holds() {
    let table = include_str!("../data/continuation.csv");
    let rows: Vec<Row> =
        csv::Reader::from_reader(table.as_bytes()).deserialize().collect::<Result<_, _>>().unwrap();
    assert_eq!(rows.len(), 10);
    for row in &rows {
        let builder =
            || Propagator::builder().strict_trace_continuation(row.strict_trace_continuation);
        if row.sdk_org_id.is_empty() {
            check(row, builder());
            check(row, builder().dsn("https://key@sentry.example.com/1"));
        } else {
            check(row, builder().org_id(&row.sdk_org_id));
            check(
                row,
                builder().dsn(format!("https://key@o{}.ingest.sentry.io/1", row.sdk_org_id)),
            );
            let other = builder().dsn("https://key@o99.ingest.sentry.io/1");
            check(row, other.org_id(&row.sdk_org_id));
        }
    }
}

fn check(row: &Row, builder: PropagatorBuilder) {
    let baggage = match &*row.baggage_org_id {
        "" => "sentry-release=theirs".to_owned(),
        id => format!("sentry-release=theirs,sentry-org_id={id}"),
    };
    let context = builder.build().unwrap().continue_trace(&incoming("-1", &baggage));
    match &*row.result {
        "continue" => {
            assert!(context.is_continued(), "{row:?}");
            assert_eq!(context.not_continued(), None);
            assert_eq!(context.trace_id().to_string(), TRACE_ID, "{row:?}");
            assert_eq!(context.parent_span_id().unwrap().to_string(), SPAN_ID, "{row:?}");
            assert_eq!(context.sampled(), Some(true), "{row:?}");
            assert_eq!(context.parent_sampled(), Some(true), "{row:?}");
        }
        "new_trace" => {
            assert!(context.not_continued().is_some(), "{row:?}");
            assert_is_head_of_new_trace(&context);
        }
        other => panic!("{other:?}"),
    }
}

/// Checks that no value of the incoming trace is used.
fn assert_is_head_of_new_trace(context: &PropagationContext) {
    assert!(!context.is_continued());
    assert_ne!(context.trace_id().to_string(), TRACE_ID);
    assert_eq!(context.parent_span_id(), None);
    assert_eq!(context.sampled(), None);
    assert_eq!(context.dsc().trace_id(), Some(context.trace_id()));
    assert_eq!(context.dsc().release(), None);
    let sent = outgoing(context);
    assert!(!sent.iter().any(|(_, value)| value.contains(TRACE_ID) || value.contains("theirs")));
    assert_eq!(value(&sent, "baggage"), Some(context.dsc().as_str()));
}

#[test]
fn contexts_name_the_reason_for_a_new_trace() {
    let ours = Propagator::builder().org_id(1).strict_trace_continuation(true).build().unwrap();
    let table = [
        (incoming("-1", "sentry-org_id=1"), None),
        (vec![], Some("there was no trace to continue")),
        (
            incoming("-1", "sentry-org_id=2%0A3"),
            Some(r#"the trace belongs to organisation "2\n3", this service to "1""#),
        ),
        (
            incoming("-1", ""),
            Some(
                "only one of the organisations of trace and service is known, \
                 and strict_trace_continuation is on",
            ),
        ),
        (
            vec![("sentry-trace".to_owned(), "1".to_owned())],
            Some("a sentry-trace value has 49 to 51 characters, 1 were found"),
        ),
        (
            vec![("sentry-trace".to_owned(), format!("{}-{SPAN_ID}", "0".repeat(32)))],
            Some("the trace id of the sentry-trace value is malformed: an id must not be all zero"),
        ),
    ];
    for (headers, reason) in table {
        let context = ours.continue_trace(&headers);
        assert_eq!(context.not_continued().map(NotContinued::to_string).as_deref(), reason);
    }
    assert_eq!(ours.start_new_trace().not_continued(), Some(&NotContinued::NoTrace));
}

#[test]
fn every_continued_trace_gets_a_new_span_id() {
    let propagator = Propagator::builder().build().unwrap();
    let first = propagator.continue_trace(&incoming("-1", ""));
    let second = propagator.continue_trace(&incoming("-1", ""));
    assert_ne!(first.span_id(), second.span_id());
    assert_ne!(first.span_id().to_string(), SPAN_ID);
    let sent = outgoing(&first);
    assert_eq!(value(&sent, "sentry-trace"), Some(&*format!("{TRACE_ID}-{}-1", first.span_id())));
}

#[test]
fn children_have_the_trace_and_name_the_parent() {
    let context = Propagator::builder().build().unwrap().start_new_trace();
    let child = context.child();
    assert_eq!(child.trace_id(), context.trace_id());
    assert_eq!(child.parent_span_id(), Some(context.span_id()));
    assert_ne!(child.span_id(), context.span_id());
    assert_eq!(child.dsc(), context.dsc());
    assert!(
        value(&outgoing(&child), "sentry-trace").unwrap().contains(&child.span_id().to_string())
    );
}

#[test]
fn contradicting_dscs_count_as_not_sent() {
    let other = "0af7651916cd43dd8448eb211c80319c";
    let zero = "0".repeat(32);
    let table = [
        (other.to_owned(), true),
        (other.to_uppercase(), true),
        ("0af76519-16cd-43dd-8448-eb211c80319c".to_owned(), true),
        (zero, true),
        (TRACE_ID.to_owned(), false),
        (TRACE_ID.to_uppercase(), false),
        ("771a43a4-1926-42f0-b136-d5159a501700".to_owned(), false),
        // Without a readable id there is no contradiction.
        (String::new(), false),
        ("evil%0A".to_owned(), false),
    ];
    let propagator = Propagator::builder().traces_sample_rate(1.0).release("ours").build().unwrap();
    for (id, contradicts) in table {
        let rest = "sentry-sample_rand=0.5,sentry-sample_rate=0.25";
        let baggage = format!("sentry-trace_id={id},{rest}");
        let context = propagator.continue_trace(&incoming("-1", &baggage));
        assert_eq!(context.trace_id().to_string(), TRACE_ID, "{id}");
        assert_eq!(context.sampled(), Some(true), "{id}");
        let sent = outgoing(&context);
        let sent = value(&sent, "baggage");
        assert_eq!(context.dsc_not_used().is_some(), contradicts, "{id}");
        assert_eq!(sent, Some(&*baggage).filter(|_| !contradicts), "{id}");
    }
    let absent = propagator.continue_trace(&incoming("-1", "sentry-sample_rand=0.5"));
    assert_eq!((absent.dsc_not_used(), absent.dsc().as_str()), (None, "sentry-sample_rand=0.5"));
}

#[test]
fn values_of_contradicting_dscs_are_not_used() {
    let baggage = "sentry-trace_id=0af7651916cd43dd8448eb211c80319c,sentry-org_id=1,\
                   sentry-sample_rand=0.000001,sentry-sample_rate=0.000001";
    let seen = |propagator: Propagator| propagator.continue_trace(&incoming("", baggage));
    let context = seen(
        Propagator::builder().traces_sampler(|it| it.inherit_or_sample_with(1.0)).build().unwrap(),
    );
    assert_eq!(context.sample_rate().unwrap().get(), 1.0);
    assert_ne!(context.sample_rand().to_string(), "0.000001");
    // The organisation in the DSC is that of the other trace, so that of this trace is unknown.
    assert!(seen(Propagator::builder().org_id(2).build().unwrap()).is_continued());
    let strict = Propagator::builder().strict_trace_continuation(true);
    let strict = seen(strict.org_id(1).build().unwrap());
    assert_eq!(strict.not_continued(), Some(&NotContinued::UnknownOrganisation));
    assert_eq!(strict.dsc_not_used(), None);
}

#[test]
fn contexts_name_the_reason_for_an_unused_dsc() {
    let baggage = "sentry-trace_id=0af7651916cd43dd8448eb211c80319c";
    let context = Propagator::builder().build().unwrap().continue_trace(&incoming("-1", baggage));
    let reason = context.dsc_not_used().map(ToString::to_string);
    let text = "its trace_id is 0af7651916cd43dd8448eb211c80319c, and the trace is \
                771a43a4192642f0b136d5159a501700";
    assert_eq!(reason.as_deref(), Some(text));
    assert_eq!(
        context
            .at_span(tracehop::SpanPosition::new(format!("{TRACE_ID}-{SPAN_ID}").parse().unwrap(),))
            .dsc_not_used(),
        context.dsc_not_used()
    );
}
