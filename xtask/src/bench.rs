//! `cargo xtask bench`: what a delivery costs in calls, money, instructions, start-up, memory and throughput.
//!
//! The programs are the ones that are deployed: one cargo-lambda run builds the functions with the bench and its
//! subjects, so that all have the same profile. `docs/PERFORMANCE.md` says what is measured and gets the tables.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process::{self, Running};
use crate::test::plan;
use crate::{build, host, postgres, report, setup};

/// Options of the bench.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Small sizes and few rounds, for a look; the document is left as it is.
    #[arg(long)]
    quick: bool,
    /// This part alone; repeatable. Without it, all but throughput, which takes longer than the others, replay,
    /// table and archive: none of them is written into the document.
    #[arg(long, value_parser = PARTS)]
    part: Vec<String>,
    /// Rounds of the throughput, and of the flood at the door.
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Rows of the throughput alone that have this in their names, such as "500 ms" or "shared batches".
    #[arg(long, value_name = "PATTERN")]
    only: Option<String>,
    /// Fail where a goal of the throughput is missed.
    #[arg(long)]
    goals: bool,
    /// Programs of the dev profile: for work on the bench itself. Their figures are not Acequia's; the document is left
    /// as it is.
    #[arg(long)]
    debug: bool,
}

const PARTS: [&str; 9] =
    ["counts", "scale", "instructions", "processes", "door", "replay", "throughput", "table", "archive"];
const DOCUMENT: &str = "docs/PERFORMANCE.md";

/// Runs it; answers whether every goal is met that does not depend on the machine.
pub(crate) fn run(options: &Options) -> Result<bool> {
    postgres::ensure()?;
    let of_instructions = |part: &String| ["instructions", "door", "archive"].contains(&part.as_str());
    let counts_instructions = options.part.is_empty() || options.part.iter().any(of_instructions);
    if counts_instructions {
        ensure_valgrind()?;
    }
    let programs = if options.debug {
        let names = build::FUNCTIONS.iter().copied().chain(["bench"]).flat_map(|name| ["--package", name]);
        let mut cargo = plan::cargo(&["build", "--locked"]);
        process::run(cargo.args(names), "the build")?;
        host::target().join("debug")
    } else {
        setup::ensure()?;
        report::step("build the functions and the bench (release)", build::compile_with_bench)?;
        host::target().join("lambda")
    };
    let bench = if options.debug { programs.join("bench") } else { programs.join("bench/bootstrap") };
    let mut command = process::command(bench);
    command.arg("--programs").arg(&programs).arg("--logs").arg(host::scratch("log"));
    if counts_instructions && !options.debug {
        command.arg("--symbols").arg(build::symbols());
    }
    if options.quick {
        command.arg("--quick");
    }
    for part in &options.part {
        command.args(["--part", part]);
    }
    command.args(options.rounds.iter().flat_map(|rounds| ["--rounds".to_owned(), rounds.to_string()]));
    command.args(options.only.iter().flat_map(|only| ["--only", only]));
    if options.goals {
        command.arg("--goals");
    }
    if !options.quick && !options.debug {
        command.arg("--write").arg(host::path(DOCUMENT));
    }
    Ok(Running::start(&mut command)?.wait()?.success())
}

/// Counting instructions takes valgrind. A fresh Debian has none: it is installed from Debian's own archive where we
/// may.
fn ensure_valgrind() -> Result<()> {
    let is_there = || process::output(Command::new("valgrind").arg("--version"), "valgrind", "").is_ok();
    if is_there() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() || Command::new("apt-get").arg("--version").output().is_err() {
        bail!(
            "valgrind is missing, which counts instructions: install it (Debian: apt install valgrind), or leave those parts \
             out (cargo xtask bench --part counts --part processes)"
        );
    }
    report::step("install valgrind (apt-get)", || {
        let log = host::scratch("log/apt.log");
        let mut update = process::command("apt-get");
        process::run_logged(update.args(["update", "-qq"]), "apt-get update", &log)?;
        let mut install = process::command("apt-get");
        install.args(["install", "-qq", "--yes", "--no-install-recommends", "valgrind"]);
        process::run_logged(install.env("DEBIAN_FRONTEND", "noninteractive"), "apt-get install valgrind", &log)
    })?;
    is_there().then_some(()).context("valgrind was installed and does not run: see .local/log/apt.log")
}
