//! The program itself, as a shell and CI see it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::*;

fn doctor(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doctor"));
    command.args(arguments);
    command
}

/// Runs it while the services of the test go on.
async fn run(mut command: Command) -> Output {
    web::block(move || command.output()).await.unwrap().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[actix_web::test]
async fn the_exit_status_says_fine_or_not_or_could_not_ask() {
    let inventory = Running::inventory();
    let storefront = Running::storefront(&inventory);
    let output = run(doctor(&[&storefront.url, "--json"])).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(json(&output)["fine"], true);

    let missing = format!("{}/missing", storefront.url);
    let output = run(doctor(&["--json", &missing])).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(json(&output)["checks"][0]["verdict"], "wrong");

    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    for (arguments, message) in [
        (&[&*url][..], "is the service running?"),
        (&[], "Usage:"),
        (&["localhost:8080"], "is neither http nor https"),
        (&["shop.example.com"], "give it whole"),
        (&["listen", "--listen", "nowhere"], "invalid socket address"),
        (&[&url, "--org-id", "acme"], "is a number of at most 20 digits"),
    ] {
        let output = run(doctor(arguments)).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(message), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
}

#[actix_web::test]
async fn colours_are_for_those_who_want_them() {
    let service = Running::answering(|_| HttpResponse::Ok().finish());
    for (variable, coloured) in [("NO_COLOR", false), ("CLICOLOR_FORCE", true), ("X", false)] {
        let mut command = doctor(&[&service.url]);
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env(variable, "1");
        let output = run(command).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("? continued"), "{text}");
        assert_eq!(text.contains('\x1b'), coloured, "{variable}: {text}");
    }
}

#[actix_web::test]
async fn one_call_is_enough_for_a_script() {
    let trace = "771a43a4192642f0b136d5159a501700-b72fa28504b07285-1";
    for (baggage, status) in [("sentry-trace_id=771a43a4192642f0b136d5159a501700", 0), ("x", 1)] {
        let mut command = doctor(&["listen", "--once", "--json"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let listening: Value = serde_json::from_str(&line).unwrap();
        let url = listening["listening"].as_str().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.get(url).header("sentry-trace", trace).header("baggage", baggage);
        assert_eq!(request.send().await.unwrap().status(), 200);
        let (exit, rest) = web::block(move || {
            let mut rest = String::new();
            stdout.read_to_string(&mut rest).unwrap();
            (child.wait().unwrap(), rest)
        })
        .await
        .unwrap();
        assert_eq!(exit.code(), Some(status), "{rest}");
        let report: Value = serde_json::from_str(&rest).unwrap();
        assert_eq!(report["fine"], status == 0);
    }
}
