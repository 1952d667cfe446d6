//! Bytes that could break out of a header's value: in the headers of responses, and in those of outgoing requests.

use actix_web::{App, HttpResponse, web};
use tracehop_actix::tracehop::Propagator;
use tracehop_actix::{Trace, TracePropagation};

use crate::{SENTRY_TRACE, Server, TRACE_ID, body, header_lines, serve, status};

/// A page whose body is the headers of an outgoing request.
async fn page(trace: Trace) -> HttpResponse {
    let mut forwarded = Vec::<(String, String)>::new();
    trace.inject_to("https://api.example.com/", &mut forwarded);
    HttpResponse::Ok().content_type("text/html").json(forwarded)
}

fn server() -> Server {
    let options = Propagator::builder().continue_traceparent(true).propagate_traceparent(true);
    let propagator = options.build().unwrap();
    serve!(move || {
        App::new()
            .wrap(TracePropagation::new(propagator.clone()).server_timing(true))
            .route("/", web::get().to(page))
    })
}

/// The metrics of a `Server-Timing` header with their descriptions, read strictly by its grammar.
fn metrics(value: &str) -> Vec<(String, String)> {
    let mut metrics = Vec::new();
    let mut rest = value;
    loop {
        let (name, after) = rest.split_once(";desc=\"").unwrap();
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{value}");
        let (desc, after) = after.split_once('"').unwrap();
        assert!(
            !desc.contains('\\') && desc.bytes().all(|byte| byte.is_ascii_graphic()),
            "{value}"
        );
        metrics.push((name.to_owned(), desc.to_owned()));
        match after.strip_prefix(", ") {
            Some(next) => rest = next,
            None => {
                assert_eq!(after, "", "{value}");
                return metrics;
            }
        }
    }
}

/// The headers in the body of the first page. A blank line in the input ends the request, and the server answers the
/// rest as a second request.
fn forwarded(response: &str) -> Vec<(String, String)> {
    serde_json::Deserializer::from_str(body(response)).into_iter().next().unwrap().unwrap()
}

fn names(response: &str) -> Vec<&str> {
    let (head, _) = response.split_once("\r\n\r\n").unwrap();
    let mut names: Vec<_> =
        head.lines().skip(1).map(|line| line.split_once(": ").unwrap().0).collect();
    names.sort_unstable();
    names
}

#[actix_web::test]
async fn no_byte_breaks_out_of_a_header() {
    let server = server();
    let usual = server.get("/", &[SENTRY_TRACE.as_bytes()]).await;
    let mut continued = 0;
    for byte in 0..=255_u8 {
        let byte = &[byte][..];
        let encoded = byte.iter().map(|byte| format!("%{byte:02x}")).collect::<String>();
        for lines in [
            [
                SENTRY_TRACE.as_bytes().to_vec(),
                [b"baggage: sentry-a=x", byte, b"x-evil: 1,sentry-b=2"].concat(),
            ],
            [
                SENTRY_TRACE.into(),
                [b"baggage: sentry-a=1;p", byte, b"x-evil: 1,sentry-b=2"].concat(),
            ],
            [SENTRY_TRACE.into(), [b"baggage: sentry-a", byte, b"=1,sentry-b=2"].concat()],
            [
                SENTRY_TRACE.into(),
                [b"baggage: sentry-a=", encoded.as_bytes(), b"x-evil: 1"].concat(),
            ],
            [[SENTRY_TRACE.as_bytes(), byte].concat(), b"baggage: sentry-b=2".to_vec()],
            [
                [b"traceparent: 00-", TRACE_ID.as_bytes(), b"-b72fa28504b07285-01"].concat(),
                [b"tracestate: a=x", byte, b"x-evil: 1"].concat(),
            ],
        ] {
            let lines: Vec<&[u8]> = lines.iter().map(|line| &line[..]).collect();
            let response = server.get("/", &lines).await;
            let shown: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
            // The server itself refuses bytes that no header may have.
            if status(&response) == "400" {
                continue;
            }
            assert_eq!(status(&response), "200", "{shown:?}");
            assert_eq!(names(&response), names(&usual), "{shown:?}");
            let timings = header_lines(&response, "server-timing");
            let in_timing = metrics(timings[0]);
            let forwarded = forwarded(&response);
            for (name, value) in &forwarded {
                assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{shown:?}");
                if let Some((_, desc)) = in_timing.iter().find(|(known, _)| known == name) {
                    assert_eq!(desc, value, "{shown:?}");
                }
            }
            continued += usize::from(forwarded[0].1.starts_with(TRACE_ID));
        }
    }
    assert!(continued > 1_000, "{continued}");
}

#[actix_web::test]
async fn line_breaks_in_values_add_no_header() {
    let server = server();
    for text in [
        "sentry-a=1\r\nx-evil: 1",
        "sentry-a=1\nx-evil: 1",
        "sentry-a=1\rx-evil: 1",
        "sentry-a=%0d%0ax-evil:%201",
        "sentry-a=1\r\n x-evil: 1",
    ] {
        let line = format!("baggage: {text}");
        let response = server.get("/", &[SENTRY_TRACE.as_bytes(), line.as_bytes()]).await;
        assert!(header_lines(&response, "x-evil").is_empty(), "{response}");
        if status(&response) == "400" {
            continue;
        }
        let forwarded = forwarded(&response);
        assert!(forwarded.iter().all(|(_, value)| !value.contains(['\r', '\n'])), "{forwarded:?}");
    }
}
