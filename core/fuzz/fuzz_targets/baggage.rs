//! Fuzzes lines of baggage.

#![cfg_attr(fuzzing, no_main)]

tracehop_fuzz::main!(tracehop_fuzz::baggage);
