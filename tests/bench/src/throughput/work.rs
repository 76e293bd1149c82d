//! How each kind of row is measured.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::Options;
use super::bed::{Bed, Done, Running, milliseconds};
use super::figure::{median, part};
use super::row::{Kind, Row};

/// What was measured, by name.
type Found = Vec<(&'static str, f64)>;

/// The most batches of one run.
const MOST_BATCHES: usize = 400;
/// The fewest: the second half of them is taken for the steady state.
const FEWEST_BATCHES: usize = 4;
/// A batch in which endpoints take turns.
const SHARED: usize = 100;
/// All endpoints of a row.
const ALL: usize = usize::MAX;

/// Measures a row with a program.
pub(super) fn measure(bed: &Bed<'_>, row: &Row, options: &Options) -> Result<Found> {
    let quick = options.quick;
    match row.kind {
        Kind::Cold => cold(bed, if quick { 2 } else { 5 }),
        Kind::Rate { batch } => with(bed, |running| rate(running, batch, options.lasting)),
        Kind::Latency => with(bed, |running| latency(running, if quick { 20 } else { 150 })),
        Kind::Shared { batches } => with(bed, |running| shared(running, batches)),
    }
}

/// With a process that has delivered one message to the first endpoint: what it reads at its start is read.
fn with(bed: &Bed<'_>, then: impl FnOnce(&mut Running<'_>) -> Result<Found>) -> Result<Found> {
    let stub = bed.stub()?;
    let mut running = bed.start(&stub)?;
    running.batch(1, 1)?;
    then(&mut running)
}

fn rate(running: &mut Running<'_>, size: usize, limit: Duration) -> Result<Found> {
    // What was given back was not delivered: an endpoint that is slow enough holds a part of the batch back.
    let (mut took, mut delivered): (Vec<Duration>, Vec<usize>) = (Vec::new(), Vec::new());
    let begun = running.processor_time()?;
    while took.len() < FEWEST_BATCHES || (took.len() < MOST_BATCHES && took.iter().sum::<Duration>() < limit) {
        let done = running.any_batch(size, ALL)?;
        took.push(done.took);
        delivered.push(size - done.failures);
    }
    let spent = running.processor_time()?.saturating_sub(begun);
    let half = took.len() / 2;
    let per_second = |from: usize, to: usize| {
        let messages: usize = delivered.get(from..to).unwrap_or_default().iter().sum();
        let time: Duration = took.get(from..to).unwrap_or_default().iter().sum();
        #[expect(clippy::cast_precision_loss, reason = "a run has at most ten thousands of messages")]
        let messages = messages as f64;
        (messages, messages / time.as_secs_f64())
    };
    let (all, _) = per_second(0, took.len());
    #[expect(clippy::cast_precision_loss, reason = "it has a few megabytes")]
    let peak = running.memory()?.peak as f64 / 1e6;
    Ok(vec![
        ("first batch, messages/s", per_second(0, 1).1),
        ("messages/s", per_second(half, took.len()).1),
        ("processor, us per message", spent.as_secs_f64() * 1e6 / all),
        ("at the most, MB", peak),
    ])
}

fn latency(running: &mut Running<'_>, messages: usize) -> Result<Found> {
    let mut left = Vec::with_capacity(messages);
    for _ in 0..messages {
        left.extend(running.batch(1, ALL)?.left(|_| true));
    }
    Ok(vec![("p50, ms", part(&mut left, 0.5)), ("p95, ms", part(&mut left, 0.95))])
}

/// The median over some starts.
fn cold(bed: &Bed<'_>, starts: usize) -> Result<Found> {
    let (mut poll, mut request, mut answer) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..starts {
        let stub = bed.stub()?;
        let mut running = bed.start(&stub)?;
        let done = running.batch(1, 1)?;
        let polled = running.polled()?;
        let arrived = done.traffic.arrivals.first().context("the message was not delivered")?.at;
        poll.push(milliseconds(polled.saturating_duration_since(running.started())));
        request.push(milliseconds(arrived.saturating_duration_since(polled)));
        answer.push(milliseconds((done.begun + done.took).saturating_duration_since(polled)));
    }
    Ok(vec![
        ("start to first poll, ms", median(&mut poll)),
        ("first poll to request, ms", median(&mut request)),
        ("first poll to answer, ms", median(&mut answer)),
    ])
}

/// The first batch, and the median of those after it.
fn shared(running: &mut Running<'_>, batches: usize) -> Result<Found> {
    let mut done = Vec::with_capacity(batches);
    for _ in 0..batches {
        done.push(running.any_batch(SHARED, ALL)?);
    }
    let mut later: Vec<&Done> = done.iter().skip(1).collect();
    let first = done.first().context("there was no batch")?;
    if later.is_empty() {
        later.push(first);
    }
    let each = |of: &dyn Fn(&Done) -> f64| median(&mut later.iter().map(|done| of(done)).collect::<Vec<_>>());
    // Of the endpoints that are not slow.
    let fast = |done: &Done| done.left(|name| name != "slow");
    #[expect(clippy::cast_precision_loss, reason = "at most a hundred")]
    let slow = |done: &Done| done.left(|name| name == "slow").len() as f64;
    Ok(vec![
        ("first batch, ms", milliseconds(first.took)),
        ("batch, ms", each(&|done| milliseconds(done.took))),
        ("first request, ms", each(&|done| part(&mut fast(done), 0.0))),
        ("fast p50, ms", each(&|done| part(&mut fast(done), 0.5))),
        ("fast last, ms", each(&|done| part(&mut fast(done), 1.0))),
        ("slow attempts", each(&slow)),
    ])
}
