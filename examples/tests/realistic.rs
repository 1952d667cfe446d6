//! A typical service: CORS, sessions, SQLite, retries, JSON logs, Sentry's SDK with its `tracing` layer. One page view
//! with two calls, an error and a job is one trace in the collector, with no span twice.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_cors::Cors;
use actix_session::SessionMiddleware;
use actix_session::storage::CookieSessionStore;
use actix_web::cookie::Key;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer, error, rt};
use reqwest_middleware::ClientWithMiddleware;
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use rusqlite::Connection;
use serde_json::Value;
use tokio::sync::oneshot;
use tracehop::InTrace as _;
use tracehop_actix::{Trace, TracePropagation};
use tracehop_examples::collector;
use tracing_actix_web::TracingLogger;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;

const TRACE_ID: &str = "771a43a4192642f0b136d5159a501700";
const PARENT: &str = "b72fa28504b07285";

macro_rules! serve {
    ($app:expr) => {{
        let server = HttpServer::new($app).workers(1).bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        rt::spawn(server.run());
        url
    }};
}

/// What the handlers need.
struct Shop {
    client: ClientWithMiddleware,
    stock_url: String,
    database: Mutex<Connection>,
    /// Lets the job go on after the response was received.
    go_on: Mutex<Option<oneshot::Receiver<()>>>,
}

#[tracing::instrument(skip_all)]
fn price(database: &Connection) -> f64 {
    database.query_row("SELECT price FROM items WHERE id = 7", (), |row| row.get(0)).unwrap()
}

async fn page(trace: Trace, shop: Data<Shop>) -> actix_web::Result<HttpResponse> {
    let (here, of_thread) = (trace.into_inner(), shop.clone());
    let price = web::block(move || here.in_scope(|| price(&of_thread.database.lock().unwrap())));
    let price = price.await.map_err(error::ErrorInternalServerError)?;
    for _ in 0..2 {
        let answer = shop.client.get(&shop.stock_url).send().await;
        let answer = answer.map_err(error::ErrorBadGateway)?;
        tracing::info!(status = answer.status().as_u16(), price, "asked for the stock");
    }
    let go_on = shop.go_on.lock().unwrap().take().unwrap();
    let job = async move {
        go_on.await.unwrap();
        sentry::capture_message("the job failed", sentry::Level::Error);
    };
    rt::spawn(job.in_current_trace());
    tracing::error!("the kettle leaks");
    Ok(HttpResponse::Ok().body("page"))
}

/// Keeps the logs that are written to it.
#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

impl io::Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn page_views_are_one_trace_without_double_spans() {
    let logs = Logs::default();
    let of_subscriber = logs.clone();
    let json = tracing_subscriber::fmt::layer().json().with_writer(move || of_subscriber.clone());
    #[expect(deprecated, reason = "most applications still have this layer")]
    let sdk = sentry::integrations::tracing::layer();
    let info = tracing_subscriber::filter::LevelFilter::INFO;
    let subscriber = tracing_subscriber::registry().with(json.and_then(sdk).with_filter(info));
    tracing::subscriber::set_global_default(subscriber).unwrap();
    rt::System::new().block_on(view(&logs));
}

async fn view(logs: &Logs) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let collector_address = listener.local_addr().unwrap();
    rt::spawn(collector::serve(listener).unwrap());

    let mut options = sentry::ClientOptions::new()
        .dsn(&format!("http://49d0f7386ad645858ae85020e393bef3@{collector_address}/1"))
        .release("shop@1.4.0")
        .traces_sample_rate(1.0);
    let propagator = tracehop_sentry::propagator_builder(&mut options).build().unwrap();
    let _guard = sentry::init(options);

    // The called service answers the first request with an error, and the client tries again.
    let asked = Arc::new(AtomicUsize::new(0));
    let of_called = propagator.clone();
    let stock_url = serve!(move || {
        let asked = Data::from(Arc::clone(&asked));
        let stock = async |asked: Data<AtomicUsize>| match asked.fetch_add(1, Ordering::Relaxed) {
            0 => HttpResponse::ServiceUnavailable(),
            _ => HttpResponse::Ok(),
        };
        App::new()
            .app_data(asked)
            .route("/stock/{id}", web::get().to(stock))
            .wrap(TracePropagation::new(of_called.clone()))
    });
    let stock_url = format!("{stock_url}/stock/7");

    let (go_on, waiting) = oneshot::channel();
    let database = Connection::open_in_memory().unwrap();
    database
        .execute_batch("CREATE TABLE items (id, price); INSERT INTO items VALUES (7, 9.5)")
        .unwrap();
    let retries = ExponentialBackoff::builder()
        .retry_bounds(Duration::ZERO, Duration::from_millis(1))
        .build_with_max_retries(2);
    let client = reqwest_middleware::ClientBuilder::new(
        reqwest::Client::builder().no_proxy().build().unwrap(),
    )
    .with(RetryTransientMiddleware::new_with_policy(retries))
    .with(tracehop_reqwest::TracePropagation::new(propagator.clone()))
    .build();
    let shop = Data::new(Shop {
        client,
        stock_url,
        database: Mutex::new(database),
        go_on: Mutex::new(Some(waiting)),
    });
    let key = Key::generate();
    let shop_url = serve!(move || {
        App::new()
            .app_data(shop.clone())
            .route("/page/{id}", web::get().to(page))
            .wrap(SessionMiddleware::new(CookieSessionStore::default(), key.clone()))
            .wrap(Cors::permissive())
            .wrap(TracingLogger::default())
            .wrap(TracePropagation::new(propagator.clone()))
    });

    let browser = reqwest::Client::builder().no_proxy().build().unwrap();
    let sentry_trace = format!("{TRACE_ID}-{PARENT}-1");
    let answer = browser.get(format!("{shop_url}/page/7")).header("sentry-trace", sentry_trace);
    let answer = answer.header("origin", "http://shop.example").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "page");
    // The response is here. The job goes on.
    go_on.send(()).unwrap();

    let url = format!("http://{collector_address}/traces/{TRACE_ID}/json");
    let whole = loop {
        let client = sentry::Hub::main().client().unwrap();
        web::block(move || client.flush(Some(Duration::from_secs(5)))).await.unwrap();
        let whole: Value = browser.get(&url).send().await.unwrap().json().await.unwrap();
        // The page's own transaction and the error of the job come last.
        if whole["events"].as_array().unwrap().len() >= 2 && of_op(&whole, "http.server").len() >= 4
        {
            break whole;
        }
        tokio::task::yield_now().await;
    };

    // The page, and three requests of the called service: one was tried again.
    assert_eq!(of_op(&whole, "http.server").len(), 4, "{whole:#}");
    assert_eq!(of_op(&whole, "http.client").len(), 3, "{whole:#}");
    assert_eq!(of_op(&whole, "realistic::price").len(), 1, "{whole:#}");
    let spans = whole["spans"].as_array().unwrap();
    let ids: HashSet<_> = spans.iter().map(|span| span["span_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), spans.len(), "{whole:#}");
    for span in spans {
        let parent = span["parent_span_id"].as_str().unwrap();
        assert!(parent == PARENT || ids.contains(parent), "{span:#}");
    }
    let messages: HashSet<_> =
        whole["events"].as_array().unwrap().iter().map(|event| event["title"].as_str()).collect();
    assert_eq!(messages, HashSet::from([Some("the job failed"), Some("the kettle leaks")]));

    let list: Value = browser
        .get(format!("http://{collector_address}/traces"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list:#}");
    let logs = String::from_utf8(logs.0.lock().unwrap().clone()).unwrap();
    let leak = logs.lines().find(|line| line.contains("the kettle leaks")).unwrap();
    assert!(leak.contains(TRACE_ID), "{leak}");
}

fn of_op<'w>(whole: &'w Value, op: &str) -> Vec<&'w Value> {
    // A span that the SDK's layer starts has the target in front of its name.
    let is_of_op = |span: &&Value| span["op"].as_str().is_some_and(|of| of.contains(op));
    whole["spans"].as_array().unwrap().iter().filter(is_of_op).collect()
}
