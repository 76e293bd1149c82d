//! Instructions of the processor per message, as callgrind counts them: the difference of a longer and a shorter run,
//! so that starting up counts nothing.
//!
//! SHA-256 is told apart: callgrind knows no instructions for it, though the processors of Lambda have them, so under
//! callgrind it runs in software at some fifty instructions per byte. The goals are for what is left. Finding it takes
//! programs with symbols.
//!
//! - *all in*: a function's real program with everything linked into it, against the stub over plain HTTP (so without
//!   TLS).
//! - *claim and complete*: the ledger's adapter through the AWS SDK, the program `work ledger`.
//! - *least*: the program `work least`, which forwards by the runtime and the SDK alone: what *all in* cannot be less
//!   than.
//! - *ours*: the batch loop (for `ingest`, the front door) over the in-memory ports, the program `work ours`, reading of
//!   SQS's batch or of the API's payload included.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use stub::scenario::{self, DOOR, Scenario};
use stub::{Function, Latencies, Stub};

use crate::goal::Goal;
use crate::program::{Programs, functions_of_queues};
use crate::table::{grouped, markdown};

/// How many messages a batch has.
pub const BATCH: usize = 100;
/// The most that claiming and completing a delivery may take.
const MOST_LEDGER: u64 = 80_000;
/// The most that our own code may take for a message.
const MOST_OURS: u64 = 30_000;
/// The functions that `work ours` has.
const OURS: [&str; 4] = ["router", "webhook", "email", "forward"];
/// The most that our own code may take for an event at the front door.
const MOST_DOOR: u64 = 40_000;
/// The most that forwarding a message may take in all.
const MOST_FORWARD: u64 = 80_000;
/// How long a program may take under callgrind, which is some fifty times slower.
const PATIENCE: Duration = Duration::from_mins(5);

/// Instructions, as callgrind counted them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    all: u64,
    /// Instructions of SHA-256.
    hashing: u64,
    /// Instructions of what stands in for others: reading the batch, as the runtime does before a function is called,
    /// and the ports in memory.
    others: u64,
}

impl Count {
    fn less(self, other: Self, messages: u64) -> Self {
        let each = |long: u64, short: u64| long.saturating_sub(short) / messages;
        Self {
            all: each(self.all, other.all),
            hashing: each(self.hashing, other.hashing),
            others: each(self.others, other.others),
        }
    }

    /// What is left.
    pub(crate) fn rest(self) -> u64 {
        self.all.saturating_sub(self.hashing).saturating_sub(self.others)
    }

    /// All, and its parts, for a table.
    pub(crate) fn cells(self) -> [String; 4] {
        [self.all, self.hashing, self.others, self.rest()].map(grouped)
    }
}

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

    fn per_message(self, mut run: impl FnMut(usize) -> Result<Count>) -> Result<Count> {
        let (short, long) = (run(self.short)?, run(self.long)?);
        Ok(long.less(short, u64::try_from((self.long - self.short) * BATCH)?))
    }
}

/// Measures everything; the goals, and the table of all figures. The programs must have their symbols.
///
/// # Errors
/// When valgrind is missing or a program fails.
pub fn measure(programs: &Programs, sizes: Sizes) -> Result<(Vec<Goal>, String)> {
    let mut found = Found::default();
    let ledger = sizes.per_message(|batches| work_ledger(programs, batches))?;
    found.note("claim and complete".to_owned(), ledger, Some(MOST_LEDGER));
    for function in functions_of_queues() {
        let scenario = plain(function)?;
        if OURS.contains(&function) {
            let ours = sizes.per_message(|batches| work_ours(programs, &scenario, batches))?;
            found.note(format!("{function}: ours"), ours, Some(MOST_OURS));
        }
        let all_in = sizes.per_message(|batches| all_in(programs, function, &[], &scenario, batches))?;
        found.note(format!("{function}: all in"), all_in, (function == "forward").then_some(MOST_FORWARD));
    }
    let least = sizes.per_message(|batches| least(programs, batches))?;
    found.note("forward: runtime and SDK alone".to_owned(), least, None);
    Ok(found.table())
}

/// Measures the front door: its goals, and the table of its figures. The programs must have their symbols.
///
/// # Errors
/// When valgrind is missing or a program fails.
pub fn measure_door(programs: &Programs, sizes: Sizes) -> Result<(Vec<Goal>, String)> {
    let mut found = Found::default();
    let scenario = plain(DOOR)?;
    let ours = sizes.per_message(|batches| work_ours(programs, &scenario, batches))?;
    found.note(format!("{DOOR}: ours"), ours, Some(MOST_DOOR));
    let all_in = sizes.per_message(|batches| all_in(programs, DOOR, &[], &scenario, batches))?;
    found.note(format!("{DOOR}: all in"), all_in, None);
    Ok(found.table())
}

/// What was counted, and the goals that are set for it.
#[derive(Default)]
struct Found {
    goals: Vec<Goal>,
    rows: Vec<Vec<String>>,
}

impl Found {
    fn note(&mut self, what: String, count: Count, most: Option<u64>) {
        let mut row = vec![what.clone()];
        row.extend(count.cells());
        self.rows.push(row);
        self.goals.extend(most.map(|most| Goal { what, most, found: count.rest(), gates: true }));
    }

    fn table(self) -> (Vec<Goal>, String) {
        let header = [
            "per message",
            "instructions",
            "of them SHA-256 in software",
            "of them the batch's JSON and ports in memory",
            "the rest",
        ];
        (self.goals, markdown(&header, 1, self.rows))
    }
}

/// The usual use of a function: every outcome is kept.
///
/// # Errors
/// When there is none.
pub fn plain(function: &str) -> Result<Scenario> {
    let usual = |scenario: &Scenario| scenario.record == "all";
    scenario::of(function).into_iter().find(usual).with_context(|| format!("{function} has no scenario"))
}

fn callgrind(program: &Path, out: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--compress-strings=no", "--compress-pos=no"]);
    command.arg(format!("--callgrind-out-file={}", out.display())).arg(program);
    command
}

fn collected(out: &Path) -> Result<Count> {
    let text = fs::read(out).with_context(|| format!("callgrind wrote nothing to {}", out.display()))?;
    let count = read(&String::from_utf8_lossy(&text));
    match count {
        Count { all: 0, .. } => bail!("callgrind counted nothing: see {}", out.display()),
        Count { hashing: 0, .. } => bail!("nothing in {} is SHA-256: the programs need their symbols", out.display()),
        count => Ok(count),
    }
}

/// Sums what each function of the program took itself (<https://valgrind.org/docs/manual/cl-format.html>): after
/// `fn=<name>` come lines `<position> <cost>`; the one after a line `calls=` is what the called one took, which has
/// lines of its own.
fn read(text: &str) -> Count {
    let mut count = Count::default();
    let (mut is_hashing, mut is_call) = (false, false);
    let (mut caller, mut target) = ("", "");
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            is_hashing = name.contains("sha2") || name.contains("sha256");
            caller = name;
        } else if let Some(name) = line.strip_prefix("cfn=") {
            target = name;
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit()) {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok()).unwrap_or(0);
            if std::mem::take(&mut is_call) {
                count.others += if stands_in(caller, target) { cost } else { 0 };
            } else {
                count.all += cost;
                count.hashing += if is_hashing { cost } else { 0 };
            }
        }
    }
    count
}

fn least(programs: &Programs, batches: usize) -> Result<Count> {
    all_in(programs, "work", &["least"], &plain("forward")?, batches)
}

/// Counts a program that serves as a function, started with these arguments.
fn all_in(programs: &Programs, name: &str, arguments: &[&str], scenario: &Scenario, batches: usize) -> Result<Count> {
    let program = programs.find(name)?;
    let log = programs.log(&format!("callgrind-{}", [&[name], arguments].concat().join("-")));
    let out = log.with_extension("out");
    let stub = scenario.stub(Latencies::NONE)?;
    let mut command = callgrind(&program, &out);
    command.args(arguments);
    let mut function = Function::start_command(&stub, command, &program, &log)?;
    function.invoke_within(scenario.messages.batch(0, 1)?, PATIENCE)?;
    for serial in (1..).take(batches) {
        function.invoke_within(scenario.messages.batch(serial, BATCH)?, PATIENCE)?;
    }
    function.terminate(PATIENCE)?;
    stub.take_counts()?;
    collected(&out)
}

fn work_ledger(programs: &Programs, batches: usize) -> Result<Count> {
    let stub = Stub::start(|_| stub::World::default(), Latencies::NONE)?;
    work(programs, &stub, &["ledger", &batches.to_string()])
}

fn work_ours(programs: &Programs, scenario: &Scenario, batches: usize) -> Result<Count> {
    let stub = scenario.stub(Latencies::NONE)?;
    let file = |name: &str| programs.logs.join(format!("bench-{}-{name}.json", scenario.function));
    let (document, events) = (file("tenant"), file("events"));
    let mut lines = String::new();
    for serial in (1..).take(batches) {
        lines.push_str(&scenario.messages.batch(serial, BATCH)?);
        lines.push('\n');
    }
    fs::create_dir_all(&programs.logs).with_context(|| format!("cannot make {}", programs.logs.display()))?;
    fs::write(&document, scenario.world("http://127.0.0.1")?.document())
        .with_context(|| format!("cannot write {}", document.display()))?;
    fs::write(&events, lines).with_context(|| format!("cannot write {}", events.display()))?;
    let (document, events) = (document.display().to_string(), events.display().to_string());
    work(programs, &stub, &["ours", scenario.function, &document, &events])
}

/// Counts what the archive takes for an event of these batches, a line of JSON each; zstd is told apart.
pub(crate) fn of_archive(programs: &Programs, sizes: Sizes, document: &Path, batch: &str) -> Result<Count> {
    let stub = plain("archive")?.stub(Latencies::NONE)?;
    let document = document.display().to_string();
    sizes.per_message(|batches| {
        let events = programs.logs.join("bench-archive-events.json");
        fs::write(&events, batch.repeat(batches)).with_context(|| format!("cannot write {}", events.display()))?;
        work(programs, &stub, &["ours", "archive", &document, &events.display().to_string()])
    })
}

fn work(programs: &Programs, stub: &Stub, arguments: &[&str]) -> Result<Count> {
    let program = programs.find("work")?;
    let log =
        programs.log(&format!("callgrind-work-{}", arguments.iter().take(2).copied().collect::<Vec<_>>().join("-")));
    let out = log.with_extension("out");
    let mut command = callgrind(&program, &out);
    command.args(arguments);
    let mut process = Function::start_command(stub, command, &program, &log)?;
    let status = process.wait(PATIENCE)?;
    stub.take_counts()?;
    if !status.success() {
        bail!("work {} failed ({status}); what it said is in {}", arguments.join(" "), log.display());
    }
    collected(&out)
}

/// Whether a call leaves our code for what stands in for others in `work ours`.
fn stands_in(caller: &str, target: &str) -> bool {
    let is_port = |name: &str| name.contains("acequia_testkit::");
    let is_work = caller.starts_with("work::ours::") || caller.starts_with("work::door::");
    let reads_batch = target.starts_with("serde_json::de::from_str") || target.contains("core::str::iter::Lines");
    // What packs an object is told apart with the ports.
    let packs = |name: &str| name.starts_with("ZSTD_") || name.contains("zstd::") || name.contains("zstd_safe::");
    (is_port(target) && !is_port(caller)) || (is_work && reads_batch) || (packs(target) && !packs(caller))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_function_took_itself_is_counted_once_and_hashing_is_told_apart() {
        let text = "events: Ir\nfn=main\n1 10\ncfn=sha2::compress\ncalls=1 5\n2 400\n3 5\n\nfn=sha2::compress\n5 400\ntotals: 415\n";
        assert_eq!(read(text), Count { all: 415, hashing: 400, others: 0 });
    }

    #[test]
    fn ports_in_memory_are_told_apart_with_all_that_they_call_themselves() {
        let text = "fn=work::ours::run\n1 10\ncfn=serde_json::de::from_str\ncalls=1 5\n2 30\n\nfn=acequia_lambda::run\n1 5\n\
                    cfn=<acequia_testkit::Ledger as port>::write\ncalls=1 5\n2 50\n\n\
                    fn=<acequia_testkit::Ledger as port>::write\n1 20\ncfn=acequia_testkit::row\ncalls=1 5\n2 30\n\n\
                    fn=acequia_testkit::row\n1 30\n\nfn=serde_json::de::from_str\n1 30\n";
        let count = read(text);
        assert_eq!(count, Count { all: 95, hashing: 0, others: 80 });
        assert_eq!(count.rest(), 15);
    }

    #[test]
    fn the_difference_of_two_runs_is_shared_out_over_the_messages_between_them() {
        let (short, long) =
            (Count { all: 1_000, hashing: 100, others: 0 }, Count { all: 3_000, hashing: 600, others: 500 });
        let each = long.less(short, 10);
        assert_eq!((each, each.rest()), (Count { all: 200, hashing: 50, others: 50 }, 100));
    }
}
