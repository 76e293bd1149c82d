//! The deliveries of one invocation that are attempted, on their way: what a sink asks before each, and tells after it.
//!
//! The loop learns of each outcome at once. So circuits open in the middle of a batch, and what was delivered is
//! recorded while others are still under way ([`crate::sink_loop`]).
//!
//! Invariants:
//! - An attempt begins only if the invocation has its time left, if its circuit was not opened by this batch, and not so
//!   late that it alone would keep the tenant's next batch waiting.
//! - What does not begin spends no attempt, and comes back.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use acequia_core::id::{SinkId, TenantId};
use acequia_core::outcome::Cause;
use acequia_core::port::{Chance, Clock};
use futures::future::{Either, select};
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::breakers::Passes;
use crate::widths::{Shared, Widths};
use crate::{Attempted, Deadline, Job};

/// How long after the first attempt of an invocation others begin. What would begin later is given back: a slow
/// endpoint costs its own deliveries time, and not those that wait for the next batch.
const BEGINNING: Duration = Duration::from_secs(5);

/// So many outcomes are recorded at once while others are under way: as many as fit one call of the ledger's.
const ENOUGH: usize = 25;
/// Fewer are recorded after this time.
const SOON: Duration = Duration::from_secs(1);
/// Nothing is recorded so early: the deliveries of most batches are over by then.
const EARLIEST: Duration = Duration::from_millis(250);

/// The environment of an invocation.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The time.
    pub clock: &'a dyn Clock,
    /// Chance.
    pub chance: &'a dyn Chance,
    /// When the invocation ends.
    pub deadline: Deadline,
}

/// The jobs of one invocation on their way.
pub struct Course<'a> {
    around: Surroundings<'a>,
    tenant: &'a TenantId,
    jobs: &'a [Job],
    widths: &'a Widths,
    bounds: BTreeMap<&'a SinkId, usize>,
    circuits: Option<&'a Passes>,
    begun: Timestamp,
    told: Mutex<Told>,
    news: Notify,
}

/// What is known of the jobs.
#[derive(Default)]
struct Told {
    answers: Vec<Option<Attempted>>,
    /// Deliveries that were made, and that nothing was done about yet.
    made: Vec<usize>,
    /// Whether a circuit is to be opened now.
    tripped: bool,
    /// Whether nothing more will be told.
    over: bool,
}

/// What is to be done while deliveries are under way.
pub(crate) struct News {
    /// Jobs that were delivered.
    pub(crate) made: Vec<usize>,
    /// Whether a circuit is to be opened.
    pub(crate) tripped: bool,
}

impl<'a> Course<'a> {
    /// The course of these jobs of one tenant, which begins now.
    pub fn new(around: Surroundings<'a>, tenant: &'a TenantId, jobs: &'a [Job], widths: &'a Widths) -> Self {
        let told = Told { answers: jobs.iter().map(|_| None).collect(), ..Told::default() };
        Self {
            around,
            tenant,
            jobs,
            widths,
            bounds: BTreeMap::new(),
            circuits: None,
            begun: around.clock.now(),
            told: Mutex::new(told),
            news: Notify::new(),
        }
    }

    /// The same, where some sinks are bounded by their tenant.
    #[must_use]
    pub fn bounded(self, bounds: BTreeMap<&'a SinkId, usize>) -> Self {
        Self { bounds, ..self }
    }

    /// The same, where attempts are told to circuits.
    #[must_use]
    pub(crate) fn watched(self, circuits: Option<&'a Passes>) -> Self {
        Self { circuits, ..self }
    }

    /// The jobs, in the order in which their places are counted.
    pub fn jobs(&self) -> &'a [Job] {
        self.jobs
    }

    /// Says what came of the job at this place.
    pub fn tell(&self, place: usize, attempted: Attempted) {
        let mut told = self.told();
        if let (Some(circuits), Some(job)) = (self.circuits, self.jobs.get(place)) {
            told.tripped |= circuits.saw(&job.sink.id, &attempted.result, self.around.clock.now());
        }
        if attempted.result.is_ok() {
            told.made.push(place);
        }
        if let Some(answer) = told.answers.get_mut(place) {
            *answer = Some(attempted);
        }
        if told.tripped || told.made.len() >= ENOUGH {
            self.news.notify_one();
        }
    }

    /// What came of the job at this place, so far.
    pub(crate) fn answer(&self, place: usize) -> Option<Attempted> {
        self.told().answers.get(place).cloned().flatten()
    }

    /// What came of each job, in order; `None` where nothing was told.
    pub fn into_answers(self) -> Vec<Option<Attempted>> {
        self.told.into_inner().unwrap_or_else(PoisonError::into_inner).answers
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that nothing more will be told.
    pub(crate) fn end(&self) {
        self.told().over = true;
        self.news.notify_one();
    }

    /// Waits until something is to be done; `None` once nothing more will be told.
    pub(crate) async fn news(&self) -> Option<News> {
        let mut soon = self.around.clock.sleep(SOON);
        loop {
            let waited = match select(Box::pin(self.news.notified()), soon).await {
                Either::Left(((), rest)) => {
                    soon = rest;
                    false
                }
                Either::Right(((), _)) => {
                    soon = self.around.clock.sleep(SOON);
                    true
                }
            };
            let early = since(self.begun, self.around.clock.now()) < EARLIEST;
            let mut told = self.told();
            if told.over {
                return None;
            }
            let enough = !told.made.is_empty() && (waited || told.made.len() >= ENOUGH) && !early;
            if enough || told.tripped {
                let made = if enough { std::mem::take(&mut told.made) } else { Vec::new() };
                return Some(News { made, tripped: std::mem::take(&mut told.tripped) });
            }
        }
    }

    /// Whether the job at this place may begin now, and take as long as is allowed.
    ///
    /// # Errors
    /// Why it may not. `later` says how long it waits, and for what, where it is too late for this invocation.
    pub(crate) fn may_begin(
        &self,
        place: usize,
        allowed: Duration,
        later: impl FnOnce(f64) -> Cause,
    ) -> Result<(), Cause> {
        let clock = self.around.clock;
        if let (Some(circuits), Some(job)) = (self.circuits, self.jobs.get(place))
            && let Some(cause) = circuits.stops(&job.sink.id)
        {
            return Err(cause);
        }
        if self.around.deadline.for_effects(clock) < allowed {
            return Err(Cause::NoTime);
        }
        if since(self.begun, clock.now()) >= BEGINNING {
            return Err(later(self.around.chance.unit()));
        }
        Ok(())
    }

    /// The clock of the invocation.
    pub(crate) fn clock(&self) -> &'a dyn Clock {
        self.around.clock
    }

    /// The width of a sink, and the tenant's own bound of it.
    pub(crate) fn width(&self, sink: &SinkId) -> (Shared, Option<usize>) {
        (self.widths.of(self.tenant, sink), self.bounds.get(sink).copied())
    }
}

fn since(begun: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(begun)).unwrap_or_default()
}
