//! One run: a seed decides everything, and what must hold is checked.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use acequia_core::port::Clock as _;
use acequia_core::time::after;
use acequia_testkit::{FixedClock, build};
use jiff::Timestamp;

use crate::dice::Dice;
use crate::driver::{Driver, Step};
use crate::history::History;
use crate::mutation::Mutation;
use crate::operator::{self, Happening};
use crate::scenario::Scenario;
use crate::weather::Weather;
use crate::world::{State, World};
use crate::{check, redrive};

/// How long the chaos lasts: longer than the longest schedule and a visibility timeout.
const CHAOS: Duration = Duration::from_mins(15);

/// Within which time everything comes to rest once all is mended.
const REST: Duration = Duration::from_hours(24);

/// How a run is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether the trace can be read afterwards.
    pub keep_trace: bool,
    /// How the protocol is broken, where it is.
    pub mutation: Option<Mutation>,
}

/// A family of runs: each has seeds of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
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
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Delivery, Self::Consent, Self::Ordered, Self::Kafka];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Consent => "consent",
            Self::Ordered => "ordered",
            Self::Kafka => "kafka",
        }
    }

    /// The command that replays a seed.
    pub fn replay(self, seed: u64) -> String {
        format!("cargo xtask simulate --family {} --seed {seed}", self.as_str())
    }

    /// Runs one seed, with nothing broken. A panic is a violation of its seed, also where it makes what a run begins
    /// with.
    pub fn run(self, seed: u64, keep_trace: bool) -> Report {
        let run = || match self {
            Self::Delivery => run(seed, Options { keep_trace, mutation: None }),
            Self::Consent => crate::consent::run(seed, crate::consent::Options { keep_trace, mutation: None }),
            Self::Ordered => crate::ordered::run(seed, Options { keep_trace, mutation: None }),
            Self::Kafka => crate::kafka::run(seed, Options { keep_trace, mutation: None }),
        };
        catch_unwind(run).unwrap_or_else(|panic| Report {
            seed,
            violations: vec![format!("a panic: {}", words(&*panic))],
            hash: 0,
            trace: Vec::new(),
            effects: 0,
        })
    }
}

/// How many lines of a trace are shown where a seed fails.
const SHOWN: usize = 60;

impl Report {
    /// What people read of a seed that fails: what it broke, the end of its trace, and how to see all of it.
    pub fn describe(&self, family: Family) -> String {
        let (seed, broken) = (self.seed, self.violations.join("; "));
        let end = self.trace.get(self.trace.len().saturating_sub(SHOWN)..).unwrap_or_default();
        let trace = if end.is_empty() { "there is none".to_owned() } else { end.join("\n") };
        format!(
            "{} seed {seed}: {broken}\nthe last {} of {} lines of its trace:\n{trace}\nall of it: {}",
            family.as_str(),
            end.len(),
            self.trace.len(),
            family.replay(seed)
        )
    }
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// What decided it.
    pub seed: u64,
    /// What must not have happened; empty where all is well.
    pub violations: Vec<String>,
    /// The hash of the trace: the same for the same seed.
    pub hash: u64,
    /// The trace, where it was kept.
    pub trace: Vec<String>,
    /// How many effects there were.
    pub effects: usize,
}

/// Runs one seed.
pub fn run(seed: u64, options: Options) -> Report {
    let mut dice = Dice::new(seed);
    let weather = Weather::of(&mut dice);
    let scenario = Scenario::of(&mut dice);
    play(seed, dice, weather, scenario, options)
}

/// Plays a scenario to its end.
pub fn play(seed: u64, dice: Dice, weather: Weather, scenario: Scenario, options: Options) -> Report {
    let clock = FixedClock::at(build::start());
    let mut history = History::new(clock.clone(), scenario, options.keep_trace);
    history.note(0, format_args!("{weather:?}"));
    for tenant in history.scenario.tenants.clone() {
        history.note(0, format_args!("{}: {:?} {:?}", tenant.id, tenant.sinks, tenant.versions));
    }
    let state = State { dice, weather, history, outages: BTreeSet::new() };
    let world = World::new(clock, state, options);
    for tenant in &world.lock().history.scenario.tenants {
        world.tenants.put(&tenant.id, tenant.document());
        let buses = format!(
            "arn:aws:events:us-east-1:123456789012:event-bus/{}.*,{}",
            tenant.id,
            crate::scenario::address(tenant.id.as_str())
        );
        world.grants.put(&tenant.id, &format!("{}.example", tenant.id), &buses);
    }
    break_loops(options.mutation);
    guard(&world, || live(&world));
    break_loops(None);
    let history = &mut world.lock().history;
    Report {
        seed,
        violations: std::mem::take(&mut history.violations),
        hash: history.trace.hash(),
        effects: history.stories.values().map(|story| story.effects.len()).sum(),
        trace: std::mem::replace(&mut history.trace, crate::trace::Trace::new(false)).into_lines(),
    }
}

/// Lets a run go on; where it panics, that is what the run came to.
pub(crate) fn guard(world: &World, live: impl FnOnce()) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(live)) else { return };
    world.lock().history.report(0, format_args!("a panic: {}", words(&*panic)));
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}

/// Chaos, then peace until all is quiet, then a redrive of everything, and peace again.
fn live(world: &World) {
    let mut driver = Driver::new(world);
    let end = after(world.clock.now(), CHAOS);
    if !chaos(world, &mut driver, end) {
        return;
    }
    operator::mend(world);
    // An instance may go by the configuration before for five more seconds, and no operator redrives that fast.
    world.clock.advance(Duration::from_secs(10));
    if !settle(world, &mut driver) {
        return;
    }
    // A redrive that died has hidden what it began with.
    world.clock.advance(redrive::HIDDEN);
    redrive::all(world);
    if !settle(world, &mut driver) {
        return;
    }
    check::check(world);
}

fn chaos(world: &World, driver: &mut Driver, end: Timestamp) -> bool {
    let mut agenda = operator::agenda(world, CHAOS);
    loop {
        if !world.lock().history.violations.is_empty() {
            return false;
        }
        let now = world.clock.now();
        if agenda.last().is_some_and(|(at, _)| *at <= now) {
            operator::happen(world, agenda.pop().map_or(Happening::Unrest, |(_, what)| what));
            continue;
        }
        let next = agenda.last().map_or(end, |(at, _)| *at);
        match driver.step() {
            Step::Done => {}
            _ if now >= end => return true,
            Step::Wait(until) => world.clock.set(until.min(next)),
            Step::Quiet => world.clock.set(next),
            Step::Endless => return endless(world),
        }
    }
}

/// Runs until nothing is left to do.
fn settle(world: &World, driver: &mut Driver) -> bool {
    let end = after(world.clock.now(), REST);
    loop {
        if !world.lock().history.violations.is_empty() {
            return false;
        }
        match driver.step() {
            Step::Done => {}
            // With all mended, a day is more than any schedule and any hold.
            Step::Wait(until) if until > end => return endless(world),
            Step::Wait(until) => world.clock.set(until),
            Step::Quiet if driver.is_quiet() => return true,
            Step::Quiet | Step::Endless => return endless(world),
        }
    }
}

fn endless(world: &World) -> bool {
    world.lock().history.report(0, format_args!("it never comes to rest"));
    false
}

/// Breaks the loops of this thread so, and in no other way.
fn break_loops(mutation: Option<Mutation>) {
    acequia_lambda::mutation::skip_fold(mutation == Some(Mutation::SkipFold));
    acequia_lambda::mutation::skip_stop(mutation == Some(Mutation::SkipStop));
    acequia_lambda::mutation::skip_bound(mutation == Some(Mutation::SkipBound));
    acequia_lambda::mutation::forget_rest(mutation == Some(Mutation::ForgetRest));
    acequia_lambda::mutation::record_ahead(mutation == Some(Mutation::RecordAhead));
}
