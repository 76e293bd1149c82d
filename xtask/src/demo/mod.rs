//! `cargo xtask demo`: three tenants on a local AWS, the endpoint of one of them broken, and what comes of it.
//!
//! The events of acme come in over HTTP by a token, those of bona by a key. Those of cedar come from a topic of Kafka's,
//! and each tenth by SQS beside it.
//!
//! 1. *Warm-up*: a few events, until the functions' instances have started.
//! 2. *Healthy*: all endpoints answer; a third of the events, to compare.
//! 3. *Slow*: the endpoint of `cedar` answers after three seconds; a third of the events.
//! 4. *Broken*: it answers 503; all events, at the same pace. In both the others' overtake what waits of cedar's
//!    ([`order`]).
//! 5. *Mended*: it answers again, and its dead-letter queue is redriven with the operator's command.
//! 6. *Remembered*: a sink that is added gets what the archive has by a replay ([`memory`]), and `DuckDB` and `psql` count
//!    archive and table themselves ([`warehouse`]).
//!
//! `cargo xtask demo --consent` shows another thing: [`crate::consent`].

mod event;
mod figures;
mod foretold;
mod memory;
mod order;
mod phase;
mod proof;
mod tenant;
mod view;
mod warehouse;

use std::fs;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::emulator::Server;
use crate::local::Local;
use crate::report::{self, Step};
use crate::setup::{self, Tools};
use crate::{build, consent, emulator, host, queue};
use phase::Phase;
use tenant::{BROKEN, SINKS, STACKS, TOPIC};
use view::View;
use warehouse::Warehouse;

/// How many events warm the functions up; the fewest of any phase ([`event::make`]).
const WARM_UP: u32 = 100;
/// Events per second and tenant. The local AWS is one process: with 60 a second, and each of the broken tenant's tried
/// three times, two slow cores are full, and what is measured is the machine and not the isolation.
const RATE: u32 = 30;
/// The same for the people who sign: none of their events is tried again.
const PEOPLE_RATE: u32 = 60;
/// How long redriven messages may take.
const MENDED_WITHIN: Duration = Duration::from_mins(1);

/// Options of the demo.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Events to send to each tenant while one endpoint is broken.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    events: u32,
    /// Events per second and tenant: 30, and with --consent 60. More than the local AWS can take makes all tenants slow
    /// alike.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: Option<u32>,
    /// Port of the local AWS (a free one where it is not given).
    #[arg(long)]
    port: Option<u16>,
    /// Leave everything running in the end, and print commands to play with.
    #[arg(long)]
    keep: bool,
    /// Show double opt-in instead: people sign, are asked by mail, and the sinks hear of those who confirm.
    #[arg(long, conflicts_with_all = ["events", "json"])]
    consent: bool,
    /// How many people sign, with --consent; a multiple of 20.
    #[arg(long, default_value_t = 1000, requires = "consent", value_parser = consent::people_count)]
    people: u32,
    #[command(flatten)]
    build: build::Options,
    /// Write the figures to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the demo; answers whether the proof holds.
pub(crate) fn run(options: &Options) -> Result<bool> {
    if options.consent {
        return consent(options);
    }
    println!(
        "This takes up to 12 minutes the first time and 4 after that, on two cores. It installs tools into .venv and builds the functions (4 to 8 min, \
         once), deploys\nthem on a local AWS (20 s), sends events to three tenants while one of their endpoints is slow, then broken (100 s), and proves \
         what became of each.\n"
    );
    let whole = Step::begin("demo");
    let built = build::build_with_tools(options.build)?;
    setup::ensure_one(Tools::Kafka)?;
    setup::ensure_one(Tools::Recipes)?;
    let local = Local::up(&built, &STACKS, options.port, options.keep)?;
    let broker = emulator::start_topic(&local.aws.address, BROKEN, TOPIC, options.keep)?;
    let warehouse = Warehouse::open(&built.database, options.keep)?;
    let doors = report::step("configure the tenants", || {
        tenant::configure(&local, warehouse.as_ref())?;
        if let Some(warehouse) = &warehouse {
            warehouse.prepare(&local)?;
        }
        tenant::doors(&local, &broker.address)
    })?;

    let mut view = View::new();
    let healthy_count = usize::try_from(options.events.div_ceil(3).max(WARM_UP))?;
    let rate = options.rate.unwrap_or(RATE);
    let phases = Phases {
        warm_up: Phase::run(&local, &doors, &mut view, "warm-up", (usize::try_from(WARM_UP)?, rate))?,
        healthy: Phase::run(&local, &doors, &mut view, "healthy", (healthy_count, rate))?,
        slow: {
            local.receiver.switch(&broken_endpoint()?, "slow 3000")?;
            Phase::run(&local, &doors, &mut view, "slow", (healthy_count, rate))?
        },
        broken: {
            local.receiver.switch(&broken_endpoint()?, "503")?;
            Phase::run(&local, &doors, &mut view, "broken", (usize::try_from(options.events)?, rate))?
        },
    };

    let account = proof::Account::take(&local, &phases)?;
    println!("\n{}", account.table());
    local.receiver.switch(&broken_endpoint()?, "200")?;
    let redrive = mend(&local, &mut view)?;
    let replayed = memory::replay(&local, &mut view, &phases)?;
    let judged = warehouse::judge(&local, warehouse.as_ref(), &phases)?;
    let verdict = proof::judge(&local, &account, &phases, (&redrive, &replayed, judged))?;
    println!("\nWhat became of one event of each tenant, by acequia explain:\n");
    for stack in STACKS {
        println!("{}", local.acequia.run(&["explain", stack.tenant, &event::one_of(stack.tenant)], "")?);
    }
    println!("{}", verdict.text());
    let seconds = whole.end();
    if let Some(file) = &options.json {
        let text = serde_json::to_string_pretty(&verdict.json(&account, seconds, &built.zip_bytes))?;
        fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    if options.keep {
        let played = ["acequia tally acme", "acequia explain acme '/demo/acme|broken-1'", "acequia dlq list acme"];
        let servers = [Some(broker), warehouse.map(Warehouse::into_server)];
        keep(local, servers.into_iter().flatten().collect(), &built.acequia, &played)?;
    }
    Ok(verdict.holds())
}

/// The demo of double opt-in.
fn consent(options: &Options) -> Result<bool> {
    let whole = Step::begin("demo --consent");
    let built = build::build_with_tools(options.build)?;
    let local = Local::up(&built, &[consent::STACK], options.port, options.keep)?;
    report::step("configure the tenant", || consent::configure(&local))?;
    let checks = consent::run(&local, options.people, options.rate.unwrap_or(PEOPLE_RATE), |link| {
        println!("\nA page that waits for an answer; open it in a browser while this runs:\n\n    {link}\n");
    })?;
    println!("\n{}", report::verdict(&checks));
    whole.end();
    if options.keep {
        let played = [
            "acequia consent show dalia supporter-0@example.org",
            "acequia consent export dalia supporter-14@example.org",
        ];
        keep(local, Vec::new(), &built.acequia, &played)?;
    } else if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        println!("\nPress Enter to end it all.");
        std::io::stdin().read_line(&mut String::new()).context("cannot read from the terminal")?;
    }
    Ok(report::hold(&checks))
}

fn broken_endpoint() -> Result<String> {
    let sink = SINKS.iter().find(|sink| sink.tenant == BROKEN).context("no sink is to be broken")?;
    Ok(sink.endpoint())
}

/// What was sent before anything is mended.
#[derive(Debug)]
struct Phases {
    warm_up: Phase,
    healthy: Phase,
    slow: Phase,
    broken: Phase,
}

impl Phases {
    fn all(&self) -> [&Phase; 4] {
        [&self.warm_up, &self.healthy, &self.slow, &self.broken]
    }
}

/// What redriving came to.
#[derive(Debug, Clone, Copy)]
struct Redrive {
    before: u64,
    after: u64,
}

/// Redrives what failed, and shows the count go to zero.
fn mend(local: &Local, view: &mut View) -> Result<Redrive> {
    let depth = || -> Result<(u64, u64)> {
        let queues = queue::all(local)?;
        let webhook = queue::of(&queues, BROKEN, "webhook");
        Ok((webhook.dead(), webhook.waiting()))
    };
    let (before, _) = depth()?;
    view.line(&format!("{BROKEN}'s endpoint is mended; acequia dlq redrive {BROKEN} --queue webhook --yes"));
    view.line(&format!("{BROKEN}: {before} in the dead-letter queue"));
    let start = host::now();
    std::thread::scope(|scope| {
        // The command moves message by message; the view shows the count beside it.
        let redrive = ["dlq", "redrive", BROKEN, "--queue", "webhook", "--yes"];
        let moving = scope.spawn(move || local.acequia.run(&redrive, ""));
        let mut shown = (before, 0);
        let after = loop {
            let (dlq, waiting) = depth()?;
            if (dlq, waiting) != shown {
                view.line(&format!("{BROKEN}: {dlq} in the dead-letter queue, {waiting} on the way"));
                shown = (dlq, waiting);
            }
            if (dlq + waiting == 0 && moving.is_finished()) || start.elapsed() > MENDED_WITHIN {
                break dlq + waiting;
            }
            std::thread::sleep(Duration::from_millis(300));
        };
        moving.join().unwrap_or_else(|_| bail!("redriving panicked"))?;
        Ok(Redrive { before, after })
    })
}

/// The folder with the command by its own name, for scripts too.
fn folder_of(acequia: &Path) -> Result<PathBuf> {
    let folder = host::scratch("bin");
    let link = folder.join("acequia");
    fs::create_dir_all(&folder).context("cannot make .local/bin")?;
    if fs::symlink_metadata(&link).is_ok() {
        fs::remove_file(&link).context("cannot replace .local/bin/acequia")?;
    }
    std::os::unix::fs::symlink(acequia, &link).context("cannot make .local/bin/acequia")?;
    Ok(folder)
}

fn keep(local: Local, servers: Vec<Server>, acequia: &Path, played: &[&str]) -> Result<()> {
    let folder = folder_of(acequia)?;
    println!("\nIt stays up. To play with it, in a shell:\n");
    for (name, value) in emulator::variables(&local.aws.address) {
        if name.starts_with("AWS_") || name.starts_with("ACEQUIA_") {
            println!("    export {name}={value}");
        }
    }
    println!("    export PATH={}:$PATH\n", folder.display());
    println!("    acequia status");
    for command in played {
        println!("    {command}");
    }
    println!("    curl -s {}/_receiver/stats", local.receiver_address());
    println!("    curl -s {}/_ministack/ses/messages", local.aws.address);
    let ids = local.leave().into_iter().chain(servers.into_iter().map(Server::leave));
    let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    println!("\nTo end it:\n\n    kill {}", ids.join(" "));
    Ok(())
}

/// Says that something did not come in time.
fn late<T>(what: &str, within: Duration) -> Result<T> {
    bail!("{what}: not within {} s; the logs are below .local/log", within.as_secs())
}
