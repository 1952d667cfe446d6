//! Fuzzes continuing a request's trace.

#![cfg_attr(fuzzing, no_main)]

tracehop_fuzz::main!(tracehop_fuzz::continue_trace);
