//! `cargo xtask minimum-rust`: whether the published crates build with the Rust that they say they need.

use std::collections::{HashMap, HashSet};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::semver::Version;
use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use clap::Args;

use crate::process::Process;
use crate::workspace::is_published;

/// Check the `rust-version` of the published crates.
///
/// None of their dependencies, in all features, may need a newer Rust. Where rustup has a toolchain of that version,
/// the crates are checked with it as well. Clippy's lint `incompatible_msrv` finds newer items of the standard library.
#[derive(Debug, Args)]
pub(crate) struct MinimumRust {}

impl MinimumRust {
    pub(crate) fn run(self) -> Result<()> {
        let metadata = MetadataCommand::new()
            .features(CargoOpt::AllFeatures)
            .exec()
            .context("cannot read the workspace's metadata")?;
        let minimum = minimum(&metadata)?;
        let needs = dependencies(&metadata)?;
        let newer = newer(&needs, &minimum);
        if !newer.is_empty() {
            bail!("`rust-version` is {minimum}, but dependencies need more: {}", newer.join(", "));
        }
        eprintln!("none of {} dependencies needs more than Rust {minimum}", needs.len());
        let toolchain = format!("{}.{}", minimum.major, minimum.minor);
        if is_installed(&toolchain) {
            build(&metadata, &toolchain)
        } else {
            eprintln!(
                "not built with Rust {toolchain}: `rustup toolchain install {toolchain}` installs it"
            );
            Ok(())
        }
    }
}

fn published(metadata: &Metadata) -> impl Iterator<Item = &Package> {
    metadata.workspace_packages().into_iter().filter(|package| is_published(package))
}

/// Returns the `rust-version` that all published crates have.
fn minimum(metadata: &Metadata) -> Result<Version> {
    let mut versions = published(metadata).map(|package| package.rust_version.clone());
    let first = versions.next().flatten().context("a published crate has no `rust-version`")?;
    if versions.any(|version| version.as_ref() != Some(&first)) {
        bail!("the published crates differ in `rust-version`: give all of them the same");
    }
    Ok(first)
}

/// Returns the packages that a user of the published crates builds besides, with all features.
fn dependencies(metadata: &Metadata) -> Result<Vec<&Package>> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata resolved nothing")?;
    let nodes = resolve.nodes.iter().map(|node| (&node.id, node)).collect::<HashMap<_, _>>();
    let mut left = published(metadata).map(|package| &package.id).collect::<Vec<_>>();
    let mut seen = left.iter().copied().collect::<HashSet<&PackageId>>();
    while let Some(node) = left.pop().and_then(|id| nodes.get(id)) {
        let built = node.deps.iter().filter(|dependency| {
            dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development)
        });
        left.extend(built.map(|dependency| &dependency.pkg).filter(|id| seen.insert(id)));
    }
    let packages = metadata.packages.iter().filter(|package| seen.contains(&package.id));
    Ok(packages.filter(|package| package.source.is_some()).collect())
}

fn newer(packages: &[&Package], minimum: &Version) -> Vec<String> {
    let needs_more = packages.iter().filter_map(|package| {
        let needs = package.rust_version.as_ref().filter(|needs| *needs > minimum)?;
        Some(format!("{} {} needs {needs}", package.name, package.version))
    });
    needs_more.collect()
}

fn is_installed(toolchain: &str) -> bool {
    let list = Command::new("rustup").args(["toolchain", "list"]).output();
    list.is_ok_and(|list| {
        let names = String::from_utf8_lossy(&list.stdout).into_owned();
        names.lines().any(|name| is_version(name, toolchain))
    })
}

/// Rustup's names are as long as `1.89.0-x86_64-unknown-linux-gnu (default)`.
fn is_version(name: &str, toolchain: &str) -> bool {
    let rest = name.strip_prefix(toolchain);
    rest.is_some_and(|rest| rest.starts_with(['.', '-']))
}

fn build(metadata: &Metadata, toolchain: &str) -> Result<()> {
    let mut command = Command::new("rustup");
    command.args(["run", toolchain, "cargo", "check", "--all-features", "--target-dir"]);
    command.arg(metadata.target_directory.join("minimum-rust"));
    for package in published(metadata) {
        command.args(["--package", &package.name]);
    }
    command
        .current_dir(&metadata.workspace_root)
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN");
    let status = Process::spawn("cargo check", &mut command)?.wait()?;
    if !status.success() {
        bail!("the published crates do not build with Rust {toolchain}: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toolchain_is_known_by_its_version() {
        assert!(is_version("1.89.0-x86_64-unknown-linux-gnu (default)", "1.89"));
        assert!(is_version("1.89-x86_64-unknown-linux-gnu", "1.89"));
        assert!(!is_version("1.890.0-x86_64-unknown-linux-gnu", "1.89"));
        assert!(!is_version("stable-x86_64-unknown-linux-gnu", "1.89"));
    }

    #[test]
    fn dependencies_with_newer_rust_are_named() {
        let metadata = MetadataCommand::new().features(CargoOpt::AllFeatures).exec().unwrap();
        let packages = dependencies(&metadata).unwrap();
        assert!(packages.iter().any(|package| package.name.as_str() == "actix-web"));
        assert!(
            packages.iter().all(|package| package.name.as_str() != "indicatif"),
            "xtask's alone"
        );
        let old = newer(&packages, &Version::new(1, 60, 0));
        assert!(old.iter().any(|it| it.starts_with("actix-web ")), "{old:?}");
    }
}
