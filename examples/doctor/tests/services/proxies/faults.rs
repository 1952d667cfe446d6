//! Settings of proxies that break a trace, which the doctor names, and those that do not.

use actix_web::HttpResponse;
use reqwest::Version;
use tracehop_doctor::Verdict;

use super::Kind::{self, Haproxy, Nginx};
use super::{GZIP, Proxy, client};
use crate::ask::{OTHER_TRACE, report_on};
use crate::{Running, process};

/// Settings that leave the trace whole.
const HARMLESS: &[(Kind, &str)] = &[
    (Nginx, ""),
    (Nginx, "underscores_in_headers on;"),
    (Nginx, "proxy_set_header sentry-trace $http_sentry_trace;"),
    (Nginx, "proxy_set_header baggage $http_baggage;"),
    // A location with a header of its own inherits no other: here, the first line has no effect.
    (
        Nginx,
        "proxy_set_header baggage '';
        location = / { proxy_set_header Host $host; proxy_pass SERVICE; }",
    ),
    (Nginx, "proxy_cache pages; proxy_cache_valid 200 1m;"),
    (Nginx, GZIP.0),
    (Haproxy, ""),
    (Haproxy, "http-request set-header sentry-trace %[req.hdr(sentry-trace)]"),
    (Haproxy, "http-request set-header baggage %[req.fhdr(baggage)]"),
    (Haproxy, "http-request cache-use pages\n http-response cache-store pages"),
    (Haproxy, GZIP.1),
];

#[actix_web::test]
#[ignore = "needs nginx and HAProxy"]
async fn harmless_settings_pass_all_checks() {
    let inventory = Running::inventory();
    let storefront = Running::storefront(&inventory);
    for (kind, settings) in HARMLESS {
        let proxy = Proxy::start(*kind, Version::HTTP_11, &storefront.url, settings);
        let report = report_on(&proxy.url, None, None).await.unwrap();
        let is_good = report.checks.iter().all(|check| check.verdict == Verdict::Good);
        assert!(is_good && report.checks.len() == 4, "{kind:?} {settings} {report:#?}");
    }
}

/// A proxy, its settings, and the subject, finding and advice of the doctor.
type Fault = (Kind, &'static str, &'static str, &'static str, &'static str);

const NO_TRACE: &str = "have another trace than the one that was sent";

const ONE_TRACE: &str = "give it to the next visitor as well";

const DSC: &str = "dynamic sampling context";

const FAULTS: &[Fault] = &[
    (Nginx, "proxy_set_header baggage '';", DSC, "have no baggage", "A proxy may"),
    (Nginx, "proxy_set_header sentry-trace '';", "continued", NO_TRACE, "proxies let"),
    (Nginx, "proxy_pass_request_headers off;", "continued", NO_TRACE, "proxies let"),
    (
        Nginx,
        "proxy_set_header sentry-trace 771a43a4192642f0b136d5159a501700-b72fa28504b07285-1;",
        "continued",
        ONE_TRACE,
        "constant",
    ),
    (
        Nginx,
        "proxy_set_header baggage sentry-environment=shop;",
        DSC,
        "environment was",
        "A proxy may",
    ),
    (Nginx, IGNORING_CACHE, "cache", "the trace of the first", "proxy_ignore_headers"),
    (Haproxy, "http-request del-header baggage", DSC, "have no baggage", "A proxy may"),
    (Haproxy, "http-request del-header sentry-trace", "continued", NO_TRACE, "proxies let"),
    (
        Haproxy,
        "http-request set-header sentry-trace 771a43a4192642f0b136d5159a501700-b72fa28504b07285-1",
        "continued",
        ONE_TRACE,
        "constant",
    ),
    // Only the last member.
    (
        Haproxy,
        "http-request set-header baggage %[req.hdr(baggage)]",
        DSC,
        "missing in the meta tags: trace_id",
        "A proxy may",
    ),
    (
        Haproxy,
        "http-request cache-use pages
        http-response set-header cache-control max-age=60
        http-response cache-store pages",
        "cache",
        "the trace of the first",
        "cache",
    ),
];

/// A cache that keeps pages whose headers forbid it.
const IGNORING_CACHE: &str = "proxy_cache pages; proxy_cache_valid 200 1m;
    proxy_ignore_headers Cache-Control Set-Cookie;";

#[actix_web::test]
#[ignore = "needs nginx and HAProxy"]
async fn faults_of_settings_are_named() {
    let inventory = Running::inventory();
    let storefront = Running::storefront(&inventory);
    for (kind, settings, about, what, advice) in FAULTS {
        let proxy = Proxy::start(*kind, Version::HTTP_11, &storefront.url, settings);
        let report = report_on(&proxy.url, None, None).await.unwrap();
        let found = report.checks.iter().find(|check| {
            (check.about, check.verdict) == (*about, Verdict::Wrong) && check.what.contains(what)
        });
        let found = found.unwrap_or_else(|| panic!("{kind:?} {settings} {report:#?}"));
        assert!(found.advice.as_ref().unwrap().contains(advice), "{settings} {report:#?}");
    }
}

#[actix_web::test]
#[ignore = "needs nginx and HAProxy"]
async fn caches_keep_the_doctors_trace_only_without_queries() {
    let inventory = Running::inventory();
    let storefront = Running::storefront(&inventory);
    for (key, keeps) in [("", false), ("proxy_cache_key $uri;", true)] {
        let settings = format!("{IGNORING_CACHE} {key}");
        let proxy = Proxy::start(Nginx, Version::HTTP_11, &storefront.url, &settings);
        let report = report_on(&proxy.url, None, None).await.unwrap();
        assert!(report.checks.iter().any(|check| check.about == "cache"), "{report:#?}");
        // The page of the first visitor is kept for the second, unless that of the doctor is.
        for trace in [OTHER_TRACE, &OTHER_TRACE.replace("771a", "0000")] {
            let request = client(Version::HTTP_11).get(&proxy.url).header("sentry-trace", trace);
            let page = request.send().await.unwrap().text().await.unwrap();
            assert_ne!(page.contains(&OTHER_TRACE[..32]), keeps, "{page}");
            assert_eq!(page.contains("tracehop-doctor"), keeps, "{page}");
        }
    }
}

#[actix_web::test]
#[ignore = "needs nginx and HAProxy"]
async fn exit_status_fits_answers_of_proxies() {
    let inventory = Running::inventory();
    let storefront = Running::storefront(&inventory);
    let untraced = Running::answering(|_| HttpResponse::Ok().content_type("text/html").body("<p>"));
    let data = Running::answering(|_| HttpResponse::Ok().json("x"));
    // Bound, but not listened on: connections are refused, and no other process can take the port.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = format!("http://{}", closed.local_addr().unwrap());
    let redirect = (
        "location = /old { return 301 /; }",
        "http-request redirect location / code 301 if { path /old }",
    );
    let table: [(&str, (&str, &str), &[&str], i32, &str); 5] = [
        (&closed, ("", ""), &[], 1, "a proxy answered 50"),
        (&untraced.url, ("", ""), &[], 1, "the page has neither the meta tags"),
        (&data.url, ("", ""), &[], 3, "the response is not a page"),
        (&storefront.url, redirect, &[], 1, "Run it with `--follow`"),
        (&storefront.url, redirect, &["--follow"], 0, "the meta tags continue the trace"),
    ];
    for (service, settings, options, status, words) in table {
        for (kind, settings) in [(Nginx, settings.0), (Haproxy, settings.1)] {
            let proxy = Proxy::start(kind, Version::HTTP_11, service, settings);
            let url = format!("{}/old", proxy.url);
            let output = process::run(process::doctor(&[options, &[&url]].concat())).await;
            let text = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(status), "{kind:?} {text}");
            assert!(text.contains(words), "{kind:?} {text}");
        }
    }
}
