//! The pages of the cookbook. Their programs are run as documentation tests.

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
    plain_reqwest: "plain-reqwest.md",
    background_jobs: "background-jobs.md",
    queue_messages: "queue-messages.md",
    child_processes: "child-processes.md",
    cors: "cors.md",
    cached_pages: "cached-pages.md",
    self_hosted_sentry: "self-hosted-sentry.md",
    opentelemetry: "opentelemetry.md",
    targets: "targets.md",
    sampling: "sampling.md",
    logs: "logs.md",
    testing: "testing.md",
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_page_is_run_and_in_the_readmes_index() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR"));
        let readme = std::fs::read_to_string(examples.join("../README.md")).unwrap();
        let mut files = 0;
        for entry in examples.join("cookbook").read_dir().unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(PAGES.contains(&&*name), "{name} is not run");
            assert!(
                readme.contains(&format!("(examples/cookbook/{name})")),
                "{name} is not in the index"
            );
            files += 1;
        }
        assert_eq!(files, PAGES.len());
    }
}
