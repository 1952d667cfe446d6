//! `cargo xtask hostile-pages`: how a real browser reads pages that are rendered for hostile callers.

use anyhow::{Context, Result, ensure};
use clap::Args;
use scraper::{Html, Selector};
use serde::Deserialize;

use crate::chromium;
use crate::executables::Executables;
use crate::service::Service;
use crate::workspace::Workspace;

/// The tags that a page was rendered with.
#[derive(Debug, Deserialize)]
struct Said {
    tags: Vec<Vec<String>>,
}

/// What the browser found, as the script of the outer page wrote it down.
#[derive(Debug, Deserialize)]
struct Found {
    pages: Vec<Page>,
    /// Whether a script of a caller ran, or a header of a caller was set.
    ran: bool,
}

#[derive(Debug, Deserialize)]
struct Page {
    elements: Vec<String>,
    tags: Vec<Vec<String>>,
    timings: Vec<Vec<String>>,
}

/// Load pages for hostile callers in Chromium, and check that the callers' values stay where they belong.
///
/// The tags and the Server-Timing of each page have values that a caller made to break out of them.
#[derive(Debug, Args)]
pub(crate) struct HostilePages {}

impl HostilePages {
    pub(crate) fn run(self) -> Result<()> {
        let program = chromium::ensure()?;
        let workspace = Workspace::load()?;
        let executables = Executables::build(&workspace, &["tracehop-examples"], &["--bins"])?;
        let service = Service::start("hostile", executables.command("hostile")?)?;
        eprintln!("loading the pages in Chromium");
        let found = chromium::dump_dom(&program, &format!("{}/", service.url()))?;
        let said = ureq::get(format!("{}/said", service.url())).call()?.body_mut().read_json()?;
        let said: Vec<Said> = said;
        Found::read(&found)?.compare(&said)?;
        eprintln!("all {} pages are what they should be", said.len());
        Ok(())
    }
}

impl Found {
    fn read(html: &str) -> Result<Self> {
        let document = Html::parse_document(html);
        let selector = Selector::parse("#found").ok().context("malformed selector")?;
        let element = document.select(&selector).next().context("the page has no #found")?;
        let text: String = element.text().collect();
        serde_json::from_str(&text).with_context(|| format!("the page found {text:?}"))
    }

    fn compare(&self, said: &[Said]) -> Result<()> {
        ensure!(!self.ran, "a caller's script ran, or a caller's header was set");
        let (count, expected) = (self.pages.len(), said.len());
        ensure!(count == expected && count > 0, "{count} pages were found, {expected} served");
        for (caller, (page, said)) in self.pages.iter().zip(said).enumerate() {
            page.compare(said).with_context(|| format!("the page of caller {caller}"))?;
        }
        Ok(())
    }
}

impl Page {
    fn compare(&self, Said { tags }: &Said) -> Result<()> {
        let (before, after) = (["html", "head"], ["title", "body"]);
        let tag_names = tags.iter().map(|_| "meta");
        let expected: Vec<_> = before.into_iter().chain(tag_names).chain(after).collect();
        ensure!(self.elements == expected, "has the elements {:?}", self.elements);
        ensure!(self.tags == *tags, "has the tags {:?}, and should have {tags:?}", self.tags);
        let timings = &self.timings;
        ensure!(timings == tags, "has the Server-Timing {timings:?}, and should have {tags:?}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ran: bool, elements: &[&str], tags: &str, timings: &str) -> Found {
        let json = format!(
            r#"{{"ran":{ran},"pages":[{{"elements":{elements:?},"tags":[{tags}],"timings":[{timings}]}}]}}"#
        );
        Found::read(&format!("<p>x</p><script id=\"found\">{json}</script>")).unwrap()
    }

    #[test]
    fn every_part_of_a_page_is_compared() {
        let tag = r#"["sentry-trace","x"]"#;
        let said = [Said { tags: vec![vec!["sentry-trace".to_owned(), "x".to_owned()]] }];
        let elements = ["html", "head", "meta", "title", "body"];
        found(false, &elements, tag, tag).compare(&said).unwrap();
        let with_script = ["html", "head", "meta", "script", "title", "body"];
        for (found, expected) in [
            (found(true, &elements, tag, tag), "a caller's script ran"),
            (found(false, &with_script, tag, tag), "has the elements"),
            (found(false, &elements, r#"["sentry-trace","y"]"#, tag), "has the tags"),
            (found(false, &elements, r#"["sentry-trace","x","y"]"#, tag), "has the tags"),
            (found(false, &elements, tag, ""), "has the Server-Timing"),
        ] {
            let error = format!("{:#}", found.compare(&said).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
        assert!(found(false, &elements, tag, tag).compare(&[]).is_err());
    }
}
