//! Checks the headers of a running service.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use actix_web::rt;
use clap::{Args, Parser, Subcommand};
use serde_json::json;
use tokio::sync::mpsc::unbounded_channel;
use tracehop_doctor::{self as doctor, Question, Report};
use ureq::http::{HeaderName, HeaderValue};
use url::Url;

/// Checks that a service continues incoming traces, and hands them on
///
/// Exit status: 0 healthy, 1 problems found, 2 service unreachable or invalid arguments, 3 no trace visible from
/// outside, such as in a response that is no page.
///
/// The URL is requested twice, with a query of its own: a cache shows the trace to visitors only if it ignores queries.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The URL of the page to request, with a new trace
    #[arg(required = true, value_parser = web_url)]
    url: Option<Url>,
    /// The origin of pages that call the service from a browser, such as `https://shop.example.com`
    #[arg(long, value_parser = web_url)]
    origin: Option<Url>,
    /// The id of the Sentry organisation of the trace, for a service with strict continuation
    #[arg(long, value_name = "NUMBER")]
    org_id: Option<String>,
    /// Send a header, such as `Authorization: Bearer …`; several are allowed
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Follow redirects
    #[arg(long)]
    follow: bool,
    /// Request the URL as it is, without a query of its own: a cache may keep the trace
    #[arg(long)]
    exact: bool,
    /// Accept invalid certificates
    #[arg(long)]
    insecure: bool,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Serve an endpoint that explains the headers of incoming requests
    Listen(Listen),
}

#[derive(Args)]
struct Listen {
    /// The address to listen on; port 0 takes a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Stop after the first call
    #[arg(long)]
    once: bool,
}

/// The exit status if nothing could be checked.
const UNREACHABLE: u8 = 2;

/// The exit status if no trace is visible in the response.
const UNSEEN: u8 = 3;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match (arguments.command, arguments.url) {
        (Some(Command::Listen(options)), _) => listen(&options, arguments.json).map(exit_code),
        (None, Some(url)) => {
            let question = Question {
                url,
                is_exact: arguments.exact,
                headers: arguments.headers.into_iter().collect(),
                follows_redirects: arguments.follow,
                accepts_invalid_certificates: arguments.insecure,
                origin: arguments.origin,
                org_id: arguments.org_id,
            };
            doctor::ask(&question).map(|report| {
                show(&report, arguments.json);
                if report.is_fine() && report.has_unseen() {
                    return ExitCode::from(UNSEEN);
                }
                exit_code(report.is_fine())
            })
        }
        // Clap refuses this.
        (None, None) => Ok(ExitCode::FAILURE),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("tracehop-doctor: {error:#}");
            ExitCode::from(UNREACHABLE)
        }
    }
}

fn exit_code(is_fine: bool) -> ExitCode {
    if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Reads a header as curl takes it.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header is `Name: value`")?;
    let name = name.trim().parse().map_err(|_| "the name is malformed")?;
    let value = value.trim().parse().map_err(|_| "the value is malformed")?;
    Ok((name, value))
}

/// Listens until the process is stopped, or until the first call. Returns whether all calls were fine.
fn listen(options: &Listen, json: bool) -> anyhow::Result<bool> {
    rt::System::new().block_on(async {
        let listener = TcpListener::bind(options.listen)?;
        let url = format!("http://{}", listener.local_addr()?);
        let (sender, mut reports) = unbounded_channel();
        let server = doctor::serve(listener, sender)?;
        let handle = server.handle();
        let server = rt::spawn(server);
        if json {
            print(&json!({ "listening": url }).to_string());
        } else {
            print(&format!("doctor listening on {url}"));
        }
        let mut is_fine = true;
        while let Some(report) = reports.recv().await {
            show(&report, json);
            is_fine &= report.is_fine();
            if options.once {
                handle.stop(true).await;
                break;
            }
        }
        server.await??;
        Ok(is_fine)
    })
}

/// Prints a report as a line of JSON or as text.
fn show(report: &Report, json: bool) {
    if json {
        print(&report.to_json().to_string());
    } else {
        print(&report.to_text());
    }
}

/// Prints text. Colours are removed unless standard output is a terminal with colours and NO_COLOR is not set.
fn print(text: &str) {
    // The reader may have closed the pipe, as `head` does. The exit status still counts.
    let _ = writeln!(anstream::stdout(), "{text}");
}

fn web_url(text: &str) -> Result<Url, String> {
    const FORM: &str = "give it whole, such as https://shop.example.com";
    let url = Url::parse(text).map_err(|error| format!("{error}: {FORM}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{:?} is neither http nor https: {FORM}", url.scheme()));
    }
    Ok(url)
}
