//! Whether the README says what the manifests of the published crates say, and a registry would take them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use cargo_metadata::{Dependency, DependencyKind, Metadata, MetadataCommand, Package};

use crate::workspace::is_published;

/// What a cell of the table says of a crate and a feature.
const HAS: &str = "✓";
const ALWAYS_ON: &str = "always on";
const HAS_NOT: &str = "–";

const CORE: &str = "tracehop";

fn published(metadata: &Metadata) -> BTreeMap<&str, &Package> {
    let packages =
        metadata.workspace_packages().into_iter().filter(|package| is_published(package));
    packages.map(|package| (package.name.as_str(), package)).collect()
}

/// The cell of a feature, as the manifest has it.
fn cell(package: &Package, feature: &str) -> &'static str {
    // What only tests turn on is not there for users.
    let is_core = |it: &&Dependency| it.name == CORE && it.kind == DependencyKind::Normal;
    let turned_on = package.dependencies.iter().filter(is_core);
    let mut turned_on = turned_on.flat_map(|it| &it.features);
    if package.features.contains_key(feature) {
        HAS
    } else if turned_on.any(|it| it == feature) {
        ALWAYS_ON
    } else {
        HAS_NOT
    }
}

/// The cells of a row, without the marks of code.
fn cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_matches('|');
    row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
}

#[test]
fn readme_features_match_the_manifests() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let packages = published(&metadata);
    let readme = fs::read_to_string(metadata.workspace_root.join("README.md")).unwrap();

    let mut table = readme.lines().skip_while(|line| !line.starts_with("| feature |"));
    let head = cells(table.next().unwrap());
    let crates = &head[2..];
    let listed = crates.iter().map(String::as_str).collect::<BTreeSet<_>>();
    assert_eq!(listed, packages.keys().copied().collect(), "the columns");

    let mut rows = BTreeSet::new();
    for row in table.skip(1).take_while(|line| line.starts_with('|')).map(cells) {
        let feature = row[0].as_str();
        for (name, shown) in crates.iter().zip(&row[2..]) {
            let expected = cell(packages[name.as_str()], feature);
            assert_eq!(shown, expected, "feature {feature} of {name}");
        }
        rows.insert(row[0].clone());
    }

    for (name, package) in &packages {
        let default = package.features.get("default");
        assert!(default.is_none_or(Vec::is_empty), "{name} turns features on by default");
        let features = package.features.keys().filter(|feature| *feature != "default");
        let missing = features.filter(|feature| !rows.contains(*feature)).collect::<Vec<_>>();
        assert!(missing.is_empty(), "features of {name} without a row: {missing:?}");
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
        for file in ["README.md", "LICENSE-APACHE", "LICENSE-MIT"] {
            assert!(folder.join(file).is_file(), "{name} has no {file}");
        }
    }
}
