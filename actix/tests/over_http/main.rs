//! Services as a client sees them, over real sockets and in raw HTTP.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod bad_input;
mod broken_clients;
mod cached_pages;
mod cors;
mod current;
mod extractor;
mod injection;
#[cfg(feature = "tracing")]
mod log;
mod names;
mod responses;
mod routes;
mod sentry;
#[cfg(feature = "tracing")]
mod spans;
mod trust;

use std::net::SocketAddr;

use actix_web::dev::ServerHandle;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tracehop_actix::tracehop::{Propagator, PropagatorBuilder};

const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";
const SENTRY_TRACE: &str = "sentry-trace: 771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";

/// Serves the App that the function makes, on a free port, until the value is dropped.
macro_rules! serve {
    ($app:expr) => {{
        let server = actix_web::HttpServer::new($app).workers(1).bind("127.0.0.1:0").unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        $crate::Server { address, handle }
    }};
}

use serve;

struct Server {
    address: SocketAddr,
    handle: ServerHandle,
}

impl Server {
    /// Requests a path with these header lines, and returns the whole response.
    async fn get(&self, path: &str, lines: &[&[u8]]) -> String {
        let mut request =
            format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n").into_bytes();
        for line in lines {
            request.extend([line, &b"\r\n"[..]].concat());
        }
        request.extend(b"\r\n");
        self.send(&request).await
    }

    async fn send(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).await.unwrap();
        String::from_utf8(response).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

fn status(response: &str) -> &str {
    &response[9..12]
}

fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").unwrap().1
}

fn header_lines<'r>(response: &'r str, name: &str) -> Vec<&'r str> {
    let (head, _) = response.split_once("\r\n\r\n").unwrap();
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
}

fn options() -> PropagatorBuilder {
    Propagator::builder().traces_sample_rate(1.0)
}

fn propagator() -> Propagator {
    options().build().unwrap()
}
