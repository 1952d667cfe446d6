//! Checks the headers of a running service.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use actix_web::rt;
use clap::{Args, Parser, Subcommand};
use serde_json::json;
use tokio::sync::mpsc::unbounded_channel;
use tracehop_doctor::{self as doctor, Question, Report};
use url::Url;

/// Checks that a service continues its traces, and hands them on
///
/// Exits with 0 if nothing is to be mended, with 1 if something is, and with 2 if that could not be found out.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The page to ask for, with a trace of its own
    #[arg(required = true, value_parser = web_url)]
    url: Option<Url>,
    /// The origin of pages that call the service from a browser, such as `https://shop.example.com`
    #[arg(long, value_parser = web_url)]
    origin: Option<Url>,
    /// The Sentry organisation that the trace is to belong to, for a service with strict continuation
    #[arg(long, value_name = "NUMBER")]
    org_id: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Be an endpoint to call, which explains the headers that arrive
    Listen(Listen),
}

#[derive(Args)]
struct Listen {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Stop after the first call
    #[arg(long)]
    once: bool,
}

/// Neither fine nor found wrong.
const COULD_NOT: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let is_fine = match (arguments.command, arguments.url) {
        (Some(Command::Listen(options)), _) => listen(&options, arguments.json),
        (None, Some(url)) => {
            let question = Question { url, origin: arguments.origin, org_id: arguments.org_id };
            doctor::ask(&question).map(|report| {
                show(&report, arguments.json);
                report.is_fine()
            })
        }
        // Clap has refused this.
        (None, None) => Ok(false),
    };
    match is_fine {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            anstream::eprintln!("doctor: {error:#}");
            ExitCode::from(COULD_NOT)
        }
    }
}

/// Listens until it is stopped, or to the first call.
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

/// A line of JSON, or a text.
fn show(report: &Report, json: bool) {
    if json {
        print(&report.to_json().to_string());
    } else {
        print(&report.to_text());
    }
}

/// With its colours, if it goes to a terminal that has them and nobody said NO_COLOR.
fn print(text: &str) {
    // Whoever reads along may stop to, as `head` does: the exit status still counts.
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
