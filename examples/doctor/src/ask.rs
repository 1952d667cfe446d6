//! Asks a service, with a trace of its own.

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

/// What is asked of whom.
#[derive(Debug, Clone)]
pub struct Question {
    /// The page, or whatever is there.
    pub url: Url,
    /// The origin of the pages that call it from a browser.
    pub origin: Option<Url>,
    /// The Sentry organisation that the trace is said to belong to.
    pub org_id: Option<String>,
}

/// What the service answered.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    /// The text of all lines of a header.
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

/// Asks, and says what was seen.
///
/// # Errors
///
/// A service that does not answer.
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
        // Who gives the same trace to the next visitor has it from a cache.
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
            "Ask for the page that it leads to.",
        );
    } else if !status.is_success() {
        report.wrong(
            ABOUT,
            format!("the service answered {status}"),
            "Ask for a page that is there, and that everybody may see.",
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
            "the answer is no page, and no Server-Timing header tells of a trace",
            "From outside nobody can see whether it was continued. Run `doctor listen`, have the service call it, and \
             read there what arrives.",
        );
    }
}

/// Asks without following redirects: the headers are for the service that was named.
struct Client<'a> {
    agent: Agent,
    question: &'a Question,
}

/// How long the service may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// More than a page has, up to the tags in its head.
const MAX_BODY: u64 = 8 << 20;

impl<'a> Client<'a> {
    fn new(question: &'a Question) -> anyhow::Result<Self> {
        let is_here = match question.url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        // A service that the machine's own authorities vouch for, as in a company, is asked as well.
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

/// An error, and what to do about it.
fn advised(error: ureq::Error) -> anyhow::Error {
    use ureq::Error;
    let advice = match &error {
        Error::HostNotFound => "is the name right?",
        Error::ConnectionFailed => "is the service running?",
        Error::Io(cause) if cause.kind() == ErrorKind::ConnectionRefused => {
            "is the service running?"
        }
        // What rustls finds wrong during the handshake comes as an error of the connection.
        Error::Io(cause) if cause.kind() == ErrorKind::InvalidData => {
            "if an authority of your own vouches for the service, name its certificate in SSL_CERT_FILE"
        }
        Error::Timeout(_) => "the service takes too long",
        _ => return error.into(),
    };
    anyhow::anyhow!("{error}: {advice}")
}
