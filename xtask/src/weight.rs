//! `cargo xtask weight`: what depending on an adapter adds to a service's build.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use clap::Args;
use comfy_table::{Table, presets};

use crate::readme::Block;
use crate::workspace::Workspace;

const BLOCK: Block = Block { command: "cargo xtask weight" };

/// The adapters, with the crates that a service has without them.
const ADAPTERS: [(&str, &[&str]); 3] = [
    ("tracehop-actix", &["actix-web"]),
    ("tracehop-reqwest", &["reqwest", "reqwest-middleware"]),
    ("tracehop-askama", &["askama"]),
];

/// Show what each adapter adds to the build of a service, and compare that with `core/benches/README.md`.
#[derive(Debug, Default, Args)]
pub(crate) struct Weight {
    /// Write the result into that document, instead of comparing the two.
    #[arg(long)]
    write: bool,
}

impl Weight {
    pub(crate) fn run(self) -> Result<()> {
        let workspace = Workspace::load()?;
        let mut table = Table::new();
        let mut first_tree = None;
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["a service with", "builds packages", "of which new", "namely"]);
        for (adapter, present) in ADAPTERS {
            let tree = cargo_tree(&workspace, adapter, &["--prefix", "depth", "--no-dedupe"])?;
            let Packages { all, new } = packages(&tree, present)?;
            table.add_row([
                format!("{} and {adapter}", present.join(", ")),
                all.len().to_string(),
                new.len().to_string(),
                new.iter().map(|it| without_version(it)).collect::<Vec<_>>().join(", "),
            ]);
            if first_tree.is_none() {
                let before = all.difference(&new).map(|package| package.replacen(" v", "@", 1));
                let before = before.collect::<Vec<_>>();
                let pruned = before.iter().flat_map(|it| ["--prune", it]).collect::<Vec<_>>();
                first_tree = Some(cargo_tree(&workspace, adapter, &pruned)?);
            }
        }
        let mut printed = format!("{table}\n\n```text\n");
        for line in first_tree.iter().flat_map(|tree| tree.lines()) {
            // Writing to a string does not fail.
            let _ = writeln!(printed, "{}", without_version(line));
        }
        printed.push_str("```\n");
        print!("{printed}");
        BLOCK.settle(&workspace.root().join("core/benches/README.md"), &printed, self.write)
    }
}

/// Returns what `cargo tree` prints for this package with default features, on this machine.
fn cargo_tree(workspace: &Workspace, package: &str, more: &[&str]) -> Result<String> {
    let mut command = workspace.cargo(["tree", "--edges", "normal", "--package", package]);
    let output = command.args(more).output().context("cannot run cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("cargo tree printed bytes that are not UTF-8")
}

/// Packages with their versions: a build may have two versions of one package.
#[derive(Debug, PartialEq)]
struct Packages<'a> {
    all: BTreeSet<&'a str>,
    /// Those that the present packages do not bring.
    new: BTreeSet<&'a str>,
}

/// Reads a whole tree, whose lines are a depth and a package.
fn packages<'a>(tree: &'a str, present: &[&str]) -> Result<Packages<'a>> {
    let mut all = BTreeSet::new();
    let mut before = BTreeSet::new();
    let mut present_at = None;
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let digits = line.len() - line.trim_start_matches(|it: char| it.is_ascii_digit()).len();
        let (depth, package) = line.split_at(digits);
        let depth = depth.parse::<usize>().with_context(|| format!("no depth in: {line}"))?;
        // After name and version there may be a path or `(proc-macro)`.
        let package = package.split_once(" (").map_or(package, |(package, _)| package);
        all.insert(package);
        if present_at.is_some_and(|at| depth <= at) {
            present_at = None;
        }
        if present_at.is_none() && present.contains(&without_version(package)) {
            present_at = Some(depth);
        }
        if present_at.is_some() {
            before.insert(package);
        }
    }
    let new = all.difference(&before).copied().collect();
    Ok(Packages { all, new })
}

/// Removes the version: versions change with every update, and are in the lock file.
fn without_version(line: &str) -> &str {
    line.split_once(" v").map_or(line, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_of_present_packages_are_not_new() {
        let tree = "0adapter v0.1.0 (/adapter)\n\
                    1framework v4.0.0\n\
                    2shared v1.0.0 (proc-macro)\n\
                    3below v1.0.0\n\
                    1core v0.1.0 (/core)\n\
                    2own v1.0.0\n\
                    2shared v1.0.0 (proc-macro)\n\
                    3below v1.0.0\n";
        let packages = packages(tree, &["framework"]).unwrap();
        assert_eq!(packages.all.len(), 6);
        assert_eq!(packages.new, BTreeSet::from(["adapter v0.1.0", "core v0.1.0", "own v1.0.0"]));
    }

    #[test]
    fn lines_of_the_tree_lose_only_versions() {
        assert_eq!(without_version("│   ├── cfg-if v1.0.5 (*)"), "│   ├── cfg-if");
        assert_eq!(without_version("└── tracehop v0.1.0 (/work/core)"), "└── tracehop");
    }
}
