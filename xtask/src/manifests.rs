//! Checks what the manifests promise: features, the minimum Rust, few dependencies, and what a registry asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use cargo_metadata::{CargoOpt, Metadata, MetadataCommand, Package};

use crate::workspace::{Workspace, is_published};

fn published(metadata: &Metadata) -> BTreeMap<&str, &Package> {
    let packages =
        metadata.workspace_packages().into_iter().filter(|package| is_published(package));
    packages.map(|package| (package.name.as_str(), package)).collect()
}

/// Returns what `cargo tree` lists, each as name and `v` with the version.
fn tree(package: &str, options: &[&str]) -> BTreeSet<String> {
    let mut command = Workspace::load().unwrap().cargo(["tree", "--locked", "--prefix", "none"]);
    let output = command.args(["--package", package]).args(options).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let words = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    lines.lines().map(words).collect()
}

/// A build with the minimum Rust shows the same, but needs that toolchain.
#[test]
fn no_dependency_needs_a_newer_rust_than_the_published_crates() {
    let metadata = MetadataCommand::new().features(CargoOpt::AllFeatures).exec().unwrap();
    for (name, package) in published(&metadata) {
        let minimum = package.rust_version.as_ref().unwrap();
        assert_eq!(published(&metadata)["tracehop"].rust_version.as_ref(), Some(minimum), "{name}");
        let built = tree(name, &["--all-features", "--edges", "no-dev"]);
        let is_built = |it: &&Package| built.contains(&format!("{} v{}", it.name, it.version));
        let dependencies: Vec<_> = metadata.packages.iter().filter(is_built).collect();
        assert_eq!(dependencies.len(), built.len(), "{name}");
        for it in dependencies {
            let needed = it.rust_version.as_ref();
            assert!(needed.is_none_or(|needed| needed <= minimum), "{} {needed:?}", it.name);
        }
    }
}

#[test]
fn libraries_bring_few_packages() {
    let packages = |name, options: &[&str]| -> Vec<String> {
        let tree = tree(name, &[options, &["--edges", "normal"]].concat());
        let names = tree.iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned());
        names.filter(|it| it != name).collect::<BTreeSet<_>>().into_iter().collect()
    };
    let all_of_core = [
        "cfg-if",
        "chacha20",
        "cpufeatures",
        "getrandom",
        "libc",
        "percent-encoding",
        "pin-project-lite",
        "rand",
        "rand_core",
        "uuid",
    ];
    assert_eq!(packages("tracehop", &[]), all_of_core);
    for (name, expected) in [
        ("tracehop-actix", &["actix-web", "pin-project-lite", "tracehop"][..]),
        (
            "tracehop-reqwest",
            &["async-trait", "http", "reqwest", "reqwest-middleware", "tokio", "tracehop"],
        ),
        ("tracehop-askama", &["askama", "tracehop"]),
        (
            "tracehop-sentry",
            &["reqwest", "sentry", "sentry-core", "serde", "serde_json", "tracehop"],
        ),
    ] {
        assert_eq!(packages(name, &["--depth", "1"]), expected, "{name}");
    }
}

#[test]
fn documented_features_match_the_manifests() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    for (name, package) in published(&metadata) {
        // Those of the crate `sentry`, which its users have anyway.
        let expected =
            if name == "tracehop-sentry" { &["release-health", "transport"][..] } else { &[] };
        let default = package.features.get("default").map(Vec::as_slice).unwrap_or_default();
        assert_eq!(default, expected, "{name}");
        let features = package.features.keys().filter(|feature| *feature != "default");

        let folder = package.manifest_path.parent().unwrap();
        let documentation = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
        let table = documentation.lines().skip_while(|line| !line.starts_with("//! | feature |"));
        let rows = table.skip(2).map_while(|line| line.strip_prefix("//! | `")?.split('`').next());
        assert_eq!(rows.collect::<BTreeSet<_>>(), features.map(String::as_str).collect(), "{name}");
    }
}

/// The limits of crates.io: <https://doc.rust-lang.org/cargo/reference/manifest.html#the-keywords-field>.
#[test]
fn manifests_keep_the_limits_of_registries() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    for (name, package) in published(&metadata) {
        let is_keyword = |keyword: &String| {
            let is_allowed = |it: char| it.is_ascii_alphanumeric() || "-_+".contains(it);
            (1..=20).contains(&keyword.len())
                && keyword.starts_with(|it: char| it.is_ascii_alphanumeric())
                && keyword.chars().all(is_allowed)
        };
        assert!((1..=5).contains(&package.keywords.len()), "{name}");
        assert!(package.keywords.iter().all(is_keyword), "{name}: {:?}", package.keywords);
        assert!((1..=5).contains(&package.categories.len()), "{name}");
        let description = package.description.as_deref().unwrap_or_default();
        // A line in a list of search results.
        assert!((1..=120).contains(&description.chars().count()), "{name}: {description}");
        assert!(package.license.is_some() && package.documentation.is_some(), "{name}");
        let folder = package.manifest_path.parent().unwrap();
        for file in ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"] {
            assert!(folder.join(file).is_file(), "{name} has no {file}");
        }
        // A registry's page shows the README alone.
        let readme = fs::read_to_string(folder.join("README.md")).unwrap();
        let links = readme.split("](").skip(1);
        let relative: Vec<_> = links.filter(|link| !link.starts_with("https://")).collect();
        assert_eq!(relative, [""; 0], "{name}");
        let minimum = package.rust_version.as_ref().unwrap();
        let line = format!("The minimum Rust version is {}.{}.", minimum.major, minimum.minor);
        assert!(readme.contains(&line), "{name} does not say: {line}");
    }
}
