use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tracehop_doctor::{self as doctor, Report};

use super::*;

fn listening() -> (Running, UnboundedReceiver<Report>) {
    let (sender, reports) = unbounded_channel();
    (Running::start(|listener| doctor::serve(listener, sender).unwrap()), reports)
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

const TRACE: &str = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";

const ITEMS: &str = "sentry-trace_id=771a43a4192642f0b136d5159a501700,sentry-public_key=key,\
                     sentry-sample_rate=0.5,sentry-sample_rand=0.25,sentry-sampled=true";

#[actix_web::test]
async fn response_explains_the_headers_of_the_request() {
    let (service, mut reports) = listening();
    let lower = "0af7651916cd43dd8448eb211c80319c";
    let other = format!("00-{lower}-b7ad6b7169203331-01");
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let table: &[Row] = &[
        (&[("sentry-trace", TRACE), ("baggage", ITEMS)], &[]),
        (&[("Sentry-Trace", TRACE), ("Baggage", ITEMS)], &[]),
        (&[("sentry-trace", TRACE), ("baggage", "user=1"), ("baggage", ITEMS)], &[]),
        (&[], &["sentry-trace", "baggage"]),
        (&[("sentry-trace", TRACE)], &["baggage"]),
        (
            &[("sentry-trace", TRACE), ("sentry-trace", TRACE), ("baggage", ITEMS)],
            &["sentry-trace"],
        ),
        (&[("sentry-trace", "1"), ("baggage", ITEMS)], &["sentry-trace"]),
        (&[("sentry-trace", TRACE), ("baggage", ITEMS), ("traceparent", &other)], &["trace ids"]),
    ];
    for (headers, wrong) in table {
        let mut request = client().get(format!("{}/any/path?q", service.url));
        for (name, value) in *headers {
            request = request.header(*name, *value);
        }
        let answer = request.header("accept", "application/json").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["subject"], "GET /any/path");
        assert_eq!(answer["fine"], wrong.is_empty(), "{answer:#}");
        let found = answer["checks"].as_array().unwrap().iter();
        let found: Vec<_> = found.filter(|check| check["verdict"] == "wrong").collect();
        let found: Vec<_> = found.iter().map(|check| check["about"].as_str().unwrap()).collect();
        assert_eq!(found, *wrong, "{answer:#}");
        assert_eq!(reports.recv().await.unwrap().to_json(), answer);
    }
}

#[actix_web::test]
async fn default_response_is_text_without_colours() {
    let (service, _reports) = listening();
    let request = client().get(&service.url).header("sentry-trace", TRACE).header("baggage", ITEMS);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
    let text = answer.text().await.unwrap();
    assert!(text.contains("b72fa28504b07285"), "{text}");
    assert!(text.contains("✓ decision: sampled, as sample_rand 0.25 is less than 0.5"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
}

#[actix_web::test]
async fn pages_of_any_origin_may_call() {
    let (service, _reports) = listening();
    let question = doctor::Question {
        origin: Some("https://shop.example.com".parse().unwrap()),
        ..doctor::Question::new(service.url.parse().unwrap())
    };
    let report = web::block(move || doctor::ask(&question)).await.unwrap().unwrap();
    let expected = [("continued", Verdict::Unseen), ("preflight", Verdict::Good)];
    assert_eq!(verdicts(&report), expected, "{report:#?}");
}

#[actix_web::test]
async fn headers_of_the_storefront_are_fine() {
    let (listening, mut reports) = listening();
    let storefront = Running::storefront(&listening);
    client().get(&storefront.url).send().await.unwrap();
    let report = reports.recv().await.unwrap();
    assert_eq!(report.subject, "GET /stock");
    assert!(report.checks.iter().all(|check| check.verdict == Verdict::Good), "{report:#?}");
    assert!(report.parts.iter().any(|part| part.value.starts_with("storefront@")), "{report:#?}");
}
