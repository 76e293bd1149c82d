//! Runs seeds on all cores, with a progress bar, and prints the first ones that break a rule.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command for people at a terminal")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use simulation::Family;

/// Runs of one family, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// The way of an event to its sinks.
    Delivery,
    /// Consent, and what follows from it.
    Consent,
    /// The order of groups, on the way through FIFO queues.
    Ordered,
    /// The same two ways, from topics of Kafka on.
    Kafka,
}

/// Runs the real functions in simulated weather, seed by seed.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which family of runs; without it all, one after the other.
    #[arg(long)]
    family: Option<Which>,
    /// How many seeds of each.
    #[arg(long, default_value_t = 2000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// How many failing seeds are shown.
    #[arg(long, default_value_t = 5)]
    show: usize,
    /// Run this seed alone, of the family that is named, or of the first.
    #[arg(long, conflicts_with_all = ["seeds", "start"])]
    seed: Option<u64>,
    /// Print what happened, also where all went well.
    #[arg(long, requires = "seed")]
    trace: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let families = match arguments.family {
        Some(Which::Delivery) => vec![Family::Delivery],
        Some(Which::Consent) => vec![Family::Consent],
        Some(Which::Ordered) => vec![Family::Ordered],
        Some(Which::Kafka) => vec![Family::Kafka],
        None => Family::ALL.to_vec(),
    };
    let failed = match arguments.seed {
        Some(seed) => usize::from(!replay(families.first().copied().unwrap_or(Family::Delivery), seed, &arguments)),
        None => families.into_iter().map(|family| sweep(family, &arguments)).sum(),
    };
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one seed; answers whether all is well.
fn replay(family: Family, seed: u64, arguments: &Arguments) -> bool {
    let report = family.run(seed, true);
    let broken = !report.violations.is_empty();
    if arguments.trace || broken {
        report.trace.iter().for_each(|line| println!("{line}"));
    }
    println!("seed {seed}: {} effects, trace {:016x}", report.effects, report.hash);
    report.violations.iter().for_each(|violation| println!("violation: {violation}"));
    if broken {
        println!("again: {}", family.replay(seed));
    }
    !broken
}

/// Runs many; answers how many failed.
fn sweep(family: Family, arguments: &Arguments) -> usize {
    let (start, seeds) = (arguments.start, arguments.seeds);
    let bar = ProgressBar::new(seeds);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let effects = AtomicU64::new(0);
    let failed = simulation::sweep::sweep(family, start..start.saturating_add(seeds), |report| {
        effects.fetch_add(report.effects as u64, Ordering::Relaxed);
        bar.inc(1);
    });
    let took = bar.elapsed();
    bar.finish_and_clear();
    for report in failed.iter().take(arguments.show) {
        // Its trace is kept only now, because that of every seed would be too much.
        eprintln!("{}\n", family.run(report.seed, true).describe(family));
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let rate = f64::from(u32::try_from(seeds).unwrap_or(u32::MAX)) / took.as_secs_f64().max(0.001);
    println!(
        "{}, {seeds} seeds from {start}: {} failed, {} effects, {rate:.0} seeds/s on {cores} cores",
        family.as_str(),
        failed.len(),
        effects.into_inner()
    );
    failed.len()
}
