//! The logs of two services in processes of their own: the trace id of a request finds all its lines in both.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::{self, Bytes, Data, Path};
use actix_web::{App, HttpResponse, HttpServer, rt};
use reqwest_middleware::ClientWithMiddleware;
use serde_json::Value;
use tokio::sync::Barrier;
use tokio::task::yield_now;
use tracehop::{InTrace as _, PropagationContext, Propagator};
use tracing::{Instrument as _, Span, info};
use tracing_subscriber::fmt::format::FmtSpan;

/// How many requests run at the same time.
const REQUESTS: usize = 16;

/// The longest time for all requests. A request that fails leaves the others waiting at the barrier.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The messages that the storefront logs in the trace of each request, in this order.
const STOREFRONT: [&str; 10] = [
    "page",
    "before",
    "after",
    "job",
    "block",
    "answered",
    "chunk",
    "chunk",
    "chunk",
    "end of body",
];
/// The messages that inventory logs in the trace of each request, in this order.
const INVENTORY: [&str; 14] = [
    "stock",
    "before",
    "after",
    "chunk",
    "chunk",
    "chunk",
    "end of body", // for the job
    "stock",
    "before",
    "after",
    "chunk",
    "chunk",
    "chunk",
    "end of body", // for the page
];

async fn awaited(request: usize) {
    info!(request, "before");
    yield_now().await;
    info!(request, "after");
}

/// A body that logs a message for each chunk, and when it is dropped.
struct Streamed {
    request: usize,
    chunks: u8,
}

impl Streamed {
    fn new(request: usize) -> Self {
        Self { request, chunks: 3 }
    }
}

impl MessageBody for Streamed {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let Some(left) = self.chunks.checked_sub(1) else { return Poll::Ready(None) };
        self.chunks = left;
        info!(request = self.request, "chunk");
        Poll::Ready(Some(Ok(Bytes::from_static(b"x"))))
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        info!(request = self.request, "end of body");
    }
}

/// The state of a service.
struct Service {
    client: ClientWithMiddleware,
    inventory: String,
    /// Holds requests until all of them have arrived.
    all_arrived: Barrier,
}

impl Service {
    async fn ask_inventory(&self, request: usize) {
        let url = format!("{}/stock/{request}?secret", self.inventory);
        let answer = self.client.get(url).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "xxx");
    }
}

async fn page(request: Path<usize>, service: Data<Service>) -> HttpResponse {
    let request = *request;
    info!(request, "page");
    service.all_arrived.wait().await;
    awaited(request).await;
    let job = {
        let service = Data::clone(&service);
        async move {
            info!(request, "job");
            service.ask_inventory(request).await;
        }
    };
    rt::spawn(job.in_current_trace().in_current_span()).await.unwrap();
    rt::spawn(async { info!("outside") }).await.unwrap();
    let span = Span::current();
    web::block(move || span.in_scope(|| info!(request, "block"))).await.unwrap();
    service.ask_inventory(request).await;
    info!(request, "answered");
    HttpResponse::Ok().body(Streamed::new(request))
}

async fn stock(request: Path<usize>, service: Data<Service>) -> HttpResponse {
    info!(request = *request, "stock");
    service.all_arrived.wait().await;
    awaited(*request).await;
    HttpResponse::Ok().body(Streamed::new(*request))
}

/// Makes this program one of the services. The value is the URL of inventory, or empty for inventory itself.
const INVENTORY_IS_AT: &str = "TRACEHOP_TEST_INVENTORY";

/// Not a test, but a service in a process of its own. It prints its address, logs to standard error, and ends when its
/// standard input ends.
#[test]
fn service_process() {
    let Ok(inventory) = std::env::var(INVENTORY_IS_AT) else { return };
    let format = tracing_subscriber::fmt().json().with_span_events(FmtSpan::CLOSE);
    format.with_writer(std::io::stderr).init();
    let propagator = Propagator::builder().traces_sample_rate(1.0).build().unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let client = reqwest_middleware::ClientBuilder::new(client)
        .with(tracehop_reqwest::TracePropagation::new(propagator.clone()))
        .build();
    let all_arrived = Barrier::new(REQUESTS);
    let service = Data::new(Service { client, inventory, all_arrived });
    rt::System::new().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        println!("\nlistening on {}", listener.local_addr().unwrap());
        info!("outside");
        let server = HttpServer::new(move || {
            App::new()
                .app_data(Data::clone(&service))
                .route("/page/{request}", web::get().to(page))
                .route("/stock/{request}", web::get().to(stock))
                .wrap(tracehop_actix::TracePropagation::new(propagator.clone()))
        });
        let server = server.workers(2).listen(listener).unwrap().disable_signals().run();
        let handle = server.handle();
        rt::spawn(async move {
            let wait = || std::io::stdin().read_to_end(&mut Vec::new());
            rt::task::spawn_blocking(wait).await.unwrap().unwrap();
            info!("outside");
            handle.stop(true).await;
        });
        server.await.unwrap();
    });
}

/// A running service.
struct Running {
    child: Child,
    url: String,
    log: JoinHandle<Vec<String>>,
}

impl Running {
    fn start(inventory: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "--nocapture", "service_process"]).env(INVENTORY_IS_AT, inventory);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = std::thread::spawn(move || log.map(Result::unwrap).collect());
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address =
            output.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned)).unwrap();
        // The rest of the output needs a reader, or the service blocks when it writes.
        std::thread::spawn(move || output.for_each(drop));
        Self { child, url: format!("http://{address}"), log }
    }

    /// Stops the service. Returns all lines of its log.
    fn stop(mut self) -> Vec<Line> {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
        let lines = self.log.join().unwrap();
        lines.into_iter().map(Line::new).collect()
    }
}

/// A line of a log.
#[derive(Debug)]
struct Line {
    text: String,
    json: Value,
}

impl Line {
    fn new(text: String) -> Self {
        let json = serde_json::from_str(&text);
        assert!(json.is_ok(), "{text}");
        Self { text, json: json.unwrap() }
    }

    fn message(&self) -> &str {
        self.json["fields"]["message"].as_str().unwrap()
    }

    /// The trace ids of the spans that the line is in.
    fn trace_ids(&self) -> Vec<&str> {
        let spans = self.json["spans"].as_array().into_iter().flatten();
        spans.map(|span| span["trace_id"].as_str().unwrap()).collect()
    }

    /// Whether the line is the end of a span with this name.
    fn is_end_of(&self, span: &str) -> bool {
        self.message() == "close" && self.json["span"]["name"] == span
    }
}

/// Searches a log for each trace id, and checks that the search finds exactly the lines of its request.
fn check(log: &[Line], traces: &[PropagationContext], expected: &[&str]) {
    let of_requests = log.iter().filter(|line| !line.json["fields"]["request"].is_null());
    assert_eq!(of_requests.count(), traces.len() * expected.len());
    for (request, trace) in traces.iter().enumerate() {
        let trace_id = trace.trace_id().to_string();
        let found = log.iter().filter(|line| line.text.contains(&trace_id));
        let (ends, lines): (Vec<_>, Vec<_>) = found.partition(|line| line.message() == "close");
        assert_eq!(lines.iter().map(|line| line.message()).collect::<Vec<_>>(), expected);
        for line in lines {
            assert_eq!(line.json["fields"]["request"], request, "{}", line.text);
            assert_eq!(line.trace_ids(), [&trace_id], "{}", line.text);
        }
        for end in ends {
            assert_eq!(end.json["span"]["trace_id"], *trace_id, "{}", end.text);
            assert_eq!(end.json["span"]["status"], 200, "{}", end.text);
        }
    }
    for line in log.iter().filter(|line| line.message() == "outside") {
        assert!(line.json["spans"].is_null() && !line.text.contains("trace_id"), "{}", line.text);
    }
    assert!(log.iter().all(|line| !line.text.contains("secret")));
}

#[actix_web::test]
async fn trace_id_finds_log_lines_of_both_services() {
    let inventory = Running::start("");
    let storefront = Running::start(&inventory.url);
    let propagator = Propagator::builder().traces_sample_rate(1.0).build().unwrap();
    let traces: Vec<_> = (0..REQUESTS).map(|_| propagator.start_new_trace()).collect();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let client = Arc::new(client);
    let requests = traces.iter().enumerate().map(|(request, trace)| {
        let url = format!("{}/page/{request}?secret", storefront.url);
        let mut request = client.get(url).build().unwrap();
        tracehop_reqwest::inject(trace, &mut request);
        let client = Arc::clone(&client);
        rt::spawn(async move { client.execute(request).await.unwrap().text().await.unwrap() })
    });
    let requests: Vec<_> = requests.collect();
    for request in requests {
        let answer = tokio::time::timeout(TIMEOUT, request).await.unwrap();
        assert_eq!(answer.unwrap(), "xxx");
    }
    let log = web::block(|| [storefront.stop(), inventory.stop()]).await.unwrap();
    let [storefront, inventory] = &log;
    check(storefront, &traces, &STOREFRONT);
    check(inventory, &traces, &INVENTORY);
    let outside = |log: &[Line]| log.iter().filter(|line| line.message() == "outside").count();
    assert_eq!((outside(storefront), outside(inventory)), (REQUESTS + 2, 2));

    let ends = |log: &[Line], span| log.iter().filter(|line| line.is_end_of(span)).count();
    assert_eq!(ends(storefront, "http.server"), REQUESTS);
    assert_eq!(ends(storefront, "http.client"), 2 * REQUESTS);
    assert_eq!(ends(inventory, "http.server"), 2 * REQUESTS);
}
