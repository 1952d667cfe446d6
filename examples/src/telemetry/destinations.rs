use anyhow::Context as _;
use sentry::types::Dsn;
use url::Url;

use super::Options;

/// The destinations of the envelopes of a service.
#[derive(Debug, Clone)]
pub struct Destinations {
    /// The DSN of the project. Without a project, a DSN for the first copy, because the SDK sends nothing without a
    /// DSN.
    dsn: Option<Dsn>,
    /// Whether `dsn` is that of a project.
    has_project: bool,
    /// The URLs that copies of the envelopes are posted to.
    copies: Vec<Url>,
    collector: Option<Url>,
}

/// The default URL of [Spotlight](https://develop.sentry.dev/sdk/expected-features/spotlight/).
const SPOTLIGHT: &str = "http://localhost:8969/stream";

impl Destinations {
    pub(super) fn new(options: &Options) -> anyhow::Result<Self> {
        // An empty variable counts as not set.
        let dsn = options.dsn.as_deref().filter(|dsn| !dsn.trim().is_empty());
        let dsn = dsn.map(|dsn| dsn.trim().parse::<Dsn>().context("SENTRY_DSN is not a DSN"));
        let dsn = dsn.transpose()?;
        let collector = options.collector.as_ref();
        let stream = collector.map(|url| url.join("/stream")).transpose()?;
        let spotlight = options.spotlight.as_deref().map(spotlight).transpose()?.flatten();
        let copies: Vec<Url> = stream.into_iter().chain(spotlight).collect();
        let has_project = dsn.is_some();
        let dsn = match (dsn, copies.first()) {
            (None, Some(first)) => Some(dsn_of(first)?),
            (dsn, _) => dsn,
        };
        Ok(Self { dsn, has_project, copies, collector: collector.cloned() })
    }

    pub(super) fn dsn(&self) -> Option<&Dsn> {
        self.dsn.as_ref()
    }

    pub(super) fn has_project(&self) -> bool {
        self.has_project
    }

    pub(super) fn copies(&self) -> &[Url] {
        &self.copies
    }

    /// Returns the URLs that a page posts its envelopes to. The project's key is part of the query, because pages cannot
    /// send it in a header to every origin.
    pub(crate) fn for_pages(&self) -> Vec<String> {
        let project = self.dsn.as_ref().filter(|_| self.has_project).map(|dsn| {
            let (url, key) = (dsn.envelope_api_url(), dsn.public_key());
            format!("{url}?sentry_version=7&sentry_key={key}")
        });
        project.into_iter().chain(self.copies.iter().map(Url::to_string)).collect()
    }

    /// Returns the page of the collector that draws a trace.
    pub(crate) fn trace_url(&self, trace_id: tracehop::TraceId) -> Option<Url> {
        self.collector.as_ref()?.join(&format!("/traces/{trace_id}")).ok()
    }
}

/// Reads `SENTRY_SPOTLIGHT` as the SDKs do.
fn spotlight(value: &str) -> anyhow::Result<Option<Url>> {
    let value = value.trim();
    match value.to_ascii_lowercase().as_str() {
        "" | "false" | "f" | "n" | "no" | "off" | "0" => Ok(None),
        "true" | "t" | "y" | "yes" | "on" | "1" => Ok(Some(Url::parse(SPOTLIGHT)?)),
        _ => {
            let url = Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            let message = || {
                format!(
                    "SENTRY_SPOTLIGHT is neither a URL nor yes or no: {value:?}; set `true`, or a URL such as \
                     {SPOTLIGHT}"
                )
            };
            url.with_context(message).map(Some)
        }
    }
}

/// The public key of a DSN without a project. Sentry reads no dynamic sampling context with a key of another length.
const PUBLIC_KEY: &str = "0123456789abcdef0123456789abcdef";

/// Makes a DSN for a URL that is not that of a project.
fn dsn_of(url: &Url) -> anyhow::Result<Dsn> {
    let origin = url.origin().ascii_serialization();
    let dsn = origin.replacen("://", &format!("://{PUBLIC_KEY}@"), 1) + "/1";
    dsn.parse().with_context(|| format!("cannot send to {url}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destinations(
        dsn: Option<&str>,
        collector: Option<&str>,
        spotlight: Option<&str>,
    ) -> Destinations {
        let options = Options {
            dsn: dsn.map(str::to_owned),
            collector: collector.map(|url| url.parse().unwrap()),
            spotlight: spotlight.map(str::to_owned),
            org_id: None,
        };
        Destinations::new(&options).unwrap()
    }

    const DSN: &str = "https://key@o1.ingest.example/42";
    const COLLECTOR: &str = "http://127.0.0.1:4000";

    #[test]
    fn all_named_destinations_get_the_envelopes() {
        let project = "https://o1.ingest.example/api/42/envelope/?sentry_version=7&sentry_key=key";
        let (collector, spotlight) = ("http://127.0.0.1:4000/stream", "http://[::1]:5000/x");
        let dsn_of_collector = "http://0123456789abcdef0123456789abcdef@127.0.0.1:4000/1";
        let table: [(_, _, _, _, &[&str]); 7] = [
            (None, None, None, None, &[]),
            (Some(""), None, Some(""), None, &[]),
            (Some(DSN), None, None, Some(DSN), &[project]),
            (None, Some(COLLECTOR), None, Some(dsn_of_collector), &[collector]),
            (Some(DSN), Some(COLLECTOR), None, Some(DSN), &[project, collector]),
            (Some(DSN), None, Some(spotlight), Some(DSN), &[project, spotlight]),
            (
                None,
                None,
                Some(spotlight),
                Some("http://0123456789abcdef0123456789abcdef@[::1]:5000/1"),
                &[spotlight],
            ),
        ];
        for (dsn, collector, spotlight, expected, for_pages) in table {
            let destinations = destinations(dsn, collector, spotlight);
            assert_eq!(destinations.dsn(), expected.map(|dsn| dsn.parse().unwrap()).as_ref());
            assert_eq!(destinations.for_pages(), for_pages);
        }
    }

    #[test]
    fn spotlight_option_is_read_as_by_sdks() {
        for yes in ["true", "T", "y", "Yes", "on", "1", " 1 "] {
            assert_eq!(spotlight(yes).unwrap(), Some(SPOTLIGHT.parse().unwrap()), "{yes:?}");
        }
        for no in ["", "false", "F", "n", "NO", "off", "0"] {
            assert_eq!(spotlight(no).unwrap(), None, "{no:?}");
        }
        let url = "http://127.0.0.1:9999/stream";
        assert_eq!(spotlight(url).unwrap(), Some(url.parse().unwrap()));
        for neither in ["perhaps", "127.0.0.1:9999", "localhost:9999", "ftp://x/"] {
            let error = spotlight(neither).unwrap_err().to_string();
            assert!(error.starts_with("SENTRY_SPOTLIGHT is neither"), "{error}");
        }
    }

    #[test]
    fn dsn_errors_do_not_show_the_dsn() {
        let options = Options { dsn: Some("https://secret".to_owned()), ..Options::default() };
        let error = format!("{:#}", Destinations::new(&options).unwrap_err());
        assert!(error.starts_with("SENTRY_DSN is not a DSN"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn trace_urls_lead_to_the_collector() {
        let trace_id = "771a43a4192642f0b136d5159a501700".parse().unwrap();
        assert_eq!(destinations(Some(DSN), None, Some("1")).trace_url(trace_id), None);
        let url = destinations(None, Some(COLLECTOR), None).trace_url(trace_id).unwrap();
        assert_eq!(url.as_str(), format!("{COLLECTOR}/traces/{trace_id}"));
    }
}
