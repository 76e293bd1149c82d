//! `cargo xtask simulate`: the delivery path in simulated weather, seed by seed, on all cores.

use anyhow::Result;

use crate::process::Running;
use crate::test::plan;

/// A family of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Family {
    /// The way of an event to its sinks.
    Delivery,
    /// Consent, and what follows from it.
    Consent,
    /// The order of groups, on the way through FIFO queues.
    Ordered,
    /// The same two ways, from topics of Kafka on.
    Kafka,
}

impl Family {
    fn as_str(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Consent => "consent",
            Self::Ordered => "ordered",
            Self::Kafka => "kafka",
        }
    }
}

/// Options of a simulation.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Which family of runs; without it all, one after the other.
    #[arg(long)]
    family: Option<Family>,
    /// How many seeds of each.
    #[arg(long, default_value_t = 2000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// Run this seed alone, of the family that is named, or of `delivery`, and print what happened.
    #[arg(long, conflicts_with_all = ["seeds", "start"])]
    seed: Option<u64>,
}

/// Runs it; answers whether every seed holds every rule.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let mut arguments = match options.seed {
        Some(seed) => vec!["--seed".to_owned(), seed.to_string(), "--trace".to_owned()],
        None => vec!["--seeds".to_owned(), options.seeds.to_string(), "--start".to_owned(), options.start.to_string()],
    };
    if let Some(family) = options.family {
        arguments.extend(["--family".to_owned(), family.as_str().to_owned()]);
    }
    let mut cargo = plan::cargo(&["run", "--locked", "--quiet", "--package", "simulation", "--bin", "simulate", "--"]);
    cargo.args(arguments);
    let status = Running::start(&mut cargo)?.wait()?;
    Ok(status.success())
}
