//! Two thousand seeds hold every rule, and each replays exactly.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use simulation::{Options, Report, run};

const SEEDS: u64 = 2000;

fn failures() -> Vec<Report> {
    let (next, failed) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= SEEDS {
                        return;
                    }
                    let report = run(seed, Options::default());
                    if !report.violations.is_empty() {
                        failed.lock().unwrap().push(report);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap()
}

#[test]
fn two_thousand_seeds_lose_nothing_and_do_nothing_beyond_the_guarantees() {
    let failed = failures();
    if let Some(first) = failed.iter().min_by_key(|report| report.seed) {
        let replayed = run(first.seed, Options { keep_trace: true, ..Options::default() });
        let replay = format!("cargo run -p simulation --bin simulate -- --seed {} --trace", first.seed);
        panic!(
            "{} seeds failed; the first is {}: {:?}\n{}\n{replay}",
            failed.len(),
            first.seed,
            first.violations,
            replayed.trace.join("\n")
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    for seed in 0..20 {
        let (one, two) = (run(seed, Options { keep_trace: true, ..Options::default() }), run(seed, Options::default()));
        assert_eq!((one.hash, one.effects), (two.hash, two.effects), "seed {seed}");
        assert!(!one.trace.is_empty() && two.trace.is_empty());
    }
    assert_ne!(run(1, Options::default()).hash, run(2, Options::default()).hash);
}
