//! The target `link`: what must hold is in `tests/fuzz-bodies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz_bodies::link(bytes);
});
