//! The project's own tasks: `cargo xtask demo`, `test`, `lint`, `template`, `simulate`, `bench`, `package`, `deploy`
//! and `release-check`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command for people at a terminal")]

mod acequia;
mod bench;
mod build;
mod chromium;
mod consent;
mod debian;
mod demo;
mod deny;
mod deploy;
#[cfg(test)]
mod documented;
mod emulator;
mod host;
mod lint;
mod local;
mod node;
mod package;
mod postgres;
mod process;
mod queue;
mod receiver;
mod recipe;
mod release_check;
mod report;
mod samconfig;
mod sbom;
mod setup;
mod simulate;
mod stack;
mod template;
mod test;
mod tool;
mod version;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Acequia's tasks. Each sets up by itself what it needs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Runs three tenants on a local AWS, one of them with a broken endpoint, and proves what comes of it.
    Demo(demo::Options),
    /// Runs all checks and tests, the end-to-end ones included.
    Test(test::Options),
    /// Builds for AWS and deploys one environment of samconfig.toml.
    Deploy(deploy::Options),
    /// Writes a folder from which a team without Rust deploys.
    Package(package::Options),
    /// Looks at the programs of a release for both architectures: size, C library, start, and `sam local invoke`.
    ReleaseCheck(release_check::Options),
    /// Checks formatting, code and templates.
    Lint,
    /// Makes template.yaml and infra/tenant.yaml from infra/source.
    Template,
    /// Runs the delivery path in simulated weather, seed by seed, and prints the seeds that break a rule.
    Simulate(simulate::Options),
    /// Measures calls, cost, instructions, start and memory of the functions, and writes docs/PERFORMANCE.md.
    Bench(bench::Options),
    #[command(hide = true)]
    Guard {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        program: Vec<String>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.task {
        Task::Guard { program } => process::guard(&program).map(|()| true),
        task => run(task),
    };
    while process::is_ending() {
        // The handler of Ctrl-C ends the process.
        std::thread::park();
    }
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a task; answers whether what it checks holds.
fn run(task: Task) -> anyhow::Result<bool> {
    ctrlc::set_handler(|| {
        eprintln!("\nstopping");
        process::end_all();
        std::process::exit(130);
    })?;
    match task {
        Task::Demo(options) => demo::run(&options),
        Task::Test(options) => Ok(test::run(&options)),
        Task::Deploy(options) => deploy::run(&options),
        Task::Package(options) => package::run(&options),
        Task::ReleaseCheck(options) => release_check::run(&options),
        Task::Lint => lint::run(),
        Task::Template => template::run(),
        Task::Simulate(options) => simulate::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Guard { .. } => Ok(true),
    }
}
