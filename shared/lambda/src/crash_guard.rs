//! Keeps messages that make the process die from their neighbours, by the protocol of
//! [`acequia_core::delivery::crash`].
//!
//! A batch is guarded from before its messages are read until everything about them is settled. While the store of
//! crash markers is down, what could be suspect comes back; all else goes on.
//!
//! Only an attempt clears a suspect. Where none was begun (its delivery was claimed by another, held back, out of
//! time), the invocation puts the earlier crash marker back; and what is suspect is not delayed, because it would come
//! back as a new message.

use acequia_core::delivery::crash::{CrashMarker, Isolation, isolate, may_be_marked};
use acequia_core::message::Incoming;
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::{Stalls, Store};
use acequia_core::port::{Clock, CrashMarkers, Unavailable};
use acequia_core::queue::QueueName;
use acequia_core::wire::total_receive_count;

use crate::Timing;

/// The guard of one batch.
#[derive(Debug)]
#[must_use = "crash markers that are not taken back make healthy messages suspect"]
pub struct CrashGuard {
    refusals: Vec<Option<Cause>>,
    marked: Vec<String>,
    /// The crash markers that earlier invocations left, of messages that were not cleared since.
    standing: Vec<CrashMarker>,
    /// How often crash markers could not be written.
    unwritten: u64,
}

/// How a message is admitted to its invocation. A refused one is not handled, not even read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission<'a> {
    /// It is handled.
    Handled,
    /// It is refused, and settled before anything is handled: should the process die of that, this one is on its way
    /// all the same.
    RefusedFirst(&'a Cause),
    /// It is refused, and settled with the others.
    Refused(&'a Cause),
}

impl<'a> Admission<'a> {
    /// What it is refused for.
    pub fn refusal(self) -> Option<&'a Cause> {
        match self {
            Self::Handled => None,
            Self::RefusedFirst(cause) | Self::Refused(cause) => Some(cause),
        }
    }

    /// Whether it is settled before anything is handled.
    pub fn settles_first(self) -> bool {
        matches!(self, Self::RefusedFirst(_))
    }
}

impl CrashGuard {
    /// Begins it: finds out which messages may be handled, and writes the crash markers.
    pub async fn begin(
        crash_markers: &impl CrashMarkers,
        clock: &dyn Clock,
        name: &QueueName,
        messages: &[Incoming],
    ) -> Self {
        let (places, standing) = place(crash_markers, clock, name, messages).await;
        let now = clock.now();
        let mut guard = Self { refusals: Vec::with_capacity(places.len()), marked: Vec::new(), standing, unwritten: 0 };
        let mut rows: Vec<CrashMarker> = Vec::new();
        let mut alone = None;
        for (index, (message, place)) in messages.iter().zip(places).enumerate() {
            let count = match &place {
                Isolation::Company { marked: true } => Some(0),
                Isolation::Company { marked: false } | Isolation::Not(_) => None,
                Isolation::Alone(count) => {
                    alone = Some(index);
                    tracing::warn!(tenant.id = %name.tenant, message.id = message.message_id,
                        message.receive_count = message.receive_count, "a message that may have ended earlier invocations is handled alone");
                    Some(*count)
                }
            };
            // A standard queue may hand a message out twice in one batch.
            if let Some(count) = count.filter(|_| !guard.marked.contains(&message.message_id)) {
                rows.push(CrashMarker::of(&message.message_id, count, now));
                guard.marked.push(message.message_id.clone());
            }
            guard.refusals.push(if let Isolation::Not(cause) = place { Some(cause) } else { None });
        }
        if rows.is_empty() {
            return guard;
        }
        let error = crash_markers.mark(&name.tenant, &rows).await.into_iter().find_map(Result::err);
        if let Some(error) = error {
            tracing::warn!(tenant.id = %name.tenant, error = ?error, "crash markers against messages could not be written");
            guard.unwritten += 1;
            if let Some(refusal) = alone.and_then(|index| guard.refusals.get_mut(index)) {
                *refusal = Some(Cause::StoreDown(Store::Ledger));
            }
        }
        guard
    }

    /// How each message is admitted, in their order.
    ///
    /// In a FIFO queue (`fifo`), what comes back from ahead of a handled message stays with it: it must be seen that
    /// their group stops there.
    pub fn admissions(&self, fifo: bool) -> impl Iterator<Item = Admission<'_>> {
        let last_handled = if fifo { self.refusals.iter().rposition(Option::is_none) } else { None };
        self.refusals.iter().enumerate().map(move |(index, refusal)| match refusal {
            None => Admission::Handled,
            Some(cause) if Some(index) > last_handled || !cause.comes_back() => Admission::RefusedFirst(cause),
            Some(cause) => Admission::Refused(cause),
        })
    }

    /// The message was handled to its end, or attempted: what earlier invocations died of was not that.
    pub fn clear(&mut self, message_id: &str) {
        self.standing.retain(|crash_marker| crash_marker.message_id != message_id);
    }

    /// Whether earlier invocations may have died of the message.
    pub fn suspects(&self, message_id: &str) -> bool {
        self.standing.iter().any(|crash_marker| crash_marker.message_id == message_id)
    }

    /// How often the crash markers of the batch could not be written, since the last call.
    pub fn take_unwritten(&mut self) -> u64 {
        std::mem::take(&mut self.unwritten)
    }

    /// Ends it in order: takes the crash markers back, or puts the earlier ones in their place. Answers what the ledger
    /// held up.
    pub async fn end(self, crash_markers: &impl CrashMarkers, timing: Timing<'_>, name: &QueueName) -> Stalls {
        let left = timing.for_settling(self.lift(crash_markers, name)).await.unwrap_or_else(|| {
            tracing::warn!(tenant.id = %name.tenant,
                "crash markers against messages could not be taken back in time: they count as a death, and the messages are handled alone");
            1
        });
        let mut stalls = Stalls::default();
        stalls.add(Store::Ledger, u64::try_from(left).unwrap_or(u64::MAX));
        stalls
    }

    /// Answers how many crash markers stay that should not.
    async fn lift(self, crash_markers: &impl CrashMarkers, name: &QueueName) -> usize {
        let (standing, mut taken): (Vec<String>, Vec<String>) =
            self.marked.iter().cloned().partition(|message_id| self.suspects(message_id));
        let mut earlier: Vec<CrashMarker> =
            self.standing.into_iter().filter(|crash_marker| standing.contains(&crash_marker.message_id)).collect();
        // A crash marker that stays tells of a death that was none: worth a second call.
        for is_last in [false, true] {
            if earlier.is_empty() {
                break;
            }
            let answers = crash_markers.mark(&name.tenant, &earlier).await;
            earlier = failed(earlier, answers, is_last, name);
        }
        for is_last in [false, true] {
            if taken.is_empty() {
                break;
            }
            let answers = crash_markers.clear_markers(&name.tenant, &taken).await;
            taken = failed(taken, answers, is_last, name);
        }
        earlier.len() + taken.len()
    }
}

/// Those of `asked` that failed.
fn failed<T>(asked: Vec<T>, answers: Vec<Result<(), Unavailable>>, is_last: bool, name: &QueueName) -> Vec<T> {
    let mut failed = Vec::new();
    for (one, answer) in asked.into_iter().zip(answers) {
        let Err(error) = answer else { continue };
        if is_last {
            tracing::warn!(tenant.id = %name.tenant, error = ?error,
                "a crash marker against a message could not be taken back: it counts as a death, and the message is handled alone");
        }
        failed.push(one);
    }
    failed
}

async fn place(
    crash_markers: &impl CrashMarkers,
    clock: &dyn Clock,
    name: &QueueName,
    messages: &[Incoming],
) -> (Vec<Isolation>, Vec<CrashMarker>) {
    let mut asked: Vec<String> =
        messages.iter().filter(|message| may_be_marked(message)).map(|message| message.message_id.clone()).collect();
    asked.sort();
    asked.dedup();
    let found = if asked.is_empty() { Ok(Vec::new()) } else { crash_markers.crash_markers(&name.tenant, &asked).await };
    let found: Vec<CrashMarker> = match found {
        Ok(found) => found.into_iter().flatten().collect(),
        Err(error) => {
            tracing::warn!(tenant.id = %name.tenant, error = ?error, "crash markers against messages could not be read");
            let place = |message: &Incoming| {
                if may_be_marked(message) {
                    Isolation::Not(Cause::StoreDown(Store::Ledger))
                } else {
                    Isolation::Company { marked: total_receive_count(message) > 1 }
                }
            };
            return (messages.iter().map(place).collect(), Vec::new());
        }
    };
    let crash_marker =
        |message: &Incoming| found.iter().find(|crash_marker| crash_marker.message_id == message.message_id);
    let batch: Vec<_> = messages.iter().map(|message| (total_receive_count(message), crash_marker(message))).collect();
    let places = isolate(&batch, name.fifo, clock.now());
    (places, found)
}
