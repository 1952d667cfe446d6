//! A trace as text.

use super::record::{Event, Span};
use super::tree::{Row, TraceTree};

/// The number of characters of a bar that stands for the whole trace.
const BAR: usize = 30;

/// The space of a bar, for lines without one.
const NO_BAR: &str = "                                ";

/// The deepest indentation. Without a limit, a long chain of spans would be indented by megabytes.
const MAX_INDENT: usize = 40;

impl TraceTree {
    /// Returns the tree as text: one line of waterfall and one of details for each span.
    pub(super) fn to_text(&self) -> String {
        let mut text = format!("trace {}, {:.1} ms\n", self.trace_id(), self.duration_ms());
        for line in self.about_dscs() {
            text.extend([&plain(&line), "\n"]);
        }
        for row in self.rows() {
            let indent = "   ".repeat(row.depth.min(MAX_INDENT));
            text.extend([&row.bar(), " ", &indent, "└─ ", &plain(&row.title()), "\n"]);
            let events = row.events.iter().map(|event| event.line());
            for line in std::iter::once(row.details()).chain(events) {
                text.extend([NO_BAR, " ", &indent, "   ", &plain(&line), "\n"]);
            }
        }
        for event in self.events_elsewhere() {
            text.extend([NO_BAR, " └─ ", &plain(&event.line()), "\n"]);
            let span_id = event.span_id.to_string();
            text.extend([NO_BAR, "    in span ", &span_id, ", which has not arrived\n"]);
        }
        text
    }
}

impl Row<'_> {
    fn title(&self) -> String {
        let Span { service, name, op, status, .. } = self.span;
        let name = name.as_deref().unwrap_or("unnamed");
        let about = [op, status].into_iter().flatten().map(String::as_str).collect::<Vec<_>>();
        match about.join(", ") {
            about if about.is_empty() => format!("{service} {name}"),
            about => format!("{service} {name} ({about})"),
        }
    }

    fn details(&self) -> String {
        let Span { span_id, parent_span_id, duration_ms, .. } = self.span;
        let parent = parent_span_id.map_or("none".to_owned(), |id| id.to_string());
        let absent = if self.is_orphan { ", which has not arrived" } else { "" };
        let offset_ms = self.offset_ms;
        format!(
            "{duration_ms:.1} ms from {offset_ms:.1} ms on, span {span_id}, parent {parent}{absent}"
        )
    }

    fn bar(&self) -> String {
        let cells = |percent: f64| (percent / 100.0 * BAR as f64).round() as usize;
        let begin = cells(self.left).min(BAR - 1);
        let length = cells(self.width).clamp(1, BAR - begin);
        let rest = BAR - begin - length;
        format!("[{}{}{}]", " ".repeat(begin), "=".repeat(length), " ".repeat(rest))
    }
}

impl Event {
    fn line(&self) -> String {
        format!("! {} of {}: {}", self.level, self.service, self.title)
    }
}

/// Replaces control characters. The collector accepts envelopes of any sender, whose text must not start a line or
/// control a terminal.
fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::record::Dsc;
    use super::super::tree::tests::{event, span, tree};
    use super::*;

    #[test]
    fn control_characters_are_replaced() {
        let hostile = "\x1b[2J\u{9b}x\r\n└─ storefront".to_owned();
        let dsc = Some(Arc::new(Dsc::from([(hostile.clone(), hostile.clone())])));
        let text = Some(hostile.clone());
        let spans = vec![Span {
            service: hostile.clone(),
            op: text.clone(),
            name: text.clone(),
            status: text,
            dsc: dsc.clone(),
            ..span(1, 0, 0.0)
        }];
        let hostile = |n| {
            let (level, title) = (hostile.clone(), hostile.clone());
            Event { service: hostile.clone(), level, title, dsc: dsc.clone(), ..event(n) }
        };
        let text = tree(spans, vec![hostile(1), hostile(2)]).to_text();
        assert_eq!(text.lines().count(), 2 + 2 + 1 + 2);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }

    #[test]
    fn bars_are_in_place_and_never_empty() {
        let table = [
            (0.0, 100.0, 0..30),
            (0.0, 50.0, 0..15),
            (50.0, 50.0, 15..30),
            (0.0, 0.0, 0..1),
            (100.0, 0.0, 29..30),
            // A rounding error of floating point numbers.
            (90.0, 10.1, 27..30),
        ];
        for (left, width, cells) in table {
            let tree = tree(vec![span(1, 0, 0.0)], vec![]);
            let bar = Row { left, width, ..tree.rows().remove(0) }.bar();
            let drawn = (0..BAR).filter(|at| bar.as_bytes()[at + 1] == b'=').collect::<Vec<_>>();
            assert_eq!(drawn, Vec::from_iter(cells), "{left} {width}: {bar}");
            assert_eq!(bar.len(), NO_BAR.len());
        }
    }

    #[test]
    fn text_shows_errors_below_their_spans() {
        let spans = vec![span(1, 0, 0.0), span(2, 1, 5.0), span(3, 9, 6.0)];
        let tree = tree(spans, vec![event(2), event(7)]);
        let expected = [
            "trace 771a43a4192642f0b136d5159a501700, 16.0 ms",
            "dynamic sampling context of every envelope: none",
            "[===================           ] └─ s1 GET / (http.server, ok)",
            "                                    10.0 ms from 0.0 ms on, span 0000000000000001, parent none",
            "[         ===================  ]    └─ s2 GET / (http.server, ok)",
            "                                       10.0 ms from 5.0 ms on, span 0000000000000002, parent \
             0000000000000001",
            "                                       ! error of s2: SoldOut: no kettles",
            "[           ===================] └─ s3 GET / (http.server, ok)",
            "                                    10.0 ms from 6.0 ms on, span 0000000000000003, parent \
             0000000000000009, which has not arrived",
            "                                 └─ ! error of s7: SoldOut: no kettles",
            "                                    in span 0000000000000007, which has not arrived",
        ];
        assert_eq!(tree.to_text().lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn indentation_is_limited() {
        let spans = (1..=1_000).map(|n| span(n, n - 1, n as f64)).collect();
        let text = tree(spans, vec![]).to_text();
        assert_eq!(text.lines().count(), 2 + 2 * 1_000);
        assert!(text.lines().all(|line| line.len() < 300));
    }
}
