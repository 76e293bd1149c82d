//! The one way through the archive that a dry run and a run go: batch by batch, line by line, step by step.
//!
//! A step takes what was chosen since the last one, has it sent, and only then moves the place. Memory holds the objects
//! that are read ahead, the lines of one, the deliveries of a step, and what is folded: it does not grow with a replay.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use acequia_archive::Records;
use acequia_core::archive::{Hour, InvalidLine, Line, ObjectKey};
use acequia_core::delivery::Delivery;
use acequia_core::delivery::ledger::DeliveryKey;
use acequia_core::flow::redrive::Observer;
use acequia_core::id::TenantId;
use acequia_core::port::{ArchiveReader, Clock, Ledger, SendError, Unavailable};
use acequia_core::replay::{Fold, Place, Progress, Query, Selection, Tally};
use acequia_core::time::after;
use acequia_core::wire::Replayed;
use jiff::Timestamp;

use super::ahead::{Ahead, Next};
use super::sender::Sender;

/// The most deliveries of a step, and the most bytes of their events, but for those of one event.
const STEP: usize = 100;
const STEP_BYTES: usize = 2 * 1024 * 1024;
/// How long it takes at most, between two steps, until the place is written down.
const KEEP_EVERY: Duration = Duration::from_secs(5);
/// How often in a second the place is written down at most, at the ends of objects.
const KEEP_LEAST: Duration = Duration::from_millis(250);
/// A queue that does not answer is tried again after these waits, beside the tries of the client itself.
const WAITS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
/// What SQS takes with a message. An event fitted that came with fewer attributes.
const MESSAGE_BYTES: usize = 1024 * 1024;

/// Where progress is written down.
pub trait Keeper: Send {
    /// Writes down how far it is; answers whether it is to go on.
    fn keep(
        &mut self,
        progress: &Progress,
        troubles: &[String],
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}

/// What a way through the archive needs.
pub struct Way<'a, A, L, S, C: ?Sized> {
    /// The archive.
    pub archive: &'a A,
    /// The memory of deliveries.
    pub ledger: &'a L,
    /// Where deliveries go.
    pub sender: &'a S,
    /// The time.
    pub clock: &'a C,
    /// Whose archive.
    pub tenant: &'a TenantId,
    /// What is asked for.
    pub query: &'a Query,
    /// The same, under a configuration.
    pub selection: &'a Selection<'a>,
    /// The replay.
    pub mark: Replayed,
    /// Objects that were kept later are left out.
    pub as_of: Timestamp,
    /// The most deliveries a second; as many as can be without.
    pub rate: Option<u32>,
}

/// How a way ended.
#[derive(Debug)]
pub enum Ended {
    /// At the end of what was asked for.
    Done,
    /// Before it, because somebody wanted it to.
    Stopped,
    /// Before it, because a service did not answer.
    Broken(Unavailable),
    /// Before it, because a queue refuses everything.
    Refused(String),
}

/// Goes the way from where `progress` stands. `progress` and `troubles` are brought up to date with each step.
pub async fn go<A: ArchiveReader, L: Ledger, S: Sender, C: Clock + ?Sized, K: Keeper>(
    way: &Way<'_, A, L, S, C>,
    progress: &mut Progress,
    troubles: &mut Vec<String>,
    keeper: &mut K,
    watch: &impl Observer,
) -> Ended {
    let first = Hour::of(way.query.from);
    let start = match &progress.folds_from {
        Some(place) => (ObjectKey::at_place(place).map_or(first, |key| key.hour), place.clone()),
        None => (first, String::new()),
    };
    let mut ahead = Ahead::new(way.archive, way.tenant, start, Hour::of(way.query.to), way.as_of);
    let mut run = Run {
        way,
        tally: progress.tally.clone(),
        done: progress.place.clone(),
        progress,
        troubles,
        keeper,
        watch,
        fold: Fold::default(),
        hour: None,
        pending: Vec::new(),
        pending_bytes: 0,
        due_in: Duration::ZERO,
        kept_at: way.clock.now(),
    };
    match run.all(&mut ahead).await {
        Ok(()) => Ended::Done,
        Err(ended) => ended,
    }
}

struct Run<'r, 'a, A, L, S, C: ?Sized, K, W> {
    way: &'r Way<'a, A, L, S, C>,
    progress: &'r mut Progress,
    troubles: &'r mut Vec<String>,
    keeper: &'r mut K,
    watch: &'r W,
    /// With what is pending.
    tally: Tally,
    /// Behind what is pending.
    done: Option<Place>,
    fold: Fold,
    hour: Option<Hour>,
    pending: Vec<Delivery>,
    pending_bytes: usize,
    /// How long the last step may still take, by the rate.
    due_in: Duration,
    kept_at: Timestamp,
}

impl<A: ArchiveReader, L: Ledger, S: Sender, C: Clock + ?Sized, K: Keeper, W: Observer> Run<'_, '_, A, L, S, C, K, W> {
    async fn all(&mut self, ahead: &mut Ahead<'_, A>) -> Result<(), Ended> {
        loop {
            match ahead.next().await.map_err(Ended::Broken)? {
                None => break,
                Some(Next::Foreign(name)) => {
                    if self.is_ahead(&name, 0) {
                        self.trouble(format!("{name} is none of the archive's objects, and is left out"));
                    }
                }
                Some(Next::Broken(error)) => return Err(Ended::Broken(error)),
                Some(Next::Batch(key, records)) => self.batch(ahead, &key, records).await?,
            }
        }
        self.step(ahead).await?;
        self.keep(ahead).await
    }

    /// Whether a line is still to be done.
    fn is_ahead(&self, object: &str, line: u64) -> bool {
        self.done.as_ref().is_none_or(|done| (done.object.as_str(), done.lines) <= (object, line))
    }

    async fn batch(
        &mut self,
        ahead: &mut Ahead<'_, A>,
        key: &ObjectKey,
        records: Result<Records, String>,
    ) -> Result<(), Ended> {
        let name = key.place();
        let version = records.as_ref().map(|records| records.count().to_string()).unwrap_or_default();
        if let Some(done) = &mut self.done
            && done.object == name
            && done.version.as_ref().is_some_and(|known| *known != version)
        {
            done.lines = 0;
        }
        if self.hour != Some(key.hour) || self.fold.is_full() {
            self.step(ahead).await?;
            self.fold.clear();
            self.hour = Some(key.hour);
            // What was done already is read again from where its memory began.
            if self.is_ahead(&name, 1) || self.progress.folds_from.is_none() {
                self.progress.folds_from = Some(name.clone());
            }
        }
        let lines = match &records {
            Ok(records) => self.lines(ahead, (&name, &version), records).await?,
            Err(why) => {
                if self.is_ahead(&name, 0) {
                    self.tally.unreadable += 1;
                    self.trouble(format!("{name}: {why}"));
                }
                0
            }
        };
        let end = lines.saturating_add(1);
        if self.is_ahead(&name, end - 1) {
            self.tally.objects += 1;
            // Behind its last line: no line has this number.
            self.done = Some(Place { object: name, lines: end, version: None });
        }
        self.move_on(ahead, KEEP_LEAST).await
    }

    /// Works off the events of a batch; answers how many there are.
    async fn lines(
        &mut self,
        ahead: &mut Ahead<'_, A>,
        (name, version): (&str, &str),
        records: &Records,
    ) -> Result<u64, Ended> {
        let (mut number, tenant) = (0, self.way.tenant);
        for line in records.each(tenant) {
            let is_ahead = self.is_ahead(name, number);
            self.line(name, number, line, is_ahead);
            number += 1;
            if is_ahead {
                self.tally.lines += 1;
                let version = Some(version.to_owned());
                self.done = Some(Place { object: name.to_owned(), lines: number, version });
            }
            if self.pending.len() >= self.step_size() || self.pending_bytes >= STEP_BYTES {
                self.step(ahead).await?;
                self.move_on(ahead, KEEP_EVERY).await?;
            }
        }
        Ok(number)
    }

    /// Reads a line, and takes what it comes to, unless that was done before.
    fn line(&mut self, name: &str, number: u64, line: Result<Line, InvalidLine>, is_ahead: bool) {
        let read = line.map_err(|error| error.to_string());
        let meant = read.and_then(|line| {
            let envelope = line.envelope;
            let means = self.way.selection.means(&envelope).map_err(|cause| cause.to_string())?;
            Ok(means.then(|| Arc::new(envelope)))
        });
        let deliveries = meant.and_then(|meant| {
            let Some(envelope) = meant else { return Ok(None) };
            let is_new = self.fold.is_new(&envelope.event);
            if !(is_new && is_ahead) {
                return Ok(Some((is_new, Vec::new())));
            }
            let chosen = self.way.selection.choose(&envelope, &self.way.mark).map_err(|cause| cause.to_string())?;
            Ok(Some((is_new, chosen)))
        });
        match deliveries {
            Ok(None) => {}
            Ok(Some((is_new, chosen))) => {
                self.tally.repeated += u64::from(is_ahead && !is_new);
                self.pending_bytes += chosen.iter().map(Delivery::message_bytes).sum::<usize>();
                self.pending.extend(chosen);
            }
            Err(why) if is_ahead => {
                self.tally.unreadable += 1;
                self.trouble(format!("{name}, line {}: {why}", number + 1));
            }
            Err(_) => {}
        }
    }

    /// Sends what is pending, and moves the place behind it.
    async fn step(&mut self, ahead: &mut Ahead<'_, A>) -> Result<(), Ended> {
        if self.pending.is_empty() && self.progress.place == self.done {
            return Ok(());
        }
        let mut pending = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        if self.way.selection.asks_ledger() {
            pending = self.asked(ahead, pending).await?;
        }
        if !pending.is_empty() {
            ahead.beside(self.way.clock.sleep(std::mem::take(&mut self.due_in))).await;
            self.send(ahead, &pending).await?;
            let count = u32::try_from(pending.len()).unwrap_or(u32::MAX);
            self.due_in =
                self.way.rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1).saturating_mul(count) / rate);
        }
        let mut last: Option<&Delivery> = None;
        for delivery in &pending {
            let kind = &delivery.envelope.event_type;
            self.tally.choose(kind, &delivery.sink, delivery.envelope.body.len() as u64);
            let same = last.is_some_and(|last| Arc::ptr_eq(&last.envelope, &delivery.envelope));
            self.tally.events += u64::from(!same);
            last = Some(delivery);
        }
        self.progress.tally = self.tally.clone();
        self.progress.place.clone_from(&self.done);
        self.watch.dealt(pending.len() as u64);
        Ok(())
    }

    /// Those whose first delivery came to what is asked for.
    async fn asked(&self, ahead: &mut Ahead<'_, A>, pending: Vec<Delivery>) -> Result<Vec<Delivery>, Ended> {
        let first = |delivery: &Delivery| DeliveryKey { replay: None, ..delivery.key() };
        let mut keys: Vec<DeliveryKey> = pending.iter().map(first).collect();
        keys.sort();
        keys.dedup();
        let records = ahead.beside(self.way.ledger.read(self.way.tenant, &keys)).await;
        let records: Vec<_> = records.into_iter().collect::<Result<_, Unavailable>>().map_err(Ended::Broken)?;
        let record = |key: &DeliveryKey| {
            let place = keys.binary_search(key).ok()?;
            records.get(place)?.as_ref()
        };
        Ok(pending.into_iter().filter(|delivery| self.way.selection.had(record(&first(delivery)))).collect())
    }

    /// Sends deliveries until each is in its queue, or refused by it.
    async fn send(&mut self, ahead: &mut Ahead<'_, A>, deliveries: &[Delivery]) -> Result<(), Ended> {
        let (mut open, large): (Vec<Delivery>, Vec<Delivery>) =
            deliveries.iter().cloned().partition(|delivery| delivery.message_bytes() <= MESSAGE_BYTES);
        for delivery in large {
            self.refused(&delivery);
        }
        let mut waits = WAITS.into_iter();
        loop {
            let answers = ahead.beside(self.way.sender.send(&open)).await;
            let (mut left, mut error) = (Vec::new(), None);
            for (delivery, answer) in open.into_iter().zip(answers) {
                match answer {
                    Ok(()) => {}
                    // Its bytes came through a queue before, so it is the queue: none of these deliveries is passed over.
                    Err(SendError::Refused(why)) => {
                        return Err(Ended::Refused(format!(
                            "the queue of {} refuses deliveries: {why}",
                            delivery.sink
                        )));
                    }
                    Err(SendError::Unavailable(unavailable)) => {
                        error = Some(unavailable);
                        left.push(delivery);
                    }
                }
            }
            let Some(error) = error else { return Ok(()) };
            let Some(wait) = waits.next() else { return Err(Ended::Broken(error)) };
            ahead.beside(self.way.clock.sleep(wait)).await;
            open = left;
        }
    }

    fn refused(&mut self, delivery: &Delivery) {
        self.tally.refused += 1;
        let (event, bytes) = (delivery.envelope.event.as_str(), delivery.message_bytes());
        self.trouble(format!(
            "the delivery of {event} to {} has {bytes} bytes with what stands beside it, and SQS takes {MESSAGE_BYTES}",
            delivery.sink
        ));
    }

    /// Between two steps: writes the place down where it is time to, and ends where somebody wants that.
    async fn move_on(&mut self, ahead: &mut Ahead<'_, A>, every: Duration) -> Result<(), Ended> {
        let now = self.way.clock.now();
        let is_time = after(self.kept_at, KEEP_EVERY) <= now;
        let ends = self.watch.ends();
        if is_time || ends || self.pending.is_empty() {
            // So that there is a place to write down.
            self.step(ahead).await?;
        }
        if ends || (self.pending.is_empty() && after(self.kept_at, every) <= now) {
            self.keep(ahead).await?;
        }
        if ends { Err(Ended::Stopped) } else { Ok(()) }
    }

    async fn keep(&mut self, ahead: &mut Ahead<'_, A>) -> Result<(), Ended> {
        self.kept_at = self.way.clock.now();
        match ahead.beside(self.keeper.keep(self.progress, self.troubles)).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Ended::Stopped),
            Err(error) => Err(Ended::Broken(error)),
        }
    }

    /// Five steps a second are even enough, and let calls be batches.
    fn step_size(&self) -> usize {
        self.way.rate.map_or(STEP, |rate| usize::try_from(rate / 5).unwrap_or(STEP).clamp(1, STEP))
    }

    fn trouble(&mut self, text: String) {
        self.watch.trouble(&text);
        if self.troubles.len() < acequia_core::replay::KEPT {
            self.troubles.push(text);
        }
    }
}
