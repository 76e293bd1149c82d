//! Start, memory and time of the functions' real programs, beside a program that does nothing.

use std::time::Duration;

use anyhow::{Context as _, Result};
use stub::{Function, Latencies, Memory, Stub, World};

use crate::goal::Goal;
use crate::instruction::plain;
use crate::price;
use crate::program::{Programs, functions_of_queues};
use crate::table::markdown;

/// The empty program.
const EMPTY: &str = "empty";
/// The most that a function's first poll may take, in hundredths of the empty program's.
const MOST_START: u64 = 150;
/// The most bytes that may be resident.
const MOST_RESIDENT: u64 = 20_000_000;

/// How often things are done.
#[derive(Debug, Clone, Copy)]
pub struct Rounds {
    /// Starts of each program; the median counts.
    pub starts: usize,
    /// Batches of ten and of a hundred before memory is read.
    pub batches: u64,
}

impl Rounds {
    /// The usual ones, or few for a quick look.
    pub fn new(quick: bool) -> Self {
        if quick { Self { starts: 5, batches: 10 } } else { Self { starts: 41, batches: 100 } }
    }
}

/// Measures start and memory; the goals, and the table.
///
/// # Errors
/// When a program fails.
pub fn measure(programs: &Programs, rounds: Rounds) -> Result<(Vec<Goal>, String)> {
    let names = || std::iter::once(EMPTY).chain(functions_of_queues());
    let mut starts: Vec<(&str, Vec<Duration>)> = names().map(|name| (name, Vec::new())).collect();
    // In turn, so that what else the machine does hits all alike.
    for _ in 0..rounds.starts {
        for (name, taken) in &mut starts {
            taken.push(start(programs, name)?);
        }
    }
    let mut goals = Vec::new();
    let mut rows = Vec::new();
    let mut empty = Duration::ZERO;
    for (name, mut taken) in starts {
        taken.sort_unstable();
        let median = taken.get(taken.len() / 2).copied().context("nothing was started")?;
        if name == EMPTY {
            empty = median;
        }
        let ratio = median.as_secs_f64() / empty.as_secs_f64().max(f64::EPSILON);
        let memory = memory(programs, name, rounds.batches)?;
        let file = std::fs::metadata(programs.find(name)?).map_or(0, |data| data.len());
        rows.push(vec![
            name.to_owned(),
            format!("{:.1}", median.as_secs_f64() * 1000.0),
            format!("{ratio:.2}"),
            megabytes(memory.resident),
            megabytes(memory.peak),
            megabytes(file),
        ]);
        if name != EMPTY {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a ratio of times is small")]
            let hundredths = (ratio * 100.0).round() as u64;
            let start = format!("{name}: first poll, in hundredths of the empty program's");
            goals.push(Goal { what: start, most: MOST_START, found: hundredths, gates: false });
            let resident = format!("{name}: resident bytes at the most");
            goals.push(Goal { what: resident, most: MOST_RESIDENT, found: memory.peak, gates: false });
        }
    }
    let header =
        ["program", "first poll, ms", "of the empty one", "resident, MB", "at the most, MB", "program file, MB"];
    Ok((goals, markdown(&header, 1, rows)))
}

fn start(programs: &Programs, name: &str) -> Result<Duration> {
    let stub = Stub::start(|_| World::default(), Latencies::NONE)?;
    let mut function = Function::start(&stub, &programs.find(name)?, &programs.log(&format!("start-{name}")))?;
    Ok(function.first_poll()?)
}

/// After batches of ten, and a tenth as many of a hundred. The empty program gets the router's.
fn memory(programs: &Programs, name: &str, batches: u64) -> Result<Memory> {
    let scenario = plain(if name == EMPTY { "router" } else { name })?;
    let stub = scenario.stub(Latencies::NONE)?;
    let mut function = Function::start(&stub, &programs.find(name)?, &programs.log(&format!("memory-{name}")))?;
    for serial in 0..batches {
        function.invoke(scenario.messages.batch(serial, if serial % 10 == 9 { 100 } else { 10 })?)?;
    }
    stub.take_counts()?;
    Ok(function.memory()?)
}

/// How long a batch takes when AWS and the endpoint take their usual time, and what Lambda asks for that.
///
/// # Errors
/// When a program fails.
pub fn duration(programs: &Programs) -> Result<String> {
    let mut rows = Vec::new();
    for function in functions_of_queues() {
        let scenario = plain(function)?;
        let log = programs.log(&format!("duration-{function}"));
        for measured in scenario.measure(&programs.find(function)?, Latencies::USUAL, &log)? {
            #[expect(clippy::cast_precision_loss, reason = "a batch has at most thousands of messages")]
            let messages = measured.messages as f64;
            let seconds = measured.took.as_secs_f64();
            let dollars = seconds * price::LAMBDA_GB * price::LAMBDA_GB_SECOND / messages * 1e6;
            rows.push(vec![
                function.to_owned(),
                measured.batch,
                format!("{:.0}", seconds * 1000.0),
                format!("{:.1}", seconds * 1000.0 / messages),
                format!("{dollars:.3}"),
            ]);
        }
    }
    let header = ["function", "batch", "ms", "ms per message", "Lambda's duration per million $"];
    Ok(markdown(&header, 2, rows))
}

fn megabytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "bytes of memory are far below 2^52")]
    let megabytes = bytes as f64 / 1e6;
    format!("{megabytes:.1}")
}
