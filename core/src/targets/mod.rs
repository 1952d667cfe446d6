//! Decides which requests get trace headers.

mod authority;
mod host;
mod redaction;
mod request_url;
mod rules;
mod sentry;

use std::error::Error;
use std::fmt;

pub(crate) use authority::Authority;
pub use authority::server_address;
pub use redaction::redact_url;
pub use request_url::RequestUrl;
pub(crate) use rules::{Matchers, TargetRules};
pub(crate) use sentry::{SentryHost, Tunnel};

/// A place that trace headers may be sent to.
///
/// The typed targets ([`origin`](Self::origin), [`host`](Self::host), [`domain`](Self::domain)) compare scheme, host
/// and port of the URL. Use them. [`contains`](Self::contains), and `regex` with the feature of that name, are the
/// [`tracePropagationTargets`](https://develop.sentry.dev/sdk/foundations/trace-propagation/)
/// of the other SDKs. They search the text of the URL, so a listed host also matches in the query of
/// a third party's URL.
///
/// Typed targets are compared without regard to case and to a dot at the end of a host. They never match a text that is
/// not an absolute URL. A host that no URL can have is refused: `127.1`, because clients write `127.0.0.1`.
///
/// ```
/// use tracehop::{Propagator, Target};
///
/// let propagator = Propagator::builder()
///     .trace_propagation_targets([
///         Target::origin("https://api.example.com:8443"),
///         Target::host("stock.example.com"),
///         Target::domain("internal.example"),
///         Target::contains("/rpc/"),
///     ])
///     .build()?;
/// // A test of targets needs no network.
/// let trace = propagator.start_new_trace();
/// assert!(trace.propagates_to("https://eu.internal.example/stock"));
/// assert!(!trace.propagates_to("https://evil.test/?from=internal.example"));
/// # Ok::<(), tracehop::BuildError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    kind: Kind,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Contains,
    Origin,
    Host,
    Domain,
    #[cfg(feature = "regex")]
    Regex,
}

impl Target {
    /// Matches every URL that contains this text anywhere.
    pub fn contains(text: impl Into<String>) -> Self {
        Self { kind: Kind::Contains, text: text.into() }
    }

    /// Matches every URL with this scheme, host and port: `https://api.example.com:8443`. A missing port is the
    /// default of the scheme.
    pub fn origin(origin: impl Into<String>) -> Self {
        Self { kind: Kind::Origin, text: origin.into() }
    }

    /// Matches every URL with this host, with any scheme and port: `api.example.com`, `127.0.0.1`, `[::1]`.
    pub fn host(host: impl Into<String>) -> Self {
        Self { kind: Kind::Host, text: host.into() }
    }

    /// Matches every URL whose host is this one or a subdomain of it: `example.com` matches `api.example.com` too.
    pub fn domain(domain: impl Into<String>) -> Self {
        Self { kind: Kind::Domain, text: domain.into() }
    }

    /// Matches every URL that this regular expression finds a match in, in the syntax of
    /// [`regex-lite`](https://docs.rs/regex-lite/latest/regex_lite/#syntax). Matching takes linear time.
    #[cfg(feature = "regex")]
    #[cfg_attr(docsrs, doc(cfg(feature = "regex")))]
    pub fn regex(pattern: impl Into<String>) -> Self {
        Self { kind: Kind::Regex, text: pattern.into() }
    }

    /// Returns the text of the target.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Why a target cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetError {
    /// The text of [`Target::contains`] is empty, so that it would match every URL.
    Empty,
    /// The text of [`Target::origin`] is not a scheme, a host and at most a port.
    Origin,
    /// The text of [`Target::host`] or [`Target::domain`] is not a host.
    Host,
    /// The text of `Target::regex` is not a regular expression.
    Regex(String),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str(
                "an empty text matches every URL; \
                 to send headers with every request, leave the option out",
            ),
            Self::Origin => f.write_str(
                "an origin is a scheme, a host and at most a port: https://api.example.com:8443",
            ),
            Self::Host => f.write_str(
                "a host is a name in ASCII, such as api.example.com or xn--bcher-kva.example, or an \
                 address in full, such as 127.0.0.1 or [::1], without scheme, port and path; a domain \
                 is such a name",
            ),
            Self::Regex(error) => write!(f, "not a regular expression: {error}"),
        }
    }
}

impl Error for TargetError {}
