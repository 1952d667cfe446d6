//! Fuzzes whole hops, from request to request.

#![cfg_attr(fuzzing, no_main)]

tracehop_fuzz::main!(tracehop_fuzz::in_out_in);
