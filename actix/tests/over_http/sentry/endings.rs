//! How a transaction ends.

use std::convert::Infallible;

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, error, guard};
use futures_util::stream;
use sentry_core::Hub;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tracehop_actix::{Trace, TracePropagation};
use tracehop_envelopes::Sent;

use super::{bind, capture, fine, options, recording, sampling, transactions};
use crate::serve;

fn ending(sent: &[Sent]) -> (String, String) {
    let transactions = transactions(sent);
    let [transaction] = &*transactions else { panic!("one transaction: {sent:#?}") };
    let name = transaction.payload["transaction"].as_str().unwrap();
    (name.to_owned(), transaction.trace("status").to_owned())
}

#[actix_web::test]
async fn transactions_have_route_name_and_response_status() {
    let (propagator, envelopes, client) = recording(options(), sampling());
    let server = serve!(move || {
        bind(&client);
        let with_status = async |code: web::Path<u16>| {
            HttpResponse::build(StatusCode::from_u16(*code).unwrap()).finish()
        };
        let named = async |trace: Trace| {
            trace.set_transaction("checkout");
            fine().await
        };
        App::new()
            .wrap_fn(|request, service| {
                use actix_web::dev::Service as _;
                let fails = request.path() == "/refused";
                let response = service.call(request);
                async move {
                    if fails { Err(error::ErrorTooManyRequests("busy")) } else { response.await }
                }
            })
            .wrap(TracePropagation::new(propagator.clone()))
            .route("/status/{code}", web::get().to(with_status))
            .route("/named", web::get().to(named))
            .route("/any/{id}", web::to(fine))
            .service(
                web::resource("/guarded/{one}").guard(guard::Post()).route(web::post().to(fine)),
            )
            .service(web::resource("/guarded/{two}").guard(guard::Get()).route(web::get().to(fine)))
    });
    for (method, path, name, expected) in [
        ("GET", "/status/200", "GET /status/{code}", "ok"),
        ("GET", "/status/302", "GET /status/{code}", "ok"),
        ("GET", "/status/503", "GET /status/{code}", "unavailable"),
        ("GET", "/named", "checkout", "ok"),
        ("GET", "/guarded/1", "GET /guarded/{two}", "ok"),
        ("GET", "/no/such/page", "GET <none>", "not_found"),
        ("GET", "/refused", "GET <none>", "resource_exhausted"),
        ("EVIL", "/any/1", "_OTHER /any/{id}", "ok"),
    ] {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        server.send(request.as_bytes()).await;
        let ending = ending(&envelopes.take());
        assert_eq!(ending, (name.to_owned(), expected.to_owned()), "{path}");
    }
}

#[actix_web::test]
async fn streamed_bodies_are_part_of_the_transaction() {
    let (propagator, envelopes, client) = recording(options(), sampling());
    let server = serve!(move || {
        bind(&client);
        let handler = async |end: web::Path<String>| {
            Hub::current().configure_scope(|scope| scope.set_tag("end", &end));
            let chunks = stream::unfold(0, move |n| {
                let end = end.clone();
                async move {
                    let chunk = match (n, &*end) {
                        (0..3, _) => Ok(Bytes::from_static(b"x")),
                        (3, "broken") => Err(error::ErrorInternalServerError("broken")),
                        _ => return None,
                    };
                    capture("streaming");
                    Some((chunk, n + 1))
                }
            });
            HttpResponse::Accepted().streaming(chunks)
        };
        App::new()
            .wrap(TracePropagation::new(propagator.clone()))
            .route("/{end}", web::get().to(handler))
    });
    for (path, errors, expected) in [("/whole", 3, "ok"), ("/broken", 4, "internal_error")] {
        server.get(path, &[]).await;
        let sent = envelopes.take();
        assert_eq!(ending(&sent), ("GET /{end}".to_owned(), expected.to_owned()));
        assert_eq!(sent.len(), errors + 1);
        // The transaction is sent after its errors, and has the same span id.
        let last = &sent[errors];
        assert!(last.is_transaction());
        assert!(sent.iter().all(|sent| sent.trace("span_id") == last.trace("span_id")));
        assert!(sent.iter().all(|sent| sent.payload["tags"]["end"] == path[1..]));
    }
}

/// Reports when a request begins, and when its scope is dropped.
#[derive(Clone)]
struct Witness {
    begun: mpsc::UnboundedSender<()>,
    gone: mpsc::UnboundedSender<()>,
}

/// Reports when it is dropped.
struct Dropped(mpsc::UnboundedSender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

impl Witness {
    /// Reports the request whose handler calls this. Its scope is dropped after its transaction has ended.
    fn see(&self) {
        let dropped = Dropped(self.gone.clone());
        Hub::current().configure_scope(|scope| {
            scope.add_event_processor(move |event| {
                let _ = &dropped;
                Some(event)
            });
        });
        self.begun.send(()).unwrap();
    }
}

#[actix_web::test]
async fn abandoned_requests_end_their_transaction() {
    let (propagator, envelopes, client) = recording(options(), sampling());
    let (begun, mut has_begun) = mpsc::unbounded_channel();
    let (gone, mut is_gone) = mpsc::unbounded_channel();
    let witness = Data::new(Witness { begun, gone });
    let server = serve!(move || {
        bind(&client);
        let pending = async |witness: Data<Witness>| {
            witness.see();
            std::future::pending::<HttpResponse>().await
        };
        let endless = async |witness: Data<Witness>| {
            witness.see();
            let chunk = || Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 4096]));
            HttpResponse::Ok().streaming(stream::repeat_with(chunk))
        };
        let panicking = async |witness: Data<Witness>| -> HttpResponse {
            witness.see();
            panic!("on purpose")
        };
        App::new()
            .app_data(Data::clone(&witness))
            .wrap(TracePropagation::new(propagator.clone()))
            .route("/pending", web::get().to(pending))
            .route("/endless", web::get().to(endless))
            .route("/panicking", web::get().to(panicking))
    });
    for (path, expected) in
        [("/pending", "cancelled"), ("/endless", "cancelled"), ("/panicking", "internal_error")]
    {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        has_begun.recv().await.unwrap();
        stream.set_zero_linger().unwrap();
        drop(stream);
        is_gone.recv().await.unwrap();
        assert_eq!(ending(&envelopes.take()), (format!("GET {path}"), expected.to_owned()));
    }
}
