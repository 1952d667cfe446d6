//! Fuzzes targets and URLs.

#![cfg_attr(fuzzing, no_main)]

tracehop_fuzz::main!(tracehop_fuzz::target_url);
