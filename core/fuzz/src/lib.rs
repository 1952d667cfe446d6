//! Fuzz targets: what must hold for any input.
//!
//! A target uses arbitrary bytes as a service would use a request. It panics if a promise of the library is broken.
//!
//! * `cargo xtask fuzz` searches for bytes that make a target panic, guided by coverage.
//! * `corpus` has the inputs that reached new code. Every test run replays them.
//! * `cargo run --package tracehop-fuzz --bin dsn FILE` replays a file. The binary is built without the fuzzer then.

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

/// A target: the name of its binary and its corpus, and the function that takes an input.
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

/// Defines the `main` of a target's binary: that of the fuzzer, or one that replays the files it is given.
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
