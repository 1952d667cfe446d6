//! `cargo xtask demo`: two services, a browser, and the trace that goes through them.

mod page;
mod screenshots;
mod script;

use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

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
/// Builds and starts the example services and a collector of what their SDKs send, loads the
/// storefront's page, waits until the trace is whole and prints its tree. Serves until ctrl-c, so
/// that the trace can be looked at in a browser as well. What SENTRY_DSN and SENTRY_SPOTLIGHT name
/// gets the same as the collector.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Stop after printing the tree.
    #[arg(long)]
    pub(crate) once: bool,

    /// What loads the page.
    #[arg(long, value_enum, default_value_t = Browser::Auto)]
    pub(crate) browser: Browser,

    /// Write screenshots of the trace into this folder: light, dark and narrow. Needs Chromium.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) screenshots: Option<PathBuf>,

    /// Whether the environment may say where else envelopes are sent.
    #[arg(skip = true)]
    pub(crate) sends_elsewhere: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Browser {
    /// Chromium if there is one, else plain HTTP.
    Auto,
    /// A headless Chromium.
    Chromium,
    /// No browser: the steps of the page's script are taken over HTTP.
    Http,
}

/// A page that was loaded, or is being loaded.
enum Visit {
    Chromium(Chromium),
    Http { trace_id: String },
}

impl Demo {
    pub(crate) fn run(self) -> Result<()> {
        // First, as it takes no time and may fail.
        let chromium = self.browser.program()?;

        let executables = Executables::build(&Workspace::load()?, &[PACKAGE], &["--bins"])?;
        let elsewhere =
            if self.sends_elsewhere { Elsewhere::of_environment() } else { Elsewhere::default() };
        let mut collecting = Service::start("collector", executables.command("collector")?)?;
        let collector = Collector::new(collecting.url());
        let mut shop = Shop::open(&executables, &collector, &elsewhere)?;
        let page = shop.url().to_owned();
        let [inventory, storefront] = shop.processes();
        let mut services = [collecting.process(), inventory, storefront];

        let visit = Visit::start(chromium, self.browser, &page)
            .map_err(|error| with_stderr(error, &services))?;
        let trace_id = visit.wait_for_trace(&collector, &mut services)?;
        show(&collector, &trace_id)?;
        if let Some(folder) = &self.screenshots {
            screenshots::take(&collector.trace_url(&trace_id), folder)?;
        }
        for line in elsewhere.about(&trace_id) {
            eprintln!("{line}");
        }
        if !self.once {
            eprintln!("each visit of {page}/ is a trace of its own");
            serve(&mut services)?;
        }
        Ok(())
    }
}

impl Browser {
    /// The Chromium to use, `None` for none.
    fn program(self) -> Result<Option<PathBuf>> {
        match self {
            Self::Http => Ok(None),
            Self::Auto => chromium::find(),
            Self::Chromium => {
                let program = chromium::find()?.with_context(|| {
                    let how = chromium::HOW_TO_GET;
                    format!("no Chromium found: {how}, or pass `--browser http`")
                })?;
                Ok(Some(program))
            }
        }
    }
}

impl Visit {
    fn start(program: Option<PathBuf>, browser: Browser, storefront: &str) -> Result<Self> {
        if let Some(program) = program {
            let url = format!("{storefront}/");
            return Ok(Self::Chromium(Chromium::open(&program, &url)?));
        }
        let trace_id = script::load_page(storefront).context("cannot load the page")?;
        let why = match browser {
            Browser::Auto => "no Chromium found: ",
            Browser::Chromium | Browser::Http => "",
        };
        eprintln!("{why}the page script's steps were taken over HTTP");
        Ok(Self::Http { trace_id })
    }

    /// Waits until the trace is whole, and closes the browser. Returns the trace's id.
    fn wait_for_trace(
        self,
        collector: &Collector,
        services: &mut [&mut Process],
    ) -> Result<String> {
        match self {
            Self::Http { trace_id } => {
                wait::until_whole(collector, || Ok(Some(trace_id.clone())), services)
            }
            Self::Chromium(mut browser) => {
                let mut processes = Vec::new();
                processes.extend(services.iter_mut().map(|service| &mut **service));
                processes.push(browser.process());
                let find = || collector.largest_trace();
                let trace_id = wait::until_whole(collector, find, &mut processes)?;
                eprintln!("page loaded by {} (headless)", browser.version());
                Ok(trace_id)
            }
        }
    }
}

fn show(collector: &Collector, trace_id: &str) -> Result<()> {
    let text = collector.trace_as_text(trace_id)?;
    let url = collector.trace_url(trace_id);
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "\n{}\n\n{url}", text.trim_end())?;
    stdout.flush()?;
    Ok(())
}

/// Returns when interrupted, which is how this is meant to end.
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

fn with_stderr(error: anyhow::Error, processes: &[&mut Process]) -> anyhow::Error {
    let stderr: String = processes.iter().map(|process| process.stderr()).collect();
    anyhow::anyhow!("{error:#}{stderr}")
}
