//! What a tenant waits at the door while another tenant sends far more than its `[intake] rate` lets pass.
//!
//! A fixed number of instances serves both, as where a function has reached its reserved concurrency: each request takes
//! one instance, and waits where all are taken. The quiet tenant sends at a steady pace in either half of a round, so
//! that what else the machine does hits both alike; the ratio is that of one round. On Lambda an instance is started for
//! a request that finds none free, and each has a processor of its own, which this machine has not: what is measured is
//! the door's part in one tenant's waiting for another, and not Lambda's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value as Json, json};
use stub::scenario::DOOR;
use stub::{Answered, Function, Latencies, Store, Stub, World};

use crate::program::Programs;
use crate::table::markdown;
use crate::throughput::{Aim, Wanted, median, milliseconds, part, ratio_of};

/// The tenant that waits, and the one that floods.
const QUIET: &str = "acme";
const LOUD: &str = "bona";
/// The instances that serve both.
const INSTANCES: usize = 4;
/// Events of a request of either.
const EVENTS: usize = 10;
/// How often each sends a request. The loud one sends 1,000 events a second, ten times as many as it may.
const QUIET_EVERY: Duration = Duration::from_millis(25);
const LOUD_EVERY: Duration = Duration::from_millis(10);
const LOUD_RATE: &str = "100/s";
/// How long half a round lasts.
const LASTS: Duration = Duration::from_secs(5);
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most that the quiet tenant's p95 may grow to.
const MOST: f64 = 1.2;

/// What became of the requests of a tenant in half a round.
#[derive(Debug, Default)]
struct Half {
    took: Vec<f64>,
    accepted: usize,
    limited: usize,
}

/// Measures in rounds; the goal, and the table.
///
/// # Errors
/// When a program fails, or a request of the quiet tenant is not taken, or the flood is none.
pub fn measure(programs: &Programs, rounds: usize, quick: bool) -> Result<(Aim, String)> {
    let mut store = Store::default();
    stub::door::settle(&mut store, QUIET, &json!({}))?;
    stub::door::settle(&mut store, LOUD, &json!({"rate": LOUD_RATE, "burst": 100}))?;
    let stub = Stub::start(|_| World::keeping(Arc::new(Mutex::new(store))), Latencies::USUAL)?;
    let program = programs.find(DOOR)?;
    let mut instances = Vec::new();
    for number in 0..INSTANCES {
        instances.push(Function::start(&stub, &program, &programs.log(&format!("door-flood-{number}")))?);
    }
    // Each reads configurations and keys first.
    send(&stub, QUIET, QUIET_EVERY, Duration::from_secs(2))?;
    let lasts = if quick { Duration::from_secs(1) } else { LASTS };
    let (mut alone, mut beside, mut limited, mut flooded) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..rounds.max(1) {
        let mut half = send(&stub, QUIET, QUIET_EVERY, lasts)?;
        ensure!(half.limited == 0, "the quiet tenant was limited");
        alone.push(part(&mut half.took, 0.95));
        let (quiet, loud) = std::thread::scope(|scope| {
            let loud = scope.spawn(|| send(&stub, LOUD, LOUD_EVERY, lasts));
            let quiet = send(&stub, QUIET, QUIET_EVERY, lasts);
            loud.join().map(|loud| (quiet, loud))
        })
        .map_err(|_| anyhow::anyhow!("the flood ended before its time"))?;
        let (mut quiet, loud) = (quiet?, loud?);
        ensure!(quiet.limited == 0, "the quiet tenant was limited");
        ensure!(loud.limited > loud.accepted, "the flood was none: {} of its requests passed", loud.accepted);
        beside.push(part(&mut quiet.took, 0.95));
        limited += loud.limited;
        flooded += loud.limited + loud.accepted;
    }
    stub.take_counts()?;
    let ratio = ratio_of(&beside, &alone);
    let (alone, beside) = (median(&mut alone), median(&mut beside));
    let cells =
        [format!("{alone:.1}"), format!("{beside:.1}"), format!("{ratio:.2}"), format!("{limited} of {flooded}")];
    let header = ["p95 alone, ms", "p95 beside the flood, ms", "ratio", "requests of the flood that got 429"];
    let what = "p95 at the door beside a flood, of the one alone".to_owned();
    Ok((Aim { what, wanted: Wanted::AtMost(MOST), found: ratio }, markdown(&header, 0, [cells.to_vec()])))
}

/// Sends requests of a tenant at a pace, whatever becomes of those before.
fn send(stub: &Stub, tenant: &str, every: Duration, lasts: Duration) -> Result<Half> {
    let half = Mutex::new(Half::default());
    let begun = stub::now();
    let ended: Result<()> = std::thread::scope(|scope| {
        let mut waiting = Vec::new();
        for number in 0.. {
            let at = every * number;
            if at >= lasts {
                break;
            }
            let payload = stub::door::request_of(tenant, u64::from(number), EVENTS)?;
            std::thread::sleep(at.saturating_sub(begun.elapsed()));
            let half = &half;
            waiting.push(scope.spawn(move || one(stub, payload, half)));
        }
        waiting.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| anyhow::bail!("a request was cut off")))
    });
    ended?;
    Ok(half.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn one(stub: &Stub, payload: String, half: &Mutex<Half>) -> Result<()> {
    let begun: Instant = stub::now();
    let answered = stub.invoke(payload).recv_timeout(PATIENCE).context("a request was not answered")?;
    let took = milliseconds(begun.elapsed());
    let Answered::Response(response) = answered else { anyhow::bail!("the door failed: {answered:?}") };
    let answer: Json = serde_json::from_str(&response)?;
    let mut half = half.lock().unwrap_or_else(PoisonError::into_inner);
    match answer.get("statusCode").and_then(Json::as_u64) {
        Some(202) => half.accepted += 1,
        Some(429) => half.limited += 1,
        _ => anyhow::bail!("a request was answered with {response}"),
    }
    half.took.push(took);
    Ok(())
}
