//! Checks that the files that documents name exist.

use std::fs;
use std::path::Path;

use regex_lite::Regex;

use crate::workspace::Workspace;

/// Returns the lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

#[test]
fn files_that_documents_name_exist() {
    let workspace = Workspace::load().unwrap();
    let root = workspace.root();
    let packages = workspace.published().chain(workspace.unpublished());
    let packages = packages.filter_map(|member| member.manifest.parent().map(Path::to_owned));
    let folders = packages.chain([root.to_owned(), root.join("examples/cookbook")]);
    let link = Regex::new(r"\]\(([^)\s#]+)[^)\s]*\)").unwrap();
    let source = Regex::new(r"`([\w-]+/[\w/.-]+\.rs)`").unwrap();
    let mut missing = Vec::new();
    for folder in folders {
        let documents = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
        for document in documents.filter(|path| path.extension().is_some_and(|it| it == "md")) {
            let text = fs::read_to_string(&document).unwrap();
            for line in prose(&text) {
                let links = link.captures_iter(line).map(|it| it[1].to_owned());
                let links = links.filter(|it| !it.contains("://")).map(|it| folder.join(it));
                let sources = source.captures_iter(line).map(|it| root.join(&it[1]));
                let named = links.chain(sources).filter(|path| !path.exists());
                missing.extend(named.map(|path| (document.clone(), path)));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
