//! `cargo xtask browser-cache`: whether a real browser puts several visits of a page into one trace.

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context, Result, ensure};
use clap::Args;
use scraper::{Html, Selector};

use crate::chromium;
use crate::executables::Executables;
use crate::service::{Service, agent};
use crate::workspace::Workspace;

/// Open pages three times in Chromium with one profile, and check that each visit has a trace of its own.
///
/// Pages that the browser shows again without asking have no trace, all others have three.
#[derive(Debug, Args)]
pub(crate) struct BrowserCache {}

const VISITS: usize = 3;

/// The pages that the browser shows again without asking.
const REUSED: [&str; 4] = ["last-modified", "private", "max-age", "expires"];

/// The `sentry-trace` of each page in one visit, as the browser has it from the `Server-Timing`.
type Visit = BTreeMap<String, Option<String>>;

/// The statuses that the service answered with.
type Answers = BTreeMap<String, Vec<u16>>;

impl BrowserCache {
    pub(crate) fn run(self) -> Result<()> {
        let program = chromium::ensure()?;
        let workspace = Workspace::load()?;
        let executables = Executables::build(&workspace, &["tracehop-examples"], &["--bins"])?;
        let service = Service::start("browser_cache", executables.command("browser_cache")?)?;
        let profile = chromium::new_profile()?;
        let url = format!("{}/", service.url());
        let mut visits = Vec::new();
        for visit in 1..=VISITS {
            eprintln!("visit {visit} of {VISITS} in Chromium");
            let page = chromium::dump_dom_in(&program, profile.path(), &url)?;
            visits.push(read(&page)?);
        }
        let answers = format!("{}/answers", service.url());
        let answers: Answers = agent().get(&answers).call()?.body_mut().read_json()?;
        compare(&visits, &answers)?;
        eprintln!("each visit of {} pages has a trace of its own or none", answers.len());
        Ok(())
    }
}

fn read(html: &str) -> Result<Visit> {
    let document = Html::parse_document(html);
    let selector = Selector::parse("#found").ok().context("malformed selector")?;
    let element = document.select(&selector).next().context("the page has no #found")?;
    let text: String = element.text().collect();
    serde_json::from_str(&text).with_context(|| format!("the page found {text:?}"))
}

fn compare(visits: &[Visit], answers: &Answers) -> Result<()> {
    for (page, answers) in answers {
        let traces: Vec<_> =
            visits.iter().filter_map(|visit| visit.get(page)?.as_deref()).collect();
        let distinct: HashSet<_> = traces.iter().collect();
        ensure!(distinct.len() == traces.len(), "{page}: visits share a trace: {traces:?}");
        if REUSED.contains(&page.as_str()) {
            ensure!(traces.is_empty(), "{page}: has the traces {traces:?}");
            ensure!(answers.len() < visits.len(), "{page}: was asked for in each visit");
        } else {
            ensure!(traces.len() == visits.len(), "{page}: has only the traces {traces:?}");
        }
        let renewed = answers.iter().filter(|status| **status == 304).count();
        let has_etag = page.starts_with("etag");
        ensure!(!has_etag || renewed == visits.len() - 1, "{page}: answered {answers:?}");
    }
    ensure!(!answers.is_empty(), "no page was asked for");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(page: &str, trace: Option<&str>) -> Visit {
        let traces = serde_json::json!({ page: trace });
        read(&format!("<script id=\"found\">{traces}</script>")).unwrap()
    }

    #[test]
    fn shared_and_missing_traces_are_found() {
        let (a, b, c) = (Some("a"), Some("b"), Some("c"));
        for (page, traces, answers, expected) in [
            ("no-cache", [a, b, c], vec![200, 200, 200], None),
            ("no-cache", [a, b, None], vec![200, 200, 200], Some("has only the traces")),
            ("no-cache", [a, b, a], vec![200, 200, 200], Some("visits share a trace")),
            ("max-age", [None, None, None], vec![200], None),
            ("max-age", [a, None, None], vec![200], Some("has the traces")),
            ("max-age", [None, None, None], vec![200, 200, 200], Some("was asked for")),
            ("etag", [a, b, c], vec![200, 304, 304], None),
            ("etag", [a, b, c], vec![200, 200, 200], Some("answered")),
        ] {
            let visits = traces.map(|trace| visit(page, trace));
            let answers = BTreeMap::from([(page.to_owned(), answers)]);
            let error = compare(&visits, &answers).err().map(|error| error.to_string());
            match expected {
                Some(part) => assert!(error.unwrap().contains(part), "{page}"),
                None => assert_eq!(error, None, "{page}"),
            }
        }
        assert!(compare(&[], &Answers::new()).is_err());
    }
}
