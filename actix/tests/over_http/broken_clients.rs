//! Clients that disconnect or send malformed requests: they get the same answer as without the middleware, and the
//! server goes on.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tracehop_actix::{PropagationContext, TracePropagation};

use crate::{SENTRY_TRACE, Server, body, propagator, serve, status};

async fn echo(text: Bytes) -> Bytes {
    text
}

async fn current() -> String {
    format!("{:?}", PropagationContext::current())
}

/// A body without an end that reports when it is dropped.
struct Endless(Option<oneshot::Sender<()>>);

impl MessageBody for Endless {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(Some(Ok(Bytes::from_static(&[b'x'; 4096]))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            let _ = sender.send(());
        }
    }
}

/// The same server with the middleware and without.
fn servers() -> [Server; 2] {
    let propagator = propagator();
    let with = serve!(move || {
        let propagation = TracePropagation::new(propagator.clone());
        App::new()
            .route("/current", web::get().to(current))
            .service(web::resource("/echo").route(web::post().to(echo)).wrap(propagation))
    });
    let without = serve!(|| {
        App::new()
            .route("/current", web::get().to(current))
            .service(web::resource("/echo").route(web::post().to(echo)))
    });
    [with, without]
}

/// Returns the server's whole answer to these bytes. The client sends no more after them.
async fn answer(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // A server that refuses the start of a request may have closed the connection by now.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    answer.lines().filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("\n")
}

#[actix_web::test]
async fn malformed_requests_get_their_usual_answer() {
    let [with, without] = servers();
    let post = |rest: &str| format!("POST /echo HTTP/1.1\r\nhost: x\r\n{SENTRY_TRACE}\r\n{rest}");
    let close = "connection: close\r\n";
    let table = [
        String::new(),
        "\0\u{fffd} garbage\r\n\r\n".to_owned(),
        "POST".to_owned(),
        "POST /echo HTTP/9.9\r\n\r\n".to_owned(),
        "POST /echo HTTP/1.1\r\nhost: x\r\nno header\r\n\r\n".to_owned(),
        "POST /echo HTTP/1.0\r\n\r\n".to_owned(),
        post(""),
        post("baggage: sentry-a=1"),
        post(&format!("{close}content-length: 4\r\n\r\ntext")),
        post(&format!("{close}content-length: 9\r\n\r\ntext")),
        post(&format!("{close}content-length: -1\r\n\r\ntext")),
        post("content-length: 4\r\ncontent-length: 5\r\n\r\ntext"),
        post("content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        post(&format!("{close}transfer-encoding: chunked\r\n\r\nzz\r\n")),
        post(&format!("{close}transfer-encoding: chunked\r\n\r\n4\r\nte")),
        post(&format!("{close}transfer-encoding: chunked\r\n\r\n4\r\ntext\r\n0\r\n\r\n")),
        post(&format!("baggage: sentry-a={}\r\n\r\n", "x".repeat(1 << 20))),
        post(&"baggage: sentry-a=1\r\n".repeat(1_000)),
    ];
    for request in table {
        let shown = &request[..request.len().min(200)];
        assert_eq!(
            answer(&with, request.as_bytes()).await,
            answer(&without, request.as_bytes()).await,
            "{shown:?}"
        );
        let current = with.get("/current", &[]).await;
        assert_eq!((status(&current), body(&current)), ("200", "None"), "{shown:?}");
    }
}

#[actix_web::test]
async fn a_connection_reset_ends_only_its_own_response() {
    let dropped = Arc::new(Mutex::new(Vec::<oneshot::Sender<()>>::new()));
    let (propagator, senders) = (propagator(), Arc::clone(&dropped));
    let server = serve!(move || {
        let senders = Arc::clone(&senders);
        let endless = move || {
            let body = Endless(senders.lock().unwrap().pop());
            async { HttpResponse::Ok().body(body) }
        };
        App::new()
            .service(
                web::resource("/endless")
                    .route(web::get().to(endless))
                    .wrap(TracePropagation::new(propagator.clone())),
            )
            .route("/current", web::get().to(current))
    });
    for _ in 0..32 {
        let (sender, receiver) = oneshot::channel();
        dropped.lock().unwrap().push(sender);
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        stream.set_zero_linger().unwrap();
        drop(stream);
        receiver.await.unwrap();
        let current = server.get("/current", &[]).await;
        assert_eq!((status(&current), body(&current)), ("200", "None"));
    }
}
