//! What cargo knows about the workspace.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand, Package};

/// The workspace that this was called in.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
    target_directory: PathBuf,
    packages: Vec<Member>,
}

/// One package of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) published: bool,
    /// The path of its `Cargo.toml`.
    pub(crate) manifest: PathBuf,
    /// All features but `default`, those of optional dependencies included.
    pub(crate) features: Vec<String>,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self> {
        let metadata = MetadataCommand::new()
            .no_deps()
            .exec()
            .context("cannot read the workspace's metadata")?;
        Ok(Self::from_metadata(&metadata))
    }

    fn from_metadata(metadata: &Metadata) -> Self {
        let packages = metadata.workspace_packages();
        Self {
            root: metadata.workspace_root.clone().into_std_path_buf(),
            target_directory: metadata.target_directory.clone().into_std_path_buf(),
            packages: packages.into_iter().map(Member::from_package).collect(),
        }
    }

    /// The folder of its manifest.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target directory.
    pub(crate) fn target_directory(&self) -> &Path {
        &self.target_directory
    }

    pub(crate) fn published(&self) -> impl Iterator<Item = &Member> {
        self.packages.iter().filter(|member| member.published)
    }

    pub(crate) fn unpublished(&self) -> impl Iterator<Item = &Member> {
        self.packages.iter().filter(|member| !member.published)
    }

    /// A cargo call at the root of the workspace.
    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        // The cargo that runs this sets the variable: all chores use its toolchain.
        let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.root);
        command
    }
}

impl Member {
    fn from_package(package: &Package) -> Self {
        let features = package.features.keys();
        Self {
            name: package.name.to_string(),
            published: is_published(package),
            manifest: package.manifest_path.clone().into_std_path_buf(),
            features: features.filter(|name| *name != "default").cloned().collect(),
        }
    }
}

/// Whether the package may be published to a registry.
pub(crate) fn is_published(package: &Package) -> bool {
    // `publish = false` is an empty list of registries.
    package.publish.as_ref().is_none_or(|to| !to.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn package(name: &str, publish: Value, features: Value) -> Value {
        json!({
            "name": name, "version": "0.1.0", "id": name, "publish": publish,
            "features": features, "dependencies": [], "targets": [],
            "manifest_path": format!("/repository/{name}/Cargo.toml"),
        })
    }

    fn workspace() -> Workspace {
        let metadata = json!({
            "version": 1, "resolve": null, "workspace_root": "/repository",
            "target_directory": "/repository/target",
            "workspace_members": ["anywhere", "listed", "private"],
            "packages": [
                package("anywhere", json!(null), json!({"default": ["a"], "a": [], "b": ["dep:b"]})),
                package("listed", json!(["registry"]), json!({})),
                package("private", json!([]), json!({})),
            ],
        });
        Workspace::from_metadata(&serde_json::from_value(metadata).unwrap())
    }

    #[test]
    fn only_empty_publish_lists_mean_unpublished() {
        let workspace = workspace();
        let names = |member: &Member| member.name.clone();
        let published: Vec<_> = workspace.published().map(names).collect();
        let unpublished: Vec<_> = workspace.unpublished().map(names).collect();
        assert_eq!(published, ["anywhere", "listed"]);
        assert_eq!(unpublished, ["private"]);
    }

    #[test]
    fn the_default_feature_is_left_out() {
        let workspace = workspace();
        assert_eq!(workspace.published().next().unwrap().features, ["a", "b"]);
    }

    #[test]
    fn cargo_runs_at_the_root() {
        let command = workspace().cargo(["doc", "--no-deps"]);
        assert_eq!(command.get_current_dir(), Some("/repository".as_ref()));
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["doc", "--no-deps"]);
    }
}
