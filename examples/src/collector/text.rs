//! A trace as text.

use super::record::{Event, Span};
use super::tree::{Row, TraceTree};

/// The number of characters of a bar that stands for the whole trace.
const BAR: usize = 20;

/// In front of lines without a bar.
const NO_BAR: &str = "     ";

/// The width of a terminal.
const COLUMNS: usize = 80;

/// The deepest indentation, in levels. All deeper spans have the same.
const MAX_INDENT: usize = 12;

impl TraceTree {
    /// Returns the tree as text, in lines of at most 80 characters: one for each span, and one for each event.
    pub(super) fn to_text(&self) -> String {
        let mut text = format!("trace {}, {:.1} ms\n", self.trace_id(), self.duration_ms());
        for row in self.rows() {
            let indent = "  ".repeat(row.depth.min(MAX_INDENT));
            let duration = format!("{:>7.1} ms", row.span.duration_ms);
            push(&mut text, &[&row.bar(), &duration, " ", &indent, &row.title()].concat());
            for event in &row.events {
                push(&mut text, &[NO_BAR, &event.line()].concat());
            }
        }
        for event in self.events_elsewhere() {
            push(&mut text, &[NO_BAR, &event.line()].concat());
            let span_id = event.span_id.to_string();
            push(&mut text, &[NO_BAR, "  in span ", &span_id, ", which has not arrived"].concat());
        }
        for line in self.about_dscs().iter().flat_map(|line| line.split_inclusive(", ")) {
            push(&mut text, line.trim_end_matches(", "));
        }
        text
    }
}

/// Appends a line, cut to the width of a terminal.
fn push(text: &mut String, line: &str) {
    let line = plain(line);
    let count = line.chars().count();
    if count > COLUMNS {
        text.extend(line.chars().take(COLUMNS - 1).chain(['…']));
    } else {
        text.push_str(&line);
    }
    text.push('\n');
}

impl Row<'_> {
    fn title(&self) -> String {
        let Span { service, name, op, .. } = self.span;
        let absent = if self.is_orphan { ", below a span that has not arrived" } else { "" };
        let name = name.as_deref().unwrap_or("unnamed");
        match op {
            Some(op) => format!("{service} {name} ({op}){absent}"),
            None => format!("{service} {name}{absent}"),
        }
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
        assert_eq!(text.lines().count(), 1 + 2 + 2 + 1);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }

    #[test]
    fn bars_are_in_place_and_never_empty() {
        let table = [
            (0.0, 100.0, 0..20),
            (0.0, 50.0, 0..10),
            (50.0, 50.0, 10..20),
            (0.0, 0.0, 0..1),
            (100.0, 0.0, 19..20),
            // A rounding error of floating point numbers.
            (90.0, 10.1, 18..20),
        ];
        for (left, width, cells) in table {
            let tree = tree(vec![span(1, 0, 0.0)], vec![]);
            let bar = Row { left, width, ..tree.rows().remove(0) }.bar();
            let drawn = (0..BAR).filter(|at| bar.as_bytes()[at + 1] == b'=').collect::<Vec<_>>();
            assert_eq!(drawn, Vec::from_iter(cells), "{left} {width}: {bar}");
            assert_eq!(bar.len(), BAR + 2);
        }
    }

    #[test]
    fn text_shows_errors_below_their_spans() {
        let spans = vec![span(1, 0, 0.0), span(2, 1, 5.0), span(3, 9, 6.0)];
        let tree = tree(spans, vec![event(2), event(7)]);
        let expected = [
            "trace 771a43a4192642f0b136d5159a501700, 16.0 ms",
            "[=============       ]   10.0 ms s1 GET / (http.server)",
            "[      ============= ]   10.0 ms   s2 GET / (http.server)",
            "     ! error of s2: SoldOut: no kettles",
            "[        ============]   10.0 ms s3 GET / (http.server), below a span that has …",
            "     ! error of s7: SoldOut: no kettles",
            "       in span 0000000000000007, which has not arrived",
            "dynamic sampling context of every envelope: none",
        ];
        assert_eq!(tree.to_text().lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn indentation_is_limited() {
        let spans = (1..=1_000).map(|n| span(n, n - 1, n as f64)).collect();
        let text = tree(spans, vec![]).to_text();
        assert_eq!(text.lines().count(), 1 + 1_000 + 1);
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
    }
}
