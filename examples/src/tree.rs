//! One trace, as a tree with timings.

use std::collections::BTreeMap;

use termtree::Tree;
use tracehop::{SpanId, TraceId};

use crate::hops::Hop;

/// The hops of one trace, each behind its parent.
#[derive(Debug)]
pub struct TraceTree {
    trace_id: TraceId,
    roots: Vec<Node>,
    start_ms: f64,
    end_ms: f64,
}

#[derive(Debug)]
struct Node {
    hop: Hop,
    children: Vec<Node>,
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
        Some(Self { trace_id, roots: grow(hops), start_ms, end_ms })
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
        let mut rows = Vec::new();
        let mut stack: Vec<(&Node, usize)> =
            self.roots.iter().rev().map(|node| (node, 0)).collect();
        while let Some((node, depth)) = stack.pop() {
            let offset_ms = node.hop.start_ms - self.start_ms;
            let (left, width) = (offset_ms * scale, node.hop.duration_ms * scale);
            rows.push(Row { hop: &node.hop, depth, offset_ms, left, width });
            stack.extend(node.children.iter().rev().map(|child| (child, depth + 1)));
        }
        rows
    }

    /// The dynamic sampling context that all hops report; `None` if they differ.
    pub fn dsc(&self) -> Option<&str> {
        let rows = self.rows();
        let (first, rest) = rows.split_first()?;
        rest.iter().all(|row| row.hop.dsc == first.hop.dsc).then_some(&first.hop.dsc)
    }

    /// The tree as text.
    pub fn to_text(&self) -> String {
        let dsc = match self.dsc() {
            Some("") => "no dynamic sampling context".to_owned(),
            Some(dsc) => format!("the same on every hop: {dsc}"),
            None => "DYNAMIC SAMPLING CONTEXTS DIFFER".to_owned(),
        };
        let head = format!("trace {}, {:.1} ms\n{dsc}", self.trace_id, self.duration_ms());
        let tree = Tree::new(head)
            .with_multiline(true)
            .with_leaves(self.roots.iter().map(|node| self.text_of(node)));
        tree.to_string()
    }

    fn text_of(&self, node: &Node) -> Tree<String> {
        let hop = &node.hop;
        let decision = match hop.sampled {
            Some(true) => "sampled",
            Some(false) => "not sampled",
            None => "deferred",
        };
        let origin = match (&hop.reason, hop.continued) {
            (_, true) => "continued".to_owned(),
            (Some(reason), false) => format!("new trace: {reason}"),
            (None, false) => "new trace".to_owned(),
        };
        let mut text = format!(
            "{} {}\n  at {:.1} ms for {:.1} ms, {decision}, {origin}\n  span {}, parent {}",
            hop.service,
            hop.name,
            hop.start_ms - self.start_ms,
            hop.duration_ms,
            hop.span_id,
            hop.parent_span_id.map_or("none".to_owned(), |id| id.to_string()),
        );
        if self.dsc().is_none() {
            text.extend(["\n  ", &hop.dsc]);
        }
        Tree::new(text)
            .with_multiline(true)
            .with_leaves(node.children.iter().map(|child| self.text_of(child)))
    }
}

/// Puts hops below their parents. Those whose parent nobody reported are roots, and so is the first hop of
/// a ring, which only a false report can make.
fn grow(hops: Vec<Hop>) -> Vec<Node> {
    let reported: Vec<SpanId> = hops.iter().map(|hop| hop.span_id).collect();
    let mut children: BTreeMap<Option<SpanId>, Vec<Hop>> = BTreeMap::new();
    for hop in hops {
        let parent = hop.parent_span_id.filter(|id| reported.contains(id));
        children.entry(parent).or_default().push(hop);
    }
    let mut roots = Vec::new();
    while let Some(parent) = children.keys().next().copied() {
        roots.extend(take_children(parent, &mut children));
    }
    roots
}

fn take_children(
    parent: Option<SpanId>,
    children: &mut BTreeMap<Option<SpanId>, Vec<Hop>>,
) -> Vec<Node> {
    let hops = children.remove(&parent).unwrap_or_default();
    hops.into_iter()
        .map(|hop| {
            let children = take_children(Some(hop.span_id), children);
            Node { hop, children }
        })
        .collect()
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
            "└── s1 GET /",
            "      at 0.0 ms for 10.0 ms, sampled, new trace",
            "      span 0000000000000001, parent none",
            "    └── s2 GET /",
            "          at 5.0 ms for 10.0 ms, sampled, continued",
            "          span 0000000000000002, parent 0000000000000001",
        ];
        let text = tree.unwrap().to_text();
        assert_eq!(text.lines().map(str::trim_end).collect::<Vec<_>>(), expected);
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
