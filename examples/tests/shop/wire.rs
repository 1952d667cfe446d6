//! What is on the wire.

use std::sync::Mutex;

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, web};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::{Running, client};

/// A request as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    /// The header's only line.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.iter().filter(|(given, _)| given == name);
        let (_, line) = lines.next()?;
        assert_eq!(lines.next(), None, "{name} was sent more than once");
        Some(line)
    }

    /// The dynamic sampling context as an envelope has it. Not read with this library: it is what that is compared
    /// with.
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

/// Stands before a service, or instead of one, and remembers what it is asked.
pub(crate) struct Wire {
    running: Running,
    log: Log,
}

impl Wire {
    /// Hands everything on to a service.
    pub(crate) fn to(service: String) -> Self {
        Self::start(Some(service))
    }

    /// Answers everything with an empty list.
    pub(crate) fn to_nobody() -> Self {
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
                    .default_service(web::to(hand_on))
            });
            server.workers(1).listen(listener).unwrap().run()
        });
        Self { running, log }
    }

    pub(crate) fn url(&self) -> String {
        self.running.url()
    }

    /// What was asked since this was last called.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

async fn hand_on(
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
    let mut onward = client.request(method, format!("{service}{}", seen.path)).body(body);
    for (name, value) in seen.headers.iter().filter(|(name, _)| name != "host") {
        onward = onward.header(name, value);
    }
    let answer = onward.send().await.unwrap();
    let mut response = HttpResponse::build(answer.status().as_u16().try_into().unwrap());
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
        response.append_header((name.as_str(), value.as_bytes()));
    }
    response.body(answer.bytes().await.unwrap())
}
