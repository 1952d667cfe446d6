//! The pages of the cookbook, whose programs run as documentation tests.

macro_rules! pages {
    ($($page:ident: $file:literal,)*) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!(concat!("../cookbook/", $file))]
            mod $page {}
        )*

        #[cfg(test)]
        const PAGES: &[&str] = &[$($file),*];
    };
}

pages! {
    whole_service: "whole-service.md",
    coming_from_javascript: "coming-from-javascript.md",
    plain_reqwest: "plain-reqwest.md",
    axum: "axum.md",
    sentry_tower: "sentry-tower.md",
    tonic: "tonic.md",
    hyper: "hyper.md",
    awc: "awc.md",
    background_jobs: "background-jobs.md",
    queue_messages: "queue-messages.md",
    child_processes: "child-processes.md",
    cors: "cors.md",
    page_script: "page-script.md",
    minijinja: "minijinja.md",
    maud: "maud.md",
    tera: "tera.md",
    cached_pages: "cached-pages.md",
    proxies: "proxies.md",
    public_edge: "public-edge.md",
    self_hosted_sentry: "self-hosted-sentry.md",
    opentelemetry: "opentelemetry.md",
    targets: "targets.md",
    sampling: "sampling.md",
    logs: "logs.md",
    testing: "testing.md",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Returns the text of the code blocks that begin with this line.
    fn code(page: &str, fence: &str) -> String {
        let mut inside = false;
        let lines = page.lines().filter(|line| {
            let was_inside = inside;
            inside = if was_inside { *line != "```" } else { *line == fence };
            was_inside && inside
        });
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// Returns the packages that a page says to add, by their names in Rust.
    fn added(page: &str) -> BTreeSet<String> {
        let commands = code(page, "```sh");
        let packages = commands.lines().filter_map(|line| line.strip_prefix("cargo add "));
        let packages = packages.flat_map(|line| {
            line.split(' ').take_while(|word| !word.starts_with("--") && *word != "#")
        });
        packages.map(|package| package.replace('-', "_")).collect()
    }

    /// Whether a program has a path that begins with this package.
    fn mentions(program: &str, package: &str) -> bool {
        let path = format!("{package}::");
        program.match_indices(&path).any(|(at, _)| {
            let before = program[..at].chars().next_back();
            before.is_none_or(|it| !it.is_alphanumeric() && it != '_' && it != ':')
        })
    }

    fn imports(program: &str) -> impl Iterator<Item = &str> {
        let paths = program.lines().filter_map(|line| line.strip_prefix("use "));
        let roots = paths.filter_map(|path| path.split("::").next());
        roots.filter(|root| !["std", "super", "crate"].contains(root))
    }

    #[test]
    fn every_page_is_run_and_indexed() {
        let cookbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("cookbook");
        let index = std::fs::read_to_string(cookbook.join("README.md")).unwrap();
        let files = cookbook.read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = files.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name != "README.md");
        for name in &names {
            assert!(PAGES.contains(&&**name), "{name} is not run");
            assert!(index.contains(&format!("({name})")), "{name} is not in the index");
        }
        assert_eq!(names.len(), PAGES.len());
    }

    #[test]
    fn every_page_names_use_and_packages_and_prints() {
        let cookbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("cookbook");
        let pages = PAGES.iter().map(|name| (name, std::fs::read_to_string(cookbook.join(name))));
        let pages = pages.map(|(name, page)| (name, page.unwrap())).collect::<Vec<_>>();
        let known = pages.iter().flat_map(|(_, page)| added(page)).collect::<BTreeSet<_>>();
        for (name, page) in &pages {
            let program = code(page, "```rust");
            let first = page.lines().nth(2).unwrap();
            assert!(first.starts_with("You need this page if "), "{name}: {first}");
            assert!(program.contains("println!("), "{name} prints nothing");
            let known = known.iter().filter(|it| mentions(&program, it)).cloned();
            let needed = known.chain(imports(&program).map(str::to_owned)).collect();
            assert_eq!(added(page), needed, "{name}");
        }
    }
}
