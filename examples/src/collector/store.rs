//! The newest envelopes, in memory.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::watch;
use tracehop::TraceId;

use super::envelope::Envelope;
use super::record::{Event, Span};
use super::tree::TraceTree;

/// The envelopes that the collector keeps. The oldest are dropped first.
#[derive(Debug)]
pub(super) struct Store {
    envelopes: Mutex<Envelopes>,
    capacity: usize,
    /// Changes with each envelope.
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Envelopes {
    /// Each with the memory that it takes, in bytes.
    kept: VecDeque<(Envelope, usize)>,
    size: usize,
}

/// A trace in the list of all traces, and how many spans and events have arrived.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Summary {
    pub(super) trace_id: TraceId,
    spans: usize,
    events: usize,
}

impl Store {
    /// Makes a store that keeps the newest envelopes, up to this many bytes, and at least one.
    pub(super) fn new(capacity: usize) -> Self {
        Self { envelopes: Mutex::default(), capacity, changes: watch::Sender::default() }
    }

    /// Adds an envelope whose text had this length.
    pub(super) fn add(&self, envelope: Envelope, length: usize) {
        // The text is kept, and the strings are parts of it. The structs around them may take more memory than the text.
        let size = 2 * length
            + envelope.spans.len() * size_of::<Span>()
            + envelope.events.len() * size_of::<Event>()
            + size_of::<Envelope>();
        self.with(|envelopes| {
            envelopes.kept.push_back((envelope, size));
            envelopes.size += size;
            while envelopes.size > self.capacity && envelopes.kept.len() > 1 {
                let oldest = envelopes.kept.pop_front();
                envelopes.size -= oldest.map_or(0, |(_, size)| size);
            }
        });
        self.changes.send_replace(());
    }

    /// Returns a receiver that sees a change at once, and then with each envelope: one may have arrived since its page
    /// was rendered.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        let mut changes = self.changes.subscribe();
        changes.mark_changed();
        changes
    }

    /// Returns all envelopes as they were sent, oldest first.
    pub(super) fn texts(&self) -> Vec<String> {
        self.with(|envelopes| envelopes.kept.iter().map(|(kept, _)| kept.text.clone()).collect())
    }

    /// Returns all spans, oldest first.
    pub(super) fn spans(&self) -> Vec<Span> {
        self.with(|envelopes| envelopes.all(|envelope| &envelope.spans).cloned().collect())
    }

    /// Returns all traces, ordered by their newest envelope, newest first.
    pub(super) fn traces(&self) -> Vec<Summary> {
        let mut traces = self.with(|envelopes| {
            let mut traces: HashMap<TraceId, (usize, usize, usize)> = HashMap::new();
            for (at, (envelope, _)) in envelopes.kept.iter().enumerate() {
                for span in &envelope.spans {
                    let (last, spans, _) = traces.entry(span.trace_id).or_default();
                    (*last, *spans) = (at, *spans + 1);
                }
                for event in &envelope.events {
                    let (last, _, events) = traces.entry(event.trace_id).or_default();
                    (*last, *events) = (at, *events + 1);
                }
            }
            Vec::from_iter(traces)
        });
        traces.sort_by_key(|(trace_id, (last, ..))| (Reverse(*last), *trace_id));
        let summary = |(trace_id, (_, spans, events))| Summary { trace_id, spans, events };
        traces.into_iter().map(summary).collect()
    }

    /// Returns the tree of a trace; `None` if no envelope of it has arrived.
    pub(super) fn tree(&self, trace_id: TraceId) -> Option<TraceTree> {
        self.with(|envelopes| {
            let spans = envelopes.all(|it| &it.spans).filter(|span| span.trace_id == trace_id);
            let events = envelopes.all(|it| &it.events).filter(|event| event.trace_id == trace_id);
            TraceTree::new(trace_id, spans.cloned(), events.cloned())
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Envelopes) -> T) -> T {
        work(&mut self.envelopes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Envelopes {
    /// Iterates over the items of all envelopes, oldest first.
    fn all<'a, T: 'a>(&'a self, items: impl Fn(&Envelope) -> &[T]) -> impl Iterator<Item = &'a T> {
        self.kept.iter().flat_map(move |(envelope, _)| items(envelope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace_id(digit: u8) -> TraceId {
        format!("{digit:032}").parse().unwrap()
    }

    /// Makes an envelope with this number of spans and one event, all of one trace.
    fn envelope(trace: u8, spans: usize) -> Envelope {
        let text = |what: &str, kind| format!("{{\"type\":\"{kind}\"}}\n{what}\n");
        let ids = format!(r#""trace_id":"{}","span_id":"1234567890abcdef""#, trace_id(trace));
        let span = format!(r#"{{{ids},"start_timestamp":1,"timestamp":2}}"#);
        let event = format!(r#"{{"contexts":{{"trace":{{{ids}}}}}}}"#);
        let items = [vec![text(&span, "span"); spans], vec![text(&event, "event")]].concat();
        Envelope::read(format!("{{}}\n{}", items.concat()).as_bytes()).unwrap()
    }

    #[test]
    fn traces_are_listed_newest_first() {
        let store = Store::new(usize::MAX);
        for (trace, spans) in [(1, 1), (2, 0), (1, 2), (3, 1), (1, 0)] {
            store.add(envelope(trace, spans), 0);
        }
        let summary = |trace, spans, events| Summary { trace_id: trace_id(trace), spans, events };
        assert_eq!(store.traces(), [summary(1, 3, 3), summary(3, 1, 1), summary(2, 0, 1)]);
    }

    #[test]
    fn oldest_envelopes_are_dropped_over_capacity() {
        let traces = |capacity, length| {
            let store = Store::new(capacity);
            (1..=5).for_each(|trace| store.add(envelope(trace, 1), length));
            let size = store.with(|envelopes| envelopes.size);
            let known = store.traces().into_iter().map(|it| it.trace_id).collect::<Vec<_>>();
            (size <= capacity, known)
        };
        let all = [5, 4, 3, 2, 1].map(trace_id);
        assert_eq!(traces(1_000_000, 1_000), (true, all.to_vec()));
        assert_eq!(traces(1_000_000, 150_000), (true, all[..3].to_vec()));
        // The newest envelope is kept, even if it is larger than the capacity.
        assert_eq!(traces(1_000_000, 2_000_000), (false, all[..1].to_vec()));
    }

    #[test]
    fn short_envelopes_count_with_their_memory() {
        let store = Store::new(1_000 * size_of::<Span>());
        (0..20).for_each(|_| store.add(envelope(1, 100), 0));
        assert!((800..1_000).contains(&store.spans().len()), "{}", store.spans().len());
    }
}
