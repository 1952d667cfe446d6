//! The DSN, from which propagation needs the public key and the organisation.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use crate::targets::{Authority, SentryHost};

/// A [data source name](https://develop.sentry.dev/sdk/foundations/transport/authentication/): the address and the
/// key that a service sends its events with.
///
/// Only public key and host are kept. The secret key of an old DSN is dropped when it is read, and `Debug` does not
/// show the public key.
///
/// # Grammar
///
/// ```text
/// DSN = scheme "://" public-key [ ":" secret-key ] "@" host [ ":" port ] "/" [ path "/" ] project-id [ "/" ]
/// ```
///
/// Blanks around it are ignored.
///
/// # Example
///
/// ```
/// use tracehop::Dsn;
///
/// let dsn: Dsn = "https://key@o123.ingest.sentry.io/42".parse()?;
/// assert_eq!(dsn.public_key(), "key");
/// assert_eq!(dsn.org_id(), Some("123"));
/// # Ok::<(), tracehop::DsnError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Dsn {
    public_key: Box<str>,
    host: Box<str>,
    no_target: Option<SentryHost>,
}

/// Why a text is not a DSN.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DsnError {
    /// The text is not of the form `scheme://host/path`.
    Url,
    /// The scheme is neither `http` nor `https`.
    Scheme,
    /// There is no public key, or it is longer than 128 characters, or has other characters than letters,
    /// digits, `-` and `_`.
    PublicKey,
    /// There is no project id after the last `/`.
    ProjectId,
}

impl fmt::Display for DsnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "a DSN is a URL such as https://<public key>@<host>/<project id>",
            Self::Scheme => "the scheme of a DSN is http or https",
            Self::PublicKey => {
                "a DSN has its public key in front of the host: https://<public key>@<host>/…"
            }
            Self::ProjectId => {
                "a DSN ends with the id of its project: https://…@<host>/<project id>"
            }
        })
    }
}

impl Error for DsnError {}

/// The largest number of characters of a public key. Sentry's own keys have 32.
const MAX_PUBLIC_KEY: usize = 128;

/// Whether a text is the number of an organisation: up to 20 digits, as many as a number of 64 bits has.
pub(crate) fn is_org_id(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Dsn {
    /// Returns the key that identifies the project to Sentry. It is not secret, but does not belong into logs.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// Returns the host that events are sent to.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the address that gets no trace headers.
    pub(super) fn no_target(&self) -> Option<&SentryHost> {
        self.no_target.as_ref()
    }

    /// Returns the organisation, if it is in the host: `123` for `o123.ingest.sentry.io`. Hosts of self-hosted
    /// installations and Relays have none.
    pub fn org_id(&self) -> Option<&str> {
        let (first, _) = self.host.split_once('.')?;
        let id = first.strip_prefix('o')?;
        is_org_id(id).then_some(id)
    }
}

impl FromStr for Dsn {
    type Err = DsnError;

    fn from_str(text: &str) -> Result<Self, DsnError> {
        // As Sentry's SDK for Rust reads it: without blanks around it, and with or without a slash at the end.
        let text = text.trim_matches(|edge: char| edge <= ' ');
        let (authority, path) = Authority::split(text).ok_or(DsnError::Url)?;
        if !["http", "https"].iter().any(|scheme| authority.scheme.eq_ignore_ascii_case(scheme)) {
            return Err(DsnError::Scheme);
        }
        let userinfo = authority.userinfo.ok_or(DsnError::PublicKey)?;
        let public_key = userinfo.split_once(':').map_or(userinfo, |(key, _secret)| key);
        let is_key_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let has_a_keys_length = (1..=MAX_PUBLIC_KEY).contains(&public_key.len());
        if !has_a_keys_length || !public_key.bytes().all(is_key_byte) {
            return Err(DsnError::PublicKey);
        }
        let path = path.split(['?', '#']).next().unwrap_or_default();
        if path.trim_end_matches('/').rsplit('/').next().is_none_or(str::is_empty) {
            return Err(DsnError::ProjectId);
        }
        Ok(Self {
            public_key: public_key.into(),
            host: authority.host.to_ascii_lowercase().into(),
            no_target: SentryHost::new(&authority),
        })
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dsn").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Shows a text that is not a DSN without the parts that may be a key.
pub(crate) fn redacted(text: &str) -> String {
    let scheme = ["https://", "http://"].into_iter().find(|scheme| text.starts_with(scheme));
    let behind_keys = text.rsplit_once('@').map(|(_, behind)| behind);
    let host = behind_keys.and_then(|behind| behind.split('/').next()).unwrap_or_default();
    let is_shown = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
    let host = if host.bytes().all(is_shown) { host } else { "…" };
    [scheme.unwrap_or_default(), "…", if host.is_empty() { "" } else { "@" }, host].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dsns_have_key_and_organisation() {
        for (text, key, org) in [
            ("https://key@o123.ingest.sentry.io/42", "key", Some("123")),
            ("https://key@o123.ingest.us.sentry.io/42", "key", Some("123")),
            ("HTTPS://key:secret@O123.ingest.sentry.io:443/42", "key", Some("123")),
            ("http://key@localhost:9000/base/42", "key", None),
            ("https://key@o.example.com/42", "key", None),
            ("https://key@o12x.example.com/42", "key", None),
            ("https://key@other123.example.com/42", "key", None),
            ("https://key@[::1]:9000/42", "key", None),
            (" https://key@o123.ingest.sentry.io/42\n", "key", Some("123")),
            ("https://key@o123.ingest.sentry.io/42/", "key", Some("123")),
        ] {
            let dsn: Dsn = text.parse().unwrap();
            assert_eq!((dsn.public_key(), dsn.org_id()), (key, org), "{text}");
            assert!(text.to_ascii_lowercase().contains(&format!("@{}", dsn.host())), "{text}");
        }
    }

    #[test]
    fn errors_name_the_missing_part() {
        for (text, error) in [
            ("", DsnError::Url),
            ("key@o1.ingest.sentry.io/42", DsnError::Url),
            ("https://key@/42", DsnError::Url),
            ("ftp://key@o1.ingest.sentry.io/42", DsnError::Scheme),
            ("https://o1.ingest.sentry.io/42", DsnError::PublicKey),
            ("https://@o1.ingest.sentry.io/42", DsnError::PublicKey),
            ("https://:secret@o1.ingest.sentry.io/42", DsnError::PublicKey),
            ("https://k,y@o1.ingest.sentry.io/42", DsnError::PublicKey),
            (&format!("https://{}@o1.ingest.sentry.io/42", "k".repeat(129)), DsnError::PublicKey),
            ("https://key@o1.ingest.sentry.io", DsnError::ProjectId),
            ("https://key@o1.ingest.sentry.io/", DsnError::ProjectId),
            ("https://key@o1.ingest.sentry.io/?42", DsnError::ProjectId),
            ("https://key@o1.ingest.sentry.io//", DsnError::ProjectId),
        ] {
            assert_eq!(text.parse::<Dsn>(), Err(error), "{text}");
        }
    }

    #[test]
    fn debug_and_redaction_show_no_keys() {
        let dsn: Dsn = "https://hush1:hush2@o1.ingest.sentry.io/42".parse().unwrap();
        let shown = format!("{dsn:?}");
        assert!(shown.contains("o1.ingest.sentry.io") && !shown.contains("hush"), "{shown}");
        let table = [
            ("https://hush1:hush2@o1.ingest.sentry.io/", "https://…@o1.ingest.sentry.io"),
            ("hush1:hush2@o1.ingest.sentry.io:8443/42", "…@o1.ingest.sentry.io:8443"),
            ("https://hush1:hush2/42", "https://…"),
            ("https://hush1:hush2@hush3@host/1", "https://…@host"),
            ("hush@https://o1.example/42", "…@https:"),
            ("https%3A%2F%2Fhush%40o1.example%2F42", "…"),
            ("https://o1.example/42?key=@hush=", "https://…@…"),
            ("hush1:hush2", "…"),
            ("hush", "…"),
        ];
        for (text, shown) in table {
            assert_eq!(redacted(text), shown);
        }
    }
}
