//! `cargo xtask public-api`: compares the public API of each published crate with its snapshot.

mod external;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use ::public_api::Builder;
use ::public_api::rustdoc_types::FORMAT_VERSION;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::process::run;
use crate::workspace::Workspace;

/// The file beside the manifest of each published crate.
const SNAPSHOT: &str = "public-api.txt";

/// Compare the public items of each published crate, with all features, with its `public-api.txt`, and the types of other
/// crates among them with its `external-types.txt`.
///
/// Blanket impls, auto trait impls, derived impls and `#[doc(hidden)]` items are left out.
#[derive(Debug, Default, Args)]
pub(crate) struct PublicApi {
    /// Write each `public-api.txt` instead of comparing with it.
    #[arg(long)]
    write: bool,
}

impl PublicApi {
    pub(crate) fn run(self) -> Result<()> {
        let workspace = Workspace::load()?;
        // A changed RUSTC_BOOTSTRAP makes build scripts run again. In a shared target directory, this chore and
        // the next one would both rebuild serde, syn and their dependents: 20 seconds each.
        let target_directory = workspace.target_directory().join("public-api");
        write_rustdoc_json(&workspace, &target_directory)?;
        let (mut differences, mut external) = (String::new(), String::new());
        for package in workspace.published() {
            let json = format!("doc/{}.json", package.name.replace('-', "_"));
            let api = read_rustdoc_json(&target_directory.join(json))?;
            println!("{}: {} public items", package.name, api.items().count());
            let api = api.to_string();
            external += &external::differences(&api, &package.manifest)?;
            let snapshot = package.manifest.with_file_name(SNAPSHOT);
            let difference = settle(&snapshot, &api, self.write)?;
            if !difference.is_empty() {
                // Writing to a string does not fail.
                let _ = write!(differences, "{}:\n{difference}", snapshot.display());
            }
        }
        if !differences.is_empty() {
            bail!(
                "the public API changed\n{differences}\
                 run `cargo xtask public-api --write` and review the diff"
            );
        }
        if !external.is_empty() {
            bail!("the types of other crates in the public API changed\n{external}");
        }
        Ok(())
    }
}

/// Writes `doc/<crate>.json` for each published crate into the target directory.
///
/// `cargo rustdoc` takes one package only; one `cargo doc` builds shared dependencies once.
fn write_rustdoc_json(workspace: &Workspace, target_directory: &Path) -> Result<()> {
    let mut command = workspace.cargo(["doc", "--no-deps", "--lib", "--all-features"]);
    for package in workspace.published() {
        command.args(["--package", &package.name]);
    }
    command
        .arg("--target-dir")
        .arg(target_directory)
        .env("RUSTDOCFLAGS", "-Z unstable-options --output-format json")
        // Allows `-Z` on a stable toolchain.
        .env("RUSTC_BOOTSTRAP", "1");
    run("cargo doc", &mut command)
}

fn read_rustdoc_json(path: &Path) -> Result<::public_api::PublicApi> {
    let json =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let format_version = &serde_json::from_str::<Value>(&json)?["format_version"];
    // JSON in another format may still parse, but then items may be missing.
    if *format_version != FORMAT_VERSION {
        bail!(
            "this Rust writes rustdoc JSON in format {format_version}; the crate `public-api` reads format \
             {FORMAT_VERSION}. Use the Rust version that xtask/Cargo.toml names beside `public-api`, or \
             update `public-api` and renew the snapshots with `cargo xtask public-api --write`"
        );
    }
    Builder::from_rustdoc_json(path)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .with_context(|| format!("cannot list the public items in {}", path.display()))
}

/// Writes the snapshot, or returns what [`difference`] finds between the snapshot and `current`.
fn settle(snapshot: &Path, current: &str, write: bool) -> Result<String> {
    let path = snapshot.display();
    if write {
        fs::write(snapshot, current).with_context(|| format!("cannot write {path}"))?;
        return Ok(String::new());
    }
    let reviewed = fs::read_to_string(snapshot).with_context(|| {
        format!("cannot read {path}: `cargo xtask public-api --write` creates a missing snapshot")
    })?;
    Ok(difference(&reviewed, current))
}

/// Returns the removed lines after `-` and the added lines after `+`, sorted by the item.
///
/// The two lines of an item with a new signature stand together. The order of the lines does not matter.
fn difference(before: &str, after: &str) -> String {
    let before = before.lines().collect::<BTreeSet<_>>();
    let after = after.lines().collect::<BTreeSet<_>>();
    let mut difference = String::new();
    for line in before.symmetric_difference(&after) {
        let sign = if after.contains(line) { '+' } else { '-' };
        // Writing to a string does not fail.
        let _ = writeln!(difference, "{sign} {line}");
    }
    difference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_and_added_lines_stand_together() {
        let before = "pub mod a\npub fn a::read(u8)\npub fn a::same()\n";
        let after = "pub mod a\npub fn a::same()\npub fn a::read(u16)\npub fn a::write()\n";
        assert_eq!(
            difference(before, after),
            "+ pub fn a::read(u16)\n\
             - pub fn a::read(u8)\n\
             + pub fn a::write()\n"
        );
    }

    #[test]
    fn order_and_line_endings_do_not_matter() {
        assert_eq!(difference("pub mod b\r\npub mod a\r\n", "pub mod a\npub mod b\n"), "");
    }

    #[test]
    fn a_written_snapshot_has_no_difference() {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = folder.path().join(SNAPSHOT);
        let error = format!("{:#}", settle(&snapshot, "pub mod a\n", false).unwrap_err());
        assert!(error.contains("`cargo xtask public-api --write`"), "{error}");
        assert_eq!(settle(&snapshot, "pub mod a\n", true).unwrap(), "");
        assert_eq!(settle(&snapshot, "pub mod a\n", false).unwrap(), "");
        assert_eq!(settle(&snapshot, "pub mod b\n", false).unwrap(), "- pub mod a\n+ pub mod b\n");
    }

    #[test]
    fn an_unknown_rustdoc_format_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let json = folder.path().join("crate.json");
        fs::write(&json, r#"{"root": 0, "format_version": 1}"#).unwrap();
        let error = read_rustdoc_json(&json).unwrap_err().to_string();
        assert!(error.starts_with("this Rust writes rustdoc JSON in format 1;"), "{error}");
    }
}
