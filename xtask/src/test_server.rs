//! A small HTTP server that stands in for services in tests.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};

use tiny_http::{Header, Response, Server, StatusCode};

pub(crate) type Reply = Response<std::io::Cursor<Vec<u8>>>;

/// A request that the server got.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) url: String,
    pub(crate) body: String,
}

/// Listens on a free port of the loopback address until it is dropped.
pub(crate) struct TestServer {
    url: String,
    server: Arc<Server>,
    seen: Receiver<Seen>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    pub(crate) fn start(reply: impl Fn(&Seen) -> Reply + Send + 'static) -> Self {
        let server = Arc::new(Server::http("127.0.0.1:0").unwrap());
        let url = format!("http://{}", server.server_addr());
        let (sender, seen) = mpsc::channel();
        let listener = Arc::clone(&server);
        let thread = thread::spawn(move || {
            for mut request in listener.incoming_requests() {
                let mut seen = Seen { url: request.url().to_owned(), body: String::new() };
                request.as_reader().read_to_string(&mut seen.body).unwrap();
                let response = reply(&seen);
                // Before the response: a test that has the response may ask for the request.
                let _ = sender.send(seen);
                let _ = request.respond(response);
            }
        });
        Self { url, server, seen, thread: Some(thread) }
    }

    /// Its origin, without a slash at the end.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The requests that arrived since the last call.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.seen.try_iter().collect()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut response = Response::from_string(body).with_status_code(StatusCode(status));
    for (name, value) in headers {
        response.add_header(Header::from_bytes(*name, *value).unwrap());
    }
    response
}

pub(crate) fn json_reply(body: &str) -> Reply {
    reply(200, &[("Content-Type", "application/json")], body)
}

pub(crate) fn not_found() -> Reply {
    reply(404, &[], "not found")
}
