//! One trace, as a tree with timings.

use std::collections::{BTreeMap, BTreeSet};

use tracehop::{SpanId, TraceId};

use super::record::{Dsc, Event, Span};

/// The number of colours. If there are more services, the rest share the last colour.
const COLORS: usize = 6;

/// The spans of one trace, each after its parent, and the events of the trace.
#[derive(Debug)]
pub(super) struct TraceTree {
    trace_id: TraceId,
    /// Each with its depth: the number of spans above it.
    spans: Vec<(Span, usize)>,
    events: Vec<Event>,
    start_ms: f64,
    duration_ms: f64,
}

/// A span as a line of a waterfall.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// The span.
    pub(super) span: &'a Span,
    /// The events that were captured in it.
    pub(super) events: Vec<&'a Event>,
    /// The number of spans above it.
    pub(super) depth: usize,
    /// Whether its parent span has not arrived.
    pub(super) is_orphan: bool,
    /// Its start, in milliseconds since the start of the first span.
    pub(super) offset_ms: f64,
    /// The start of its bar, in per cent of the trace's duration.
    pub(super) left: f64,
    /// The length of its bar, in per cent of the trace's duration.
    pub(super) width: f64,
}

impl TraceTree {
    /// Makes the tree of a trace from its spans and events; `None` if there are none.
    pub(super) fn new(
        trace_id: TraceId,
        spans: impl Iterator<Item = Span>,
        events: impl Iterator<Item = Event>,
    ) -> Option<Self> {
        let mut spans: Vec<Span> = spans.collect();
        let events: Vec<Event> = events.collect();
        if spans.is_empty() && events.is_empty() {
            return None;
        }
        spans.sort_by(|a, b| a.start_ms.total_cmp(&b.start_ms));
        let start_ms = spans.first().map_or(0.0, |first| first.start_ms);
        let end_ms = spans.iter().map(|span| span.start_ms + span.duration_ms).fold(0.0, f64::max);
        let duration_ms = (end_ms - start_ms).max(0.0);
        Some(Self { trace_id, spans: after_their_parents(spans), events, start_ms, duration_ms })
    }

    /// Returns the id of the trace.
    pub(super) fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Returns the name of the first span.
    pub(super) fn name(&self) -> &str {
        self.spans.first().and_then(|(span, _)| span.name.as_deref()).unwrap_or("unnamed")
    }

    /// Returns the number of events.
    pub(super) fn errors(&self) -> usize {
        self.events.len()
    }

    /// Returns the services in the order of their spans, each with the number of its colour.
    pub(super) fn services(&self) -> Vec<(&str, usize)> {
        let mut services: Vec<&str> = Vec::new();
        for (span, _) in &self.spans {
            if !services.contains(&&*span.service) {
                services.push(&span.service);
            }
        }
        services.into_iter().enumerate().map(|(at, it)| (it, at.min(COLORS - 1))).collect()
    }

    /// Returns the number of the colour of a service.
    pub(super) fn color(&self, service: &str) -> usize {
        let services = self.services();
        services.iter().find(|(name, _)| *name == service).map_or(COLORS - 1, |(_, color)| *color)
    }

    /// Whether a span starts before its parent span, as a page load does.
    pub(super) fn has_early_child(&self) -> bool {
        let starts: BTreeMap<SpanId, f64> =
            self.spans.iter().map(|(span, _)| (span.span_id, span.start_ms)).collect();
        let parent = |span: &Span| starts.get(&span.parent_span_id?).copied();
        self.spans.iter().any(|(span, _)| parent(span).is_some_and(|start| span.start_ms < start))
    }

    /// Returns the time from the first start to the last end of a span, in milliseconds.
    pub(super) fn duration_ms(&self) -> f64 {
        self.duration_ms
    }

    /// Returns the spans, each after its parent, siblings in the order of time.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let scale = 100.0 / self.duration_ms.max(f64::EPSILON);
        let known: BTreeSet<SpanId> = self.spans.iter().map(|(span, _)| span.span_id).collect();
        let mut events: BTreeMap<SpanId, Vec<&Event>> = BTreeMap::new();
        for event in &self.events {
            events.entry(event.span_id).or_default().push(event);
        }
        let rows = self.spans.iter().map(|(span, depth)| {
            let offset_ms = span.start_ms - self.start_ms;
            Row {
                span,
                events: events.remove(&span.span_id).unwrap_or_default(),
                depth: *depth,
                is_orphan: span.parent_span_id.is_some_and(|id| !known.contains(&id)),
                offset_ms,
                left: offset_ms * scale,
                width: span.duration_ms * scale,
            }
        });
        rows.collect()
    }

    /// Returns the events of spans that have not arrived, such as those of a trace that is not sampled.
    pub(super) fn events_elsewhere(&self) -> Vec<&Event> {
        let known: BTreeSet<SpanId> = self.spans.iter().map(|(span, _)| span.span_id).collect();
        self.events.iter().filter(|event| !known.contains(&event.span_id)).collect()
    }

    /// Returns the different dynamic sampling contexts in the headers of the envelopes. There should be only one.
    pub(super) fn dscs(&self) -> Vec<Option<&Dsc>> {
        let of_spans = self.spans.iter().map(|(span, _)| span.dsc.as_deref());
        let all = of_spans.chain(self.events.iter().map(|event| event.dsc.as_deref()));
        BTreeSet::from_iter(all).into_iter().collect()
    }

    /// Returns lines that show the dynamic sampling contexts, and whether they differ.
    pub(super) fn about_dscs(&self) -> Vec<String> {
        let in_words = |dsc: &Option<&Dsc>| match dsc {
            Some(dsc) => {
                let items = dsc.iter().map(|(name, value)| format!("{name}={value}"));
                items.collect::<Vec<_>>().join(", ")
            }
            None => "none".to_owned(),
        };
        match self.dscs().as_slice() {
            [one] => vec![format!("dynamic sampling context of every envelope: {}", in_words(one))],
            several => {
                let head = "THE DYNAMIC SAMPLING CONTEXTS OF THE ENVELOPES DIFFER:".to_owned();
                std::iter::once(head).chain(several.iter().map(in_words)).collect()
            }
        }
    }
}

/// Moves spans, which are in the order of time, after their parents. A span whose parent has not arrived is at the
/// top. So is one span of every ring: false ids can form a ring.
fn after_their_parents(spans: Vec<Span>) -> Vec<(Span, usize)> {
    let by_span: BTreeMap<SpanId, usize> =
        spans.iter().enumerate().rev().map(|(at, span)| (span.span_id, at)).collect();
    let parent_of = |at: usize| spans[at].parent_span_id.and_then(|id| by_span.get(&id).copied());
    let mut children = vec![Vec::new(); spans.len()];
    let mut tops = Vec::new();
    for at in 0..spans.len() {
        match parent_of(at) {
            Some(parent) => children[parent].push(at),
            None => tops.push(at),
        }
    }

    // A span that no top span leads to is in a ring or below one. On the way up from it, the first span that is met
    // twice is in the ring.
    let ring_above = |at: usize| {
        let mut met = BTreeSet::new();
        let mut top = at;
        while met.insert(top) {
            top = parent_of(top).unwrap_or(top);
        }
        top
    };
    let mut order = Vec::with_capacity(spans.len());
    let mut placed = BTreeSet::new();
    for at in tops.into_iter().chain(0..spans.len()) {
        let mut waiting = if placed.contains(&at) { vec![] } else { vec![(ring_above(at), 0)] };
        while let Some((at, depth)) = waiting.pop() {
            if placed.insert(at) {
                order.push((at, depth));
                waiting.extend(children[at].iter().rev().map(|child| (*child, depth + 1)));
            }
        }
    }
    order.into_iter().map(|(at, depth)| (spans[at].clone(), depth)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;

    const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";

    fn id(n: usize) -> SpanId {
        format!("{n:016}").parse().unwrap()
    }

    /// Makes a span with a number for the span and one for its parent; 0 means no parent.
    pub(in super::super) fn span(n: usize, parent: usize, start_ms: f64) -> Span {
        Span {
            service: format!("s{n}"),
            trace_id: TRACE_ID.parse().unwrap(),
            span_id: id(n),
            parent_span_id: (parent != 0).then(|| id(parent)),
            op: Some("http.server".to_owned()),
            name: Some("GET /".to_owned()),
            status: Some("ok".to_owned()),
            is_segment: true,
            start_ms,
            duration_ms: 10.0,
            dsc: None,
        }
    }

    pub(in super::super) fn event(n: usize) -> Event {
        Event {
            service: format!("s{n}"),
            trace_id: TRACE_ID.parse().unwrap(),
            span_id: id(n),
            level: "error".to_owned(),
            title: "SoldOut: no kettles".to_owned(),
            stack: Vec::new(),
            dsc: None,
        }
    }

    pub(in super::super) fn tree(spans: Vec<Span>, events: Vec<Event>) -> TraceTree {
        let trace_id = TRACE_ID.parse().unwrap();
        TraceTree::new(trace_id, spans.into_iter(), events.into_iter()).unwrap()
    }

    fn shape(spans: Vec<Span>) -> Vec<(String, usize)> {
        let tree = tree(spans, vec![]);
        tree.rows().iter().map(|row| (row.span.service.clone(), row.depth)).collect()
    }

    fn rows(expected: &[(&str, usize)]) -> Vec<(String, usize)> {
        expected.iter().map(|(service, depth)| ((*service).to_owned(), *depth)).collect()
    }

    #[test]
    fn spans_follow_their_parents_in_time_order() {
        let spans = vec![span(4, 3, 30.0), span(3, 1, 20.0), span(2, 1, 5.0), span(1, 0, 0.0)];
        assert_eq!(shape(spans), rows(&[("s1", 0), ("s2", 1), ("s3", 1), ("s4", 2)]));
    }

    #[test]
    fn orphans_and_rings_are_shown() {
        assert_eq!(shape(vec![span(2, 9, 1.0), span(1, 0, 0.0)]), rows(&[("s1", 0), ("s2", 0)]));
        assert_eq!(shape(vec![span(1, 2, 0.0), span(2, 1, 1.0)]).len(), 2);
        assert_eq!(shape(vec![span(1, 1, 0.0)]).len(), 1);
        assert_eq!(shape(vec![span(1, 0, 0.0), span(1, 0, 0.0)]).len(), 2);
        let ring = vec![span(3, 1, 0.0), span(1, 5, 1.0), span(5, 6, 2.0), span(6, 5, 3.0)];
        assert_eq!(shape(ring), rows(&[("s5", 0), ("s1", 1), ("s3", 2), ("s6", 1)]));
    }

    #[test]
    fn long_chains_do_not_overflow_the_stack() {
        let spans = (1..=1_000).map(|n| span(n, n - 1, n as f64)).collect();
        let tree = tree(spans, vec![]);
        assert_eq!(tree.rows().last().map(|row| row.depth), Some(999));
    }

    #[test]
    fn bars_fill_the_duration_of_the_trace() {
        let tree = tree(vec![span(1, 0, 100.0), span(2, 1, 110.0)], vec![]);
        let bars: Vec<_> =
            tree.rows().iter().map(|row| (row.offset_ms, row.left, row.width)).collect();
        assert_eq!(tree.duration_ms(), 20.0);
        assert_eq!(bars, [(0.0, 0.0, 50.0), (10.0, 50.0, 50.0)]);
    }

    #[test]
    fn errors_without_spans_are_shown() {
        let tree = tree(vec![], vec![event(1)]);
        assert_eq!((tree.rows().len(), tree.events_elsewhere().len()), (0, 1));
        assert_eq!(tree.duration_ms(), 0.0);
    }

    #[test]
    fn differing_dynamic_sampling_contexts_are_all_shown() {
        let dsc =
            |rate: &str| Some(Arc::new(Dsc::from([("sample_rate".to_owned(), rate.to_owned())])));
        let text = |first, second, of_event| {
            let spans = vec![
                Span { dsc: first, ..span(1, 0, 0.0) },
                Span { dsc: second, ..span(2, 1, 0.0) },
            ];
            let tree = tree(spans, vec![Event { dsc: of_event, ..event(1) }]);
            tree.about_dscs().join("\n")
        };
        assert_eq!(
            text(dsc("0.10"), dsc("0.10"), dsc("0.10")),
            "dynamic sampling context of every envelope: sample_rate=0.10"
        );
        for others in [[dsc("0.1"), dsc("0.10")], [dsc("0.10"), dsc("0.1")], [None, dsc("0.10")]] {
            let [second, of_event] = others;
            let text = text(dsc("0.10"), second, of_event);
            assert!(text.contains("DIFFER"), "{text}");
            assert_eq!(text.lines().count(), 3, "{text}");
        }
    }
}
