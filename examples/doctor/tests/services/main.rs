//! Doctor over real sockets: its requests to good and bad services, and its responses to callers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod ask;
mod listen;
mod process;
#[cfg(unix)]
mod proxies;

use std::net::TcpListener;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt, web};
use tracehop_doctor::{Report, Verdict};
use tracehop_examples::{collector, inventory, storefront, telemetry};

/// A service on a free port, stopped when dropped.
struct Running {
    url: String,
    handle: ServerHandle,
    /// The collector of its envelopes.
    collector: Option<Box<Running>>,
}

impl Running {
    fn start(serve: impl FnOnce(TcpListener) -> Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = serve(listener);
        let handle = server.handle();
        rt::spawn(server);
        Self { url, handle, collector: None }
    }

    /// A service that answers all requests by one function.
    fn answering(answer: fn(HttpRequest) -> HttpResponse) -> Self {
        Self::start(|listener| {
            let app = move || {
                App::new().default_service(web::to(move |request| async move { answer(request) }))
            };
            HttpServer::new(app).workers(1).listen(listener).unwrap().run()
        })
    }

    fn inventory() -> Self {
        Self::sending(|listener, telemetry| {
            let options = inventory::Options { telemetry, ..inventory::Options::default() };
            inventory::serve(listener, &options).unwrap()
        })
    }

    fn storefront(inventory: &Self) -> Self {
        let inventory = inventory.url.parse().unwrap();
        Self::sending(|listener, telemetry| {
            storefront::serve(listener, &storefront::Options { inventory, telemetry }).unwrap()
        })
    }

    /// A service of organisation 0, and a collector for its envelopes.
    fn sending(serve: impl FnOnce(TcpListener, telemetry::Options) -> Server) -> Self {
        let collector = Self::start(|listener| collector::serve(listener).unwrap());
        let telemetry = telemetry::Options {
            collector: Some(collector.url.parse().unwrap()),
            org_id: Some(0),
            ..telemetry::Options::default()
        };
        let mut service = Self::start(|listener| serve(listener, telemetry));
        service.collector = Some(Box::new(collector));
        service
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

/// The subjects and results of all checks.
fn verdicts(report: &Report) -> Vec<(&str, Verdict)> {
    report.checks.iter().map(|check| (check.about, check.verdict)).collect()
}
