//! A trace in the environment of a process. The test starts itself again as its own child.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::env;
use std::process::Command;

use tracehop::{Environment, Propagator};

const ROLE: &str = "TRACEHOP_TEST_CHILD";

#[test]
fn child_processes_continue_the_trace() {
    let propagator =
        Propagator::builder().release("shop@1.4.0").traces_sample_rate(1.0).build().unwrap();
    if env::var_os(ROLE).is_some() {
        let ours = Propagator::from_env().unwrap().start_new_trace();
        println!("OPTIONS {:?} {:?}", ours.dsc().release(), ours.sampled());
        let context = propagator.continue_trace(&Environment::current());
        println!(
            "CHILD {} {:?} {:?} {}",
            context.trace_id(),
            context.parent_span_id(),
            context.sampled(),
            context.dsc().as_str()
        );
        return;
    }

    let context = propagator.start_new_trace();
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "child_processes_continue_the_trace", "--nocapture"]).env(ROLE, "1");
    child.env("SENTRY_RELEASE", "job@7").env("SENTRY_TRACES_SAMPLE_RATE", "0");
    context.inject(&mut child);
    let output = child.output().unwrap();
    assert!(output.status.success());
    let stdout = String::from_utf8(output.stdout).unwrap();
    let expected = format!(
        "CHILD {} {:?} {:?} {}",
        context.trace_id(),
        Some(context.span_id()),
        Some(true),
        context.dsc().as_str()
    );
    assert!(stdout.contains(&expected), "{stdout}");
    assert!(stdout.contains("OPTIONS Some(\"job@7\") Some(false)"), "{stdout}");
}

#[test]
fn empty_environments_start_a_new_trace() {
    let context = Propagator::builder().build().unwrap().continue_trace(&Environment::default());
    assert!(!context.is_continued());
}
