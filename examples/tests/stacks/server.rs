//! The servers around the one under test: the next service, which it calls, and Sentry's.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, web};
use sentry::Hub;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A server that stops when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) handle: ServerHandle,
}

/// A server, for as long as it lives.
pub(crate) trait Serving {
    fn address(&self) -> SocketAddr;
}

impl Serving for Server {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves the App that the function makes, on a free port and a worker thread of its own.
macro_rules! serve {
    ($app:expr) => {{
        let server = actix_web::HttpServer::new($app).workers(1).bind("127.0.0.1:0").unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        $crate::server::Server { address, handle }
    }};
}

pub(crate) use serve;

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

/// Requests the path of a handler, and returns what arrives until the server closes the connection.
pub(crate) async fn get(address: SocketAddr, handler: &str, header: Option<&str>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let header = header.unwrap_or_default();
    let request =
        format!("GET /{handler}/7 HTTP/1.1\r\nhost: x\r\n{header}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response).await;
    String::from_utf8_lossy(&response).into_owned()
}

/// What was sent since the last flush: the items of all envelopes, and the trace headers of all calls.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    pub(crate) transactions: Vec<Item>,
    pub(crate) errors: Vec<Item>,
    pub(crate) logs: Vec<Value>,
    pub(crate) metrics: Vec<Value>,
    /// The `sentry-trace` of calls to the next service.
    pub(crate) calls: Vec<String>,
}

/// An item, and the `trace` header of its envelope.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) payload: Value,
    pub(crate) dsc: Value,
}

/// A server that takes envelopes as Sentry does, and calls as the next service.
pub(crate) struct Sentry {
    server: Server,
    /// The next service, on a port of its own: requests to Sentry itself get no headers.
    next: Server,
    sent: Arc<Mutex<Sent>>,
}

impl Sentry {
    pub(crate) fn start() -> Self {
        let sent = Arc::new(Mutex::new(Sent::default()));
        let data = web::Data::from(Arc::clone(&sent));
        let of_next = data.clone();
        let app = move || {
            App::new()
                .app_data(data.clone())
                .app_data(web::PayloadConfig::new(16 << 20))
                .route("/api/1/envelope/", web::post().to(envelope))
        };
        let next = move || App::new().app_data(of_next.clone()).route("/next", web::get().to(next));
        Self { server: serve!(app), next: serve!(next), sent }
    }

    pub(crate) fn dsn(&self) -> String {
        format!("http://49d0f7386ad645858ae85020e393bef3@{}/1", self.server.address)
    }

    /// The URL of the next service.
    pub(crate) fn next(&self) -> String {
        format!("http://{}/next", self.next.address)
    }

    /// Takes all that the SDK has sent.
    pub(crate) async fn flush(&self) -> Sent {
        let client = Hub::main().client().unwrap();
        let flushed = web::block(move || client.flush(Some(Duration::from_secs(10)))).await;
        assert!(flushed.unwrap());
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

async fn next(request: HttpRequest, sent: web::Data<Mutex<Sent>>) -> &'static str {
    let header = request.headers().get("sentry-trace").map_or("", |value| value.to_str().unwrap());
    sent.lock().unwrap().calls.push(header.to_owned());
    "next"
}

async fn envelope(body: web::Bytes, sent: web::Data<Mutex<Sent>>) -> HttpResponse {
    let mut sent = sent.lock().unwrap();
    let mut lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut json = || lines.next().map(|line| serde_json::from_slice::<Value>(line).unwrap());
    let headers = json().unwrap();
    while let (Some(header), Some(payload)) = (json(), json()) {
        let dsc = headers["trace"].clone();
        let items = || payload["items"].as_array().unwrap().clone();
        match header["type"].as_str().unwrap() {
            "transaction" => sent.transactions.push(Item { payload, dsc }),
            "event" => sent.errors.push(Item { payload, dsc }),
            "log" => sent.logs.extend(items()),
            "trace_metric" => sent.metrics.extend(items()),
            _ => (),
        }
    }
    HttpResponse::Ok().json(serde_json::json!({}))
}
