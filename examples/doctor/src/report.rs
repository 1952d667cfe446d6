//! The result of the checks, as text and as JSON.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::{Value, json};

/// The result of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Correct.
    Good,
    /// Worth knowing, but not wrong.
    Note,
    /// Not visible from outside.
    Unseen,
    /// A problem.
    Wrong,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The subject of the check, in a word or two.
    pub about: &'static str,
    /// The result.
    pub verdict: Verdict,
    /// What was found.
    pub what: String,
    /// What to do about it.
    pub advice: Option<String>,
}

/// One part of a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The name of the header.
    pub header: &'static str,
    /// The name of the part.
    pub name: String,
    /// The value, decoded.
    pub value: String,
    /// What the value means.
    pub meaning: String,
}

/// The results of all checks of one service or request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The request that was checked.
    pub subject: String,
    /// The headers, part by part.
    pub parts: Vec<Part>,
    /// The checks.
    pub checks: Vec<Check>,
}

impl Report {
    pub(super) fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), parts: Vec::new(), checks: Vec::new() }
    }

    pub(super) fn part(
        &mut self,
        header: &'static str,
        name: &str,
        value: impl ToString,
        meaning: impl Into<String>,
    ) {
        let (name, value) = (name.to_owned(), value.to_string());
        self.parts.push(Part { header, name, value, meaning: meaning.into() });
    }

    pub(super) fn good(&mut self, about: &'static str, what: impl Into<String>) {
        self.check(about, Verdict::Good, what, None);
    }

    pub(super) fn note(&mut self, about: &'static str, what: impl Into<String>, advice: &str) {
        self.check(about, Verdict::Note, what, Some(advice));
    }

    pub(super) fn unseen(&mut self, about: &'static str, what: impl Into<String>, advice: &str) {
        self.check(about, Verdict::Unseen, what, Some(advice));
    }

    pub(super) fn wrong(&mut self, about: &'static str, what: impl Into<String>, advice: &str) {
        self.check(about, Verdict::Wrong, what, Some(advice));
    }

    fn check(
        &mut self,
        about: &'static str,
        verdict: Verdict,
        what: impl Into<String>,
        advice: Option<&str>,
    ) {
        let advice = advice.filter(|advice| !advice.is_empty()).map(str::to_owned);
        self.checks.push(Check { about, verdict, what: what.into(), advice });
    }

    /// Whether something that matters cannot be seen from outside.
    pub fn has_unseen(&self) -> bool {
        self.count(Verdict::Unseen) > 0
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }

    /// Whether no problem was found.
    pub fn is_fine(&self) -> bool {
        self.count(Verdict::Wrong) == 0
    }

    /// Returns the report as JSON.
    pub fn to_json(&self) -> Value {
        json!({
            "subject": self.subject,
            "fine": self.is_fine(),
            "checks": self.checks,
            "parts": self.parts,
        })
    }

    /// Returns the report as text with terminal colours. `anstream` removes them where there is no terminal.
    pub fn to_text(&self) -> String {
        let bold = Style::new().bold();
        let mut text = format!("{bold}{}{bold:#}\n\n", printable(&self.subject));
        if !self.parts.is_empty() {
            let mut table = Table::new();
            table.load_style(presets::NOTHING).set_header(["HEADER", "PART", "VALUE", "MEANING"]);
            for part in &self.parts {
                let cells = [part.header, &part.name, &part.value, &part.meaning];
                table.add_row(cells.map(printable));
            }
            text.extend([&*table.trim_fmt(), "\n\n"]);
        }
        for Check { about, verdict, what, advice } in &self.checks {
            let (sign, style) = verdict.looks();
            // Writing to a text does not fail.
            let _ = writeln!(text, "{style}{sign} {about}{style:#}: {}", printable(what));
            if let Some(advice) = advice {
                let _ = writeln!(text, "    {}", printable(advice));
            }
        }
        let end = match (self.count(Verdict::Wrong), self.count(Verdict::Unseen)) {
            (0, 0) => "No problems found.".to_owned(),
            (0, _) => "No problems found in what is visible from outside.".to_owned(),
            (1, _) => "1 problem found.".to_owned(),
            (wrong, _) => format!("{wrong} problems found."),
        };
        text + "\n" + &end + "\n"
    }
}

impl Verdict {
    fn looks(self) -> (char, Style) {
        let (sign, colour) = match self {
            Self::Good => ('✓', AnsiColor::Green),
            Self::Note => ('·', AnsiColor::Cyan),
            Self::Unseen => ('?', AnsiColor::Yellow),
            Self::Wrong => ('✗', AnsiColor::Red),
        };
        (sign, colour.on_default().bold())
    }
}

/// Escapes control characters. Text of the service must not control the terminal or start a line.
fn printable(text: &str) -> String {
    let escaped = |char: char| match char {
        '"' | '\'' => char.to_string(),
        _ => char.escape_debug().to_string(),
    };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        let mut report = Report::new("GET /\x1b[2J");
        report.part("baggage", "sentry-a\u{9b}", "b\r\nc\u{202e}\"", "");
        report.wrong("x", "\x07é\\", "");
        let text = report.to_text();
        let plain = anstream::adapter::strip_str(&text).to_string();
        let lines: Vec<_> = plain.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(lines[0], "GET /\\u{1b}[2J");
        assert!(lines[2].contains("sentry-a\\u{9b}"), "{plain}");
        assert!(lines[2].ends_with("b\\r\\nc\\u{202e}\""), "{plain}");
        assert_eq!(lines[3], "✗ x: \\u{7}é\\\\");
        assert_eq!(lines[4], "1 problem found.");
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn only_problems_fail_a_report() {
        let mut report = Report::new("");
        report.good("a", "");
        report.note("b", "", "do");
        report.unseen("c", "", "do");
        assert!(report.is_fine());
        report.wrong("d", "", "do");
        assert!(!report.is_fine());
        let json = report.to_json();
        assert_eq!(json["fine"], false);
        assert_eq!(json["checks"][3]["verdict"], "wrong");
        assert_eq!(json["checks"][0]["advice"], Value::Null);
    }
}
