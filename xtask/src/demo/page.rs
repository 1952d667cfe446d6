//! What the storefront's page tells its script.

use anyhow::{Context, Result, bail};
use scraper::{ElementRef, Html, Selector};

use crate::headers::SentryTrace;

const TRACE_TAG: &str = "meta[name='sentry-trace']";
const BAGGAGE_TAG: &str = "meta[name='baggage']";
const SHOP: &str = "#shop";

/// The values that the page's script works with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) trace: SentryTrace,
    /// The content of the `baggage` tag, byte for byte.
    pub(crate) baggage: Option<String>,
    /// The inventory's base URL, without a slash at the end.
    pub(crate) inventory: String,
    pub(crate) sku: String,
    /// What the script calls itself in its envelope, and where it runs.
    pub(crate) release: String,
    pub(crate) environment: String,
    /// The URLs that the script posts its envelope to.
    pub(crate) envelopes: Vec<String>,
}

impl Page {
    pub(crate) fn read(html: &str) -> Result<Self> {
        let document = Html::parse_document(html);
        let trace = required(&document, TRACE_TAG, "content")?;
        let inventory = required(&document, SHOP, "data-inventory")?;
        let envelopes = required(&document, SHOP, "data-envelopes")?;
        Ok(Self {
            trace: SentryTrace::parse(trace)?,
            baggage: element(&document, BAGGAGE_TAG)?
                .map(|tag| attribute(tag, BAGGAGE_TAG, "content").map(str::to_owned))
                .transpose()?,
            inventory: inventory.trim_end_matches('/').to_owned(),
            sku: required(&document, SHOP, "data-sku")?.to_owned(),
            release: required(&document, SHOP, "data-release")?.to_owned(),
            environment: required(&document, SHOP, "data-environment")?.to_owned(),
            envelopes: envelopes.split_whitespace().map(str::to_owned).collect(),
        })
    }
}

/// The only element that `selector` finds. A second tag would hide a mistake: a script takes the
/// first without a word.
fn element<'a>(document: &'a Html, selector: &'static str) -> Result<Option<ElementRef<'a>>> {
    let parsed = Selector::parse(selector);
    let parsed = parsed.with_context(|| format!("malformed selector {selector}"))?;
    let mut elements = document.select(&parsed);
    let first = elements.next();
    if elements.next().is_some() {
        bail!("the page has more than one {selector}");
    }
    Ok(first)
}

fn required<'a>(document: &'a Html, selector: &'static str, name: &str) -> Result<&'a str> {
    let element = element(document, selector)?;
    let element = element.with_context(|| format!("the page has no {selector}"))?;
    attribute(element, selector, name)
}

fn attribute<'a>(element: ElementRef<'a>, selector: &str, name: &str) -> Result<&'a str> {
    let value = element.value().attr(name);
    value.with_context(|| format!("the page's {selector} has no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";
    const SPAN_ID: &str = "2b11dafbc1cd4d3f";

    fn html(head: &str, body: &str) -> String {
        format!("<!doctype html><html><head>{head}</head><body>{body}</body></html>")
    }

    fn trace_tag() -> String {
        format!(r#"<meta name="sentry-trace" content="{TRACE_ID}-{SPAN_ID}-1">"#)
    }

    const SHOP_HTML: &str = r#"<main id="shop" data-inventory="http://127.0.0.1:4000" data-sku="mug"
        data-release="browser@1" data-environment="demo" data-envelopes="http://a/x http://b/y">shop</main>"#;

    #[test]
    fn reads_all_values() {
        let baggage = r#"<meta name="baggage" content="sentry-release=a%201&amp;b,&quot;x&quot;">"#;
        let page = Page::read(&html(&format!("{}{baggage}", trace_tag()), SHOP_HTML)).unwrap();
        assert_eq!(
            page,
            Page {
                trace: SentryTrace {
                    trace_id: TRACE_ID.to_owned(),
                    span_id: SPAN_ID.to_owned(),
                    sampled: Some(true),
                },
                baggage: Some(r#"sentry-release=a%201&b,"x""#.to_owned()),
                inventory: "http://127.0.0.1:4000".to_owned(),
                sku: "mug".to_owned(),
                release: "browser@1".to_owned(),
                environment: "demo".to_owned(),
                envelopes: vec!["http://a/x".to_owned(), "http://b/y".to_owned()],
            }
        );
    }

    #[test]
    fn baggage_may_be_absent() {
        let page = Page::read(&html(&trace_tag(), SHOP_HTML)).unwrap();
        assert_eq!(page.baggage, None);
    }

    #[test]
    fn a_slash_after_the_base_url_is_dropped() {
        let shop = SHOP_HTML.replace("4000", "4000/");
        let page = Page::read(&html(&trace_tag(), &shop)).unwrap();
        assert_eq!(page.inventory, "http://127.0.0.1:4000");
    }

    #[test]
    fn says_what_the_page_lacks() {
        let tag = trace_tag();
        let table = [
            ("", SHOP_HTML, "the page has no meta[name='sentry-trace']"),
            (&tag, "", "the page has no #shop"),
            (
                &tag,
                &SHOP_HTML.replace("data-inventory", "x"),
                "the page's #shop has no data-inventory",
            ),
            (&tag, &SHOP_HTML.replace("data-sku", "x"), "the page's #shop has no data-sku"),
            (
                &tag,
                &SHOP_HTML.replace("data-envelopes", "x"),
                "the page's #shop has no data-envelopes",
            ),
            (
                &format!("{tag}<meta name=\"baggage\">"),
                SHOP_HTML,
                "the page's meta[name='baggage'] has no content",
            ),
            (
                &format!("{tag}{tag}"),
                SHOP_HTML,
                "the page has more than one meta[name='sentry-trace']",
            ),
        ];
        for (head, body, expected) in table {
            let error = Page::read(&html(head, body)).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}
