//! Two thousand seeds hold every rule, and each replays exactly.

use simulation::sweep::hold;
use simulation::{Family, Options, run};

const SEEDS: u64 = 2000;

#[test]
fn two_thousand_seeds_lose_nothing_and_do_nothing_beyond_the_guarantees() {
    hold(Family::Delivery, 0..SEEDS).unwrap_or_else(|broken| panic!("{broken}"));
}

/// Seeds that found faults once. A seed decides the same run only as long as the scenario and the calls stay what they
/// were, so that these may tell of something else by now: they cost little, and are no proof. The tests of the mended
/// code are.
#[test]
fn the_seeds_that_found_faults_once_find_none() {
    for seed in [2299, 2674, 3294, 6179, 7487, 8664, 11_494, 15_195, 15_375] {
        hold(Family::Delivery, seed..seed + 1).unwrap_or_else(|broken| panic!("{broken}"));
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
