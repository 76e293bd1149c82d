//! A seed that fails says what it broke, how it came to that, and how to see it again; a panic is no exception.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use simulation::sweep::find;
use simulation::{Family, Mutation, Options, Report, run};

/// The first seed in which the simulated code panics.
fn panicked() -> Report {
    let options = Options { keep_trace: true, mutation: Some(Mutation::Panic) };
    find(0..20, |seed| run(seed, options), &["a panic"]).expect("the store panics within twenty seeds")
}

#[test]
fn a_panic_is_a_violation_of_its_seed_with_its_words() {
    let report = panicked();
    assert_eq!(report.violations, ["a panic: the store of configurations panics on purpose"]);
    assert!(report.trace.len() > 1, "what happened before is kept");
}

#[test]
fn a_seed_that_fails_shows_what_it_broke_the_end_of_its_trace_and_the_command_that_replays_it() {
    let report = panicked();
    let text = report.describe(Family::Delivery);
    let lines: Vec<&str> = text.lines().collect();
    let (first, last) = (lines.first().copied().unwrap_or_default(), lines.last().copied().unwrap_or_default());
    assert_eq!(first, format!("delivery seed {}: a panic: the store of configurations panics on purpose", report.seed));
    assert_eq!(last, format!("all of it: cargo xtask simulate --family delivery --seed {}", report.seed));
    let end = report.trace.last().expect("a trace");
    assert!(end.contains("VIOLATION: a panic") && lines.contains(&end.as_str()), "{text}");
    assert!((4..=63).contains(&lines.len()), "{} lines", lines.len());
}

#[test]
fn a_panic_that_the_loop_survives_is_a_violation_too() {
    let options = Options { mutation: Some(Mutation::PanicInSink), ..Options::default() };
    find(0..100, |seed| run(seed, options), &["a panic: the sink of"]).expect("a sink panics within a hundred seeds");
}
