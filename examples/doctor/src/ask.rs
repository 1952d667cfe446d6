//! Sends a service a request with a new trace, and checks the response.

mod page;
mod preflight;
mod seen;
mod sent;

use std::io::{ErrorKind, Read as _};
use std::time::Duration;

use anyhow::Context as _;
use tracehop::TraceId;
use tracehop::hop::redact_url;
use ureq::Agent;
use ureq::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use url::{Host, Url};

use self::seen::Seen;
use self::sent::Sent;
use crate::Report;

/// The request to make. It is made twice, each time with a trace of its own, to find caches that hand on a trace.
#[derive(Debug, Clone)]
pub struct Question {
    /// The URL of a page or of another resource, with the scheme `http` or `https`.
    pub url: Url,
    /// Whether the URL is requested as it is. If not, it gets a query of its own: a cache shows the trace to visitors
    /// only if it ignores queries.
    pub is_exact: bool,
    /// Headers to send besides those of the trace, to the origin of the URL alone.
    pub headers: HeaderMap,
    /// Whether redirects are followed, at most 10 of them.
    pub follows_redirects: bool,
    /// Whether invalid certificates are accepted.
    pub accepts_invalid_certificates: bool,
    /// The origin of the pages that call the URL from a browser, for the check of the preflight.
    pub origin: Option<Url>,
    /// The id of the Sentry organisation of the trace, a number of at most 20 digits.
    pub org_id: Option<String>,
}

impl Question {
    /// Makes a request for a URL, with a query of its own, and without redirects.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            is_exact: false,
            headers: HeaderMap::new(),
            follows_redirects: false,
            accepts_invalid_certificates: false,
            origin: None,
            org_id: None,
        }
    }

    /// Adds a query that no visitor has, unless the URL is to be requested as it is.
    fn with_own_query(&self, mut url: Url) -> Url {
        if !self.is_exact {
            url.query_pairs_mut().append_pair("tracehop-doctor", &TraceId::random().to_string());
        }
        url
    }
}

/// The response of the service.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    /// The values of all lines of a header.
    fn lines(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.headers.get_all(name).into_iter().map(|value| value.as_bytes())
    }

    fn text(&self, name: &str) -> String {
        let lines: Vec<_> = self.lines(name).map(String::from_utf8_lossy).collect();
        lines.join(", ")
    }

    fn is_html(&self) -> bool {
        let essence = self.text("content-type");
        let essence = essence.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("text/html") || essence == "application/xhtml+xml"
    }
}

/// Makes the request and reports on the response.
///
/// Blocks the thread, for at most 20 seconds a request. Of a body, the first 8 MiB are read.
///
/// # Errors
///
/// The service does not answer, or the organisation's id is malformed.
pub fn ask(question: &Question) -> anyhow::Result<Report> {
    let mut client = Client::new(question);
    let sent = Sent::new(question.org_id.as_deref())?;
    let mut redirects = Vec::new();
    let answer = loop {
        let answer = client.get(&sent)?;
        match redirect(&answer, &client.url) {
            Some(url) if question.follows_redirects && redirects.len() < MAX_REDIRECTS => {
                let url = question.with_own_query(url);
                redirects.push(std::mem::replace(&mut client.url, url));
            }
            _ => break answer,
        }
    };
    let mut report =
        Report::new(format!("GET {} answered {}", shown(&question.url), answer.status));
    sent.explain(&mut report);
    check_redirects(&redirects, &client.url, &mut report);
    let other = Sent::new(question.org_id.as_deref())?;
    let again = client.get(&other)?;
    check_cached(&sent, &again, &mut report);
    content_security_policy(&answer, &mut report);
    let seen = Seen::in_answer(&answer);
    status(&answer, &mut report);
    if seen.is_empty() {
        nothing_seen(&answer, &mut report);
    }
    for seen in &seen {
        // A page that gives another visitor the same trace comes from a cache.
        let again = || {
            let again = Seen::in_answer(&again);
            again.iter().find(|again| again.place == seen.place)?.trace_id()
        };
        seen.check(&sent, again, &mut report);
    }
    if !seen.is_empty() {
        page::check_caches(&answer, &mut report);
    }
    if let Some(origin) = &question.origin {
        preflight::check(&client, origin, &answer, &mut report)?;
    }
    Ok(report)
}

/// The most redirects that are followed.
const MAX_REDIRECTS: usize = 10;

/// Returns where a response redirects to.
fn redirect(answer: &Answer, from: &Url) -> Option<Url> {
    let url = from.join(&answer.text("location")).ok()?;
    (answer.status.is_redirection() && matches!(url.scheme(), "http" | "https")).then_some(url)
}

/// Returns a URL without credentials and query.
fn shown(url: &Url) -> String {
    redact_url(url.as_str()).into_owned()
}

fn check_redirects(from: &[Url], to: &Url, report: &mut Report) {
    let Some(last) = from.last() else { return };
    let steps = from.iter().chain([to]).map(shown).collect::<Vec<_>>().join(" → ");
    if last.origin() == to.origin() {
        report.note("redirect", steps, "Clients send the trace headers along.");
    } else {
        report.note(
            "redirect",
            steps,
            "Most clients send the trace headers along, also to another origin. A page may only do so if the other \
             origin allows the headers as well.",
        );
    }
}

/// Checks that a second request did not get the trace of the first.
fn check_cached(sent: &Sent, again: &Answer, report: &mut Report) {
    let is_kept = |seen: &Seen| seen.trace_id() == Some(sent.sentry_trace.trace_id);
    if Seen::in_answer(again).iter().any(is_kept) {
        report.wrong(
            "cache",
            "the second of two requests got the trace of the first",
            "A cache in front of the service keeps the page, whatever its headers say: look for `proxy_cache` and \
             `proxy_ignore_headers` in nginx. Leave the trace out of pages that are cached.",
        );
    }
}

/// Notes where the scripts of a page may send requests to.
fn content_security_policy(answer: &Answer, report: &mut Report) {
    let text = answer.text("content-security-policy");
    let directive = |name: &str| {
        let mut directives = text.split([';', ',']).map(str::trim);
        directives.find_map(|directive| directive.strip_prefix(name)?.strip_prefix(' '))
    };
    let Some(sources) = directive("connect-src").or_else(|| directive("default-src")) else {
        return;
    };
    if answer.is_html() && !sources.split(' ').any(|source| source == "*") {
        report.note(
            "content security policy",
            format!("scripts of the page may send requests to {sources} alone"),
            "Add the services that the page calls, and the host of the DSN if the page has an SDK, to `connect-src`.",
        );
    }
}

fn status(answer: &Answer, report: &mut Report) {
    const ABOUT: &str = "answer";
    let status = answer.status;
    if status.is_redirection() {
        report.wrong(
            ABOUT,
            format!("it is a redirect to {}", redact_url(&answer.text("location"))),
            "Run it with `--follow`, or with the URL that it leads to.",
        );
    } else if matches!(status.as_u16(), 502..=504) {
        report.wrong(
            ABOUT,
            format!("a proxy answered {status} for the service"),
            "The service is down or slow, or the proxy refused its response: the error log of the proxy has the \
             reason.",
        );
    } else if !status.is_success() {
        report.wrong(
            ABOUT,
            format!("the service answered {status}"),
            "Use the URL of a page that exists and needs no login.",
        );
    }
}

fn nothing_seen(answer: &Answer, report: &mut Report) {
    const ABOUT: &str = "continued";
    if answer.is_html() && answer.status.is_success() {
        report.wrong(
            ABOUT,
            "the page has neither the meta tags sentry-trace and baggage nor a Server-Timing header with them",
            "Render `{{ trace|trace_meta }}` into its head, or turn on `server_timing(true)` of the middleware. A \
             page that shared caches keep must have neither: then there is nothing to check.",
        );
    } else {
        report.unseen(
            ABOUT,
            "the response is not a page, and has no Server-Timing header with a trace",
            "It is not visible from outside whether the trace was continued. Run `tracehop-doctor listen`, let the service call \
             it, and read the report there.",
        );
    }
}

/// Makes requests without following redirects: the headers are for the given URL only.
struct Client<'a> {
    agent: Agent,
    question: &'a Question,
    url: Url,
}

/// The longest time that the service may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The most bytes that are read of a body. The tags are in a page's head, far before this.
const MAX_BODY: u64 = 8 << 20;

impl<'a> Client<'a> {
    fn new(question: &'a Question) -> Self {
        let url = question.with_own_query(question.url.clone());
        let is_here = match question.url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        // Certificates of a company's own authority are accepted if the machine trusts it.
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .disable_verification(question.accepts_invalid_certificates)
            .build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(PATIENCE))
            .user_agent(concat!("tracehop-doctor/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls);
        let config = if is_here { config.proxy(None) } else { config };
        Self { agent: config.build().new_agent(), question, url }
    }

    fn get(&self, sent: &Sent) -> anyhow::Result<Answer> {
        let mut headers = sent.headers();
        headers.insert("accept", HeaderValue::from_static("text/html,*/*;q=0.8"));
        if let Some(origin) = &self.question.origin {
            headers.insert("origin", origin.origin().ascii_serialization().parse()?);
        }
        self.send(Method::GET, headers)
    }

    fn send(&self, method: Method, mut headers: HeaderMap) -> anyhow::Result<Answer> {
        let mut request = Request::builder().method(&method).uri(self.url.as_str()).body(())?;
        // A redirect must not take credentials to another origin.
        if self.url.origin() == self.question.url.origin() {
            headers.extend(self.question.headers.clone());
        }
        *request.headers_mut() = headers;
        let asking = || format!("cannot ask {method} {}", shown(&self.url));
        let response = self.agent.run(request);
        let response = response.map_err(|error| advised(error).context(asking()))?;
        let (parts, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        body.as_reader().take(MAX_BODY).read_to_end(&mut bytes).with_context(asking)?;
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }
}

/// Adds what to do about an error.
fn advised(error: ureq::Error) -> anyhow::Error {
    use ureq::Error;
    let advice = match &error {
        Error::HostNotFound => "is the name right?",
        Error::ConnectionFailed => "is the service running?",
        Error::Io(cause) if cause.kind() == ErrorKind::ConnectionRefused => {
            "is the service running?"
        }
        // Rustls reports a failed handshake as an error of the connection.
        Error::Io(cause) if cause.kind() == ErrorKind::InvalidData => {
            "if the certificate is from an authority of your own, set SSL_CERT_FILE to its certificate; --insecure \
             accepts every certificate"
        }
        Error::Timeout(_) => "the service takes too long",
        _ => return error.into(),
    };
    anyhow::anyhow!("{error}: {advice}")
}
