//! Runs seeds on all cores, with a progress bar, and prints the first ones that break a rule.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command for people at a terminal")]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use simulation::{Options, Report, run};

/// Runs the delivery path in simulated weather, seed by seed.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 2000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// How many failing seeds are shown.
    #[arg(long, default_value_t = 5)]
    show: usize,
    /// Run this seed alone.
    #[arg(long, conflicts_with_all = ["seeds", "start"])]
    seed: Option<u64>,
    /// Print what happened, also where all went well.
    #[arg(long, requires = "seed")]
    trace: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let failed = match arguments.seed {
        Some(seed) => usize::from(!replay(seed, &arguments)),
        None => sweep(&arguments),
    };
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one seed; answers whether all is well.
fn replay(seed: u64, arguments: &Arguments) -> bool {
    let report = run(seed, Options { keep_trace: true, mutation: None });
    let broken = !report.violations.is_empty();
    if arguments.trace || broken {
        report.trace.iter().for_each(|line| println!("{line}"));
    }
    println!("seed {seed}: {} effects, trace {:016x}", report.effects, report.hash);
    report.violations.iter().for_each(|violation| println!("violation: {violation}"));
    !broken
}

/// Runs many; answers how many failed.
fn sweep(arguments: &Arguments) -> usize {
    let (start, seeds) = (arguments.start, arguments.seeds);
    let bar = ProgressBar::new(seeds);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let (next, failed) = (AtomicU64::new(start), Mutex::new(Vec::<Report>::new()));
    let effects = AtomicU64::new(0);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= start.saturating_add(seeds) {
                return;
            }
            let report = run(seed, Options::default());
            effects.fetch_add(report.effects as u64, Ordering::Relaxed);
            if !report.violations.is_empty() {
                failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(report);
            }
            bar.inc(1);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let took = bar.elapsed();
    bar.finish_and_clear();
    let mut failed = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    failed.sort_by_key(|report| report.seed);
    for report in failed.iter().take(arguments.show) {
        eprintln!("seed {}: {}", report.seed, report.violations.join("; "));
        eprintln!("  replay: cargo run -p simulation --bin simulate -- --seed {} --trace", report.seed);
    }
    let rate = f64::from(u32::try_from(seeds).unwrap_or(u32::MAX)) / took.as_secs_f64().max(0.001);
    println!(
        "{seeds} seeds from {start}: {} failed, {} effects, {rate:.0} seeds/s on {cores} cores",
        failed.len(),
        effects.into_inner()
    );
    failed.len()
}
