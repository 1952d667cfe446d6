//! Thousands of concurrent requests, each in a trace of its own, through handlers that spawn, block, panic and so on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{Data, Path};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, rt, web};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tracehop::{InTrace as _, PropagationContext, Propagator};
use tracehop_actix::{Trace, TracePropagation};
use tracehop_reqwest::RequestBuilderExt as _;

const REQUESTS: usize = 3_000;

/// How many requests run at the same time: few enough for the limit of open files.
const AT_ONCE: usize = 128;

/// What the handler does; each request takes the next kind.
const KINDS: [&str; 8] =
    ["await", "spawn", "thread", "select", "timeout", "panic", "cancelled", "given"];

/// The trace of request number `n`.
fn trace_id(n: usize) -> String {
    format!("{:032x}", n + 1)
}

/// The baggage of request number `n`, with an item that no other request has.
fn baggage(n: usize) -> String {
    format!("sentry-trace_id={},sentry-sample_rand=0.5,sentry-n={n}", trace_id(n))
}

/// The calls that the service in the middle makes: the number of the request, `sentry-trace` and `baggage`.
#[derive(Default)]
struct Calls(Mutex<Vec<(usize, String, String)>>);

async fn record(n: Path<usize>, request: HttpRequest, calls: Data<Calls>) -> impl Responder {
    let header = |name| {
        let mut lines = request.headers().get_all(name).map(|line| line.to_str().unwrap());
        let line = lines.next().unwrap_or_default().to_owned();
        assert_eq!(lines.next(), None);
        line
    };
    calls.0.lock().unwrap().push((*n, header("sentry-trace"), header("baggage")));
    HttpResponse::Ok()
}

/// The service in the middle.
struct Middle {
    client: ClientWithMiddleware,
    calls_at: SocketAddr,
    /// For the kind `cancelled`, by number of the request: a sender for when the handler waits, and one for the trace
    /// that is current when the handler is dropped.
    waiting: Mutex<HashMap<usize, (oneshot::Sender<()>, oneshot::Sender<Option<String>>)>>,
}

impl Middle {
    fn request(&self, n: usize) -> reqwest_middleware::RequestBuilder {
        self.client.get(format!("http://{}/{n}", self.calls_at))
    }

    async fn call(&self, n: usize) {
        self.request(n).send().await.unwrap();
    }
}

fn current() -> Option<String> {
    PropagationContext::current().map(|context| context.trace_id().to_string())
}

/// Sends the trace that is current when it is dropped.
struct AtDrop(Option<oneshot::Sender<Option<String>>>);

impl Drop for AtDrop {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            let _ = sender.send(current());
        }
    }
}

async fn handle(
    path: Path<(String, usize)>,
    trace: Trace,
    middle: Data<Middle>,
) -> actix_web::Result<String> {
    let (kind, n) = path.into_inner();
    let own = Some(trace_id(n));
    assert_eq!(current(), own);
    middle.call(n).await;
    match &*kind {
        "await" => {
            tokio::join!(middle.call(n), middle.call(n));
        }
        "spawn" => {
            let other = Data::clone(&middle);
            rt::spawn(async move { other.call(n).await }.in_current_trace()).await.unwrap();
            assert_eq!(rt::spawn(async { current() }).await.unwrap(), None);
        }
        "thread" => {
            let context = trace.clone().into_inner();
            let seen = web::block(move || (current(), context.in_scope(current), current()));
            assert_eq!(seen.await.unwrap(), (None, own.clone(), None));
            middle.call(n).await;
        }
        "select" => {
            tokio::select! {
                () = std::future::pending() => (),
                () = middle.call(n) => (),
            }
        }
        "timeout" => {
            let call = async {
                middle.call(n).await;
                std::future::pending::<()>().await;
            };
            let _ = tokio::time::timeout(Duration::from_millis(20), call).await;
        }
        "panic" => panic!("on purpose"),
        "cancelled" => {
            let (waits, dropped) = middle.waiting.lock().unwrap().remove(&n).unwrap();
            let _dropped = AtDrop(Some(dropped));
            let _ = waits.send(());
            std::future::pending::<()>().await;
        }
        "given" => {
            let trace = trace.clone();
            let seen = rt::spawn(async move {
                middle.request(n).with_trace(&trace.child()).send().await.unwrap();
                current()
            });
            assert_eq!(seen.await.unwrap(), None);
        }
        _ => panic!("no such kind"),
    }
    assert_eq!(current(), own);
    Ok(trace_id(n))
}

/// A handler outside of the middleware, on the same workers: it must see no trace.
async fn outside() -> String {
    let before = current();
    tokio::task::yield_now().await;
    format!("{before:?} {:?}", current())
}

struct Servers {
    middle: SocketAddr,
    state: Data<Middle>,
    calls: Data<Calls>,
    handles: Vec<ServerHandle>,
}

impl Servers {
    fn start() -> Self {
        let calls = Data::new(Calls::default());
        let recorded = Data::clone(&calls);
        let server = HttpServer::new(move || {
            App::new().app_data(Data::clone(&recorded)).route("/{n}", web::get().to(record))
        });
        let server = server.workers(1).bind("127.0.0.1:0").unwrap();
        let calls_at = server.addrs()[0];
        let server = server.run();
        let mut handles = vec![server.handle()];
        rt::spawn(server);

        let propagator = Propagator::builder().traces_sample_rate(1.0).build().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let client = ClientBuilder::new(client)
            .with(tracehop_reqwest::TracePropagation::new(propagator.clone()))
            .build();
        let waiting = Mutex::default();
        let state = Data::new(Middle { client, calls_at, waiting });
        let shared = Data::clone(&state);
        let server = HttpServer::new(move || {
            let traced = web::scope("/in").wrap(TracePropagation::new(propagator.clone()));
            App::new()
                .app_data(Data::clone(&shared))
                .service(traced.route("/{kind}/{n}", web::get().to(handle)))
                .route("/out", web::get().to(outside))
        });
        let server = server.workers(4).bind("127.0.0.1:0").unwrap();
        let middle = server.addrs()[0];
        let server = server.run();
        handles.push(server.handle());
        rt::spawn(server);
        Self { middle, state, calls, handles }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for handle in &self.handles {
            drop(handle.stop(false));
        }
    }
}

/// Sends a request on a connection of its own.
async fn send(address: SocketAddr, path: &str, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    // A handler that panics closes the connection.
    let _ = stream.read_to_string(&mut answer).await;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// Makes request number `n` and checks what the caller sees.
async fn one(middle: SocketAddr, state: Data<Middle>, n: usize) {
    let kind = KINDS[n % KINDS.len()];
    let (path, id) = (format!("/in/{kind}/{n}"), trace_id(n));
    let headers = format!("sentry-trace: {id}-b72fa28504b07285-1\r\nbaggage: {}\r\n", baggage(n));
    let (waits, waiting) = oneshot::channel();
    let (at_drop, dropped) = oneshot::channel();
    if kind == "cancelled" {
        state.waiting.lock().unwrap().insert(n, (waits, at_drop));
        let stream = send(middle, &path, &headers).await;
        waiting.await.unwrap();
        // A reset: after a normal close the server may go on, as if only one direction was closed.
        stream.set_zero_linger().unwrap();
        drop(stream);
        assert_eq!(dropped.await.unwrap(), Some(id));
    } else {
        let body = answer(send(middle, &path, &headers).await).await;
        assert_eq!(body, if kind == "panic" { "" } else { &id }, "{path}");
    }
    if n.is_multiple_of(3) {
        assert_eq!(answer(send(middle, "/out", "").await).await, "None None");
    }
}

#[actix_web::test]
async fn concurrent_requests_keep_their_own_traces() {
    // The panics on purpose are not shown; there are hundreds.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some("on purpose") {
            usual(panic);
        }
    }));

    let servers = Servers::start();
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut requests = JoinSet::new();
    for n in 0..REQUESTS {
        let (permits, state) = (Arc::clone(&permits), Data::clone(&servers.state));
        let middle = servers.middle;
        requests.spawn(async move {
            let _permit = permits.acquire().await.unwrap();
            // A request that fails may leave its caller waiting without end.
            let one = tokio::time::timeout(Duration::from_secs(60), one(middle, state, n));
            one.await.unwrap_or_else(|_| panic!("request {n} is still not answered"));
        });
    }
    while let Some(request) = requests.join_next().await {
        request.unwrap();
    }

    let mut spans = HashMap::new();
    let mut counts = vec![0; REQUESTS];
    for (n, sentry_trace, line) in &*servers.calls.0.lock().unwrap() {
        assert!(sentry_trace.starts_with(&trace_id(*n)), "call of request {n}: {sentry_trace}");
        assert_eq!(*line, baggage(*n));
        counts[*n] += 1;
        // No two requests share a span.
        let owner = spans.insert(sentry_trace.clone(), *n);
        assert!(
            owner.is_none_or(|owner| owner == *n),
            "{sentry_trace} belongs to {owner:?} and {n}"
        );
    }
    for (n, count) in counts.into_iter().enumerate() {
        let kind = KINDS[n % KINDS.len()];
        let expected = match kind {
            "panic" | "cancelled" => 1,
            "await" => 3,
            _ => 2,
        };
        // A request with a timeout may make its second call or not.
        assert!(count == expected || kind == "timeout" && count == 1, "{kind}: {count}");
    }
    for _ in 0..64 {
        assert_eq!(answer(send(servers.middle, "/out", "").await).await, "None None");
    }
}
