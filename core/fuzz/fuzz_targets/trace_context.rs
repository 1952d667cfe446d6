//! Fuzzes `traceparent` and `tracestate`.

#![cfg_attr(fuzzing, no_main)]

tracehop_fuzz::main!(tracehop_fuzz::trace_context);
