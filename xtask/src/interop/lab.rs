//! Runs services, sends requests through them, and finds the spans that their SDKs send.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ureq::Agent;
use url::form_urlencoded::byte_serialize;

use super::install::Installed;
use super::peer::{Options, Peer};
use super::relay::Sent;
use super::reply::{Reply, comparable};
use crate::collector::Collector;
use crate::collector::trace::{Event, Span};
use crate::interrupt;
use crate::service::{Service, agent};

/// The programs that are a service of ours, with actix-web and with axum. Their replies are the same.
pub(super) const OURS: [&str; 2] = ["ours", "ours_axum"];

/// SDKs send spans in the background, some seconds later.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Services, started when they are first asked for, and the collector of what their SDKs send.
pub(super) struct Lab {
    installed: Installed,
    collector: Collector,
    /// Ended with this.
    _collecting: Service,
    /// The program that is the service of ours: one for each framework.
    ours: &'static str,
    services: HashMap<(Peer, String), Service>,
    agent: Agent,
    artifacts: PathBuf,
    generator: Generator,
    /// How many envelopes Relay has read.
    read: usize,
    /// The number of runs of generated traces.
    runs: u32,
}

/// Which headers are generated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Generator {
    pub(super) seed: u64,
    pub(super) count: usize,
}

impl Lab {
    pub(super) fn open(
        installed: Installed,
        artifacts: PathBuf,
        generator: Generator,
    ) -> Result<Self> {
        fs::create_dir_all(&artifacts)
            .with_context(|| format!("cannot make {}", artifacts.display()))?;
        let collecting = Service::start("collector", installed.rust.command("collector")?)?;
        Ok(Self {
            installed,
            collector: Collector::new(collecting.url()),
            _collecting: collecting,
            ours: OURS[0],
            services: HashMap::new(),
            agent: agent(),
            artifacts,
            generator,
            read: 0,
            runs: 0,
        })
    }

    /// The folder for screenshots, scripts and headers.
    pub(super) fn artifacts(&self) -> &Path {
        &self.artifacts
    }

    /// Which headers are generated.
    pub(super) fn generator(&self) -> Generator {
        self.generator
    }

    pub(super) fn installed(&self) -> &Installed {
        &self.installed
    }

    pub(super) fn collector(&self) -> &Collector {
        &self.collector
    }

    /// The URL of a service with these options.
    pub(super) fn service(&mut self, peer: Peer, options: &Options) -> Result<String> {
        self.start(peer, options, &[])
    }

    /// The URL of a service of ours that renders pages with this script.
    pub(super) fn pages(
        &mut self,
        options: &Options,
        script: &Path,
        flags: &[&str],
    ) -> Result<String> {
        let script = script.to_str().context("the path of the script is not Unicode")?;
        let arguments = [&["--script", script], flags].concat();
        self.start(Peer::Ours, options, &arguments)
    }

    /// The options of a peer, with those that all have.
    pub(super) fn options(&self, name: &str, options: &Options) -> Result<String> {
        let options = Options {
            dsn: Some(self.collector.dsn()),
            release: Some(format!("{name}@1")),
            environment: Some("interop".to_owned()),
            ..options.clone()
        };
        Ok(serde_json::to_string(&options)?)
    }

    fn start(&mut self, peer: Peer, options: &Options, arguments: &[&str]) -> Result<String> {
        let name = peer.service().with_context(|| format!("{peer:?} is no service"))?;
        let options = self.options(name, options)?;
        let key = (peer, [&[options.as_str()], arguments].concat().join(" "));
        if let Some(service) = self.services.get(&key) {
            return Ok(service.url().to_owned());
        }
        let Installed { rust, node, python, python_streamed, .. } = &self.installed;
        let mut command = match peer {
            Peer::Node => node.command("service.mjs"),
            Peer::Python => python.command("service.py"),
            Peer::PythonStreamed => python_streamed.command("service.py"),
            Peer::Ours => rust.command(self.ours)?,
            Peer::OursWithSdk => {
                let mut command = rust.command(self.ours)?;
                command.arg("--sentry");
                command
            }
            Peer::Rust => rust.command("sentry")?,
            _ => rust.command("opentelemetry")?,
        };
        command.args(["--options", &options]).args(arguments);
        let service = Service::start(name, command)?;
        let url = service.url().to_owned();
        self.services.insert(key, service);
        Ok(url)
    }

    /// Takes another program as the service of ours.
    pub(super) fn set_ours(&mut self, program: &'static str) {
        self.stop_services();
        self.ours = program;
    }

    /// Ends the services that were started.
    pub(super) fn stop_services(&mut self) {
        self.services.clear();
    }

    /// Sends a request through services in this order, and returns the reply of each.
    pub(super) fn chain(
        &mut self,
        headers: &[(&str, &str)],
        chain: &[(Peer, &Options)],
    ) -> Result<Vec<Reply>> {
        let urls = chain.iter().map(|(peer, options)| self.service(*peer, options));
        let urls = urls.collect::<Result<Vec<_>>>()?;
        let mut request = self.agent.get(relay(&urls));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply =
            request.call().and_then(|mut response| response.body_mut().read_json::<Reply>());
        let names = chain.iter().filter_map(|(peer, _)| peer.service()).collect::<Vec<_>>();
        let replies = reply.with_context(|| self.failure(&names))?.flatten();
        if replies.len() != chain.len() {
            bail!("{} of {} services replied: {}", replies.len(), chain.len(), names.join(", "));
        }
        Ok(replies)
    }

    fn failure(&mut self, names: &[&str]) -> String {
        let services = self.services.iter_mut();
        let concerned = services
            .filter(|((peer, _), _)| peer.service().is_some_and(|name| names.contains(&name)));
        let stderr: String = concerned.map(|(_, service)| service.process().stderr()).collect();
        format!("a request through {} failed{stderr}", names.join(", "))
    }

    /// The span that these ids name, once its SDK has sent it.
    pub(super) fn span(&self, trace_id: &str, span_id: &str) -> Result<Span> {
        let what = format!("span {span_id} of trace {trace_id}");
        self.find_span(&what, |span| span.trace_id == trace_id && span.span_id == span_id)
    }

    /// The error that was captured in a span, once its SDK has sent it.
    pub(super) fn event(&self, trace_id: &str, span_id: &str) -> Result<Event> {
        self.wait_for(&format!("an error in span {span_id} of trace {trace_id}"), || {
            let events = self.collector.trace(trace_id)?.events;
            Ok(events.into_iter().find(|event| event.span_id == span_id))
        })
    }

    /// The first span for which `is_it` holds, once an SDK has sent one. An error calls the span `what`.
    pub(super) fn find_span(&self, what: &str, is_it: impl Fn(&Span) -> bool) -> Result<Span> {
        let mut span =
            self.wait_for(what, || Ok(self.collector.spans()?.into_iter().find(&is_it)))?;
        span.dsc = span.dsc.map(comparable);
        Ok(span)
    }

    /// Returns another number each time, for the ids of generated traces.
    pub(super) fn next_run(&mut self) -> u32 {
        self.runs += 1;
        self.runs
    }

    /// All envelopes with a transaction, an error or streamed spans.
    pub(super) fn all_envelopes(&self) -> Result<Vec<Sent>> {
        let envelopes = self.collector.envelopes()?;
        envelopes.iter().filter_map(|text| Sent::read(text).transpose()).collect()
    }

    /// Those that arrived since the last call.
    pub(super) fn new_envelopes(&mut self) -> Result<Vec<Sent>> {
        let mut all = self.all_envelopes()?;
        let new = all.split_off(self.read.min(all.len()));
        self.read = all.len() + new.len();
        Ok(new)
    }

    fn wait_for<T>(&self, what: &str, look: impl Fn() -> Result<Option<T>>) -> Result<T> {
        let start = Instant::now();
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            if start.elapsed() > SEND_TIMEOUT {
                bail!("{what} was not sent within {} s", SEND_TIMEOUT.as_secs());
            }
            interrupt::pause()?;
        }
    }
}

/// The URL of the first of these services that makes it call the second, and so on.
pub(super) fn relay(urls: &[String]) -> String {
    urls.iter().rev().fold(String::new(), |next, url| match next.as_str() {
        "" => format!("{url}/relay"),
        next => {
            let next: String = byte_serialize(next.as_bytes()).collect();
            format!("{url}/relay?next={next}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_gets_the_rest_of_the_chain() {
        let urls = ["http://a", "http://b", "http://c"].map(str::to_owned);
        let expected =
            "http://a/relay?next=http%3A%2F%2Fb%2Frelay%3Fnext%3Dhttp%253A%252F%252Fc%252Frelay";
        assert_eq!(relay(&urls), expected);
        assert_eq!(relay(&urls[..1]), "http://a/relay");
    }
}
