//! Names of transactions, as the DSC has them and the sampler sees them.

use std::sync::{Arc, Mutex};

use actix_files::Files;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::{Next, NormalizePath, from_fn};
use actix_web::{App, Error, HttpResponse, guard, web};
use tracehop_actix::tracehop::{Propagator, SamplingContext};
use tracehop_actix::{PropagationContext, Trace, TracePropagation};

use crate::{Server, header_lines, options, serve};

const NAME: HeaderName = HeaderName::from_static("x-name");

/// The names that a sampler saw.
type Seen = Arc<Mutex<Vec<Option<String>>>>;

fn sampling(seen: &Seen) -> Propagator {
    let seen = Arc::clone(seen);
    let sampler = move |trace: &SamplingContext<'_>| {
        seen.lock().unwrap().push(trace.name().map(str::to_owned));
        1.0
    };
    options().traces_sampler(sampler).build().unwrap()
}

/// Puts the name in the DSC into a header of the response. This freezes the DSC, as an outgoing request does.
async fn show(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let trace = PropagationContext::current().unwrap();
    if let Some(name) = trace.dsc().transaction() {
        response.headers_mut().insert(NAME, HeaderValue::from_str(&name).unwrap());
    }
    Ok(response)
}

async fn plain() -> HttpResponse {
    HttpResponse::Ok().finish()
}

async fn with_trace(_: Trace) -> HttpResponse {
    HttpResponse::Ok().finish()
}

/// Checks the name of each path. The sampler saw the same one.
async fn assert_names(server: &Server, seen: &Seen, table: &[(&str, Option<&str>)]) {
    for (path, name) in table {
        let response = server.get(path, &[]).await;
        let names = header_lines(&response, "x-name");
        assert_eq!(names, name.iter().copied().collect::<Vec<_>>(), "{path}");
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        assert_eq!(seen, [name.map(str::to_owned)], "{path}");
    }
}

#[actix_web::test]
async fn names_are_patterns_or_none() {
    let seen = Seen::default();
    let propagator = sampling(&seen);
    let server = serve!(move || {
        App::new()
            .wrap(from_fn(show))
            .wrap(TracePropagation::new(propagator.clone()))
            .service(web::redirect("/old/{id}", "/new"))
            .service(
                web::scope("/a")
                    .service(web::scope("/{b}").route("/c/{d}", web::get().to(plain)))
                    .route("", web::get().to(plain))
                    .default_service(web::to(plain)),
            )
            .service(web::scope("/n").service(web::scope("").route("/e", web::get().to(plain))))
            .service(web::resource("/r/{one}").guard(guard::Post()).route(web::post().to(plain)))
            .service(web::resource("/r/{two}").guard(guard::Get()).to(with_trace))
            .service(Files::new("/files", env!("CARGO_MANIFEST_DIR")))
            .default_service(web::to(plain))
    });
    let table = [
        ("/old/7", Some("GET /old/{id}")),
        ("/a/7/c/8?e=9", Some("GET /a/{b}/c/{d}")),
        ("/n/e", Some("GET /n/e")),
        ("/a", Some("GET /a")),
        ("/a/no/such/page", None),
        ("/r/7", Some("GET /r/{two}")),
        ("/files/Cargo.toml", Some("GET /files")),
        ("/no/such/page", None),
        ("//", None),
    ];
    assert_names(&server, &seen, &table).await;
}

#[actix_web::test]
async fn files_at_the_root_have_no_name() {
    let seen = Seen::default();
    let propagator = sampling(&seen);
    let server = serve!(move || {
        App::new()
            .wrap(from_fn(show))
            .wrap(TracePropagation::new(propagator.clone()))
            .route("/users/{id}", web::get().to(plain))
            .service(Files::new("/", env!("CARGO_MANIFEST_DIR")))
    });
    let table = [
        ("/users/7", Some("GET /users/{id}")),
        ("/Cargo.toml", None),
        ("/src/lib.rs", None),
        ("/secret", None),
    ];
    assert_names(&server, &seen, &table).await;
}

#[actix_web::test]
async fn normalized_paths_are_named_by_their_route() {
    let seen = Seen::default();
    let (outside, inside) = (sampling(&seen), sampling(&seen));
    let outside = serve!(move || {
        App::new()
            .wrap(from_fn(show))
            .wrap(TracePropagation::new(outside.clone()))
            .wrap(NormalizePath::trim())
            .route("/users/{id}", web::get().to(plain))
    });
    let inside = serve!(move || {
        App::new()
            .wrap(from_fn(show))
            .wrap(NormalizePath::trim())
            .wrap(TracePropagation::new(inside.clone()))
            .route("/users/{id}", web::get().to(plain))
            .route("/trace/{id}", web::get().to(with_trace))
    });
    let table = [("/users/7/", Some("GET /users/{id}")), ("//users//7", Some("GET /users/{id}"))];
    assert_names(&outside, &seen, &table).await;
    // The middleware sees the path before it is normalized. The extractor asks for the route again.
    let table = [
        ("/users/7", Some("GET /users/{id}")),
        ("/users/7/", None),
        ("/trace/7/", Some("GET /trace/{id}")),
        ("//trace//7", Some("GET /trace/{id}")),
    ];
    assert_names(&inside, &seen, &table).await;
}
