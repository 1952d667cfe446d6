//! Input that nobody means well by, and what must hold for it.
//!
//! A target takes any bytes, does with them what a service would, and panics where a promise does not hold.
//! `cargo xtask fuzz` looks for such bytes, with coverage as its guide. The inputs that it kept, for the new
//! code that each ran through, are in `corpus`, and every test run goes through them again. A target's binary
//! that was built without a fuzzer goes through files: `cargo run --package tracehop-fuzz --bin dsn FILE`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a target fails by panicking")]

mod baggage;
mod continue_trace;
mod dsn;
mod in_out_in;
mod input;
mod reference;
mod target_url;
mod trace_context;
mod valid;

pub use baggage::baggage;
pub use continue_trace::continue_trace;
pub use dsn::dsn;
pub use in_out_in::in_out_in;
pub use target_url::target_url;
pub use trace_context::trace_context;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use libfuzzer_sys;

/// A target: the name of its binary and of its corpus, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("baggage", baggage),
    ("continue_trace", continue_trace),
    ("dsn", dsn),
    ("in_out_in", in_out_in),
    ("target_url", target_url),
    ("trace_context", trace_context),
];

/// The `main` of a target's binary: the fuzzer's, or one that goes through the files it is given.
#[macro_export]
macro_rules! main {
    ($target:path) => {
        #[cfg(fuzzing)]
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| $target(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            for file in std::env::args_os().skip(1) {
                $target(&std::fs::read(file)?);
            }
            Ok(())
        }
    };
}
