use actix_web::{App, web};
use tracehop_actix::{Trace, TracePropagation};

use crate::{SENTRY_TRACE, TRACE_ID, body, header_lines, propagator, serve, status};

/// A page whose body is the headers of an outgoing request.
async fn page(trace: Trace) -> actix_web::HttpResponse {
    let mut forwarded = Vec::<(String, String)>::new();
    trace.inject_to("https://api.example.com/", &mut forwarded);
    actix_web::HttpResponse::Ok().content_type("text/html").json(forwarded)
}

#[actix_web::test]
async fn no_header_fails_a_request() {
    let propagator = propagator();
    let server = serve!(move || {
        App::new()
            .wrap(TracePropagation::new(propagator.clone()).server_timing(true))
            .route("/", web::get().to(page))
    });
    let good = SENTRY_TRACE.as_bytes();
    let other = b"sentry-trace: 11111111111111111111111111111111-b72fa28504b07285";
    let long = format!("baggage: sentry-a={}", "x".repeat(20_000));
    let table: &[(&[&[u8]], bool, Option<&str>)] = &[
        (&[good], true, None),
        (&[b"sentry-trace: \xff\xfe", b"baggage: sentry-release=theirs"], false, None),
        (&[b"sentry-trace:"], false, None),
        (&[good, other, b"baggage: sentry-release=theirs"], false, None),
        (
            &[good, b"baggage: sentry-a=\xff,sentry-sample_rand=0.5"],
            true,
            Some("sentry-sample_rand=0.5"),
        ),
        (
            &[good, b"baggage: sentry-a=%ff,sentry-b=%,sentry-sample_rand=0.5"],
            true,
            Some("sentry-sample_rand=0.5"),
        ),
        (
            &[good, b"baggage: sentry-a=\"\\\",sentry-sample_rand=0.5"],
            true,
            Some("sentry-a=%22%5C%22,sentry-sample_rand=0.5"),
        ),
        (&[good, long.as_bytes()], true, None),
    ];
    for (lines, continued, baggage) in table {
        let response = server.get("/", lines).await;
        let shown = lines.iter().map(|line| String::from_utf8_lossy(&line[..line.len().min(80)]));
        let shown: Vec<_> = shown.collect();
        assert_eq!(status(&response), "200", "{shown:?}");
        assert_eq!(body(&response).contains(TRACE_ID), *continued, "{shown:?}");
        let timing = header_lines(&response, "server-timing")[0];
        let in_timing =
            timing.split_once(", baggage;desc=\"").map(|(_, text)| text.trim_end_matches('"'));
        if *continued {
            assert_eq!(in_timing, *baggage, "{shown:?}");
        } else {
            assert!(!response.contains("theirs"), "{shown:?}");
        }
    }
}
