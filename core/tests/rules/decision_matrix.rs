use serde::Deserialize;
use tracehop::{Propagator, Target};

use crate::{Headers, TRACE_ID, incoming, outgoing, value};

#[derive(Debug, Deserialize)]
struct Row {
    incoming_trace: String,
    incoming_sampled: String,
    target_matches: String,
    traces_sample_rate: String,
    sends_spans: String,
    outgoing_headers: String,
    outgoing_trace_id_is_incoming: String,
}

#[test]
fn every_row_of_the_decision_matrix_holds() {
    let table = include_str!("../data/decision_matrix.csv");
    let rows: Vec<Row> =
        csv::Reader::from_reader(table.as_bytes()).deserialize().collect::<Result<_, _>>().unwrap();
    assert_eq!(rows.len(), 24);
    for row in &rows {
        check(row, "");
        // The rates of the table are 0 and 1, and agree with any random number.
        check(row, "sentry-sample_rand=0.5");
    }
}

fn check(row: &Row, baggage: &str) {
    let target = if row.target_matches == "yes" { "api.example.com" } else { "other.example.com" };
    let mut builder = Propagator::builder().trace_propagation_targets([Target::host(target)]);
    if row.traces_sample_rate != "none" {
        builder = builder.traces_sample_rate(row.traces_sample_rate.parse().unwrap());
    }
    let headers = match (&*row.incoming_trace, &*row.incoming_sampled) {
        ("no", "") => Headers::new(),
        ("yes", "deferred") => incoming("", baggage),
        ("yes", sampled) => incoming(&format!("-{sampled}"), baggage),
        other => panic!("{other:?}"),
    };
    let context = builder.build().unwrap().continue_trace(&headers);
    let sent = outgoing(&context);

    assert_eq!(context.sends_spans(), row.sends_spans == "yes", "{row:?}");
    let decision = match (&*row.incoming_sampled, &*row.traces_sample_rate) {
        ("1", _) | ("deferred" | "", "1") => "-1",
        ("0", _) | ("deferred" | "", "0") => "-0",
        _ => "",
    };
    let sentry_trace = format!("{}-{}{decision}", context.trace_id(), context.span_id());
    let is_sent = row.outgoing_headers == "yes";
    assert_eq!(value(&sent, "sentry-trace"), is_sent.then_some(&*sentry_trace), "{row:?}");
    let has_dsc = headers.is_empty() || !baggage.is_empty();
    assert_eq!(value(&sent, "baggage").is_some(), is_sent && has_dsc, "{row:?}");
    match &*row.outgoing_trace_id_is_incoming {
        "yes" => assert!(sentry_trace.starts_with(TRACE_ID), "{row:?}"),
        "" => {}
        other => panic!("{other:?}"),
    }
    // The trace is continued also where no headers are sent.
    assert_eq!(context.trace_id().to_string() == TRACE_ID, row.incoming_trace == "yes", "{row:?}");
}
