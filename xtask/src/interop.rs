//! `cargo xtask interop`: this library beside the SDKs that it has to agree with, over real HTTP.

mod envelopes;
mod facts;
pub(crate) mod install;
mod lab;
mod matrix;
mod pages;
mod peer;
mod relay;
mod reply;
mod rules;
mod services;
mod w3c;
mod wire;

use anyhow::{Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use self::install::{Installed, Versions};
use self::lab::{Generator, Lab, OURS};
use self::matrix::{Cell, Matrix};
use self::peer::Peer;
use crate::readme::Block;
use crate::workspace::Workspace;

const BLOCK: Block = Block { command: "cargo xtask interop" };

/// Enough for all combinations, and few enough to take seconds.
const HEADERS: usize = 10_000;

/// Check that this library agrees with the released SDKs.
///
/// Installs the SDKs, runs a service with each, sends requests through them and this library's services, and shows
/// what each peer can do.
#[derive(Debug, Args)]
pub(crate) struct Interop {
    /// Write the matrix into `xtask/interop/README.md`, instead of comparing the two.
    #[arg(long)]
    pub(crate) write: bool,

    /// The seed of the generated headers: the same seed gives the same headers. Another one each time by default.
    #[arg(long)]
    pub(crate) seed: Option<u64>,

    /// The number of generated headers.
    #[arg(long, default_value_t = HEADERS)]
    pub(crate) headers: usize,

    /// Check only this ability, as the matrix names it. The document is then left alone.
    #[arg(long, value_name = "ABILITY")]
    pub(crate) only: Option<String>,
}

impl Default for Interop {
    fn default() -> Self {
        Self { write: false, seed: None, headers: HEADERS, only: None }
    }
}

/// What a peer may be able to do: its name, and what checks it.
type Ability = (&'static str, fn(&mut Lab, Peer) -> Result<Cell>);

const ABILITIES: &[Ability] = &[
    ("calls us", services::upstream),
    ("is called", services::downstream),
    ("in between", services::middle),
    ("envelopes", envelopes::check),
    ("tags", pages::tags),
    ("`Server-Timing`", pages::server_timing),
    ("`traceparent`", w3c::traceparent),
    ("organisations", rules::organisations),
    ("deferred", rules::deferred),
    ("sampler", rules::sampler),
    ("no DSC", rules::no_dsc),
    ("wire", wire::check),
    // The last, because it looks at what the others sent.
    ("Relay", relay::check),
];

impl Interop {
    pub(crate) fn run(self) -> Result<()> {
        let workspace = Workspace::load()?;
        let is_asked = |(name, _): &&Ability| self.only.as_ref().is_none_or(|only| only == name);
        let abilities = ABILITIES.iter().filter(is_asked).collect::<Vec<_>>();
        if abilities.is_empty() {
            let names = ABILITIES.iter().map(|(name, _)| *name).collect::<Vec<_>>();
            bail!("there is no such ability: `--only` takes one of {}", names.join(", "));
        }
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
        let generator = Generator { seed, count: self.headers };
        let artifacts = workspace.target_directory().join("interop");
        let mut lab = Lab::open(Installed::install(&workspace)?, artifacts, generator)?;
        eprintln!("headers are generated with `--seed {seed} --headers {}`", self.headers);

        let mut markdown = String::new();
        for ours in OURS {
            lab.set_ours(ours);
            let matrix = fill(&mut lab, &abilities)?;
            let filled = matrix.to_markdown();
            println!("\n{filled}\n{} facts were checked with `{ours}`", matrix.held());
            let faults = matrix.faults();
            if !faults.is_empty() {
                bail!("{}", list(&faults));
            }
            if !markdown.is_empty() && markdown != filled {
                bail!("the matrix of `{ours}` differs from that of `{}`", OURS[0]);
            }
            markdown = filled;
        }
        println!("screenshots: {}", lab.artifacts().display());
        let readme = workspace.root().join("xtask/interop/README.md");
        match self.only {
            Some(_) => Ok(()),
            None => BLOCK.settle(&readme, &markdown, self.write),
        }
    }
}

/// Lists the first faults, a line each.
fn list(faults: &[String]) -> String {
    const SHOWN: usize = 30;
    let lines = faults.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>();
    let more = match faults.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    format!("what did not hold:\n  - {}{more}", lines.join("\n  - "))
}

fn fill(lab: &mut Lab, abilities: &[&Ability]) -> Result<Matrix> {
    let count = Peer::OTHERS.len() * abilities.len();
    let bar = ProgressBar::new(count as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    let columns = abilities.iter().map(|(name, _)| *name).collect();
    let mut matrix = Matrix { columns, rows: Vec::new() };
    for peer in Peer::OTHERS {
        let name = peer.name(&lab.installed().versions);
        let mut cells = Vec::new();
        for (ability, check) in abilities {
            let what = format!("{name}: {ability}");
            if bar.is_hidden() {
                eprintln!("{what}");
            }
            bar.set_message(what);
            cells.push(check(lab, peer)?);
            bar.inc(1);
        }
        // Most of them are of no use to the next peer.
        lab.stop_services();
        matrix.rows.push((name, cells));
    }
    bar.finish_and_clear();
    Ok(matrix)
}

impl Peer {
    /// How the matrix names it.
    fn name(self, versions: &Versions) -> String {
        match self {
            Self::Ours | Self::OursWithSdk => "tracehop".to_owned(),
            Self::Node => format!("@sentry/node {}", versions.node),
            Self::Browser => format!("@sentry/browser {}, in Chromium", versions.browser),
            Self::Python => format!("sentry-sdk {} (Python)", versions.python),
            Self::PythonStreamed => {
                format!("sentry-sdk {} (Python, streamed spans)", versions.python_streamed)
            }
            Self::Rust => format!("sentry {} (Rust)", versions.rust),
            Self::OpenTelemetry => format!("opentelemetry {} (Rust)", versions.opentelemetry),
            Self::Script => "a page's own script, in Chromium".to_owned(),
        }
    }
}
