//! The program: exit status, output and TLS.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::thread;

use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use super::*;

pub(crate) fn doctor(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracehop-doctor"));
    command.args(arguments);
    command
}

/// Runs the program without blocking the services of the test.
pub(crate) async fn run(mut command: Command) -> Output {
    web::block(move || command.output()).await.unwrap().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[actix_web::test]
async fn exit_status_tells_healthy_problem_and_unreachable_apart() {
    let inventory = Running::inventory();
    let storefront = Running::storefront(&inventory);
    let output = run(doctor(&[&storefront.url, "--json"])).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(json(&output)["fine"], true);

    let missing = format!("{}/missing", storefront.url);
    let output = run(doctor(&["--json", &missing])).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(json(&output)["checks"][0]["verdict"], "wrong");

    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
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
async fn colours_follow_the_environment() {
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

/// Starts a service over TLS for `localhost` that answers this number of callers with 204. Returns its URL and the
/// certificate.
fn with_certificate(callers: usize) -> (String, String) {
    let authority = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(authority.signing_key.serialize_der());
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![authority.cert.der().clone()], key.into())
            .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for stream in listener.incoming().take(callers) {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = BufReader::new(StreamOwned::new(connection, stream.unwrap()));
            let mut line = String::new();
            // A caller that does not trust the certificate closes the connection here.
            while stream.read_line(&mut line).is_ok_and(|bytes| bytes > 2) {
                line.clear();
            }
            let _ =
                stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
        }
    });
    (url, authority.cert.pem())
}

#[actix_web::test]
async fn tls_certificates_of_the_machine_are_trusted() {
    let (url, certificate) = with_certificate(2);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(certificate.as_bytes()).unwrap();
    let mut command = doctor(&["--json", &url]);
    command.env("SSL_CERT_FILE", file.path()).env_remove("SSL_CERT_DIR");
    let output = run(command).await;
    // Trusted, and no page.
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(json(&output)["subject"], format!("GET {url} answered 204 No Content"));

    let (other, _) = with_certificate(1);
    let mut command = doctor(&[&other]);
    command.env("SSL_CERT_FILE", file.path()).env_remove("SSL_CERT_DIR");
    let output = run(command).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("SSL_CERT_FILE") && stderr.contains("--insecure"), "{stderr}");

    let (other, _) = with_certificate(2);
    let output = run(doctor(&[&other, "--insecure"])).await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

#[actix_web::test]
async fn headers_and_redirects_are_options_and_passwords_are_secret() {
    let service = Running::answering(|request| {
        let has_key = request.headers().get("x-key").is_some_and(|key| key == "open");
        match request.path() {
            _ if !has_key => HttpResponse::Unauthorized().finish(),
            "/" => HttpResponse::Found().insert_header(("location", "/page")).finish(),
            _ => crate::ask::good_page(&request),
        }
    });
    let url = service.url.replace("http://", "http://user:hush@");
    for (arguments, status) in [
        (&[&*url][..], 1),
        (&[&url, "-H", "x-key: open"], 1),
        (&[&url, "--follow"], 1),
        (&[&url, "--follow", "-H", "x-key: open"], 0),
        (&[&url, "-H", "x-key"], 2),
    ] {
        let output = run(doctor(arguments)).await;
        assert_eq!(output.status.code(), Some(status), "{arguments:?} {output:?}");
        let text = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&text).contains("hush"), "{arguments:?}");
    }
}

#[actix_web::test]
async fn redirects_take_no_headers_elsewhere_and_keep_the_query() {
    let elsewhere = Running::answering(|request| {
        assert!(!request.headers().contains_key("x-key"));
        assert!(request.query_string().contains("tracehop-doctor="), "{}", request.uri());
        crate::ask::good_page(&request)
    });
    let to = elsewhere.url.clone();
    let service = Running::start(|listener| {
        let app = move || {
            let to = to.clone();
            App::new().default_service(web::to(move |request: HttpRequest| {
                assert!(request.headers().contains_key("x-key"));
                let to = to.clone();
                async move { HttpResponse::Found().insert_header(("location", to)).finish() }
            }))
        };
        HttpServer::new(app).workers(1).listen(listener).unwrap().run()
    });
    let output = run(doctor(&[&service.url, "--follow", "-H", "x-key: secret"])).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[actix_web::test]
async fn listen_once_exits_after_one_call() {
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
