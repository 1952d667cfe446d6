//! Whether the tree of the shop's trace is whole.
//!
//! ```text
//! storefront  http.server         the page
//! ├── storefront  http.client     the storefront's own call
//! │   └── inventory  http.server  with an error
//! └── browser  pageload
//!     └── browser  http.client    the page script's call
//!         └── inventory  http.server
//! ```

use std::collections::HashSet;

use crate::collector::trace::{Span, Trace};
use crate::headers::Dsc;

/// Returns what is missing or wrong in the tree, one sentence each; nothing if the tree is whole.
pub(crate) fn faults(trace_id: &str, trace: &Trace) -> Vec<String> {
    let mut faults = Vec::new();
    check_shape(trace, &mut faults);
    check_links(trace_id, &trace.spans, &mut faults);
    check_sampling_context(trace, &mut faults);
    faults
}

/// Checks that the spans of the tree above are there, and the error.
fn check_shape(trace: &Trace, faults: &mut Vec<String>) {
    let spans = &trace.spans;
    let roots: Vec<_> = spans.iter().filter(|span| is_root(span)).collect();
    if !matches!(&*roots, [root] if root.service == "storefront") {
        let found: Vec<_> = roots.iter().map(ToString::to_string).collect();
        faults.push(format!(
            "there should be one span without a parent, the storefront's; there are {}: {}",
            found.len(),
            found.join(", ")
        ));
    }

    let mut below = |parents: &[&Span], of: &str, service: &str, op: &str| {
        let children = children(spans, parents, service, op);
        if children.is_empty() {
            faults.push(format!("there is no {op} span of {service} below {of}"));
        }
        children
    };
    let pages: Vec<_> = roots.into_iter().filter(|span| span.service == "storefront").collect();
    let calls = below(&pages, "the storefront's root", "storefront", "http.client");
    let stocks = below(&calls, "the storefront's call", "inventory", "http.server");
    let page_loads = below(&pages, "the storefront's root", "browser", "pageload");
    let calls = below(&page_loads, "the browser's page load", "browser", "http.client");
    below(&calls, "the browser's call", "inventory", "http.server");
    let is_below = |span_id: &str| stocks.iter().any(|span| span.span_id == span_id);
    if !trace.events.iter().any(|event| event.service == "inventory" && is_below(&event.span_id)) {
        faults.push(
            "there is no error in the span of inventory below the storefront's call".to_owned(),
        );
    }
}

/// Checks that all spans have ids of their own, the same trace, and a parent that is there.
fn check_links(trace_id: &str, spans: &[Span], faults: &mut Vec<String>) {
    let mut span_ids = HashSet::new();
    for span in spans {
        if !span_ids.insert(span.span_id.as_str()) {
            faults.push(format!("{span} has the id of another span"));
        }
    }
    for span in spans {
        if span.trace_id != trace_id {
            faults.push(format!("{span} is of trace {}, not {trace_id}", span.trace_id));
        }
        if let Some(parent) = &span.parent_span_id
            && !span_ids.contains(parent.as_str())
        {
            faults.push(format!("{span} has a parent that is not there: {parent}"));
        }
    }
}

/// Checks that all envelopes have the same dynamic sampling context.
fn check_sampling_context(trace: &Trace, faults: &mut Vec<String>) {
    let of_spans = trace.spans.iter().map(|span| (span.to_string(), span.dsc.as_ref()));
    let of_events = trace.events.iter().map(|event| (event.to_string(), event.dsc.as_ref()));
    let mut first: Option<(String, &Dsc)> = None;
    for (label, dsc) in of_spans.chain(of_events) {
        match (dsc, &first) {
            (None, _) => {
                faults.push(format!("the envelope of {label} has no dynamic sampling context"));
            }
            (Some(dsc), None) => first = Some((label, dsc)),
            (Some(dsc), Some((first_label, first))) if dsc != *first => faults.push(format!(
                "the envelope of {label} has another dynamic sampling context than that of {first_label}: \
                 {dsc:?}, not {first:?}"
            )),
            (Some(_), Some(_)) => {}
        }
    }
}

fn is_root(span: &Span) -> bool {
    span.parent_span_id.is_none()
}

fn children<'a>(spans: &'a [Span], parents: &[&Span], service: &str, op: &str) -> Vec<&'a Span> {
    let is_below = |span: &Span| {
        let mut parents = parents.iter();
        parents.any(|parent| span.parent_span_id.as_ref() == Some(&parent.span_id))
    };
    let wanted = |span: &&Span| span.service == service && span.op.as_deref() == Some(op);
    spans.iter().filter(wanted).filter(|span| is_below(span)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::trace::Event;

    const TRACE: &str = "771a43a4192642f0b136d5159a501700";

    const ROOT: usize = 0;
    const CALL: usize = 1;
    const STOCK: usize = 2;
    const PAGE_LOAD: usize = 3;
    const PAGE_CALL: usize = 4;
    const PAGE_STOCK: usize = 5;

    fn dsc(public_key: &str) -> Option<Dsc> {
        Some(Dsc::from([("public_key".to_owned(), public_key.to_owned())]))
    }

    fn span(service: &str, op: &str, span_id: &str, parent: Option<&str>) -> Span {
        Span {
            service: service.to_owned(),
            trace_id: TRACE.to_owned(),
            span_id: span_id.to_owned(),
            parent_span_id: parent.map(str::to_owned),
            op: Some(op.to_owned()),
            name: Some("name".to_owned()),
            is_segment: op != "http.client",
            dsc: dsc("abc"),
        }
    }

    fn event(service: &str, span_id: &str) -> Event {
        Event {
            service: service.to_owned(),
            span_id: span_id.to_owned(),
            title: "SoldOut".to_owned(),
            dsc: dsc("abc"),
        }
    }

    fn whole() -> Trace {
        let spans = vec![
            span("storefront", "http.server", "a", None),
            span("storefront", "http.client", "b", Some("a")),
            span("inventory", "http.server", "c", Some("b")),
            span("browser", "pageload", "d", Some("a")),
            span("browser", "http.client", "e", Some("d")),
            span("inventory", "http.server", "f", Some("e")),
        ];
        Trace { spans, events: vec![event("inventory", "c")] }
    }

    #[test]
    fn whole_tree_has_no_faults() {
        assert_eq!(faults(TRACE, &whole()), [""; 0]);
    }

    #[test]
    fn order_does_not_matter() {
        let mut trace = whole();
        trace.spans.reverse();
        assert_eq!(faults(TRACE, &trace), [""; 0]);
    }

    #[test]
    fn more_spans_and_errors_are_no_faults() {
        let mut trace = whole();
        trace.spans.push(span("inventory", "http.server", "g", Some("b")));
        trace.spans.push(span("inventory", "db", "h", Some("g")));
        trace.events.push(event("storefront", "a"));
        assert_eq!(faults(TRACE, &trace), [""; 0]);
    }

    #[test]
    fn every_fault_is_named() {
        type Change = fn(&mut Trace);
        let roots = "there should be one span without a parent, the storefront's; there are ";
        let no_root = format!("{roots}0: ");
        let no_call = "there is no http.client span of storefront below the storefront's root";
        let no_stock = "there is no http.server span of inventory below the storefront's call";
        let no_load = "there is no pageload span of browser below the storefront's root";
        let no_page_call = "there is no http.client span of browser below the browser's page load";
        let no_page_stock = "there is no http.server span of inventory below the browser's call";
        let no_error = "there is no error in the span of inventory below the storefront's call";
        let all_missing =
            [no_call, no_stock, no_load, no_page_call, no_page_stock, no_error].map(str::to_owned);
        let nothing = [&[no_root][..], &all_missing].concat();
        let absent =
            |span: &str, parent| format!("{span} has a parent that is not there: {parent}");
        let page_stock = "inventory's http.server \"name\" (f)";
        let table: [(&str, Change, Vec<String>); 14] = [
            ("nothing came", |trace| *trace = Trace::default(), nothing.clone()),
            (
                "the root did not come",
                |trace| drop(trace.spans.remove(ROOT)),
                [
                    &nothing[..],
                    &[
                        absent("storefront's http.client \"name\" (b)", "a"),
                        absent("browser's pageload \"name\" (d)", "a"),
                    ],
                ]
                .concat(),
            ),
            (
                "two roots",
                |trace| trace.spans.push(span("inventory", "http.server", "g", None)),
                vec![format!(
                    "{roots}2: storefront's http.server \"name\" (a), inventory's http.server \"name\" (g)"
                )],
            ),
            (
                "the root is another service's",
                |trace| trace.spans[ROOT].service = "browser".to_owned(),
                [
                    &[format!("{roots}1: browser's http.server \"name\" (a)")][..],
                    &all_missing,
                ]
                .concat(),
            ),
            (
                "the storefront's call did not come",
                |trace| drop(trace.spans.remove(CALL)),
                vec![
                    no_call.to_owned(),
                    no_stock.to_owned(),
                    no_error.to_owned(),
                    absent("inventory's http.server \"name\" (c)", "b"),
                ],
            ),
            (
                "what it called did not come",
                |trace| drop(trace.spans.remove(STOCK)),
                vec![no_stock.to_owned(), no_error.to_owned()],
            ),
            (
                "the page load did not come",
                |trace| drop(trace.spans.remove(PAGE_LOAD)),
                vec![
                    no_load.to_owned(),
                    no_page_call.to_owned(),
                    no_page_stock.to_owned(),
                    absent("browser's http.client \"name\" (e)", "d"),
                ],
            ),
            (
                "the page's call is called something else",
                |trace| trace.spans[PAGE_CALL].op = None,
                vec![no_page_call.to_owned(), no_page_stock.to_owned()],
            ),
            (
                "the page's call leads below the page",
                |trace| trace.spans[PAGE_STOCK].parent_span_id = Some("a".to_owned()),
                vec![no_page_stock.to_owned()],
            ),
            (
                "the error did not come",
                |trace| trace.events.clear(),
                vec![no_error.to_owned()],
            ),
            (
                "the error is elsewhere",
                |trace| trace.events[0].span_id = "a".to_owned(),
                vec![no_error.to_owned()],
            ),
            (
                "another trace",
                |trace| trace.spans[PAGE_STOCK].trace_id = "0".repeat(32),
                vec![format!("{page_stock} is of trace {}, not {TRACE}", "0".repeat(32))],
            ),
            (
                "the same span id twice",
                |trace| trace.spans.push(span("inventory", "http.server", "f", Some("e"))),
                vec![format!("{page_stock} has the id of another span")],
            ),
            (
                "other dynamic sampling contexts",
                |trace| {
                    trace.spans[PAGE_STOCK].dsc = None;
                    trace.events[0].dsc = dsc("ABC");
                },
                vec![
                    format!("the envelope of {page_stock} has no dynamic sampling context"),
                    "the envelope of inventory's \"SoldOut\" (in c) has another dynamic sampling context than \
                     that of storefront's http.server \"name\" (a): {\"public_key\": \"ABC\"}, not \
                     {\"public_key\": \"abc\"}"
                        .to_owned(),
                ],
            ),
        ];
        for (case, change, expected) in table {
            let mut trace = whole();
            change(&mut trace);
            assert_eq!(faults(TRACE, &trace), expected, "{case}");
        }
    }

    #[test]
    fn envelopes_without_any_dsc_are_faults() {
        let mut trace = whole();
        trace.spans.iter_mut().for_each(|span| span.dsc = None);
        trace.events.iter_mut().for_each(|event| event.dsc = None);
        assert_eq!(faults(TRACE, &trace).len(), trace.spans.len() + trace.events.len());
    }
}
