//! `cargo xtask simulate`: the delivery path in simulated weather, seed by seed, on all cores.

use anyhow::Result;

use crate::process::Running;
use crate::test::plan;

/// Options of a simulation.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many seeds.
    #[arg(long, default_value_t = 2000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// Run this seed alone, and print what happened.
    #[arg(long, conflicts_with_all = ["seeds", "start"])]
    seed: Option<u64>,
}

/// Runs it; answers whether every seed holds every rule.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let arguments = match options.seed {
        Some(seed) => vec!["--seed".to_owned(), seed.to_string(), "--trace".to_owned()],
        None => vec!["--seeds".to_owned(), options.seeds.to_string(), "--start".to_owned(), options.start.to_string()],
    };
    let mut cargo = plan::cargo(&["run", "--locked", "--quiet", "--package", "simulation", "--bin", "simulate", "--"]);
    cargo.args(arguments);
    let status = Running::start(&mut cargo)?.wait()?;
    Ok(status.success())
}
