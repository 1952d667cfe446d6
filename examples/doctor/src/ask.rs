//! Sends a service a request with a new trace, and checks the response.

mod page;
mod preflight;
mod seen;
mod sent;

use std::io::{ErrorKind, Read as _};
use std::time::Duration;

use anyhow::Context as _;
use tracehop::TraceId;
use ureq::Agent;
use ureq::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use url::{Host, Url};

use self::seen::Seen;
use self::sent::Sent;
use crate::Report;

/// The request to make.
#[derive(Debug, Clone)]
pub struct Question {
    /// The URL of a page or of another resource.
    pub url: Url,
    /// The origin of the pages that call it from a browser, for the check of the preflight.
    pub origin: Option<Url>,
    /// The Sentry organisation of the trace.
    pub org_id: Option<String>,
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
/// # Errors
///
/// The service does not answer.
pub fn ask(question: &Question) -> anyhow::Result<Report> {
    let client = Client::new(question)?;
    let sent = Sent::new(question.org_id.as_deref())?;
    let answer = client.get(&sent)?;
    let mut report = Report::new(format!("GET {} answered {}", question.url, answer.status));
    sent.explain(&mut report);
    let seen = Seen::in_answer(&answer);
    status(&answer, &mut report);
    if seen.is_empty() {
        nothing_seen(&answer, &mut report);
    }
    for seen in &seen {
        // A page that gives another visitor the same trace comes from a cache.
        let again = || trace_id_given_to_another(&client, question, seen);
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

fn trace_id_given_to_another(client: &Client, question: &Question, seen: &Seen) -> Option<TraceId> {
    let answer = client.get(&Sent::new(question.org_id.as_deref()).ok()?).ok()?;
    let again = Seen::in_answer(&answer);
    again.iter().find(|again| again.place == seen.place)?.trace_id()
}

fn status(answer: &Answer, report: &mut Report) {
    const ABOUT: &str = "answer";
    let status = answer.status;
    if status.is_redirection() {
        report.wrong(
            ABOUT,
            format!("it is a redirect to {}", answer.text("location")),
            "Run doctor with the URL that it leads to.",
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
            "It is not visible from outside whether the trace was continued. Run `doctor listen`, let the service call \
             it, and read the report there.",
        );
    }
}

/// Makes requests without following redirects: the headers are for the given URL only.
struct Client<'a> {
    agent: Agent,
    question: &'a Question,
}

/// The longest time that the service may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The bytes that are read of a page. The tags are in its head, far before this.
const MAX_BODY: u64 = 8 << 20;

impl<'a> Client<'a> {
    fn new(question: &'a Question) -> anyhow::Result<Self> {
        let is_here = match question.url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        // Certificates of a company's own authority are accepted if the machine trusts it.
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(PATIENCE))
            .user_agent(concat!("tracehop-doctor/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls);
        let config = if is_here { config.proxy(None) } else { config };
        Ok(Self { agent: config.build().new_agent(), question })
    }

    fn get(&self, sent: &Sent) -> anyhow::Result<Answer> {
        let mut headers = sent.headers();
        headers.insert("accept", HeaderValue::from_static("text/html,*/*;q=0.8"));
        if let Some(origin) = &self.question.origin {
            headers.insert("origin", origin.origin().ascii_serialization().parse()?);
        }
        self.send(Method::GET, headers)
    }

    fn send(&self, method: Method, headers: HeaderMap) -> anyhow::Result<Answer> {
        let mut request =
            Request::builder().method(&method).uri(self.question.url.as_str()).body(())?;
        *request.headers_mut() = headers;
        let asking = || format!("cannot ask {method} {}", self.question.url);
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
            "if the certificate is from an authority of your own, set SSL_CERT_FILE to its certificate"
        }
        Error::Timeout(_) => "the service takes too long",
        _ => return error.into(),
    };
    anyhow::anyhow!("{error}: {advice}")
}
