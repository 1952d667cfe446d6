//! A server that records the requests that it gets.

use std::sync::Mutex;

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, web};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::{Running, client};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    /// The only line of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.iter().filter(|(given, _)| given == name);
        let (_, line) = lines.next()?;
        assert_eq!(lines.next(), None, "{name} was sent more than once");
        Some(line)
    }

    /// The dynamic sampling context, in the form of an envelope's header. Not read by this library, because it is what
    /// the library's results are compared with.
    pub(crate) fn dsc(&self) -> Value {
        let members = self.header("baggage").unwrap_or_default().split(',');
        let own =
            members.filter_map(|member| member.trim().strip_prefix("sentry-")?.split_once('='));
        let decoded = |text| percent_decode_str(text).decode_utf8().unwrap().into_owned();
        let items = own.map(|(name, value)| (name.to_owned(), decoded(value).into()));
        let items = Map::from_iter(items);
        if items.is_empty() { Value::Null } else { items.into() }
    }
}

type Log = Data<Mutex<Vec<Seen>>>;

/// A proxy in front of a service, or a stand-in for one, that records its requests.
pub(crate) struct Wire {
    running: Running,
    log: Log,
}

impl Wire {
    /// Forwards all requests to a service.
    pub(crate) fn to(service: String) -> Self {
        Self::start(Some(service))
    }

    /// Answers all requests with an empty list.
    pub(crate) fn stand_in() -> Self {
        Self::start(None)
    }

    fn start(service: Option<String>) -> Self {
        let log = Log::default();
        let (seen, service) = (Data::clone(&log), Data::new(service));
        let running = Running::start(|listener| {
            let server = HttpServer::new(move || {
                App::new()
                    .app_data(Data::clone(&seen))
                    .app_data(Data::clone(&service))
                    .app_data(Data::new(client()))
                    .default_service(web::to(forward))
            });
            server.workers(1).listen(listener).unwrap().run()
        });
        Self { running, log }
    }

    pub(crate) fn url(&self) -> String {
        self.running.url()
    }

    /// The requests since the last call of this function.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

async fn forward(
    request: HttpRequest,
    body: Bytes,
    log: Log,
    service: Data<Option<String>>,
    client: Data<reqwest::Client>,
) -> impl Responder {
    let headers = request.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let seen = Seen {
        path: request.path().to_owned(),
        headers: headers.collect(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    log.lock().unwrap().push(seen.clone());
    let Some(service) = service.get_ref() else {
        return HttpResponse::Ok().content_type("application/json").body("[]");
    };
    let method = request.method().as_str().parse().unwrap();
    let mut forwarded = client.request(method, format!("{service}{}", seen.path)).body(body);
    for (name, value) in seen.headers.iter().filter(|(name, _)| name != "host") {
        forwarded = forwarded.header(name, value);
    }
    let answer = forwarded.send().await.unwrap();
    let mut response = HttpResponse::build(answer.status().as_u16().try_into().unwrap());
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
        response.append_header((name.as_str(), value.as_bytes()));
    }
    response.body(answer.bytes().await.unwrap())
}
