//! Fuzzes DSNs.

#![cfg_attr(fuzzing, no_main)]

tracehop_fuzz::main!(tracehop_fuzz::dsn);
