//! Checks that the documentation lists the features of the manifests, and that a registry takes the published crates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use cargo_metadata::{Metadata, MetadataCommand, Package};

use crate::workspace::is_published;

fn published(metadata: &Metadata) -> BTreeMap<&str, &Package> {
    let packages =
        metadata.workspace_packages().into_iter().filter(|package| is_published(package));
    packages.map(|package| (package.name.as_str(), package)).collect()
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
