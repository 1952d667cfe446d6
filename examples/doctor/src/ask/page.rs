//! The places of a trace in a page, and whether caches may show the page again.

use scraper::{Html, Selector};
use tracehop::hop::{SHARED_CACHE_HEADERS, is_storable_by_shared_caches, may_be_reused};

use super::Answer;
use crate::Report;

/// Returns the contents of the meta tags with a name, in order.
pub(super) fn meta_tags(html: &Html, name: &str) -> Vec<String> {
    // The names are constants, and make a valid selector.
    let selector = Selector::parse(&format!("meta[name=\"{name}\"]"));
    let tags = selector.iter().flat_map(|selector| html.select(selector));
    tags.map(|tag| tag.attr("content").unwrap_or_default().to_owned()).collect()
}

/// Returns the description of the first metric with a name in the lines of a
/// [`Server-Timing`](https://www.w3.org/TR/server-timing/) header.
pub(super) fn server_timing<'a>(
    lines: impl IntoIterator<Item = &'a str>,
    name: &str,
) -> Option<String> {
    let metrics = lines.into_iter().flat_map(|line| split(line, ','));
    let mut metrics = metrics.map(|metric| split(metric, ';'));
    let metric = metrics.find(|metric| metric.first().is_some_and(|it| it.trim() == name))?;
    let value = metric.iter().find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case("desc").then_some(value.trim())
    })?;
    let Some(quoted) = value.strip_prefix('"') else { return Some(value.to_owned()) };
    let mut text = String::new();
    let mut chars = quoted.strip_suffix('"').unwrap_or(quoted).chars();
    while let Some(char) = chars.next() {
        text.extend(if char == '\\' { chars.next() } else { Some(char) });
    }
    Some(text)
}

/// Splits a text at separators outside of quoted strings.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|char| {
        let was_escaped = std::mem::take(&mut escaped);
        match char {
            '"' if !was_escaped => quoted = !quoted,
            '\\' if quoted && !was_escaped => escaped = true,
            _ => (),
        }
        char == separator && !quoted
    })
    .collect()
}

/// Checks that caches may not show this page with its trace to other visitors, or again to the same one.
pub(super) fn check_caches(answer: &Answer, report: &mut Report) {
    const ABOUT: &str = "shared caches";
    const ADVICE: &str = "Every visitor gets the same trace. Leave the tags and Server-Timing out of pages that shared \
                          caches keep, or send `Cache-Control: private, no-cache`.";
    let storable =
        SHARED_CACHE_HEADERS.iter().find(|name| is_storable_by_shared_caches(answer.lines(name)));
    if let Some(name) = storable {
        let what = format!("they may keep the page with its trace: {name}: {}", answer.text(name));
        report.wrong(ABOUT, what, ADVICE);
    } else if answer.lines("age").next().is_some() {
        report.wrong(
            ABOUT,
            format!("the page came out of one, with its trace: age: {}", answer.text("age")),
            ADVICE,
        );
    } else {
        report.good(ABOUT, "no header allows them to keep the page");
    }
    if storable.is_none() && may_be_reused(answer.status.as_u16(), &answer.headers) {
        let text = |name: &&str| format!("{name}: {}", answer.text(name));
        let lines = ["cache-control", "expires", "last-modified"].iter();
        let lines: Vec<_> =
            lines.filter(|name| answer.lines(name).next().is_some()).map(text).collect();
        report.wrong(
            "browser's cache",
            format!("it may show the page again without asking, with its trace: {}", lines.join(", ")),
            "All these visits are in one trace. Leave the tags and Server-Timing out, or send `Cache-Control: \
             no-cache` or `no-store`: `private` alone does not help.",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_timing_metrics_are_found_by_name() {
        let table: &[(&[&str], Option<&str>)] = &[
            (&["sentry-trace;desc=\"a-b-1\""], Some("a-b-1")),
            (&["db;dur=53.123456, sentry-trace;desc=a"], Some("a")),
            (
                &["a;desc=\"x, sentry-trace;desc=1\"", "sentry-trace ; dur=0 ; DESC=\"2,;3\""],
                Some("2,;3"),
            ),
            (&["sentry-trace;desc=\"\\\"x\\\\\""], Some("\"x\\")),
            (&["sentry-trace"], None),
            (&["xsentry-trace;desc=1"], None),
            (&[], None),
        ];
        for (lines, expected) in table {
            let found = server_timing(lines.iter().copied(), "sentry-trace");
            assert_eq!(found.as_deref(), *expected, "{lines:?}");
        }
    }
}
