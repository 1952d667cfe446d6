//! What the headers of a request carry, computed from the services that wrote them.

use crate::strangers::{FLOOD, Fresh, Trick};

/// What the headers of a request carry. Computed, and never read from the headers themselves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    pub(crate) sentry_trace: Line,
    /// The dynamic sampling context: names without prefix, and values as they are written.
    pub(crate) items: Vec<(String, String)>,
    pub(crate) traceparent: Option<Parent>,
    pub(crate) tracestate: Option<String>,
    /// Whether the decision contradicts the rate in the items.
    pub(crate) is_lie: bool,
    /// Whether the baggage is so long that later members are not read.
    is_cut: bool,
}

/// The value of `sentry-trace`.
#[derive(Debug, Clone, Default)]
pub(crate) enum Line {
    #[default]
    Nothing,
    Malformed,
    /// Several lines that differ, of which this is the first.
    Conflicting(Parent),
    One(Parent),
}

/// The span that made a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) sampled: Option<bool>,
}

/// The largest number of members in a list.
pub(crate) const MAX_ITEMS: usize = 64;

impl Told {
    /// Returns what a service with an old SDK sends after this request.
    pub(crate) fn by_old_sdk(&self, decision: Option<bool>, fresh: &Fresh) -> Self {
        let (trace_id, sampled) = match &self.sentry_trace {
            Line::One(parent) | Line::Conflicting(parent) => (&parent.trace_id, parent.sampled),
            Line::Nothing | Line::Malformed => (&fresh.trace_id, decision),
        };
        let span_id = fresh.span_id.clone();
        let parent = Parent { trace_id: trace_id.clone(), span_id, sampled };
        Self { sentry_trace: Line::One(parent), ..Self::default() }
    }

    /// Returns what a service with OpenTelemetry sends after this request.
    pub(crate) fn by_open_telemetry(&self, index: usize, fresh: &Fresh) -> Self {
        let own = format!("otel=s{index}");
        let (trace_id, sampled, others) = match &self.traceparent {
            Some(parent) => (&parent.trace_id, parent.sampled, self.tracestate.as_deref()),
            None => (&fresh.trace_id, Some(true), None),
        };
        let others = others.into_iter().flat_map(|list| list.split(','));
        let others = others.filter(|member| !member.starts_with("otel="));
        let members: Vec<&str> = [own.as_str()].into_iter().chain(others).collect();
        let span_id = fresh.span_id.clone();
        Self {
            traceparent: Some(Parent { trace_id: trace_id.clone(), span_id, sampled }),
            tracestate: Some(members.join(",")),
            ..Self::default()
        }
    }

    /// Returns what a hostile service sends after this request.
    pub(crate) fn by_hostile(&self, trick: Trick, fresh: &Fresh) -> Self {
        let mut told = self.clone();
        if let Line::Nothing = told.sentry_trace {
            let Fresh { trace_id, span_id } = fresh.clone();
            told.sentry_trace = Line::One(Parent { trace_id, span_id, sampled: None });
        }
        match trick {
            Trick::Truncate | Trick::Zero => told.sentry_trace = Line::Malformed,
            Trick::Conflict => {
                if let Line::One(parent) = told.sentry_trace {
                    told.sentry_trace = Line::Conflicting(parent);
                }
            }
            Trick::Noise => {
                told.sentry_trace = Line::Malformed;
                (told.items, told.is_cut) = (Vec::new(), false);
            }
            Trick::DropSentryTrace => told.sentry_trace = Line::Nothing,
            Trick::Lie => {
                if let Line::One(parent) | Line::Conflicting(parent) = &mut told.sentry_trace {
                    parent.sampled = Some(parent.sampled != Some(true));
                    told.is_lie = true;
                }
            }
            Trick::Repeat => {
                if !told.is_cut {
                    told.put("environment", "last");
                }
            }
            Trick::Flood => {
                for n in 0..FLOOD {
                    told.add(&format!("flood{n}"), "v");
                }
            }
            Trick::Oversize => told.is_cut = true,
            Trick::Strip => (told.items, told.is_cut) = (Vec::new(), false),
            Trick::BadRand => {
                if told.item("sample_rand").is_some() {
                    told.put("sample_rand", "7");
                }
            }
            Trick::OtherOrganisation => told.put("org_id", "666"),
            Trick::OtherTrace => told.put("trace_id", &fresh.trace_id),
            Trick::LongTracestate => told.tracestate = None,
            // These tricks change nothing that a service reads.
            Trick::UpperCase | Trick::Foreign | Trick::Malformed | Trick::Inject => {}
        }
        told
    }

    /// Returns the value of an item.
    pub(crate) fn item(&self, name: &str) -> Option<&str> {
        self.items.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Sets the value of an item where it stands, or appends the item.
    pub(crate) fn put(&mut self, name: &str, value: &str) {
        match self.items.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.add(name, value),
        }
    }

    /// Appends an item that is missing, if the list has space and the item is read.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        if self.item(name).is_none() && self.items.len() < MAX_ITEMS && !self.is_cut {
            self.items.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Returns the items as a list.
    pub(crate) fn baggage(&self) -> String {
        let items: Vec<_> =
            self.items.iter().map(|(name, value)| format!("sentry-{name}={value}")).collect();
        items.join(",")
    }
}
