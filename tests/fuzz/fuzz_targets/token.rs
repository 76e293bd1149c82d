//! The target `token`: what must hold is in `tests/fuzz-bodies`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz_bodies::token(bytes);
});
