//! When the tree of a demo trace is whole.
//!
//! ```text
//! storefront            the page
//! ├── inventory         the storefront's own call
//! └── browser           the page load
//!     └── inventory     the page script's call
//! ```

use std::collections::HashSet;

use super::hop::Hop;

/// What keeps the tree from being whole, one sentence each; nothing if it is whole.
pub(crate) fn faults(trace_id: &str, hops: &[Hop]) -> Vec<String> {
    let mut faults = Vec::new();
    check_shape(hops, &mut faults);
    check_links(trace_id, hops, &mut faults);
    check_sampling_context(hops, &mut faults);
    faults
}

/// The four hops that the demo is about are there.
fn check_shape(hops: &[Hop], faults: &mut Vec<String>) {
    let roots: Vec<_> = hops.iter().filter(|hop| is_root(hop)).collect();
    match roots.as_slice() {
        [] => faults.push("there is no root hop (one without a parent)".to_owned()),
        [root] if root.service != "storefront" => {
            faults.push(format!("the root hop is {}, not the storefront's", label(root)));
        }
        [_] => {}
        several => {
            let labels: Vec<_> = several.iter().map(|hop| label(hop)).collect();
            faults.push(format!(
                "there are {} root hops instead of one: {}",
                several.len(),
                labels.join(", ")
            ));
        }
    }

    let pages: Vec<_> = roots.into_iter().filter(|hop| hop.service == "storefront").collect();
    if children(hops, &pages, "inventory").is_empty() {
        faults.push("there is no inventory hop below the storefront's root hop".to_owned());
    }
    let page_loads = children(hops, &pages, "browser");
    if page_loads.is_empty() {
        faults.push("there is no browser hop below the storefront's root hop".to_owned());
    }
    if children(hops, &page_loads, "inventory").is_empty() {
        faults.push("there is no inventory hop below the browser's hop".to_owned());
    }
}

/// All hops hang together in the one trace.
fn check_links(trace_id: &str, hops: &[Hop], faults: &mut Vec<String>) {
    let mut span_ids = HashSet::new();
    for hop in hops {
        if !span_ids.insert(hop.span_id.as_str()) {
            faults.push(format!("{} has a span id that another hop has", label(hop)));
        }
    }
    for hop in hops {
        if hop.trace_id != trace_id {
            faults.push(format!("{} is of trace {}, not {trace_id}", label(hop), hop.trace_id));
        }
        let Some(parent) = &hop.parent_span_id else {
            continue;
        };
        if !span_ids.contains(parent.as_str()) {
            faults.push(format!("{} has a parent that is not there: {parent}", label(hop)));
        }
        if !hop.continued {
            let reason = hop.reason.as_deref().unwrap_or("no reason given");
            faults.push(format!("{} did not continue the trace: {reason}", label(hop)));
        }
    }
}

/// All hops have the same dynamic sampling context, byte for byte.
fn check_sampling_context(hops: &[Hop], faults: &mut Vec<String>) {
    let mut filled = hops.iter().filter(|hop| !hop.dsc.is_empty());
    let first = filled.next();
    for hop in hops {
        if hop.dsc.is_empty() {
            faults.push(format!("{} has no dynamic sampling context", label(hop)));
        } else if let Some(first) = first
            && hop.dsc != first.dsc
        {
            faults.push(format!(
                "{} has another dynamic sampling context than {}: {:?}, not {:?}",
                label(hop),
                label(first),
                hop.dsc,
                first.dsc
            ));
        }
    }
}

fn is_root(hop: &Hop) -> bool {
    hop.parent_span_id.is_none()
}

fn children<'a>(hops: &'a [Hop], parents: &[&Hop], service: &str) -> Vec<&'a Hop> {
    let is_below = |hop: &Hop| {
        let mut parents = parents.iter();
        parents.any(|parent| hop.parent_span_id.as_ref() == Some(&parent.span_id))
    };
    let of_service = hops.iter().filter(|hop| hop.service == service);
    of_service.filter(|hop| is_below(hop)).collect()
}

fn label(hop: &Hop) -> String {
    format!("{} \"{}\" ({})", hop.service, hop.name, hop.span_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "771a43a4192642f0b136d5159a501700";

    const ROOT: usize = 0;
    const STOCK_FOR_PAGE: usize = 1;
    const BROWSER: usize = 2;
    const STOCK_FOR_BROWSER: usize = 3;

    fn hop(service: &str, span_id: &str, parent: Option<&str>) -> Hop {
        Hop {
            service: service.to_owned(),
            name: "name".to_owned(),
            trace_id: TRACE.to_owned(),
            span_id: span_id.to_owned(),
            parent_span_id: parent.map(str::to_owned),
            sampled: Some(true),
            dsc: "sentry-public_key=abc".to_owned(),
            continued: parent.is_some(),
            reason: None,
            start_ms: 0.0,
            duration_ms: 1.0,
        }
    }

    fn whole() -> Vec<Hop> {
        vec![
            hop("storefront", "a", None),
            hop("inventory", "b", Some("a")),
            hop("browser", "c", Some("a")),
            hop("inventory", "d", Some("c")),
        ]
    }

    #[test]
    fn whole_tree_has_no_faults() {
        assert_eq!(faults(TRACE, &whole()), [""; 0]);
    }

    #[test]
    fn order_does_not_matter() {
        let mut hops = whole();
        hops.reverse();
        assert_eq!(faults(TRACE, &hops), [""; 0]);
    }

    #[test]
    fn more_hops_do_no_harm() {
        let mut hops = whole();
        hops.push(hop("inventory", "e", Some("a")));
        hops.push(hop("warehouse", "f", Some("e")));
        assert_eq!(faults(TRACE, &hops), [""; 0]);
    }

    #[test]
    fn a_root_need_not_have_continued_anything() {
        let mut hops = whole();
        hops[ROOT].continued = true;
        assert_eq!(faults(TRACE, &hops), [""; 0]);
    }

    #[test]
    fn every_fault_is_named() {
        type Change = fn(&mut Vec<Hop>);
        let no_page_stock = "there is no inventory hop below the storefront's root hop";
        let no_browser = "there is no browser hop below the storefront's root hop";
        let no_browser_stock = "there is no inventory hop below the browser's hop";
        let table: [(&str, Change, &[&str]); 15] = [
            (
                "nothing recorded",
                Vec::clear,
                &[
                    "there is no root hop (one without a parent)",
                    no_page_stock,
                    no_browser,
                    no_browser_stock,
                ],
            ),
            (
                "root not recorded",
                |hops| drop(hops.remove(ROOT)),
                &[
                    "there is no root hop (one without a parent)",
                    no_page_stock,
                    no_browser,
                    no_browser_stock,
                    "inventory \"name\" (b) has a parent that is not there: a",
                    "browser \"name\" (c) has a parent that is not there: a",
                ],
            ),
            (
                "two roots",
                |hops| hops.push(hop("inventory", "e", None)),
                &["there are 2 root hops instead of one: \
                   storefront \"name\" (a), inventory \"name\" (e)"],
            ),
            (
                "root of another service",
                |hops| hops[ROOT].service = "gateway".to_owned(),
                &[
                    "the root hop is gateway \"name\" (a), not the storefront's",
                    no_page_stock,
                    no_browser,
                    no_browser_stock,
                ],
            ),
            (
                "the storefront's call not recorded",
                |hops| drop(hops.remove(STOCK_FOR_PAGE)),
                &[no_page_stock],
            ),
            (
                "browser not recorded",
                |hops| drop(hops.remove(BROWSER)),
                &[
                    no_browser,
                    no_browser_stock,
                    "inventory \"name\" (d) has a parent that is not there: c",
                ],
            ),
            (
                "browser below another hop than the page",
                |hops| hops[BROWSER].parent_span_id = Some("b".to_owned()),
                &[no_browser, no_browser_stock],
            ),
            (
                "the browser's call not recorded",
                |hops| drop(hops.remove(STOCK_FOR_BROWSER)),
                &[no_browser_stock],
            ),
            (
                "the browser's call below the page",
                |hops| hops[STOCK_FOR_BROWSER].parent_span_id = Some("a".to_owned()),
                &[no_browser_stock],
            ),
            (
                "another trace",
                |hops| hops[BROWSER].trace_id = "0".repeat(32),
                &["browser \"name\" (c) is of trace 00000000000000000000000000000000, \
                   not 771a43a4192642f0b136d5159a501700"],
            ),
            (
                "a further hop without its parent",
                |hops| hops.push(hop("inventory", "e", Some("f"))),
                &["inventory \"name\" (e) has a parent that is not there: f"],
            ),
            (
                "no dynamic sampling context",
                |hops| hops[STOCK_FOR_PAGE].dsc.clear(),
                &["inventory \"name\" (b) has no dynamic sampling context"],
            ),
            (
                "another dynamic sampling context",
                |hops| hops[STOCK_FOR_BROWSER].dsc = "sentry-public_key=ABC".to_owned(),
                &["inventory \"name\" (d) has another dynamic sampling context than \
                   storefront \"name\" (a): \"sentry-public_key=ABC\", not \"sentry-public_key=abc\""],
            ),
            (
                "not continued",
                |hops| {
                    hops[STOCK_FOR_BROWSER].continued = false;
                    hops[STOCK_FOR_BROWSER].reason = Some("another organization".to_owned());
                },
                &["inventory \"name\" (d) did not continue the trace: another organization"],
            ),
            (
                "the same span id twice",
                |hops| hops[STOCK_FOR_BROWSER].span_id = "b".to_owned(),
                &["inventory \"name\" (b) has a span id that another hop has"],
            ),
        ];
        for (case, change, expected) in table {
            let mut hops = whole();
            change(&mut hops);
            assert_eq!(faults(TRACE, &hops), expected, "{case}");
        }
    }

    #[test]
    fn no_dynamic_sampling_context_anywhere_is_a_fault_of_each_hop() {
        let mut hops = whole();
        hops.iter_mut().for_each(|hop| hop.dsc.clear());
        assert_eq!(faults(TRACE, &hops).len(), hops.len());
    }
}
