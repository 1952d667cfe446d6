//! What must hold in every cell of the table.

use std::collections::HashSet;

use serde_json::Value;

use crate::server::{Item, Sent};
use crate::stack::{Framework, Incoming, PARENT, Place, Stack, TRACE_ID};

macro_rules! ensure {
    ($condition:expr, $($format:tt)*) => {
        if !$condition {
            return Err(format!($($format)*));
        }
    };
}

fn trace<'v>(item: &'v Item, field: &str) -> &'v str {
    item.payload["contexts"]["trace"][field].as_str().unwrap_or_default()
}

/// Whether the SDK's own middleware loses spans: its transaction ends with the head of the response, takes none later,
/// and is dropped if the handler panics.
fn are_spans_lost(stack: Stack, handler: &str) -> bool {
    match stack.sentrys {
        (Place::Outside, true) if stack.framework == Framework::Axum => handler == "stream",
        _ if stack.framework == Framework::Axum => false,
        (Place::Outside, true) => matches!(handler, "stream" | "panic"),
        (Place::Inside, true) => {
            let is_in_logger = stack.layer && stack.tracing_logger == Place::Inside;
            handler == "panic" || handler == "stream" && is_in_logger
        }
        _ => false,
    }
}

/// Whether calls in a body come after the end of their transaction, which is that of the SDK's layer for the span of a
/// middleware. Our log spans keep that span open.
fn is_body_behind_transaction(stack: Stack, incoming: Incoming, handler: &str) -> bool {
    stack.framework == Framework::Axum
        && incoming == Incoming::Nothing
        && handler == "stream"
        && (stack.layer, stack.log_spans, stack.span) == (true, false, Place::Outside)
}

/// Whether a span that lasts as long as the body is lost, such as that of `tracing-actix-web`. It is part of a
/// transaction of the SDK's own middleware, and that transaction ends before the span.
fn is_logger_lost(stack: Stack) -> bool {
    let (place, with_transaction) = stack.sentrys;
    if stack.framework == Framework::Axum {
        let is_span_in_body = stack.span == Place::Outside && stack.log_spans;
        return stack.layer && is_span_in_body && stack.sentrys == (Place::Outside, true);
    }
    stack.layer
        && with_transaction
        && match stack.tracing_logger {
            Place::Nowhere => false,
            Place::Outside => place == Place::Outside,
            Place::Inside => true,
        }
}

pub(crate) fn check(
    stack: Stack,
    incoming: Incoming,
    handler: &str,
    answer: &str,
    sent: &Sent,
) -> Result<(), String> {
    let status = if handler == "fail" { "500" } else { "200" };
    ensure!(
        handler == "panic" || answer.starts_with(&format!("HTTP/1.1 {status}")),
        "answer {answer:?}"
    );

    // There is one call. It continues the incoming trace, with its decision.
    let [call] = &*sent.calls else { return Err(format!("calls {:?}", sent.calls)) };
    let mut parts = call.split('-');
    let (trace_id, span_id, sampled) =
        (parts.next().unwrap(), parts.next().unwrap_or_default(), parts.next());
    ensure!(incoming == Incoming::Nothing || trace_id == TRACE_ID, "call in trace {call}");
    let is_sampled = incoming != Incoming::Unsampled;
    ensure!(sampled == Some(if is_sampled { "1" } else { "0" }), "call {call}");

    // Errors, logs and metrics are in the trace.
    for error in &sent.errors {
        let what = error.payload["message"].as_str().unwrap_or("exception");
        ensure!(
            trace(error, "trace_id") == trace_id,
            "{what} in trace {}",
            trace(error, "trace_id")
        );
        ensure!(
            error.dsc["trace_id"] == trace_id || incoming != Incoming::Sampled,
            "{what} has DSC {}",
            error.dsc
        );
    }
    let mut expected = 1 + usize::from(stack.layer);
    expected += usize::from(handler == "block");
    // In axum the error of a handler is a response like others, and is not captured.
    expected += usize::from(handler == "fail" && stack.framework == Framework::Actix);
    expected += usize::from(handler == "panic");
    // Other middleware logs some errors as well: the logger of `tracing-actix-web` and `CatchPanicLayer` of tower-http.
    let is_logged = match stack.framework {
        Framework::Actix => handler == "fail" && stack.tracing_logger != Place::Nowhere,
        Framework::Axum => handler == "panic",
    };
    let extra = usize::from(is_logged && stack.layer);
    ensure!(
        (expected..=expected + extra).contains(&sent.errors.len()),
        "{} errors: {:?}",
        sent.errors.len(),
        sent.errors
            .iter()
            .map(|error| (
                &error.payload["message"],
                &error.payload["exception"]["values"][0]["value"]
            ))
            .collect::<Vec<_>>()
    );
    ensure!(!sent.logs.is_empty(), "no log");
    // Actix-web logs the end of a worker, outside of all requests.
    let is_ours = |log: &&Value| log["body"] != "shutting down idle worker";
    for log in sent.logs.iter().filter(is_ours) {
        ensure!(log["trace_id"] == trace_id, "log {} in trace {}", log["body"], log["trace_id"]);
    }
    ensure!(sent.metrics.len() == 1, "{} metrics", sent.metrics.len());
    for metric in &sent.metrics {
        ensure!(metric["trace_id"] == trace_id, "metric in trace {}", metric["trace_id"]);
    }

    // A request that is not sampled sends no transaction.
    let names: Vec<_> =
        sent.transactions.iter().map(|item| item.payload["transaction"].clone()).collect();
    if !is_sampled {
        ensure!(sent.transactions.is_empty(), "sent {names:?}");
        return Ok(());
    }
    let mut spans: Vec<(String, String, String)> = Vec::new();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for transaction in &sent.transactions {
        ensure!(
            trace(transaction, "trace_id") == trace_id,
            "{} in trace {}",
            transaction.payload["transaction"],
            trace(transaction, "trace_id")
        );
        ensure!(
            transaction.dsc["trace_id"] == trace_id || incoming == Incoming::Deferred,
            "{} has DSC {}",
            transaction.payload["transaction"],
            transaction.dsc
        );
        spans.push((
            trace(transaction, "op").to_owned(),
            trace(transaction, "span_id").to_owned(),
            trace(transaction, "parent_span_id").to_owned(),
        ));
        for span in transaction.payload["spans"].as_array().into_iter().flatten() {
            ensure!(
                span["trace_id"] == trace_id,
                "span {} in trace {}",
                span["op"],
                span["trace_id"]
            );
            spans.push((text(&span["op"]), text(&span["span_id"]), text(&span["parent_span_id"])));
        }
    }

    // The call is recorded once, as the span that was sent.
    if are_spans_lost(stack, handler) {
        return Ok(());
    }
    if is_body_behind_transaction(stack, incoming, handler) {
        ensure!(
            spans.iter().any(|(_, id, _)| id == span_id),
            "the call was sent as {span_id}, which is no span"
        );
        return Ok(());
    }
    let clients: Vec<_> = spans.iter().filter(|(op, ..)| op.contains("http.client")).collect();
    ensure!(clients.len() == 1, "{} spans of the call", clients.len());
    ensure!(
        clients[0].1 == span_id,
        "the call was sent as {span_id} and recorded as {}",
        clients[0].1
    );
    let works = spans.iter().filter(|(op, ..)| op.ends_with("::work")).count();
    ensure!(works == usize::from(stack.layer), "{works} instrumented spans");
    let servers = spans.iter().filter(|(op, ..)| op == "http.server").count();
    let asked = 1 + usize::from(stack.sentrys == (Place::Inside, true));
    ensure!(servers <= asked, "{servers} transactions of the request: {names:?}");

    if is_logger_lost(stack) {
        return Ok(());
    }
    // The tree is whole.
    let ids: HashSet<_> = spans.iter().map(|(_, id, _)| id.as_str()).collect();
    for (op, id, parent) in &spans {
        let is_head = parent.is_empty() && incoming == Incoming::Nothing;
        ensure!(
            is_head || parent == PARENT || ids.contains(parent.as_str()),
            "{op} {id} has the parent {parent:?}, which is missing"
        );
    }
    let heads = spans.iter().filter(|(.., parent)| parent.is_empty()).count();
    ensure!(heads == usize::from(incoming == Incoming::Nothing), "{heads} heads: {names:?}");
    Ok(())
}
