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
        check(row);
    }
}

fn check(row: &Row) {
    let target = if row.target_matches == "yes" { "api.example.com" } else { "other.example.com" };
    let mut builder = Propagator::builder().trace_propagation_targets([Target::host(target)]);
    if row.traces_sample_rate != "none" {
        builder = builder.traces_sample_rate(row.traces_sample_rate.parse().unwrap());
    }
    let headers = match (&*row.incoming_trace, &*row.incoming_sampled) {
        ("no", "") => Headers::new(),
        ("yes", "deferred") => incoming("", ""),
        ("yes", sampled) => incoming(&format!("-{sampled}"), ""),
        other => panic!("{other:?}"),
    };
    let context = builder.build().unwrap().continue_trace(&headers);
    let sent = outgoing(&context);

    assert_eq!(context.sends_spans(), row.sends_spans == "yes", "{row:?}");
    assert_eq!(value(&sent, "sentry-trace").is_some(), row.outgoing_headers == "yes", "{row:?}");
    assert_eq!(
        value(&sent, "baggage").is_some(),
        row.outgoing_headers == "yes" && headers.is_empty(),
        "{row:?}"
    );
    match &*row.outgoing_trace_id_is_incoming {
        "yes" => assert!(value(&sent, "sentry-trace").unwrap().starts_with(TRACE_ID), "{row:?}"),
        "" => {}
        other => panic!("{other:?}"),
    }
    // Without headers to look at, the trace is continued here all the same.
    assert_eq!(context.trace_id().to_string() == TRACE_ID, row.incoming_trace == "yes", "{row:?}");
}
