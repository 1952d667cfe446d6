//! Services behind real proxies, as people configure them: nginx and HAProxy from the system's packages.

mod faults;
mod headers;

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::{Client, Version};
use tempfile::TempDir;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Nginx,
    Haproxy,
}

/// A proxy on a free port, stopped when dropped. A test that fails prints what the proxy wrote.
struct Proxy {
    kind: Kind,
    url: String,
    directory: TempDir,
    child: Child,
}

impl Proxy {
    /// Starts a proxy with these settings for the URL `/`. `SERVICE` in the settings is the URL of the service.
    fn start(kind: Kind, version: Version, service: &str, settings: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        // The proxy gets the socket as its standard input. No other process can take the port, and connections wait
        // until the proxy accepts them.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let settings = settings.replace("SERVICE", service);
        let http2 = version == Version::HTTP_2;
        let (mut command, configuration) = match kind {
            Kind::Nginx => (nginx(path), nginx_configuration(&address, http2, service, &settings)),
            Kind::Haproxy => (haproxy(path), haproxy_configuration(http2, service, &settings)),
        };
        fs::write(path.join(CONFIGURATION), configuration).unwrap();
        let log = File::options().create(true).append(true).open(path.join(LOG)).unwrap();
        // The variable lists the sockets that nginx inherits. For HAProxy, the configuration does.
        command
            .env("NGINX", "0;")
            .stdin(OwnedFd::from(listener))
            .stderr(log.try_clone().unwrap())
            .stdout(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        Self { kind, url: format!("http://{address}"), directory, child }
    }

    /// Returns what the proxy wrote: its access log and its errors.
    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join(LOG)).unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:?}:\n{}", self.kind, self.log());
        }
        // Killed, the first process of nginx would leave its workers behind.
        let is_stopping = self.kind == Kind::Nginx
            && nginx(self.directory.path())
                .args(["-s", "stop"])
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|it| it.success());
        if !is_stopping {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

const CONFIGURATION: &str = "proxy.conf";

const LOG: &str = "log";

fn nginx(directory: &Path) -> Command {
    let mut command = Command::new("nginx");
    command.arg("-p").arg(directory).args(["-c", CONFIGURATION, "-e", LOG]);
    command
}

/// The workers run as root if the tests do: the directory is for its owner alone.
fn nginx_configuration(address: &str, http2: bool, service: &str, settings: &str) -> String {
    let http2 = if http2 { " http2" } else { "" };
    format!(
        "user root;
        daemon off;
        pid pid;
        events {{}}
        http {{
            client_body_temp_path body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            proxy_cache_path cache keys_zone=pages:1m;
            log_format trace '$http_sentry_trace $http_baggage';
            access_log {LOG} trace;
            server {{
                listen {address}{http2};
                {settings}
                location / {{ proxy_pass {service}; }}
            }}
        }}"
    )
}

fn haproxy(directory: &Path) -> Command {
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(directory.join(CONFIGURATION));
    command
}

fn haproxy_configuration(http2: bool, service: &str, settings: &str) -> String {
    let proto = if http2 { " proto h2" } else { "" };
    let address = service.trim_start_matches("http://");
    format!(
        "defaults
            mode http
            retries 0
            timeout connect 5s
            timeout client 30s
            timeout server 30s
            log stdout format raw local0
        cache pages
            total-max-size 4
        listen shop
            bind fd@0{proto}
            http-request capture req.hdr(sentry-trace) len 64
            http-request capture req.fhdr(baggage) len 512
            log-format \"%[capture.req.hdr(0)] %[capture.req.hdr(1)]\"
            server service {address}
            {settings}\n"
    )
}

/// Returns the settings for the largest baggage that the cookbook has.
fn large_buffers(kind: Kind) -> &'static str {
    let page = include_str!("../../../cookbook/proxies.md");
    let fence = if kind == Kind::Nginx { "```nginx\n" } else { "```haproxy\n" };
    page.split_once(fence).unwrap().1.split_once("```").unwrap().0
}

/// Compression by nginx and by HAProxy.
const GZIP: (&str, &str) = ("gzip on;", "compression algo gzip\n compression type text/html");

/// A client that speaks one version of HTTP, and returns bodies as they are sent.
fn client(version: Version) -> Client {
    let client = Client::builder().no_proxy().no_gzip();
    let client = if version == Version::HTTP_2 {
        client.http2_prior_knowledge()
    } else {
        client.http1_only()
    };
    client.build().unwrap()
}
