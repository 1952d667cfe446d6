//! The preflight that a browser sends before a page of another origin may send the headers:
//! [CORS](https://fetch.spec.whatwg.org/#http-cors-protocol).

use ureq::http::{HeaderMap, Method};
use url::Url;

use super::{Answer, Client};
use crate::Report;

const ABOUT: &str = "preflight";

const ADVICE: &str = "Allow the origin and both headers: with actix-cors, `.allowed_origin(…)` and \
                      `.allowed_headers(tracehop_actix::TRACE_HEADERS.iter().copied())`, as the outermost middleware.";

/// Sends the preflight of a browser for a page of this origin.
pub(super) fn check(
    client: &Client<'_>,
    origin: &Url,
    answer: &Answer,
    report: &mut Report,
) -> anyhow::Result<()> {
    if origin.origin() == client.url.origin() {
        report.good(ABOUT, "the page has the same origin: browsers send no preflight");
        return Ok(());
    }
    let origin = origin.origin().ascii_serialization();
    match refusal(client, &origin, &["baggage", "sentry-trace"])? {
        Some(reason) => {
            report.wrong(ABOUT, format!("pages of {origin} are refused: {reason}"), ADVICE)
        }
        None => {
            report.good(ABOUT, format!("pages of {origin} may send sentry-trace and baggage"));
            if refusal(client, &origin, &["baggage", "sentry-trace", "traceparent"])?.is_some() {
                report.note(
                    ABOUT,
                    format!("pages of {origin} may not send traceparent"),
                    "Allow it as well if the SDK in the page has propagateTraceparent.",
                );
            }
        }
    }
    if !allows_origin(answer, &origin) {
        report.wrong(
            "answer",
            format!("pages of {origin} may not read it"),
            "Send Access-Control-Allow-Origin with every response, not only with that of the preflight.",
        );
    }
    Ok(())
}

/// Returns the reason why a preflight for these headers fails.
fn refusal(client: &Client<'_>, origin: &str, names: &[&str]) -> anyhow::Result<Option<String>> {
    let mut headers = HeaderMap::new();
    headers.insert("origin", origin.parse()?);
    headers.insert("access-control-request-method", "GET".parse()?);
    headers.insert("access-control-request-headers", names.join(",").parse()?);
    let answer = client.send(Method::OPTIONS, headers)?;
    if !answer.status.is_success() {
        return Ok(Some(format!("OPTIONS was answered {}", answer.status)));
    }
    if !allows_origin(&answer, origin) {
        return Ok(Some(match &*answer.text("access-control-allow-origin") {
            "" => "Access-Control-Allow-Origin is missing".to_owned(),
            other => format!("Access-Control-Allow-Origin is {other:?}"),
        }));
    }
    let allowed = answer.text("access-control-allow-headers");
    let is_allowed = |name: &str| {
        allowed.split(',').map(str::trim).any(|it| it == "*" || it.eq_ignore_ascii_case(name))
    };
    let missing: Vec<_> = names.iter().copied().filter(|name| !is_allowed(name)).collect();
    let missing = missing.join(", ");
    Ok((!missing.is_empty()).then(|| format!("Access-Control-Allow-Headers is without {missing}")))
}

fn allows_origin(answer: &Answer, origin: &str) -> bool {
    let allowed = answer.text("access-control-allow-origin");
    allowed == "*" || allowed == origin
}
