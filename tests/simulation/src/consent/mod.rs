//! Consent in the simulator, a family of runs of its own: the real router, outbox, confirm and feedback functions and
//! the real e-mail and forward sinks over the same perils, with people who answer mails, scanners that look at every
//! link, and a stream that gives up.
//!
//! - [`scenario`] says what a run begins with, [`people`] what people do.
//! - [`driver`] plays SQS, Lambda, the HTTP API and the schedules, [`stream`] the table's stream, [`work`] what comes
//!   in and out.
//! - [`scene`] holds the stores; [`port`] stands before them with perils and eyes.
//! - [`seen`] and [`rows`] check what was seen as it comes, [`check`] what must hold in the end.
//! - [`mutation`] breaks consent on purpose.

pub mod check;
pub mod driver;
pub mod function;
pub mod mutation;
pub mod people;
pub mod port;
pub mod rows;
pub mod scenario;
pub mod scene;
pub mod seen;
pub mod stream;
pub mod work;

use std::collections::BTreeSet;
use std::time::Duration;

use acequia_core::port::Clock as _;
use acequia_core::time::after;
use acequia_testkit::{FixedClock, build};
use jiff::Timestamp;

pub use mutation::Mutation;

use crate::dice::Dice;
use crate::driver::Step;
use crate::history::History;
use crate::redrive;
use crate::run::{self, Report};
use crate::weather::Weather;
use crate::world::{State, World};
use driver::Driver;
use people::Happening;
use scenario::Scenario;
use scene::Scene;

/// How long the chaos lasts: longer than a link is valid, so that some expire in it.
const CHAOS: Duration = Duration::from_mins(80);
/// Within which time everything comes to rest once all is mended.
const REST: Duration = Duration::from_hours(24);

/// Keeps the dice of this family apart from the other one's.
const FAMILY: u64 = 0xc0_15e7_7000_0000;

/// How a run is made.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether the trace can be read afterwards.
    pub keep_trace: bool,
    /// How consent is broken, where it is.
    pub mutation: Option<Mutation>,
}

/// Runs one seed.
pub fn run(seed: u64, options: Options) -> Report {
    let mut dice = Dice::new(seed ^ FAMILY);
    let weather = Weather::of(&mut dice);
    let scenario = Scenario::of(&mut dice);
    let clock = FixedClock::at(build::start());
    let mut history = History::new(clock.clone(), crate::scenario::Scenario::default(), options.keep_trace);
    history.note(0, format_args!("{weather:?}"));
    for tenant in &scenario.tenants {
        history.note(0, format_args!("{tenant:?}"));
    }
    for event in &scenario.events {
        history.note(
            0,
            format_args!("{} of {}, {} {:?} {}", event.event, event.tenant, event.address, event.temper, event.list),
        );
    }
    let state = State { dice, weather, history, outages: BTreeSet::new() };
    let world = World::new(clock, state, run::Options::default());
    let scene = Scene::new(world, scenario, options.mutation);
    run::guard(&scene.world, || live(&scene));
    let effects = scene.seen().arrived.len();
    let history = &mut scene.world.lock().history;
    Report {
        seed,
        violations: std::mem::take(&mut history.violations),
        hash: history.trace.hash(),
        effects,
        trace: std::mem::replace(&mut history.trace, crate::trace::Trace::new(false)).into_lines(),
    }
}

/// Chaos, then peace until all is quiet, then a redrive of everything, and peace again.
fn live(scene: &Scene) {
    let mut driver = Driver::new(scene);
    {
        let mut seen = scene.seen();
        let sendings: Vec<_> = seen.scenario.events.iter().map(|event| event.sendings.clone()).collect();
        for (index, waits) in sendings.into_iter().enumerate() {
            for wait in waits {
                seen.plan(wait, Happening::Send(index));
            }
        }
    }
    let end = after(scene.world.clock.now(), CHAOS);
    if !go_on(scene, &mut driver, Some(end)) {
        return;
    }
    {
        let state = &mut *scene.world.lock();
        state.weather = Weather::calm();
        state.history.note(0, format_args!("all is mended"));
    }
    scene.seen().mended = true;
    if !go_on(scene, &mut driver, None) {
        return;
    }
    redrive::each_of(&scene.world, &scene.tenants(), &driver::ROLES);
    if go_on(scene, &mut driver, None) {
        check::check(scene);
    }
}

/// Runs until this time, or until nothing is left to do.
fn go_on(scene: &Scene, driver: &mut Driver, until: Option<Timestamp>) -> bool {
    let end = until.unwrap_or_else(|| after(scene.world.clock.now(), REST));
    loop {
        if !scene.world.lock().history.violations.is_empty() {
            return false;
        }
        let now = scene.world.clock.now();
        if now > end {
            return until.is_some() || endless(scene);
        }
        let next = scene.seen().agenda.keys().next().copied();
        if next.is_some_and(|(at, _)| at <= now) {
            let what = scene.seen().agenda.pop_first();
            if let Some(visit) = what.and_then(|(_, what)| people::happen(scene, what)) {
                driver.visit(visit);
            }
            continue;
        }
        let next = next.map(|(at, _)| at);
        let wait = match driver.step() {
            Step::Done => continue,
            Step::Wait(until) => Some(until),
            Step::Quiet => None,
            Step::Endless => return endless(scene),
        };
        match wait.into_iter().chain(next).min() {
            Some(time) => scene.world.clock.set(time),
            None if until.is_some() || driver.is_quiet() => return true,
            None => return endless(scene),
        }
    }
}

fn endless(scene: &Scene) -> bool {
    scene.hold(0, Err("it never comes to rest".to_owned()));
    false
}
