//! `cargo xtask demo`: two services, a browser, and the trace that goes through them.

mod screenshots;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::chromium::{self, Chromium};
use crate::collector::Collector;
use crate::executables::Executables;
use crate::interrupt;
use crate::process::Process;
use crate::service::Service;
use crate::shop::elsewhere::Elsewhere;
use crate::shop::{Shop, wait};
use crate::workspace::Workspace;

const PACKAGE: &str = "tracehop-examples";

/// Run two services, load a page from them and show the trace.
///
/// Builds and starts the example services, and a collector of what their SDKs send. Loads the storefront's page in a
/// headless Chromium, waits until the trace is whole and prints its tree. Serves until ctrl-c. Without Chromium, open
/// the page in a browser of your own. The services also send to what SENTRY_DSN and SENTRY_SPOTLIGHT name.
#[derive(Debug, Default, Args)]
pub(crate) struct Demo {
    /// Stop after printing the tree. Needs Chromium.
    #[arg(long)]
    pub(crate) once: bool,

    /// The port of the storefront. The inventory gets the next one, the collector the one after that. Free ports by
    /// default.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..65_534))]
    pub(crate) port: Option<u16>,

    /// Write screenshots of the trace into this folder: light, dark and narrow. Needs Chromium and Node.js.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) screenshots: Option<PathBuf>,

    /// Whether to send nothing to what SENTRY_DSN and SENTRY_SPOTLIGHT name.
    #[arg(skip)]
    pub(crate) sends_nowhere_else: bool,
}

impl Demo {
    pub(crate) fn run(self) -> Result<()> {
        // Before the build, because it takes no time and may fail.
        let chromium = chromium::find()?;
        if chromium.is_none() && (self.once || self.screenshots.is_some()) {
            bail!("no Chromium found: {}", chromium::HOW_TO_GET);
        }

        let workspace = Workspace::load()?;
        let executables = Executables::build(&workspace, &[PACKAGE], &["--bins"])?;
        let elsewhere = if self.sends_nowhere_else {
            Elsewhere::default()
        } else {
            Elsewhere::of_environment()
        };
        let collector = executables.command("collector")?;
        let port = self.port.map(|port| port + 2);
        let mut collecting = Service::start_on("collector", collector, port)?;
        let collector = Collector::new(collecting.url());
        let mut shop = Shop::open(&executables, &collector, &elsewhere, self.port)?;
        let page = format!("{}/", shop.url());
        let [inventory, storefront] = shop.processes();
        let mut services = [collecting.process(), inventory, storefront];

        if let Some(program) = chromium {
            let trace_id = visit(&program, &page, &collector, &mut services)?;
            show(&collector, &trace_id)?;
            if let Some(folder) = &self.screenshots {
                screenshots::take(&workspace, &program, &collector.trace_url(&trace_id), folder)?;
            }
            for line in elsewhere.about(&trace_id) {
                eprintln!("{line}");
            }
        } else {
            eprintln!("no Chromium found: open {page} in a browser, and then {}/", collector.url());
        }
        if !self.once {
            eprintln!("each visit of {page} is a trace of its own");
            serve(&mut services)?;
        }
        Ok(())
    }
}

/// Loads the page, and waits until its trace is whole. Returns the trace's id.
fn visit(
    program: &Path,
    page: &str,
    collector: &Collector,
    services: &mut [&mut Process],
) -> Result<String> {
    let mut browser = Chromium::open(program, page).context("cannot load the page")?;
    let mut processes = Vec::new();
    processes.extend(services.iter_mut().map(|service| &mut **service));
    processes.push(browser.process());
    let trace_id = wait::until_whole(collector, || collector.largest_trace(), &mut processes)?;
    eprintln!("page loaded by {} (headless)", program.display());
    Ok(trace_id)
}

fn show(collector: &Collector, trace_id: &str) -> Result<()> {
    let text = collector.trace_as_text(trace_id)?;
    let url = collector.trace_url(trace_id);
    let mut stdout = io::stdout().lock();
    writeln!(stdout)?;
    for line in text.lines() {
        let colored = console::style(line);
        let colored = match line.trim_start() {
            error if error.starts_with("! ") => colored.red(),
            span if span.starts_with('[') => colored.cyan(),
            _ => colored,
        };
        writeln!(stdout, "{colored}")?;
    }
    writeln!(stdout, "\n{url}")?;
    stdout.flush()?;
    Ok(())
}

/// Watches the services until ctrl-c, which is the usual end and no error.
fn serve(services: &mut [&mut Process]) -> Result<()> {
    eprintln!("serving until ctrl-c");
    loop {
        let mut services = services.iter_mut();
        let running = services.try_for_each(|service| service.ensure_running());
        let result = running.and_then(|()| interrupt::pause());
        if interrupt::is_set() {
            return Ok(());
        }
        result?;
    }
}
