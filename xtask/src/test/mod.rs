//! `cargo xtask test`: everything that can be checked without an AWS account.
//!
//! What is deployed on the local AWS are programs of the profile of the unit tests ([`build::Profile::Quick`]), so that
//! everything is compiled once: one `cargo test` run with the local AWS up. Beside it, when nothing else wants the
//! processors, one function is compiled as for AWS, for its size. `--fast` leaves out what needs the local AWS, a
//! browser or a release build.

mod account;
mod api;
mod dist;
pub(crate) mod plan;

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::local::Local;
use crate::report::Step;
use crate::setup::{self, Tools};
use crate::stack::TenantStack;
use crate::{build, chromium, consent, deny, emulator, host, lint, node, postgres, process, recipe};
use plan::{Plan, Suite};

/// Options of the tests.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Leave out what needs the local AWS or a browser: the end-to-end tests, the adapters' conformance and the pages.
    #[arg(long)]
    fast: bool,
    /// Only the end-to-end tests, or of these only those whose names have FILTER in them: the quickest way from a
    /// change to a running one.
    #[arg(long, value_name = "FILTER", conflicts_with = "fast", num_args = 0..=1, default_missing_value = "")]
    e2e: Option<String>,
    #[command(flatten)]
    account: account::Options,
    #[command(flatten)]
    build: build::Options,
}

/// How long the last messages of the tests may take: a duplicate of a claimed delivery waits for the lease of a minute.
const SETTLED_WITHIN: Duration = Duration::from_secs(90);

/// The check of the HTTP API.
const API: &str = "the HTTP API against docs/openapi.json (schemathesis)";

/// How many people sign in the scenario of double opt-in, and how many in a second.
const PEOPLE: u32 = 250;
const SIGNATURES_PER_SECOND: u32 = 100;

/// The tools with tests of their own.
const TOOLS: [(Tools, &str); 5] = [
    (Tools::Kafka, "tools/kafka"),
    (Tools::Local, "tools/local"),
    (Tools::Sam, "tools/sam"),
    (Tools::Sam, "tools/template"),
    (Tools::Sam, "tools/schema"),
];

/// The tenants of the end-to-end tests: one with a sink of each kind, one for what must stay apart, and one that keeps
/// order.
const TENANTS: [TenantStack; 5] = [
    TenantStack {
        tenant: "alder",
        parameters: &[
            "Webhook=enabled",
            "Email=enabled",
            "Forward=enabled",
            "OutQueue=standard",
            "Alarms=own",
            "SenderDomains=alder.example",
        ],
    },
    TenantStack {
        tenant: "birch",
        parameters: &[
            "Webhook=enabled",
            "Forward=enabled",
            "OutQueue=fifo",
            "Eventbridge=enabled",
            "Archive=enabled",
            "ArchiveBatchWindow=1",
            "ForwardTargets=arn:aws:events:us-east-1:000000000000:event-bus/birch",
        ],
    },
    TenantStack { tenant: "aspen", parameters: &["Ordered=enabled", "Forward=enabled", "OutQueue=fifo"] },
    TenantStack {
        tenant: "tamarisk",
        // The port is found when the test starts its server.
        parameters: &[
            "Table=enabled",
            "Webhook=enabled",
            "Archive=enabled",
            "ArchiveBatchWindow=1",
            "ForwardTargets=postgresql://acequia@localhost:*/rows",
        ],
    },
    TenantStack { tenant: "unknown", parameters: &["Webhook=enabled"] },
];

/// Runs it all; answers whether all passed.
pub(crate) fn run(options: &Options) -> bool {
    let whole = Step::begin(if options.fast { "test --fast" } else { "test" });
    let mut plan = Plan::default();
    let done = match &options.e2e {
        Some(filter) => end_to_end(&mut plan, options, filter),
        None if options.account.aws => account::run(&mut plan, &options.account, options.build),
        None => all(&mut plan, options),
    };
    if let Err(error) = &done {
        plan.broke(error);
    }
    whole.end();
    println!("{}", plan.summary());
    plan.passed()
}

fn all(plan: &mut Plan, options: &Options) -> Result<()> {
    setup::ensure()?;
    postgres::ensure()?;
    if options.fast {
        return fast(plan);
    }
    chromium::ensure()?;
    std::thread::scope(|scope| {
        let sized = scope.spawn(size_of_a_release);
        whole(plan, options)?;
        plan.condition("the size of a release (webhook, the largest)", || {
            sized.join().unwrap_or_else(|_| bail!("the release build panicked"))
        })
    })
}

fn fast(plan: &mut Plan) -> Result<()> {
    static_checks(plan)?;
    let mut tests = plan::cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]);
    tests.env(recipe::VARIABLE, recipe::ensure()?);
    plan.cargo_test(tests)
}

fn static_checks(plan: &mut Plan) -> Result<()> {
    lint::checks(plan)?;
    deny::everyday(plan)
}

fn whole(plan: &mut Plan, options: &Options) -> Result<()> {
    static_checks(plan)?;
    setup::ensure_one(Tools::Kafka)?;
    // These wait for processes and for the local AWS more than they work, and the build has nothing to wait for.
    let (suites, built) = std::thread::scope(|scope| {
        let suites = scope.spawn(|| TOOLS.map(|(tools, folder)| suite(tools, folder)));
        let built = build::build(options.build);
        (suites.join(), built)
    });
    let Ok(suites) = suites else { bail!("the tests of the tools panicked") };
    for suite in suites {
        plan.add(&suite?);
    }
    let built = built?;
    plan.condition("a package, and a second deployment, as the stage dev", dist::check)?;
    let tenants: Vec<TenantStack> = TENANTS.into_iter().chain([consent::STACK]).collect();
    let recipes = recipe::ensure()?;
    let local = Local::up(&built, &tenants, None, false)?;
    let mut tests = plan::cargo(&["test", "--locked", "--workspace", "--no-fail-fast"]);
    tests.args(["--features", "acequia-aws/emulator,e2e/emulator,browser/chromium"]).env(recipe::VARIABLE, recipes);
    plan.cargo_test(with_environment(tests, &local, &built)?)?;
    plan.condition(API, || api::check(&local))?;
    plan.proof("double opt-in of 250 people", || {
        consent::configure(&local)?;
        consent::run(&local, PEOPLE, SIGNATURES_PER_SECOND, |_| ())
    })?;
    plan.condition("nothing is left on the way", || left_over(&local))
}

/// The tests of the tools in one folder, by the Python that they run with.
fn suite(tools: Tools, folder: &str) -> Result<Suite> {
    let mut python = plan::at_root(process::command(tools.program("python")));
    python.args(["-m", "unittest", "discover", "--start-directory", folder, "--pattern", "test_*.py"]);
    Suite::unittest(&format!("tests of {folder}"), python)
}

/// The end-to-end tests alone. `--workspace` although one package is tested: alone it would resolve other features, and
/// compile the SDK again.
fn end_to_end(plan: &mut Plan, options: &Options, filter: &str) -> Result<()> {
    let built = build::build_with_tools(options.build)?;
    setup::ensure_one(Tools::Kafka)?;
    postgres::ensure()?;
    let local = Local::up(&built, &TENANTS, None, false)?;
    let mut tests =
        plan::cargo(&["test", "--locked", "--workspace", "--test", "e2e", "--test", "tutorial", "--no-fail-fast"]);
    tests.args(["--features", "acequia-aws/emulator,e2e/emulator,browser/chromium", "--", filter]);
    plan.cargo_test(with_environment(tests, &local, &built)?)?;
    // Its tenant is one of those that the tests have configured.
    if "door".contains(filter) { plan.condition(API, || api::check(&local)) } else { Ok(()) }
}

/// Compiles the largest function as for AWS and packs it, with what the processors have left; answers what is wrong
/// with it.
fn size_of_a_release() -> Result<Option<String>> {
    let programs = build::release_beside(build::LARGEST, &host::scratch("log/release.log"))?;
    let bytes = build::pack::pack_one(&programs, build::LARGEST, &host::scratch("build/size"));
    Ok(bytes.err().map(|error| error.to_string()))
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
        "node": node::ensure()?.join("node"),
        "root": host::root(),
    });
    fs::write(&file, environment.to_string()).with_context(|| format!("cannot write {}", file.display()))?;
    command.env("ACEQUIA_TEST_ENVIRONMENT", file).env("ACEQUIA_TEST_ENDPOINT", &local.aws.address);
    Ok(command)
}
