//! The secret key of a DSN is not kept, so that no text can show it.

use std::error::Error;
use std::fmt::Write as _;

use tracehop::{Dsn, Propagator, Target};

use crate::{incoming, outgoing};

const SECRET: &str = "hush5ecret";

/// Returns all texts that are made from options with this DSN, well-formed or not.
fn all_texts(dsn: &str) -> String {
    let mut shown = String::new();
    write!(shown, "{:?}", dsn.parse::<Dsn>()).unwrap();
    if let Err(error) = dsn.parse::<Dsn>() {
        write!(shown, "{error} {:?}", error.source()).unwrap();
    }
    let builder = Propagator::builder()
        .dsn(dsn)
        .traces_sample_rate(1.0)
        .trace_propagation_targets([Target::host("api.example.com")])
        .propagate_traceparent(true);
    write!(shown, "{builder:?}").unwrap();
    let propagator = match builder.build() {
        Ok(propagator) => propagator,
        Err(error) => {
            write!(shown, "{error} {error:?} {} {:?}", error.value(), error.source()).unwrap();
            return shown;
        }
    };
    let refused = incoming("-1", "sentry-org_id=1");
    for context in [propagator.start_new_trace(), propagator.continue_trace(&refused)] {
        let (dsc, data) = (context.dsc(), context.trace_data());
        write!(shown, "{context:?} {:?} {dsc} {dsc:?} {data:?}", context.not_continued()).unwrap();
        write!(shown, "{} {:?}", data.server_timing(), outgoing(&context)).unwrap();
        let mut command = std::process::Command::new("job");
        context.inject(&mut command);
        write!(shown, "{command:?}").unwrap();
    }
    write!(shown, "{propagator:?}").unwrap();
    shown
}

#[test]
fn the_secret_of_a_dsn_appears_nowhere() {
    let dsns = [
        "https://key:{}@o42.ingest.sentry.io/1",
        "https://key:{}@o42.ingest.sentry.io/",
        "https://key:{}@/1",
        "https://:{}@o42.ingest.sentry.io/1",
        "https://k y:{}@o42.ingest.sentry.io/1",
        "https://key:{}:{}@o42.ingest.sentry.io/1",
        "https://key:{}@more@o42.ingest.sentry.io/1",
        "https://key:{}/@o42.ingest.sentry.io/1",
        "https://key:{}@o42.ingest.sentry.io:port/1",
        "ftp://key:{}@o42.ingest.sentry.io/1",
        " https://key:{}@o42.ingest.sentry.io/1",
        "key:{}@o42.ingest.sentry.io/1",
        "https:key:{}@o42.ingest.sentry.io/1",
        "https://key:{}",
        "https://o42.ingest.sentry.io/1?secret={}",
        "https://key@o42.ingest.sentry.io/1?secret={}",
        "https://key@o42.ingest.sentry.io/1#{}",
        "https://key@o42.ingest.sentry.io/{}/1",
        "{}",
    ];
    for dsn in dsns {
        let shown = all_texts(&dsn.replace("{}", SECRET));
        assert!(!shown.contains(SECRET), "{dsn}: {shown}");
    }
    let shown = all_texts("https://key:secret@o42.ingest.sentry.io/1");
    assert!(shown.contains("sentry-public_key=key"), "{shown}");
}
