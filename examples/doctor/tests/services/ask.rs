use std::collections::HashMap;
use std::sync::Mutex;

use actix_web::http::Method;
use actix_web::http::header::HeaderName;
use actix_web::middleware::{Compress, from_fn};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use tracehop::wire::BaggageMembers;
use tracehop_doctor::{Question, Report, Verdict, ask};

use super::*;

const ORIGIN: &str = "https://shop.example.com";

pub(crate) const OTHER_TRACE: &str = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";

pub(crate) async fn report_on(
    url: &str,
    origin: Option<&str>,
    org_id: Option<&str>,
) -> anyhow::Result<Report> {
    let question = Question {
        origin: origin.map(|origin| origin.parse().unwrap()),
        org_id: org_id.map(str::to_owned),
        ..Question::new(url.parse().unwrap())
    };
    web::block(move || ask(&question)).await.unwrap()
}

fn header(request: &HttpRequest, name: &str) -> String {
    let value = request.headers().get(name).map(|value| value.to_str().unwrap());
    value.unwrap_or_default().to_owned()
}

/// The members of the request's baggage as received: those of Sentry, or all others.
fn members(request: &HttpRequest, ours: bool) -> Vec<String> {
    let baggage = header(request, "baggage");
    BaggageMembers::new(baggage.as_bytes())
        .map(Result::unwrap)
        .filter(|member| member.sentry_name().is_some() == ours)
        .map(|member| format!("{}={}", member.key(), member.raw_value()))
        .collect()
}

/// The trace of the caller, with a span of the service.
fn continued(request: &HttpRequest) -> String {
    format!("{}-b72fa28504b07285-1", header(request, "sentry-trace").get(..32).unwrap_or_default())
}

fn page_of(mut response: HttpResponseBuilder, sentry_trace: &str, baggage: &str) -> HttpResponse {
    let tag = |name, value| format!("<meta name=\"{name}\" content=\"{value}\">");
    let (trace, baggage) = (tag("sentry-trace", sentry_trace), tag("baggage", baggage));
    response.content_type("text/html").body(format!("<title>x</title>{trace}{baggage}<p>Hello"))
}

fn page(sentry_trace: &str, baggage: &str) -> HttpResponse {
    page_of(HttpResponse::Ok(), sentry_trace, baggage)
}

/// A page without any problem.
pub(crate) fn good_page(request: &HttpRequest) -> HttpResponse {
    page(&continued(request), &members(request, true).join(","))
}

#[actix_web::test]
async fn example_services_are_fine() {
    let inventory = Running::inventory();
    let storefront = Running::storefront(&inventory);
    // Both services have an organisation, and are not strict: a trace without an organisation is continued as well.
    for org_id in [None, Some("0")] {
        let report = report_on(&storefront.url, None, org_id).await.unwrap();
        let expected =
            ["foreign baggage", "continued", "dynamic sampling context", "shared caches"];
        assert_eq!(verdicts(&report), expected.map(|about| (about, Verdict::Good)), "{report:#?}");
    }
    let stock = format!("{}/stock", inventory.url);
    let report = report_on(&stock, Some("http://localhost:3000"), None).await.unwrap();
    let expected = [("continued", Verdict::Unseen), ("preflight", Verdict::Good)];
    assert_eq!(verdicts(&report), expected, "{report:#?}");
    assert!(report.checks[0].advice.as_ref().unwrap().contains("tracehop-doctor listen"));
    assert!(report.is_fine());
}

#[actix_web::test]
async fn trace_of_another_organisation_is_reported() {
    let inventory = Running::inventory();
    let storefront = Running::storefront(&inventory);
    let report = report_on(&storefront.url, None, Some("7")).await.unwrap();
    let not_continued = report.checks.iter().find(|check| check.about == "continued").unwrap();
    assert_eq!(not_continued.verdict, Verdict::Wrong);
    assert!(not_continued.advice.as_ref().unwrap().contains("--org-id"));
}

#[actix_web::test]
async fn server_timing_alone_is_enough() {
    let service = Running::answering(|request| {
        let baggage = members(&request, true).join(",");
        let (db, trace) = ("db;dur=53.123456", continued(&request));
        let ours = format!("{db}, sentry-trace;desc=\"{trace}\", baggage;desc=\"{baggage}\"");
        HttpResponse::Ok().insert_header(("server-timing", ours)).body("{}")
    });
    let report = report_on(&service.url, None, None).await.unwrap();
    assert!(report.is_fine(), "{report:#?}");
    assert!(report.checks.iter().all(|check| check.verdict == Verdict::Good), "{report:#?}");
    assert!(report.checks[1].what.contains("Server-Timing"));
}

#[actix_web::test]
async fn each_problem_of_a_service_is_reported() {
    type Row = (fn(HttpRequest) -> HttpResponse, &'static str, &'static str);
    let table: &[Row] = &[
        (|_| page(&new_trace(), ""), "continued", "another trace than the one that was sent"),
        (|_| page(OTHER_TRACE, ""), "continued", "give it to the next visitor as well"),
        (|_| page("771a", ""), "continued", "\"771a\": a sentry-trace value has"),
        (|request| page("", &members(&request, true).join(",")), "continued", "0 were found"),
        (
            |_| HttpResponse::Ok().content_type("text/html").body("<p>"),
            "continued",
            "neither the meta",
        ),
        (
            |request| page(&continued(&request), ""),
            "dynamic sampling context",
            "missing in the meta tags: trace_id, sample_rand, ",
        ),
        (
            |request| page(&continued(&request), &members(&request, true)[1..].join(",")),
            "dynamic sampling context",
            "missing in the meta tags: trace_id",
        ),
        (
            |request| {
                let items = members(&request, true).join(",");
                page(&continued(&request), &items.replace("environment=doctor", "environment=shop"))
            },
            "dynamic sampling context",
            "environment was \"doctor\", and is \"shop\"",
        ),
        (
            |request| {
                let items = members(&request, true).join(",");
                page(&continued(&request), &format!("{items},sentry-user_segment=x"))
            },
            "dynamic sampling context",
            "user_segment was added",
        ),
        (
            |request| page(&continued(&request), &header(&request, "baggage")),
            "foreign baggage",
            "members of others: doctor-foreign",
        ),
        (
            |request| {
                let baggage = header(&request, "baggage");
                page(&continued(&request), &format!("{baggage},malformed"))
            },
            "foreign baggage",
            "members of others: doctor-foreign",
        ),
        (
            |request| {
                let mut response = HttpResponse::Ok();
                response.insert_header(("cache-control", "public, max-age=600"));
                page_of(response, &continued(&request), &members(&request, true).join(","))
            },
            "shared caches",
            "cache-control: public, max-age=600",
        ),
        (
            |request| {
                let mut response = HttpResponse::Ok();
                response.insert_header(("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"));
                page_of(response, &continued(&request), &members(&request, true).join(","))
            },
            "browser's cache",
            "last-modified: Sun, 06 Nov 1994",
        ),
        (
            |request| {
                let mut response = HttpResponse::Ok();
                response.insert_header(("age", "7"));
                page_of(response, &continued(&request), &members(&request, true).join(","))
            },
            "shared caches",
            "came out of one",
        ),
        (
            |request| {
                let trace = continued(&request);
                let body = format!("<meta name=sentry-trace content={trace}>").repeat(2);
                HttpResponse::Ok().content_type("text/html").body(body)
            },
            "tags",
            "more than once",
        ),
        (
            |_| HttpResponse::Found().insert_header(("location", "/login")).finish(),
            "answer",
            "redirect to /login",
        ),
        (|_| HttpResponse::NotFound().finish(), "answer", "404"),
    ];
    for (answer, about, what) in table {
        let service = Running::answering(*answer);
        let report = report_on(&service.url, None, None).await.unwrap();
        let found = report.checks.iter().find(|check| {
            (check.about, check.verdict) == (about, Verdict::Wrong) && check.what.contains(what)
        });
        let found = found.unwrap_or_else(|| panic!("{about}, {what}: {report:#?}"));
        assert!(found.advice.is_some());
    }
}

fn new_trace() -> String {
    format!("{}-b72fa28504b07285-1", tracehop::TraceId::random())
}

#[actix_web::test]
async fn permitted_changes_are_only_notes() {
    type Row = (fn(HttpRequest) -> HttpResponse, &'static str);
    let table: &[Row] = &[
        // A sampler with a rate of its own that overrides its caller.
        (
            |request| {
                let trace = continued(&request).replace("-1", "-0");
                let items = members(&request, true).join(",");
                page(&trace, &items.replace("sample_rate=1", "sample_rate=0.5"))
            },
            "decision",
        ),
        (
            |request| page(&header(&request, "sentry-trace"), &members(&request, true).join(",")),
            "continued",
        ),
    ];
    for (answer, about) in table {
        let service = Running::answering(*answer);
        let report = report_on(&service.url, None, None).await.unwrap();
        assert!(report.is_fine(), "{report:#?}");
        assert!(verdicts(&report).contains(&(about, Verdict::Note)), "{report:#?}");
    }
    let other_spelling = Running::answering(|request| {
        page(&continued(&request), &members(&request, true).join(" , ").replace("%2F", "/"))
    });
    let report = report_on(&other_spelling.url, None, None).await.unwrap();
    assert!(report.is_fine() && format!("{report:?}").contains("not to the letter"), "{report:#?}");
}

#[actix_web::test]
async fn preflights_are_judged_as_by_browsers() {
    type Row = (&'static [(&'static str, &'static str)], u16, Option<&'static str>);
    const HEADERS: &str = "access-control-allow-headers";
    const ALLOWED: (&str, &str) = ("access-control-allow-origin", ORIGIN);
    const ANY: (&str, &str) = ("access-control-allow-origin", "*");
    const OTHER: (&str, &str) = ("access-control-allow-origin", "https://other.example");
    let table: &[Row] = &[
        (&[ALLOWED, (HEADERS, "sentry-trace, baggage, traceparent")], 204, None),
        (&[ALLOWED, (HEADERS, "Baggage"), (HEADERS, "Sentry-Trace")], 200, None),
        (&[ANY, (HEADERS, "*")], 200, None),
        (&[ALLOWED, (HEADERS, "baggage")], 200, Some("is without sentry-trace")),
        (&[ALLOWED], 200, Some("is without baggage, sentry-trace")),
        (&[(HEADERS, "*")], 200, Some("Access-Control-Allow-Origin is missing")),
        (&[OTHER, (HEADERS, "*")], 200, Some("is \"https://other.example\"")),
        (&[ANY, (HEADERS, "*")], 405, Some("answered 405")),
    ];
    for (headers, status, refusal) in table {
        let service = Running::start(|listener| {
            let answer = move |request: HttpRequest| async move {
                if request.method() != Method::OPTIONS {
                    return HttpResponse::Ok().insert_header(ANY).json("x");
                }
                assert_eq!(header(&request, "origin"), ORIGIN);
                assert_eq!(header(&request, "access-control-request-method"), "GET");
                let mut response = HttpResponse::build((*status).try_into().unwrap());
                for header in *headers {
                    response.append_header(*header);
                }
                response.finish()
            };
            let app = move || App::new().default_service(web::to(answer));
            HttpServer::new(app).workers(1).listen(listener).unwrap().run()
        });
        let report = report_on(&service.url, Some(ORIGIN), None).await.unwrap();
        let preflight = report.checks.iter().find(|check| check.about == "preflight").unwrap();
        match refusal {
            None => assert_eq!(preflight.verdict, Verdict::Good, "{report:#?}"),
            Some(reason) => {
                assert_eq!(preflight.verdict, Verdict::Wrong, "{report:#?}");
                assert!(preflight.what.contains(reason), "{report:#?}");
            }
        }
    }
}

#[actix_web::test]
async fn unreadable_cross_origin_response_is_reported() {
    let service = Running::answering(|request| {
        let mut response = HttpResponse::Ok();
        if request.method() == Method::OPTIONS {
            response.insert_header((HeaderName::from_static("access-control-allow-origin"), "*"));
            response.insert_header(("access-control-allow-headers", "*"));
        }
        response.json("x")
    });
    let report = report_on(&service.url, Some(ORIGIN), None).await.unwrap();
    let expected =
        [("continued", Verdict::Unseen), ("preflight", Verdict::Good), ("answer", Verdict::Wrong)];
    assert_eq!(verdicts(&report), expected, "{report:#?}");
}

#[actix_web::test]
async fn same_origin_pages_need_no_preflight() {
    let service = Running::answering(|request| {
        assert_ne!(request.method(), Method::OPTIONS);
        good_page(&request)
    });
    let report = report_on(&service.url, Some(&service.url), None).await.unwrap();
    assert!(verdicts(&report).contains(&("preflight", Verdict::Good)), "{report:#?}");
}

#[actix_web::test]
async fn unreachable_service_is_an_error() {
    // Bound, but not listened on: connections are refused, and no other process can take the port.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    let error = format!("{:#}", report_on(&url, None, None).await.unwrap_err());
    assert!(error.starts_with(&format!("cannot ask GET {url}")), "{error}");
    assert!(error.ends_with("is the service running?"), "{error}");
}

#[actix_web::test]
async fn redirects_are_not_followed() {
    let elsewhere = Running::answering(|_| panic!("the redirect was followed"));
    let url = elsewhere.url.clone();
    let service = Running::start(|listener| {
        let app = move || {
            let to = url.clone();
            let redirect = from_fn(move |request: actix_web::dev::ServiceRequest, _| {
                let response =
                    HttpResponse::Found().insert_header(("location", to.clone())).finish();
                async move { Ok::<_, actix_web::Error>(request.into_response(response)) }
            });
            App::new().wrap(redirect)
        };
        HttpServer::new(app).workers(1).listen(listener).unwrap().run()
    });
    let report = report_on(&service.url, None, None).await.unwrap();
    assert_eq!(report.checks[0].about, "answer");
    assert!(report.checks[0].what.contains(&elsewhere.url), "{report:#?}");
}

/// A service behind a cache that keeps each answer by its URL, whatever its headers say.
fn cached() -> Running {
    Running::start(|listener| {
        let kept = web::Data::new(Mutex::new(HashMap::<String, String>::new()));
        let answer = async |request: HttpRequest,
                            kept: web::Data<Mutex<HashMap<String, String>>>| {
            let mut kept = kept.lock().unwrap();
            let page = kept.entry(request.uri().to_string());
            let page: &String = page.or_insert_with(|| {
                let (trace, baggage) = (continued(&request), members(&request, true).join(","));
                format!(
                    "<meta name=sentry-trace content={trace}><meta name=baggage content={baggage}>"
                )
            });
            HttpResponse::Ok().content_type("text/html").body(page.clone())
        };
        let app = move || App::new().app_data(kept.clone()).default_service(web::to(answer));
        HttpServer::new(app).workers(1).listen(listener).unwrap().run()
    })
}

#[actix_web::test]
async fn caches_that_ignore_headers_are_found_and_keep_nothing() {
    let service = cached();
    let report = report_on(&service.url, None, None).await.unwrap();
    assert!(verdicts(&report).contains(&("cache", Verdict::Wrong)), "{report:#?}");

    let visitor = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = visitor.get(&service.url).header("sentry-trace", OTHER_TRACE);
    let page = request.send().await.unwrap().text().await.unwrap();
    assert!(page.contains(&OTHER_TRACE[..32]), "{page}");
}

#[actix_web::test]
async fn compressed_pages_with_a_policy_for_scripts_are_read() {
    let service = Running::start(|listener| {
        let app = || {
            let answer = async |request: HttpRequest| {
                let mut response = HttpResponse::Ok();
                response.insert_header(("content-security-policy", "connect-src 'self'"));
                page_of(response, &continued(&request), &members(&request, true).join(","))
            };
            App::new().default_service(web::to(answer)).wrap(Compress::default())
        };
        HttpServer::new(app).workers(1).listen(listener).unwrap().run()
    });
    let report = report_on(&service.url, None, None).await.unwrap();
    assert!(verdicts(&report).contains(&("continued", Verdict::Good)), "{report:#?}");
    assert_eq!(verdicts(&report)[0], ("content security policy", Verdict::Note), "{report:#?}");
}
