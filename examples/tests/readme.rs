//! The programs of the README: each is copied into a new project, with the packages that the README names, and is built
//! and run. Its answer to the README's `curl` is the one that the README shows.
//!
//! Ignored by default, since it builds each program as a user does: `cargo test --test readme -- --ignored`.

#![allow(clippy::unwrap_used, reason = "for tests, which fail by panicking")]

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// A program, and what is around it in the README.
#[derive(Debug, Default)]
struct Example {
    /// `cargo add` lines.
    packages: Vec<String>,
    program: String,
    request: String,
    answer: String,
}

/// Returns the language and the text of each code block.
fn blocks(document: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((language, text.join("\n")));
        }
    }
    blocks
}

fn examples(document: &str) -> Vec<Example> {
    let mut examples = Vec::new();
    let mut packages = Vec::new();
    for (language, text) in blocks(document) {
        match (language, examples.last_mut()) {
            ("sh", _) if text.starts_with("cargo add") => {
                packages = text.lines().map(str::to_owned).collect();
            }
            ("rust", _) => {
                let packages = std::mem::take(&mut packages);
                examples.push(Example { packages, program: text, ..Example::default() });
            }
            ("sh", Some(example)) if text.starts_with("curl") => example.request = text,
            ("html" | "text", Some(example)) if example.answer.is_empty() => example.answer = text,
            _ => (),
        }
    }
    examples
}

/// The folder of a package of this repository, which no registry has yet.
fn folder(root: &Path, package: &str) -> Option<PathBuf> {
    let folder = match package {
        "tracehop" => "core",
        "tracehop-actix" => "actix",
        "tracehop-askama" => "askama-helpers",
        "tracehop-reqwest" => "reqwest-mw",
        "tracehop-sentry" => "core/sentry",
        _ => return None,
    };
    Some(root.join(folder))
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}");
}

/// Makes a project for a program, and returns the path of its executable.
fn build(example: &Example, number: usize) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
    let project = all.join(format!("program-{number}"));
    let _ = fs::remove_dir_all(&project);
    fs::create_dir_all(project.join("src")).unwrap();
    let manifest =
        format!("[package]\nname = \"program-{number}\"\nedition = \"2024\"\n[workspace]\n");
    fs::write(project.join("Cargo.toml"), manifest).unwrap();
    fs::write(project.join("src/main.rs"), &example.program).unwrap();
    // The versions that everything else here is tested with.
    fs::copy(root.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();

    let cargo = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO"));
        command.args(arguments).current_dir(&project).env("CARGO_TARGET_DIR", all.join("target"));
        run(&mut command);
    };
    for line in &example.packages {
        let words: Vec<_> = line.split(' ').skip(2).collect();
        let (packages, options) = words
            .split_at(words.iter().position(|word| word.starts_with('-')).unwrap_or(words.len()));
        for package in packages {
            match folder(&root, package) {
                Some(folder) => cargo(
                    &[&["add", "--quiet", "--path", folder.to_str().unwrap()], options].concat(),
                ),
                None => cargo(&[&["add", "--quiet", package], options].concat()),
            }
        }
    }
    cargo(&["build", "--quiet"]);
    all.join(format!("target/debug/program-{number}"))
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Replaces span ids, which are random.
fn without_span_ids(text: &str) -> String {
    let words = text.split_inclusive(|it: char| !it.is_ascii_hexdigit());
    let words = words.map(|word| match word.trim_end_matches(|it: char| !it.is_ascii_hexdigit()) {
        id if id.len() == 16 => word.replace(id, "SPAN"),
        _ => word.to_owned(),
    });
    words.collect()
}

#[test]
#[ignore = "builds each program from nothing"]
fn programs_of_the_readme_answer_as_shown() {
    let readme = include_str!("../../README.md");
    let examples = examples(readme);
    assert_eq!(examples.len(), readme.matches("fn main()").count());
    for (number, example) in examples.iter().enumerate() {
        assert!(!example.packages.is_empty() && !example.answer.is_empty(), "{example:#?}");
        // The README's port may be in use.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let on_port = |text: &str| text.replace(":8080", &format!(":{port}"));
        let example = Example {
            program: on_port(&example.program),
            request: on_port(&example.request),
            answer: example.answer.clone(),
            packages: example.packages.clone(),
        };
        let _program = Running(Command::new(build(&example, number)).spawn().unwrap());
        let retrying = "curl --silent --show-error --retry 30 --retry-delay 1 --retry-connrefused";
        let request = example.request.replacen("curl", retrying, 1);
        let output = Command::new("sh").args(["-c", &request]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let answer = String::from_utf8(output.stdout).unwrap();
        assert_eq!(without_span_ids(&answer), without_span_ids(&example.answer), "{request}");
    }
}
