//! The set-up of a process: its main hub, before and after `sentry::init`. One test, as there is one main hub.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use sentry::{ClientOptions, Hub, Level};
use tracehop::hop::ServerHop;
use tracehop::recorder::IncomingRequest;
use tracehop::{BuildErrorKind, Propagator};
use tracehop_envelopes::Capture;

struct Get;

impl IncomingRequest for Get {
    fn method(&self) -> &str {
        "GET"
    }

    fn route(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("/users/{id}"))
    }

    fn url(&self) -> String {
        "https://shop.example.com/users/7".to_owned()
    }
}

/// Answers a request on the current thread.
fn request(propagator: &Propagator) {
    let headers = std::collections::HashMap::<String, String>::new();
    let hop = ServerHop::start(propagator, None, &headers, &Get);
    hop.run(|| Hub::current().capture_message("boom", Level::Error));
    hop.finish();
}

const KEY: &str = "49d0f7386ad645858ae85020e393bef3";

#[test]
fn workers_started_before_the_sdk_share_its_options() {
    let sent = Capture::default();
    let mut options = ClientOptions::new()
        .dsn(&format!("https://{KEY}@o7.ingest.sentry.io/42"))
        .release("shop@1.4.0")
        .traces_sample_rate(0.25)
        .transport(Arc::new(sent.clone()));
    let builder = tracehop_sentry::propagator_builder(&mut options);

    let differs = builder.clone().environment("staging").build().unwrap_err();
    // The SDK's default in a debug build.
    let of_sdk = BuildErrorKind::Sdk { value: "development".to_owned() };
    assert_eq!((differs.option(), differs.kind()), ("environment", &of_sdk));
    let propagator = builder.environment("development").build().unwrap();

    // The worker's thread runs before the SDK does.
    let (to_worker, requests) = std::sync::mpsc::channel::<()>();
    let (done, answers) = std::sync::mpsc::channel::<()>();
    let of_worker = propagator.clone();
    let worker = std::thread::spawn(move || {
        let propagator = ServerHop::propagator_for_worker(&of_worker);
        for () in requests {
            request(&propagator);
            done.send(()).unwrap();
        }
    });
    let ask = || {
        to_worker.send(()).unwrap();
        answers.recv().unwrap();
    };
    ask();
    assert!(sent.take().is_empty());

    let guard = sentry::init(options);
    let mut sampled = 0;
    for _ in 0..400 {
        ask();
        let envelopes = sent.take();
        let error = envelopes.iter().find(|sent| !sent.is_transaction()).unwrap();
        let dsc = &error.headers["trace"];
        assert_eq!(dsc["environment"], error.payload["environment"]);
        assert_eq!(dsc["release"], error.payload["release"]);
        assert_eq!((&dsc["public_key"], &dsc["org_id"]), (&KEY.into(), &"7".into()));
        assert_eq!(dsc["sample_rate"], "0.25");
        sampled += envelopes.iter().filter(|sent| sent.is_transaction()).count();
    }
    // Five standard deviations of a binomial distribution around 100 are 43.
    assert!((57..=143).contains(&sampled), "{sampled}");

    drop(to_worker);
    worker.join().unwrap();
    assert!(guard.flush(Some(Duration::ZERO)));
}
