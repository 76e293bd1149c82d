//! The bodies of the fuzz targets on a stable compiler: each seed of `tests/fuzz/seeds`, and changes of it that follow
//! from a fixed number. `cargo fuzz` looks further (docs/TESTING.md).
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test's own mistake should stop it where it was made"
)]

use std::panic::catch_unwind;
use std::path::Path;

use fuzz_bodies::TARGETS;

/// How many changes are made of each seed.
const CHANGES: u64 = 200;
/// Texts at which readers take turns.
const WORDS: [&[u8]; 16] = [
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\\u0000",
    b"\xff",
    b"null",
    b"1e999",
    b"\"data\":",
    b"\n",
    b".",
    b"\xef\xbb\xbf",
    b"=",
    b",",
    b"\"id\":\"\",",
];

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let named = files.into_iter().map(|file| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read(&file).unwrap())
    });
    named.collect()
}

/// The next of a row of numbers that look like chance (`SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn below(state: &mut u64, bound: usize) -> usize {
    usize::try_from(next(state) % u64::try_from(bound.max(1)).unwrap()).unwrap()
}

/// Some changes of bytes: a bit, a word at some place, a piece left out, twice, or of another seed.
fn changed(bytes: &[u8], other: &[u8], state: &mut u64) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for _ in 0..=below(state, 4) {
        let at = below(state, changed.len() + 1);
        let end = (at + below(state, 32)).min(changed.len());
        match next(state) % 6 {
            0 if at < changed.len() => changed[at] ^= 1 << (next(state) % 8),
            1 => drop(changed.splice(at..at, WORDS[below(state, WORDS.len())].iter().copied())),
            2 => drop(changed.drain(at..end)),
            3 => {
                let piece = changed[at..end].to_vec();
                changed.splice(at..at, piece);
            }
            4 => {
                let from = below(state, other.len() + 1);
                let piece = other[from..(from + below(state, 64)).min(other.len())].to_vec();
                changed.splice(at..end, piece);
            }
            _ => changed.truncate(at.max(1)),
        }
    }
    changed
}

#[test]
fn whatever_the_bytes_are_every_reader_keeps_its_promises() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for (number, (file, seed)) in (0..).zip(&seeds) {
            let mut state: u64 = number;
            let mut tried = seed.clone();
            for change in 0..=CHANGES {
                let is_kept = catch_unwind(|| target(&tried)).is_ok();
                assert!(is_kept, "{name}, seed {file}, change {change}: {:?}", String::from_utf8_lossy(&tried));
                let other = &seeds[below(&mut state, seeds.len())].1;
                tried = changed(seed, other, &mut state);
            }
        }
    }
}

/// Readers that refuse everything would keep every promise.
#[test]
fn every_reader_takes_some_of_its_seeds() {
    for (name, target) in TARGETS {
        assert!(seeds(name).iter().any(|(_, seed)| target(seed)), "no seed of {name} is taken");
    }
}
