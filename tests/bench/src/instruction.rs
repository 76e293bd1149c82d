//! Instructions of the processor per message, as callgrind counts them: the difference of a longer and a shorter run, so that
//! starting up counts nothing.
//!
//! - *all in*: a function's real program with everything linked into it, against the stub over plain HTTP (so without TLS).
//! - *claim and complete*: the ledger's adapter through the AWS SDK, the program `work ledger`.
//! - *ours*: the batch loop over the in-memory ports, the program `work ours`, reading of SQS's batch included.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use stub::scenario::{self, Scenario};
use stub::{Function, Latencies, Stub};

use crate::goal::Goal;
use crate::program::{FUNCTIONS, Programs};
use crate::table::{grouped, markdown};

/// How many messages a batch has.
pub const BATCH: usize = 100;
/// The most that claiming and completing a delivery may take.
const MOST_LEDGER: u64 = 80_000;
/// The most that our own code may take for a message.
const MOST_OURS: u64 = 30_000;
/// The most that forwarding a message may take in all.
const MOST_FORWARD: u64 = 80_000;
/// How long a program may take under callgrind, which is some fifty times slower.
const PATIENCE: Duration = Duration::from_mins(5);

/// How many batches the shorter and the longer run have.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// The shorter.
    pub short: usize,
    /// The longer.
    pub long: usize,
}

impl Sizes {
    /// The usual ones, or small ones for a quick look.
    pub fn new(quick: bool) -> Self {
        if quick { Self { short: 1, long: 3 } } else { Self { short: 2, long: 12 } }
    }

    fn per_message(self, mut run: impl FnMut(usize) -> Result<u64>) -> Result<u64> {
        let (short, long) = (run(self.short)?, run(self.long)?);
        let messages = u64::try_from((self.long - self.short) * BATCH)?;
        Ok(long.saturating_sub(short) / messages)
    }
}

/// Measures everything; the goals, and the table of all figures.
///
/// # Errors
/// When valgrind is missing or a program fails.
pub fn measure(programs: &Programs, sizes: Sizes) -> Result<(Vec<Goal>, String)> {
    let mut goals = Vec::new();
    let mut rows = Vec::new();
    let ledger = sizes.per_message(|batches| work_ledger(programs, batches))?;
    goals.push(Goal { what: "claim and complete".to_owned(), most: MOST_LEDGER, found: ledger, gates: true });
    for function in FUNCTIONS {
        let scenario = plain(function)?;
        let ours = sizes.per_message(|batches| work_ours(programs, &scenario, batches))?;
        let all_in = sizes.per_message(|batches| all_in(programs, &scenario, batches))?;
        goals.push(Goal { what: format!("{function}: ours"), most: MOST_OURS, found: ours, gates: true });
        if function == "forward" {
            goals.push(Goal { what: "forward: all in".to_owned(), most: MOST_FORWARD, found: all_in, gates: true });
        }
        rows.push(vec![function.to_owned(), grouped(ours), grouped(all_in)]);
    }
    Ok((goals, markdown(&["function", "ours", "all in, without TLS"], 1, rows)))
}

/// The usual use of a function: every outcome is kept.
///
/// # Errors
/// When there is none.
pub fn plain(function: &str) -> Result<Scenario> {
    let usual = |scenario: &Scenario| scenario.trace == "all";
    scenario::of(function).into_iter().find(usual).with_context(|| format!("{function} has no scenario"))
}

fn callgrind(program: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    command
}

/// What callgrind says at the end: `==1234== Collected : 5678`.
fn collected(log: &Path) -> Result<u64> {
    let text = fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().rev().find_map(|line| line.split_once("Collected :"));
    let number = line.and_then(|(_, number)| number.trim().parse().ok());
    number.with_context(|| format!("callgrind counted nothing; what it said is in {}", log.display()))
}

fn all_in(programs: &Programs, scenario: &Scenario, batches: usize) -> Result<u64> {
    let program = programs.find(scenario.function)?;
    let log = programs.log(&format!("callgrind-{}", scenario.function));
    let stub = Stub::start(|address| scenario.world(address), Latencies::NONE)?;
    let mut function = Function::start_command(&stub, callgrind(&program), &program, &log)?;
    function.invoke_within(scenario.messages.batch(0, 1)?, PATIENCE)?;
    for serial in (1..).take(batches) {
        function.invoke_within(scenario.messages.batch(serial, BATCH)?, PATIENCE)?;
    }
    function.terminate(PATIENCE)?;
    stub.take_counts()?;
    collected(&log)
}

fn work_ledger(programs: &Programs, batches: usize) -> Result<u64> {
    let stub = Stub::start(|_| stub::World::default(), Latencies::NONE)?;
    work(programs, &stub, &["ledger", &batches.to_string()])
}

fn work_ours(programs: &Programs, scenario: &Scenario, batches: usize) -> Result<u64> {
    let stub = Stub::start(|address| scenario.world(address), Latencies::NONE)?;
    let file = |name: &str| programs.logs.join(format!("bench-{}-{name}.json", scenario.function));
    let (document, events) = (file("tenant"), file("events"));
    let mut lines = String::new();
    for serial in (1..).take(batches) {
        lines.push_str(&scenario.messages.batch(serial, BATCH)?);
        lines.push('\n');
    }
    fs::create_dir_all(&programs.logs).with_context(|| format!("cannot make {}", programs.logs.display()))?;
    fs::write(&document, scenario.world("http://127.0.0.1").document())
        .with_context(|| format!("cannot write {}", document.display()))?;
    fs::write(&events, lines).with_context(|| format!("cannot write {}", events.display()))?;
    let (document, events) = (document.display().to_string(), events.display().to_string());
    work(programs, &stub, &["ours", scenario.function, &document, &events])
}

fn work(programs: &Programs, stub: &Stub, arguments: &[&str]) -> Result<u64> {
    let program = programs.find("work")?;
    let log =
        programs.log(&format!("callgrind-work-{}", arguments.iter().take(2).copied().collect::<Vec<_>>().join("-")));
    let mut command = callgrind(&program);
    command.args(arguments);
    let mut process = Function::start_command(stub, command, &program, &log)?;
    let status = process.wait(PATIENCE)?;
    stub.take_counts()?;
    if !status.success() {
        bail!("work {} failed ({status}); what it said is in {}", arguments.join(" "), log.display());
    }
    collected(&log)
}
