//! The doctor over real sockets: what it asks of services, good and bad ones, and what it says to callers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod ask;
mod listen;
mod process;

use std::net::TcpListener;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt, web};
use tracehop_examples::doctor::{Report, Verdict};
use tracehop_examples::{inventory, storefront};

/// A service on a free port, stopped when dropped.
struct Running {
    url: String,
    handle: ServerHandle,
}

impl Running {
    fn start(serve: impl FnOnce(TcpListener) -> Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = serve(listener);
        let handle = server.handle();
        rt::spawn(server);
        Self { url, handle }
    }

    /// A service that answers everything in one way.
    fn answering(answer: fn(HttpRequest) -> HttpResponse) -> Self {
        Self::start(|listener| {
            let app = move || {
                App::new().default_service(web::to(move |request| async move { answer(request) }))
            };
            HttpServer::new(app).workers(1).listen(listener).unwrap().run()
        })
    }

    fn inventory() -> Self {
        let options = inventory::Options { database: None };
        Self::start(|listener| inventory::serve(listener, &options).unwrap())
    }

    fn storefront(inventory: &Self) -> Self {
        let options = storefront::Options { inventory: inventory.url.parse().unwrap() };
        Self::start(|listener| storefront::serve(listener, &options).unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

/// What was looked at, and what it came to.
fn verdicts(report: &Report) -> Vec<(&str, Verdict)> {
    report.checks.iter().map(|check| (check.about, check.verdict)).collect()
}
