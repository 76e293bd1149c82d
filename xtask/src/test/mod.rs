//! `cargo xtask test`: everything that can be checked without an AWS account.
//!
//! The functions are built once for release (they are what is deployed), and everything once for the tests: one
//! `cargo test` run with the local AWS up, so that no feature set is compiled twice. `--fast` leaves out what needs the
//! local AWS or a browser.

pub(crate) mod plan;

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::deploy::TenantStack;
use crate::local::Local;
use crate::process;
use crate::report::Step;
use crate::setup::{self, Tools};
use crate::{build, chromium, consent, emulator, host, lint};
use plan::Plan;

/// Options of the tests.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Options {
    /// Leave out what needs the local AWS or a browser: the end-to-end tests, the adapters' conformance and the pages.
    #[arg(long)]
    fast: bool,
    /// Take the functions as they were built last, though their sources may have changed since: for work on the tests themselves.
    #[arg(long, conflicts_with = "fast")]
    as_built: bool,
}

/// How long the last messages of the tests may take: a duplicate of a claimed delivery waits for the lease of a minute.
const SETTLED_WITHIN: Duration = Duration::from_secs(90);

/// How many people sign in the scenario of double opt-in, and how many in a second.
const PEOPLE: u32 = 1000;
const SIGNATURES_PER_SECOND: u32 = 100;

/// The tenants of the end-to-end tests: one with a sink of each kind, one for what must stay apart, and one that keeps order.
const TENANTS: [TenantStack; 4] = [
    TenantStack {
        tenant: "alder",
        parameters: &[
            "Webhook=enabled",
            "Email=enabled",
            "Forward=enabled",
            "OutQueue=standard",
            "BatchWindow=0",
            "BatchSize=10",
        ],
    },
    TenantStack {
        tenant: "birch",
        parameters: &["Webhook=enabled", "Forward=enabled", "OutQueue=fifo", "BatchWindow=0", "BatchSize=10"],
    },
    TenantStack {
        tenant: "aspen",
        parameters: &["Ordered=enabled", "Forward=enabled", "OutQueue=fifo", "BatchWindow=0", "BatchSize=10"],
    },
    TenantStack { tenant: "unknown", parameters: &["Webhook=enabled", "BatchWindow=0", "BatchSize=10"] },
];

/// Runs it all; answers whether all passed.
pub(crate) fn run(options: Options) -> Result<bool> {
    let whole = Step::begin(if options.fast { "test --fast" } else { "test" });
    setup::ensure()?;
    if !options.fast {
        chromium::ensure()?;
    }
    let mut plan = Plan::default();
    let done = steps(&mut plan, options);
    if let Err(error) = &done {
        plan.broke(error);
    }
    whole.end();
    println!("{}", plan.summary());
    Ok(plan.passed())
}

fn steps(plan: &mut Plan, options: Options) -> Result<()> {
    lint::checks(plan)?;
    let mut doc = plan::cargo(&["doc", "--locked", "--workspace", "--no-deps", "--quiet"]);
    plan.check("cargo doc", doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    if options.fast {
        return plan.cargo_test(plan::cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]));
    }
    let mut python = plan::at_root(process::command(Tools::Local.program("python")));
    python.args(["-m", "unittest", "discover", "--start-directory", "tools/local", "--pattern", "test_*.py"]);
    plan.unittest("tests of tools/local", python)?;
    let built = build::build(options.as_built)?;
    let tenants: Vec<TenantStack> = TENANTS.into_iter().chain([consent::STACK]).collect();
    let local = Local::up(&built, &tenants, None, false)?;
    let mut tests = plan::cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]);
    tests.args(["--features", "acequia-aws/emulator,e2e/emulator,browser/chromium"]);
    plan.cargo_test(with_environment(tests, &local, &built)?)?;
    plan.proof("double opt-in of 1,000 people", || {
        consent::configure(&local)?;
        consent::run(&local, PEOPLE, SIGNATURES_PER_SECOND, |_| ())
    })?;
    plan.condition("nothing is left on the way", || left_over(&local))
}

/// The queues in which something is still on its way when all tests are done; `out` is what tenants read themselves.
fn left_over(local: &Local) -> Result<Option<String>> {
    let start = host::now();
    loop {
        let left: Vec<String> = crate::queue::all(local)?
            .into_iter()
            .filter(|((_, queue), depth)| !queue.starts_with("out") && depth.waiting() > 0)
            .map(|((tenant, queue), depth)| format!("{tenant}/{queue}: {}", depth.waiting()))
            .collect();
        if left.is_empty() {
            return Ok(None);
        }
        if start.elapsed() > SETTLED_WITHIN {
            return Ok(Some(left.join(", ")));
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Tells the tests where the environment is.
fn with_environment(mut command: Command, local: &Local, built: &build::Built) -> Result<Command> {
    let file = host::scratch("test-environment.json");
    let environment = json!({
        "endpoint": local.aws.address,
        "region": emulator::REGION,
        "stage": "local",
        "receiver": local.receiver_address(),
        "acequia": built.acequia,
        "xtask": host::own_program()?,
        "root": host::root(),
    });
    fs::write(&file, environment.to_string()).with_context(|| format!("cannot write {}", file.display()))?;
    command.env("ACEQUIA_TEST_ENVIRONMENT", file).env("ACEQUIA_TEST_ENDPOINT", &local.aws.address);
    Ok(command)
}
