//! Replays every input of the corpus.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use tracehop_fuzz::TARGETS;

#[test]
fn kept_inputs_pass() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, target) in TARGETS {
        let file = home.join("corpus").join(name).with_extension("txt");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.lines().count() > 10, "{name}");
        for (index, line) in text.lines().enumerate() {
            let input = escape_bytes::unescape(line.as_bytes()).unwrap();
            if catch_unwind(|| target(&input)).is_err() {
                panic!("{name} does not pass line {} of {}: {line}", index + 1, file.display());
            }
        }
    }
}

#[test]
fn every_binary_is_a_replayed_target() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut binaries: Vec<String> =
        fs::read_dir(sources).unwrap().map(|file| name(&file.unwrap().path())).collect();
    binaries.sort();
    assert_eq!(binaries, TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}
