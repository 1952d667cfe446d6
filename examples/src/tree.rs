//! One trace, as a tree with timings.

use std::collections::{BTreeMap, BTreeSet};

use tracehop::{SpanId, TraceId};

use crate::hops::Hop;

/// The hops of one trace, each behind its parent.
#[derive(Debug)]
pub struct TraceTree {
    trace_id: TraceId,
    /// With how many hops are above each.
    hops: Vec<(Hop, usize)>,
    start_ms: f64,
    end_ms: f64,
}

/// A hop as a line of a waterfall.
#[derive(Debug)]
pub struct Row<'a> {
    /// What was reported.
    pub hop: &'a Hop,
    /// How many hops are above it.
    pub depth: usize,
    /// When it began, in milliseconds since the first hop did.
    pub offset_ms: f64,
    /// Where its bar begins, in per cent of the trace's duration.
    pub left: f64,
    /// How long its bar is, in per cent of the trace's duration.
    pub width: f64,
}

impl TraceTree {
    /// The tree of those hops that belong to a trace; `None` if none does.
    pub fn new(trace_id: TraceId, hops: impl IntoIterator<Item = Hop>) -> Option<Self> {
        let mut hops: Vec<Hop> = hops.into_iter().filter(|hop| hop.trace_id == trace_id).collect();
        hops.sort_by(|a, b| a.start_ms.total_cmp(&b.start_ms));
        let start_ms = hops.first()?.start_ms;
        let end_ms = hops.iter().map(|hop| hop.start_ms + hop.duration_ms).fold(start_ms, f64::max);
        Some(Self { trace_id, hops: behind_their_parents(hops), start_ms, end_ms })
    }

    /// The trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// From the first hop's begin to the last one's end, in milliseconds.
    pub fn duration_ms(&self) -> f64 {
        self.end_ms - self.start_ms
    }

    /// The hops, each behind its parent, and sisters by time.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let scale = 100.0 / self.duration_ms().max(f64::EPSILON);
        let rows = self.hops.iter().map(|(hop, depth)| {
            let offset_ms = hop.start_ms - self.start_ms;
            let (left, width) = (offset_ms * scale, hop.duration_ms * scale);
            Row { hop, depth: *depth, offset_ms, left, width }
        });
        rows.collect()
    }

    /// The dynamic sampling context that all hops report; `None` if they differ.
    pub fn dsc(&self) -> Option<&str> {
        let ((first, _), rest) = self.hops.split_first()?;
        rest.iter().all(|(hop, _)| hop.dsc == first.dsc).then_some(&first.dsc)
    }

    /// The tree as text.
    pub fn to_text(&self) -> String {
        let dsc = self.dsc();
        let about_dsc = match dsc {
            Some("") => "no dynamic sampling context".to_owned(),
            Some(dsc) => format!("the same on every hop: {dsc}"),
            None => "DYNAMIC SAMPLING CONTEXTS DIFFER".to_owned(),
        };
        let head = format!("trace {}, {:.1} ms", self.trace_id, self.duration_ms());
        let mut text = [&head, "\n", &plain(&about_dsc), "\n"].concat();
        for Row { hop, depth, offset_ms, .. } in self.rows() {
            let parent = hop.parent_span_id.map_or("none".to_owned(), |id| id.to_string());
            let lines = [
                format!("{} {}", hop.service, hop.name),
                format!("at {offset_ms:.1} ms for {:.1} ms, {}", hop.duration_ms, about(hop)),
                format!("span {}, parent {parent}", hop.span_id),
                hop.dsc.clone(),
            ];
            let shown = if dsc.is_none() { 4 } else { 3 };
            for (n, line) in lines.iter().take(shown).enumerate() {
                let mark = if n == 0 { "└─ " } else { "   " };
                text.extend([&"   ".repeat(depth), mark, &plain(line), "\n"]);
            }
        }
        text
    }
}

/// Reports come from pages, too: nothing in them may begin a line or speak to a terminal.
fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

fn about(hop: &Hop) -> String {
    let decision = match hop.sampled {
        Some(true) => "sampled",
        Some(false) => "not sampled",
        None => "deferred",
    };
    match (&hop.reason, hop.continued) {
        (_, true) => format!("{decision}, continued"),
        (Some(reason), false) => format!("{decision}, new trace: {reason}"),
        (None, false) => format!("{decision}, new trace"),
    }
}

/// Puts hops, which are in the order of time, behind their parents. Those whose parent nobody reported are at
/// the top, and so is one hop of every ring, which only false reports can make.
fn behind_their_parents(hops: Vec<Hop>) -> Vec<(Hop, usize)> {
    let by_span: BTreeMap<SpanId, usize> =
        hops.iter().enumerate().rev().map(|(at, hop)| (hop.span_id, at)).collect();
    let parent_of = |at: usize| hops[at].parent_span_id.and_then(|id| by_span.get(&id).copied());
    let mut children = vec![Vec::new(); hops.len()];
    let mut tops = Vec::new();
    for at in 0..hops.len() {
        match parent_of(at) {
            Some(parent) => children[parent].push(at),
            None => tops.push(at),
        }
    }

    // What no top leads to is in a ring or behind one: up from there, the first met again is in the ring.
    let ring_above = |at: usize| {
        let mut met = BTreeSet::new();
        let mut top = at;
        while met.insert(top) {
            top = parent_of(top).unwrap_or(top);
        }
        top
    };
    let mut order = Vec::with_capacity(hops.len());
    let mut placed = BTreeSet::new();
    for at in tops.into_iter().chain(0..hops.len()) {
        let mut waiting = if placed.contains(&at) { vec![] } else { vec![(ring_above(at), 0)] };
        while let Some((at, depth)) = waiting.pop() {
            if placed.insert(at) {
                order.push((at, depth));
                waiting.extend(children[at].iter().rev().map(|child| (*child, depth + 1)));
            }
        }
    }
    order.into_iter().map(|(at, depth)| (hops[at].clone(), depth)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";

    /// Span and parent by a digit, where 0 is none.
    fn hop(span: u8, parent: u8, start_ms: f64) -> Hop {
        let id = |digit: u8| format!("{digit:016}").parse().ok();
        Hop {
            service: format!("s{span}"),
            name: "GET /".to_owned(),
            trace_id: TRACE_ID.parse().unwrap(),
            span_id: id(span).unwrap(),
            parent_span_id: id(parent),
            sampled: Some(true),
            dsc: String::new(),
            continued: parent != 0,
            reason: None,
            start_ms,
            duration_ms: 10.0,
        }
    }

    fn shape(hops: Vec<Hop>) -> Vec<(String, usize)> {
        let tree = TraceTree::new(TRACE_ID.parse().unwrap(), hops).unwrap();
        tree.rows().iter().map(|row| (row.hop.service.clone(), row.depth)).collect()
    }

    fn rows(expected: &[(&str, usize)]) -> Vec<(String, usize)> {
        expected.iter().map(|(service, depth)| ((*service).to_owned(), *depth)).collect()
    }

    #[test]
    fn hops_are_behind_their_parents_and_sisters_by_time() {
        let hops = vec![hop(4, 3, 30.0), hop(3, 1, 20.0), hop(2, 1, 5.0), hop(1, 0, 0.0)];
        assert_eq!(shape(hops), rows(&[("s1", 0), ("s2", 1), ("s3", 1), ("s4", 2)]));
    }

    #[test]
    fn every_hop_is_shown_even_if_reports_are_missing_or_false() {
        assert_eq!(shape(vec![hop(2, 9, 1.0), hop(1, 0, 0.0)]), rows(&[("s1", 0), ("s2", 0)]));
        assert_eq!(shape(vec![hop(1, 2, 0.0), hop(2, 1, 1.0)]).len(), 2);
        assert_eq!(shape(vec![hop(1, 1, 0.0)]).len(), 1);
        assert_eq!(shape(vec![hop(1, 0, 0.0), hop(1, 0, 0.0)]).len(), 2);
        let ring_with_tail = vec![hop(3, 1, 0.0), hop(1, 5, 1.0), hop(5, 6, 2.0), hop(6, 5, 3.0)];
        assert_eq!(shape(ring_with_tail), rows(&[("s5", 0), ("s1", 1), ("s3", 2), ("s6", 1)]));
    }

    #[test]
    fn a_chain_of_all_hops_that_are_kept_is_no_problem() {
        let id = |n: usize| format!("{:016x}", n + 1).parse().ok();
        let hops = (0..1_000).map(|n| Hop {
            span_id: id(n).unwrap(),
            parent_span_id: n.checked_sub(1).and_then(id),
            ..hop(1, 0, n as f64)
        });
        let tree = TraceTree::new(TRACE_ID.parse().unwrap(), hops).unwrap();
        assert_eq!(tree.rows().last().map(|row| row.depth), Some(999));
        assert_eq!(tree.to_text().lines().count(), 2 + 3 * 1_000);
    }

    #[test]
    fn nothing_in_a_report_speaks_to_a_terminal_or_draws_a_line() {
        let hostile = "\x1b[2J\u{9b}x\r\n└─ storefront".to_owned();
        let hostile = Hop { name: hostile.clone(), dsc: hostile, ..hop(1, 0, 0.0) };
        let text = TraceTree::new(TRACE_ID.parse().unwrap(), [hostile]).unwrap().to_text();
        assert_eq!(text.lines().count(), 5);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }

    #[test]
    fn other_traces_are_left_out() {
        let mut other = hop(2, 0, 0.0);
        other.trace_id = TraceId::random();
        assert_eq!(shape(vec![other.clone(), hop(1, 0, 0.0)]), rows(&[("s1", 0)]));
        assert!(TraceTree::new(TRACE_ID.parse().unwrap(), [other]).is_none());
    }

    #[test]
    fn bars_fill_the_duration_of_the_trace() {
        let tree = TraceTree::new(TRACE_ID.parse().unwrap(), [hop(1, 0, 100.0), hop(2, 1, 110.0)]);
        let tree = tree.unwrap();
        let bars: Vec<_> =
            tree.rows().iter().map(|row| (row.offset_ms, row.left, row.width)).collect();
        assert_eq!(tree.duration_ms(), 20.0);
        assert_eq!(bars, [(0.0, 0.0, 50.0), (10.0, 50.0, 50.0)]);
    }

    #[test]
    fn the_text_has_a_line_for_each_hop_at_its_place() {
        let tree = TraceTree::new(TRACE_ID.parse().unwrap(), [hop(1, 0, 0.0), hop(2, 1, 5.0)]);
        let expected = [
            "trace 771a43a4192642f0b136d5159a501700, 15.0 ms",
            "no dynamic sampling context",
            "└─ s1 GET /",
            "   at 0.0 ms for 10.0 ms, sampled, new trace",
            "   span 0000000000000001, parent none",
            "   └─ s2 GET /",
            "      at 5.0 ms for 10.0 ms, sampled, continued",
            "      span 0000000000000002, parent 0000000000000001",
        ];
        let text = tree.unwrap().to_text();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_text_says_once_what_all_hops_agree_on_and_shows_where_they_differ() {
        let with = |span, parent, dsc: &str| Hop { dsc: dsc.to_owned(), ..hop(span, parent, 0.0) };
        let text = |second| {
            let hops = [with(1, 0, "sentry-a=1"), with(2, 1, second)];
            TraceTree::new(TRACE_ID.parse().unwrap(), hops).unwrap().to_text()
        };
        assert_eq!(text("sentry-a=1").matches("sentry-a=1").count(), 1);
        assert!(text("sentry-a=1").contains("the same on every hop"));
        assert!(text("sentry-a=2").contains("DIFFER"));
        assert_eq!(text("sentry-a=2").matches("sentry-a=").count(), 2);
    }
}
