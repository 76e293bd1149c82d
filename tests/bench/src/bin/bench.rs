//! The command behind `cargo xtask bench`: measures built programs, prints tables, and writes them into the document.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the tables are the output")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bench::door::{flood, latency};
use bench::goal::{self, Goal};
use bench::instruction::{self, Sizes};
use bench::process::{self, Rounds};
use bench::program::{Programs, functions_of_queues};
use bench::throughput::Aim;
use bench::{cost, document, rows, throughput};
use clap::{Parser, ValueEnum};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Counts,
    Scale,
    Instructions,
    Processes,
    Door,
    Replay,
    Throughput,
    Table,
    Archive,
}

/// Measures what a delivery costs.
#[derive(Debug, Parser)]
struct Arguments {
    /// The folder of the built programs.
    #[arg(long)]
    programs: PathBuf,
    /// The folder of the same programs with their symbols, where the others have none.
    #[arg(long)]
    symbols: Option<PathBuf>,
    /// The folder for what they say.
    #[arg(long)]
    logs: PathBuf,
    /// Write the tables into this document.
    #[arg(long)]
    write: Option<PathBuf>,
    /// Small sizes and few rounds, for a look.
    #[arg(long)]
    quick: bool,
    /// This part alone; repeatable. Throughput is measured only where it is asked for.
    #[arg(long)]
    part: Vec<Part>,
    /// Rounds of the throughput, and of the flood at the door.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Rows of the throughput alone that have this in their names.
    #[arg(long)]
    only: Option<String>,
    /// Fail where a goal of the throughput is missed.
    #[arg(long)]
    goals: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool> {
    let programs = Programs { folder: arguments.programs.clone(), logs: arguments.logs.clone() };
    let asked = |part| arguments.part.contains(&part);
    let wanted = |part| arguments.part.is_empty() || asked(part);
    let mut parts: Vec<(&str, String)> = Vec::new();
    let mut goals: Vec<Goal> = Vec::new();
    // The table function writes into a real database in the parts that run its program.
    let server = (wanted(Part::Counts) || wanted(Part::Processes) || wanted(Part::Instructions))
        .then(rows::serve)
        .transpose()?;
    if wanted(Part::Counts) {
        for function in functions_of_queues().chain([stub::scenario::DOOR]) {
            let checked = stub::gate::check(function, &programs.find(function)?, &programs.logs, false);
            checked.map_err(anyhow::Error::msg)?;
        }
        parts.extend([
            ("calls", cost::calls()?),
            ("cost of functions", cost::per_function()?),
            ("cost of events", cost::per_event()?),
            ("cost of the door", bench::door::cost::table()?),
            ("idle", bench::idle::per_tenant()),
        ]);
        goals.extend(goal::of_calls()?);
    }
    if wanted(Part::Scale) {
        let rows = bench::scale::measure()?;
        let grows = u64::try_from(bench::scale::growing(&rows).len())?;
        println!("\nscale\n{}", bench::scale::table(&rows));
        let what = "scale: counts that grow with the number of tenants".to_owned();
        goals.push(Goal { what, most: 0, found: grows, gates: true });
    }
    if wanted(Part::Instructions) {
        let symbols = arguments.symbols.clone().unwrap_or_else(|| arguments.programs.clone());
        let programs = Programs { folder: symbols, logs: arguments.logs.clone() };
        let (met, table) = instruction::measure(&programs, Sizes::new(arguments.quick))?;
        parts.extend([("instructions", table), ("goals of instructions", goal::table(&met))]);
        goals.extend(met);
    }
    if wanted(Part::Processes) {
        let (met, table) = process::measure(&programs, Rounds::new(arguments.quick))?;
        parts.extend([("processes", table), ("duration", process::duration(&programs)?)]);
        goals.extend(met);
    }
    let mut aims = Vec::new();
    if wanted(Part::Door) {
        let Measured { met, aim, tables } = measure_door(&programs, arguments)?;
        parts.extend(tables);
        goals.extend(met);
        aims.push(aim);
    }
    for (name, table) in &parts {
        println!("\n{name}\n{table}");
    }
    if asked(Part::Archive) {
        let symbols = arguments.symbols.clone().unwrap_or_else(|| arguments.programs.clone());
        let symbols = Programs { folder: symbols, logs: arguments.logs.clone() };
        let measured = bench::archive::measure(&programs, &symbols, arguments.quick)?;
        println!("\narchive\n{}", measured.table);
        goals.push(measured.goal);
        aims.push(measured.aim);
    }
    if asked(Part::Replay) {
        let (found, table) = bench::replay::measure(arguments.quick)?;
        println!("\nreplay\n{table}");
        aims.extend(found);
    }
    let mut missed: Vec<String> = goals.iter().filter(|goal| goal.fails()).map(|goal| goal.what.clone()).collect();
    if !goals.is_empty() {
        println!("\ngoals\n{}", goal::table(&goals));
    }
    if !aims.is_empty() {
        println!("\ngoals of the door and of replays\n{}", throughput::aims(&aims));
        let missed_there = aims.iter().filter(|aim| arguments.goals && !aim.is_met());
        missed.extend(missed_there.map(|aim| aim.what.clone()));
    }
    if asked(Part::Throughput) {
        let missed_there = measure_throughput(&programs, arguments)?;
        missed.extend(missed_there.into_iter().filter(|_| arguments.goals));
    }
    if asked(Part::Table) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (table, aims) = runtime.block_on(rows::measure(arguments.quick))?;
        println!("\nrows of tables\n{table}\n\ngoals of tables\n{}", throughput::aims(&aims));
        let missed_there = aims.iter().filter(|aim| arguments.goals && !aim.is_met());
        missed.extend(missed_there.map(|aim| aim.what.clone()));
    }
    if let Some(file) = &arguments.write {
        let mut text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        for (name, table) in &parts {
            text = document::replaced(&text, name, table)?;
        }
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    drop(server);
    if !missed.is_empty() {
        bail!("goals are missed: {}", missed.join("; "));
    }
    Ok(true)
}

/// What was measured of the front door.
struct Measured {
    met: Vec<Goal>,
    aim: Aim,
    tables: Vec<(&'static str, String)>,
}

/// Measures the front door: its goals that do not depend on the machine, the one that does, and its tables.
fn measure_door(programs: &Programs, arguments: &Arguments) -> Result<Measured> {
    let symbols = Programs {
        folder: arguments.symbols.clone().unwrap_or_else(|| arguments.programs.clone()),
        logs: arguments.logs.clone(),
    };
    let (met, instructions) = instruction::measure_door(&symbols, Sizes::new(arguments.quick))?;
    let latency = latency::measure(programs, arguments.quick)?;
    let (aim, flood) = flood::measure(programs, arguments.rounds, arguments.quick)?;
    let tables = [
        ("goals of the door", goal::table(&met)),
        ("instructions of the door", instructions),
        ("latency of the door", latency),
        ("flood at the door", flood),
    ];
    Ok(Measured { met, aim, tables: tables.to_vec() })
}

/// Measures and prints the throughput; the goals that are missed.
fn measure_throughput(programs: &Programs, arguments: &Arguments) -> Result<Vec<String>> {
    let options = throughput::Options {
        rounds: arguments.rounds,
        only: arguments.only.clone(),
        lasting: Duration::from_secs(if arguments.quick { 1 } else { 5 }),
        quick: arguments.quick,
    };
    let report = throughput::measure(programs, &options, |next| eprintln!("{next}"))?;
    for (name, table) in &report.tables {
        println!("\n{name} (least / median / most of {} rounds)\n{table}", arguments.rounds);
    }
    if !report.aims.is_empty() {
        println!("\ngoals of throughput (medians)\n{}", throughput::aims(&report.aims));
    }
    if !report.problems.is_empty() {
        bail!("{} rows failed:\n{}", report.problems.len(), report.problems.join("\n"));
    }
    Ok(report.aims.iter().filter(|aim| !aim.is_met()).map(|aim| aim.what.clone()).collect())
}
