//! The steps of the storefront's page script, taken over HTTP.
//!
//! They are those of `fetch` in a browser: a request with headers of one's own to another origin
//! is preceded by a CORS preflight, and is not sent unless the answer allows it.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::json;
use ureq::http::{HeaderMap, header};

use super::page::Page;
use crate::headers::{self, SentryTrace};
use crate::service::agent;

/// The headers that the script adds, as a browser lists them: sorted and in lower case.
const PROPAGATION_HEADERS: [&str; 2] = ["baggage", "sentry-trace"];

/// Loads the storefront's page and does what its script does. Returns the id of the trace.
pub(crate) fn load_page(storefront: &str) -> Result<String> {
    let url = format!("{storefront}/");
    let start = now();
    let response = agent().get(&url).call();
    let html = response.and_then(|mut response| response.body_mut().read_to_string());
    let page = Page::read(&html.with_context(|| format!("GET {url}"))?)?;
    let (span_id, called) = (span_id(), now());
    ask_for_stock(storefront, &page, &span_id)?;
    if page.trace.sampled == Some(true) {
        let envelope = envelope(&page, &Call { span_id, start: called, end: now() }, start);
        for url in &page.envelopes {
            // A body of text needs no preflight.
            let request = agent().post(url).header(header::ORIGIN, storefront);
            let request = request.header(header::CONTENT_TYPE, "text/plain;charset=UTF-8");
            let response = request.send(&envelope).with_context(|| format!("POST {url}"))?;
            check_allowed_origin(response.headers(), storefront)
                .with_context(|| format!("the script may not send: POST {url}"))?;
        }
    }
    Ok(page.trace.trace_id)
}

/// The request that the script makes.
struct Call {
    span_id: String,
    start: f64,
    end: f64,
}

/// Span ids are not zero.
fn span_id() -> String {
    format!("{:016x}", fastrand::u64(1..))
}

/// In seconds since 1970. A clock before that is no reason to fail.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
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

/// What the script sends when the page is loaded: a transaction with the request as its only span.
fn envelope(page: &Page, call: &Call, start: f64) -> String {
    let Page { trace: SentryTrace { trace_id, span_id: parent, .. }, release, environment, .. } =
        page;
    let load = span_id();
    let header = json!({
        "event_id": format!("{:032x}", fastrand::u128(..)),
        "sdk": { "name": "tracehop.xtask.demo", "version": env!("CARGO_PKG_VERSION") },
        "trace": headers::dsc(page.baggage.as_deref().unwrap_or_default()),
    });
    let transaction = json!({
        "type": "transaction", "platform": "javascript", "release": release, "environment": environment,
        "transaction": "/", "start_timestamp": start, "timestamp": now(),
        "contexts": { "trace": {
            "trace_id": trace_id, "span_id": load, "parent_span_id": parent, "op": "pageload", "status": "ok",
        } },
        "spans": [{
            "trace_id": trace_id, "span_id": call.span_id, "parent_span_id": load, "op": "http.client",
            "description": format!("GET {}/stock/{}", page.inventory, page.sku), "status": "ok",
            "start_timestamp": call.start, "timestamp": call.end,
        }],
    });
    format!("{header}\n{}\n{transaction}\n", json!({ "type": "transaction" }))
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
    use serde_json::Value;

    use super::*;
    use crate::test_server::{Reply, Seen, TestServer, not_found, reply};

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
        envelope_status: u16,
        envelope_allow_origin: &'static str,
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
                envelope_status: 200,
                envelope_allow_origin: "*",
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
                ("POST", "/a" | "/b?key=x") => reply(
                    self.envelope_status,
                    &[("Access-Control-Allow-Origin", self.envelope_allow_origin)],
                    "{}",
                ),
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
                <div id="shop" data-inventory="http://{host}" data-sku="mug" data-release="browser@1"
                data-environment="demo" data-envelopes="http://{host}/a http://{host}/b?key=x"></div>"#
            );
            reply(200, &[("Content-Type", "text/html")], &html)
        }
    }

    fn load(server: &TestServer) -> Result<String> {
        load_page(server.url())
    }

    fn load_error(answers: Answers) -> (String, Vec<Seen>) {
        let server = answers.start();
        let error = load(&server).unwrap_err();
        (format!("{error:#}"), server.requests())
    }

    /// The header, the item's header and the transaction.
    fn read_envelope(body: &str) -> [Value; 3] {
        let lines = body.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect::<Vec<_>>().try_into().unwrap()
    }

    #[test]
    fn takes_the_scripts_steps_in_order() {
        let server = Answers::default().start();

        assert_eq!(load(&server).unwrap(), TRACE_ID);

        let requests = server.requests();
        let lines: Vec<_> =
            requests.iter().map(|request| format!("{} {}", request.method, request.url)).collect();
        let expected =
            ["GET /", "OPTIONS /stock/mug", "GET /stock/mug", "POST /a", "POST /b?key=x"];
        assert_eq!(lines, expected);
        let [page, preflight, stock, first, second] = requests.try_into().unwrap();

        assert_eq!(page.header("sentry-trace"), None);
        assert_eq!(page.header("baggage"), None);

        assert_eq!(preflight.header("origin"), Some(server.url()));
        assert_eq!(preflight.header("access-control-request-method"), Some("GET"));
        assert_eq!(
            preflight.header("access-control-request-headers"),
            Some("baggage,sentry-trace")
        );
        assert_eq!(preflight.header("sentry-trace"), None);

        assert_eq!(first.body, second.body);
        // As from a page, and without a preflight.
        assert_eq!(first.header("origin"), Some(server.url()));
        let content_type = first.header("content-type").unwrap();
        assert!(content_type.starts_with("text/plain"), "{content_type}");
        let [header, item, transaction] = read_envelope(&first.body);
        assert_eq!(header["trace"], json!({ "trace_id": TRACE_ID, "release": "a 1" }));
        assert_eq!(item["type"], "transaction");
        assert_eq!(transaction["release"], "browser@1");
        let (load, call) = (&transaction["contexts"]["trace"], &transaction["spans"][0]);
        assert_eq!((&load["trace_id"], &call["trace_id"]), (&json!(TRACE_ID), &json!(TRACE_ID)));
        assert_eq!((&load["op"], &call["op"]), (&json!("pageload"), &json!("http.client")));
        assert_eq!(load["parent_span_id"], PAGE_SPAN_ID);
        assert_eq!(call["parent_span_id"], load["span_id"]);
        let times = [
            &transaction["start_timestamp"],
            &call["start_timestamp"],
            &call["timestamp"],
            &transaction["timestamp"],
        ];
        let times = times.map(|time| time.as_f64().unwrap());
        assert!(times.is_sorted() && times[0] > 1.6e9, "{times:?}");

        let span_id = call["span_id"].as_str().unwrap();
        assert_eq!(stock.header("origin"), Some(server.url()));
        assert_eq!(stock.header("sentry-trace").unwrap(), format!("{TRACE_ID}-{span_id}-1"));
        assert_eq!(stock.header("baggage"), Some(BAGGAGE));
    }

    #[test]
    fn only_the_sampling_decision_is_passed_on() {
        for flag in ["-0", ""] {
            let server = Answers { flag, ..Answers::default() };
            let server = server.start();
            load(&server).unwrap();
            let requests = server.requests();
            assert_eq!(requests.len(), 3);
            let sent = requests[2].header("sentry-trace").unwrap();
            assert_eq!(sent.len(), 32 + 1 + 16 + flag.len());
            assert!(sent.starts_with(TRACE_ID) && sent.ends_with(flag), "{sent}");
        }
    }

    #[test]
    fn without_a_baggage_tag_none_is_sent() {
        let server = Answers { baggage: None, ..Answers::default() };
        let server = server.start();
        load(&server).unwrap();
        let requests = server.requests();
        assert_eq!(requests[2].header("baggage"), None);
        assert_eq!(read_envelope(&requests[3].body)[0]["trace"], json!({}));
    }

    #[test]
    fn each_page_load_has_its_own_span_id() {
        let server = Answers::default().start();
        load(&server).unwrap();
        load(&server).unwrap();
        let requests = server.requests();
        assert_ne!(requests[2].header("sentry-trace"), requests[7].header("sentry-trace"));
    }

    #[test]
    fn refused_preflights_send_nothing() {
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
    fn unreadable_responses_are_errors() {
        let (message, requests) =
            load_error(Answers { stock_allow_origin: "http://elsewhere", ..Answers::default() });
        assert!(message.contains("the script may not read"), "{message}");
        assert_eq!(requests.len(), 3);
    }

    #[test]
    fn refused_envelopes_are_errors() {
        for (answers, expected) in [
            (Answers { envelope_status: 400, ..Answers::default() }, "400"),
            (
                Answers { envelope_allow_origin: "http://elsewhere", ..Answers::default() },
                "the script may not send",
            ),
        ] {
            let (message, requests) = load_error(answers);
            assert!(message.contains("POST http://") && message.contains(expected), "{message}");
            assert_eq!(requests.len(), 4);
        }
    }
}
