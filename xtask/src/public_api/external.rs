//! The types and traits of other crates in a public API. A new major version of such a crate forces one of ours.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The file beside the manifest of each published crate, written by hand: a line for each type or trait.
const ALLOWED: &str = "external-types.txt";

/// Compares the types of other crates in a public API with those that are allowed. Returns a line for each difference.
pub(super) fn differences(api: &str, manifest: &Path) -> Result<String> {
    let path = manifest.with_file_name(ALLOWED);
    let allowed =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let allowed = allowed.lines().filter(|line| !line.starts_with('#')).collect::<BTreeSet<_>>();
    let named = external(api);
    let new = named.difference(&allowed);
    let gone = allowed.difference(&named);
    let new = new.map(|path| format!("{path} is public: hide it, or add it to {ALLOWED}\n"));
    let gone =
        gone.map(|path| format!("{path} is not public any more: remove it from {ALLOWED}\n"));
    Ok(new.chain(gone).collect())
}

/// Returns the paths that do not begin with the standard library or with a crate of this project.
fn external(api: &str) -> BTreeSet<&str> {
    let is_of_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    let paths = api.split(|c| !is_of_path(c)).filter_map(|path| {
        let (root, rest) = path.split_once("::")?;
        let is_ours = matches!(root, "core" | "std" | "alloc") || root.starts_with("tracehop");
        // The type is the first part in upper case. A method or a field may follow.
        let end = rest.split("::").position(|part| part.starts_with(char::is_uppercase))?;
        let length: usize = rest.split("::").take(end + 1).map(|part| part.len() + 2).sum();
        let starts_small = root.starts_with(char::is_lowercase);
        (starts_small && !is_ours).then(|| &path[..root.len() + length])
    });
    paths.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_other_crates_are_found() {
        let api = "impl http::HeaderMap for tracehop::Context\n\
            pub fn tracehop::get(&url::Url, core::option::Option<&uuid::Uuid>) -> Self::Item\n\
            pub fn http::header::map::HeaderMap::set(&mut self, T::Error)\n\
            pub fn str::as_url(&self)";
        let found: Vec<_> = external(api).into_iter().collect();
        assert_eq!(
            found,
            ["http::HeaderMap", "http::header::map::HeaderMap", "url::Url", "uuid::Uuid"]
        );
    }

    #[test]
    fn new_and_removed_types_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("Cargo.toml");
        fs::write(folder.path().join(ALLOWED), "# a reason\na::A\nb::B\n").unwrap();
        let reported = differences("pub fn f(a::A, c::C)", &manifest).unwrap();
        let lines: Vec<_> = reported.lines().map(|line| &line[..4]).collect();
        assert_eq!(lines, ["c::C", "b::B"]);
    }
}
