//! The steps of the storefront's page script, taken over HTTP.
//!
//! They are those of `fetch` in a browser: a request with headers of one's own to another origin
//! is preceded by a CORS preflight, and is not sent unless the answer allows it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use ureq::http::{HeaderMap, header};

use super::hop::Hop;
use super::page::Page;
use super::storefront::Storefront;
use crate::service::agent;

/// The headers that the script adds, as a browser lists them: sorted and in lower case.
const PROPAGATION_HEADERS: [&str; 2] = ["baggage", "sentry-trace"];

/// Loads the storefront's page and does what its script does. Returns the id of the trace.
pub(crate) fn load_page(storefront: &Storefront) -> Result<String> {
    let start = (SystemTime::now(), Instant::now());
    let page = Page::read(&storefront.page()?)?;
    // Span ids are not zero.
    let span_id = format!("{:016x}", fastrand::u64(1..));
    ask_for_stock(storefront.url(), &page, &span_id)?;
    storefront.report(&page_load(&page, span_id, start))?;
    Ok(page.trace.trace_id)
}

fn ask_for_stock(origin: &str, page: &Page, span_id: &str) -> Result<()> {
    let agent = agent();
    let url = format!("{}/stock/{}", page.inventory, page.sku);

    let preflight = agent
        .options(&url)
        .header(header::ORIGIN, origin)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, PROPAGATION_HEADERS.join(","))
        .call()
        .with_context(|| format!("OPTIONS {url}"))?;
    check_allowed_origin(preflight.headers(), origin)
        .and_then(|()| check_allowed_headers(preflight.headers()))
        .with_context(|| format!("the CORS preflight failed: OPTIONS {url}"))?;

    let mut request = agent
        .get(&url)
        .header(header::ORIGIN, origin)
        .header("sentry-trace", page.trace.header(span_id));
    if let Some(baggage) = &page.baggage {
        request = request.header("baggage", baggage);
    }
    let response = request.call().with_context(|| format!("GET {url}"))?;
    check_allowed_origin(response.headers(), origin)
        .with_context(|| format!("the script may not read the response: GET {url}"))
}

/// A browser that followed the page's trace records this.
fn page_load(page: &Page, span_id: String, start: (SystemTime, Instant)) -> Hop {
    let (time, instant) = start;
    // A clock before 1970 is no reason to fail.
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Hop {
        service: "browser".to_owned(),
        name: "page load".to_owned(),
        trace_id: page.trace.trace_id.clone(),
        span_id,
        parent_span_id: Some(page.trace.span_id.clone()),
        sampled: page.trace.sampled,
        dsc: page.baggage.clone().unwrap_or_default(),
        continued: true,
        reason: None,
        start_ms: since_epoch.as_secs_f64() * 1e3,
        duration_ms: instant.elapsed().as_secs_f64() * 1e3,
    }
}

fn check_allowed_origin(headers: &HeaderMap, origin: &str) -> Result<()> {
    let allowed = list(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN)?;
    match allowed.as_slice() {
        [one] if *one == "*" || *one == origin => Ok(()),
        _ => bail!("it allows origins {allowed:?}, not {origin}"),
    }
}

fn check_allowed_headers(headers: &HeaderMap) -> Result<()> {
    let allowed = list(headers, header::ACCESS_CONTROL_ALLOW_HEADERS)?;
    for wanted in PROPAGATION_HEADERS {
        let mut allowed_names = allowed.iter();
        if !allowed_names.any(|name| *name == "*" || name.eq_ignore_ascii_case(wanted)) {
            bail!("it allows headers {allowed:?}, not {wanted}");
        }
    }
    Ok(())
}

/// The elements of a header that is a list, from all lines of that name.
fn list(headers: &HeaderMap, name: header::HeaderName) -> Result<Vec<&str>> {
    let mut elements = Vec::new();
    for value in headers.get_all(&name) {
        let value = value.to_str();
        let value = value.with_context(|| format!("{name} is not text"))?;
        elements.extend(value.split(',').map(str::trim).filter(|it| !it.is_empty()));
    }
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::test_server::{Reply, Seen, TestServer, not_found, reply};

    const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";
    const PAGE_SPAN_ID: &str = "2b11dafbc1cd4d3f";
    const BAGGAGE: &str = "sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-release=a%201";

    /// What the test server, storefront and inventory in one, is to answer.
    #[derive(Clone)]
    struct Answers {
        flag: &'static str,
        baggage: Option<&'static str>,
        preflight_status: u16,
        allow_origin: &'static str,
        allow_headers: &'static str,
        stock_allow_origin: &'static str,
    }

    impl Default for Answers {
        fn default() -> Self {
            Self {
                flag: "-1",
                baggage: Some(BAGGAGE),
                preflight_status: 204,
                allow_origin: "*",
                allow_headers: "Sentry-Trace, baggage",
                stock_allow_origin: "*",
            }
        }
    }

    impl Answers {
        fn start(self) -> TestServer {
            TestServer::start(move |request| self.reply(request))
        }

        fn reply(&self, request: &Seen) -> Reply {
            match (request.method.as_str(), request.url.as_str()) {
                ("GET", "/") => self.page(request.header("host").unwrap()),
                ("OPTIONS", "/stock/mug") => reply(
                    self.preflight_status,
                    &[
                        ("Access-Control-Allow-Origin", self.allow_origin),
                        ("Access-Control-Allow-Headers", self.allow_headers),
                    ],
                    "",
                ),
                ("GET", "/stock/mug") => {
                    reply(200, &[("Access-Control-Allow-Origin", self.stock_allow_origin)], "{}")
                }
                ("POST", "/hops") => reply(204, &[], ""),
                _ => not_found(),
            }
        }

        fn page(&self, host: &str) -> Reply {
            let flag = self.flag;
            let baggage = self
                .baggage
                .map(|baggage| format!(r#"<meta name="baggage" content="{baggage}">"#))
                .unwrap_or_default();
            let html = format!(
                r#"<head><meta name="sentry-trace" content="{TRACE_ID}-{PAGE_SPAN_ID}{flag}">
                {baggage}</head>
                <div id="shop" data-inventory="http://{host}" data-sku="mug"></div>"#
            );
            reply(200, &[("Content-Type", "text/html")], &html)
        }
    }

    fn load(server: &TestServer) -> Result<String> {
        load_page(&Storefront::new(server.url()))
    }

    fn load_error(answers: Answers) -> (String, Vec<Seen>) {
        let server = answers.start();
        let error = load(&server).unwrap_err();
        (format!("{error:#}"), server.requests())
    }

    #[test]
    fn takes_the_scripts_steps_in_order() {
        let server = Answers::default().start();

        assert_eq!(load(&server).unwrap(), TRACE_ID);

        let requests = server.requests();
        let lines: Vec<_> =
            requests.iter().map(|request| format!("{} {}", request.method, request.url)).collect();
        assert_eq!(lines, ["GET /", "OPTIONS /stock/mug", "GET /stock/mug", "POST /hops"]);
        let [page, preflight, stock, report] = requests.try_into().unwrap();

        assert_eq!(page.header("sentry-trace"), None);
        assert_eq!(page.header("baggage"), None);

        assert_eq!(preflight.header("origin"), Some(server.url()));
        assert_eq!(preflight.header("access-control-request-method"), Some("GET"));
        assert_eq!(
            preflight.header("access-control-request-headers"),
            Some("baggage,sentry-trace")
        );
        assert_eq!(preflight.header("sentry-trace"), None);

        let hop: Hop = serde_json::from_str(&report.body).unwrap();
        assert_eq!(stock.header("origin"), Some(server.url()));
        assert_eq!(stock.header("sentry-trace").unwrap(), format!("{TRACE_ID}-{}-1", hop.span_id));
        assert_eq!(stock.header("baggage"), Some(BAGGAGE));

        let content_type = report.header("content-type").unwrap();
        assert!(content_type.starts_with("application/json"), "{content_type}");
        assert_eq!(hop.service, "browser");
        assert_eq!(hop.name, "page load");
        assert_eq!(hop.trace_id, TRACE_ID);
        assert_eq!(hop.span_id.len(), 16);
        assert_ne!(hop.span_id, PAGE_SPAN_ID);
        assert_eq!(hop.parent_span_id.as_deref(), Some(PAGE_SPAN_ID));
        assert_eq!(hop.sampled, Some(true));
        assert_eq!(hop.dsc, BAGGAGE);
        assert!(hop.continued);
        assert_eq!(hop.reason, None);
        assert!(hop.start_ms > 1.6e12, "{}", hop.start_ms);
        assert!(hop.duration_ms > 0.0 && hop.duration_ms < 60e3);
    }

    #[test]
    fn optional_fields_are_reported_as_null() {
        let server = Answers { flag: "", ..Answers::default() };
        let server = server.start();
        load(&server).unwrap();
        let report: serde_json::Value = serde_json::from_str(&server.requests()[3].body).unwrap();
        for field in ["sampled", "reason"] {
            assert_eq!(report.get(field), Some(&serde_json::Value::Null), "{field}");
        }
    }

    #[test]
    fn the_sampling_decision_is_passed_on() {
        for (flag, sampled) in [("-0", Some(false)), ("", None)] {
            let server = Answers { flag, ..Answers::default() };
            let server = server.start();
            load(&server).unwrap();
            let requests = server.requests();
            let hop: Hop = serde_json::from_str(&requests[3].body).unwrap();
            assert_eq!(hop.sampled, sampled);
            assert_eq!(
                requests[2].header("sentry-trace").unwrap(),
                format!("{TRACE_ID}-{}{flag}", hop.span_id)
            );
        }
    }

    #[test]
    fn without_a_baggage_tag_none_is_sent() {
        let server = Answers { baggage: None, ..Answers::default() };
        let server = server.start();
        load(&server).unwrap();
        let requests = server.requests();
        assert_eq!(requests[2].header("baggage"), None);
        let hop: Hop = serde_json::from_str(&requests[3].body).unwrap();
        assert_eq!(hop.dsc, "");
    }

    #[test]
    fn every_page_load_has_a_span_id_of_its_own() {
        let server = Answers::default().start();
        load(&server).unwrap();
        load(&server).unwrap();
        let requests = server.requests();
        assert_ne!(requests[2].header("sentry-trace"), requests[6].header("sentry-trace"));
    }

    #[test]
    fn nothing_is_sent_after_a_preflight_that_does_not_allow_it() {
        let table = [
            ("status", 403, "*", "baggage,sentry-trace", "403"),
            ("origin", 204, "http://elsewhere", "baggage,sentry-trace", "not http://127.0.0.1:"),
            ("no header", 204, "*", "", "not baggage"),
            ("one header only", 204, "*", "baggage", "not sentry-trace"),
            ("the other header only", 204, "*", "sentry-trace", "not baggage"),
        ];
        for (case, preflight_status, allow_origin, allow_headers, expected) in table {
            let (message, requests) = load_error(Answers {
                preflight_status,
                allow_origin,
                allow_headers,
                ..Answers::default()
            });
            assert!(message.contains("OPTIONS http://"), "{case}: {message}");
            assert!(message.contains(expected), "{case}: {message}");
            assert_eq!(requests.len(), 2, "{case}");
        }
    }

    #[test]
    fn a_response_that_a_script_may_not_read_is_an_error() {
        let (message, requests) =
            load_error(Answers { stock_allow_origin: "http://elsewhere", ..Answers::default() });
        assert!(message.contains("the script may not read"), "{message}");
        assert_eq!(requests.len(), 3);
    }
}
