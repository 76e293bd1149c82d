//! Many seeds at once, on all cores; and the first of them that finds what was broken on purpose.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::{Family, Report};

/// Runs the seeds of a family and shows each report to `notice`; answers the reports that break a rule, by seed.
pub fn sweep(family: Family, seeds: Range<u64>, notice: impl Fn(&Report) + Sync) -> Vec<Report> {
    let (next, failed) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let report = family.run(seed, false);
            notice(&report);
            if !report.violations.is_empty() {
                failed.lock().unwrap_or_else(PoisonError::into_inner).push(report);
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_by_key(|report: &Report| report.seed);
    failed
}

/// Whether all seeds hold every rule.
///
/// # Errors
/// How many do not, with what happened in the first of them and the command that replays it.
pub fn hold(family: Family, seeds: Range<u64>) -> Result<(), String> {
    let failed = sweep(family, seeds, |_| ());
    let Some(first) = failed.first() else { return Ok(()) };
    let first = family.run(first.seed, true);
    Err(format!("{} seeds failed; the first is\n{}", failed.len(), first.describe(family)))
}

/// The first of the seeds whose first violation has one of the words: a seed may break another rule before.
pub fn find(seeds: Range<u64>, run: impl Fn(u64) -> Report, words: &[&str]) -> Option<Report> {
    let by_its_rule = |report: &Report| {
        report.violations.first().is_some_and(|first| words.iter().any(|words| first.contains(words)))
    };
    seeds.map(run).find(by_its_rule)
}
