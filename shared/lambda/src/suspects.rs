//! Keeps messages that make the process die from their neighbours, by the protocol of [`acequia_core::strikes`].
//!
//! A batch is watched from before its messages are read until everything about them is settled. While the store of strikes is
//! down, what could be suspect comes back; all else goes on.
//!
//! Only an attempt acquits a suspect. Where none was begun (its delivery was claimed by another, held back, out of time), the
//! invocation puts the earlier strike back; and what is suspect is not parked, because it would come back as a new message.

use acequia_core::delivery::Incoming;
use acequia_core::outcome::Cause;
use acequia_core::parking::receives_in_all;
use acequia_core::port::{Clock, Strikes, Unavailable};
use acequia_core::queue::QueueName;
use acequia_core::stall::{Stalls, Store};
use acequia_core::strikes::{Place, Strike, may_be_struck, places};

use crate::Timing;

/// The watch over one batch.
#[derive(Debug)]
#[must_use = "strikes that are not taken back make healthy messages suspect"]
pub struct Watch {
    refusals: Vec<Option<Cause>>,
    struck: Vec<String>,
    /// The strikes that earlier invocations left, of messages that were not acquitted since.
    standing: Vec<Strike>,
    /// How often strikes could not be written.
    unwritten: u64,
}

/// How a message is admitted to its invocation. A refused one is not handled, not even read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission<'a> {
    /// It is handled.
    Handled,
    /// It is refused, and settled before anything is handled: should the process die of that, this one is on its way all the same.
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

impl Watch {
    /// Begins it: finds out which messages may be handled, and writes the strikes.
    pub async fn begin(strikes: &impl Strikes, clock: &dyn Clock, name: &QueueName, messages: &[Incoming]) -> Self {
        let (places, standing) = place(strikes, clock, name, messages).await;
        let now = clock.now();
        let mut watch = Self { refusals: Vec::with_capacity(places.len()), struck: Vec::new(), standing, unwritten: 0 };
        let mut rows: Vec<Strike> = Vec::new();
        let mut alone = None;
        for (index, (message, place)) in messages.iter().zip(places).enumerate() {
            let count = match &place {
                Place::Company { struck: true } => Some(0),
                Place::Company { struck: false } | Place::Not(_) => None,
                Place::Alone(count) => {
                    alone = Some(index);
                    tracing::warn!(tenant.id = %name.tenant, message.id = message.message_id,
                        message.receives = message.receives, "a message that may have ended earlier invocations is handled alone");
                    Some(*count)
                }
            };
            // A standard queue may hand a message out twice in one batch.
            if let Some(count) = count.filter(|_| !watch.struck.contains(&message.message_id)) {
                rows.push(Strike::of(&message.message_id, count, now));
                watch.struck.push(message.message_id.clone());
            }
            watch.refusals.push(if let Place::Not(cause) = place { Some(cause) } else { None });
        }
        if rows.is_empty() {
            return watch;
        }
        let error = strikes.strike(&name.tenant, &rows).await.into_iter().find_map(Result::err);
        if let Some(error) = error {
            tracing::warn!(tenant.id = %name.tenant, error = ?error, "strikes against messages could not be written");
            watch.unwritten += 1;
            if let Some(refusal) = alone.and_then(|index| watch.refusals.get_mut(index)) {
                *refusal = Some(Cause::LedgerDown);
            }
        }
        watch
    }

    /// How each message is admitted, in their order.
    ///
    /// In a FIFO queue (`fifo`), what comes back from ahead of a handled message stays with it: it must be seen that their group stops there.
    pub fn admissions(&self, fifo: bool) -> impl Iterator<Item = Admission<'_>> {
        let last_handled = if fifo { self.refusals.iter().rposition(Option::is_none) } else { None };
        self.refusals.iter().enumerate().map(move |(index, refusal)| match refusal {
            None => Admission::Handled,
            Some(cause) if Some(index) > last_handled || !cause.comes_back() => Admission::RefusedFirst(cause),
            Some(cause) => Admission::Refused(cause),
        })
    }

    /// The message was handled to its end, or attempted: what earlier invocations died of was not that.
    pub fn acquit(&mut self, message_id: &str) {
        self.standing.retain(|strike| strike.message_id != message_id);
    }

    /// Whether earlier invocations may have died of the message.
    pub fn suspects(&self, message_id: &str) -> bool {
        self.standing.iter().any(|strike| strike.message_id == message_id)
    }

    /// How often the strikes of the batch could not be written, since the last call.
    pub fn take_unwritten(&mut self) -> u64 {
        std::mem::take(&mut self.unwritten)
    }

    /// Ends it in order: takes the strikes back, or puts the earlier ones in their place. Answers what the ledger held up.
    pub async fn end(self, strikes: &impl Strikes, timing: Timing<'_>, name: &QueueName) -> Stalls {
        let left = timing.for_settling(self.lift(strikes, name)).await.unwrap_or_else(|| {
            tracing::warn!(tenant.id = %name.tenant,
                "strikes against messages could not be taken back in time: they count as a death, and the messages are handled alone");
            1
        });
        let mut stalls = Stalls::default();
        stalls.add(Store::Ledger, u64::try_from(left).unwrap_or(u64::MAX));
        stalls
    }

    /// Answers how many strikes stay that should not.
    async fn lift(self, strikes: &impl Strikes, name: &QueueName) -> usize {
        let (standing, mut taken): (Vec<String>, Vec<String>) =
            self.struck.iter().cloned().partition(|message_id| self.suspects(message_id));
        let mut earlier: Vec<Strike> =
            self.standing.into_iter().filter(|strike| standing.contains(&strike.message_id)).collect();
        // A strike that stays tells of a death that was none: worth a second call.
        for is_last in [false, true] {
            if earlier.is_empty() {
                break;
            }
            let answers = strikes.strike(&name.tenant, &earlier).await;
            earlier = failed(earlier, answers, is_last, name);
        }
        for is_last in [false, true] {
            if taken.is_empty() {
                break;
            }
            let answers = strikes.take_back(&name.tenant, &taken).await;
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
                "a strike against a message could not be taken back: it counts as a death, and the message is handled alone");
        }
        failed.push(one);
    }
    failed
}

async fn place(
    strikes: &impl Strikes,
    clock: &dyn Clock,
    name: &QueueName,
    messages: &[Incoming],
) -> (Vec<Place>, Vec<Strike>) {
    let mut asked: Vec<String> =
        messages.iter().filter(|message| may_be_struck(message)).map(|message| message.message_id.clone()).collect();
    asked.sort();
    asked.dedup();
    let found = if asked.is_empty() { Ok(Vec::new()) } else { strikes.strikes(&name.tenant, &asked).await };
    let found: Vec<Strike> = match found {
        Ok(found) => found.into_iter().flatten().collect(),
        Err(error) => {
            tracing::warn!(tenant.id = %name.tenant, error = ?error, "strikes against messages could not be read");
            let place = |message: &Incoming| {
                if may_be_struck(message) {
                    Place::Not(Cause::LedgerDown)
                } else {
                    Place::Company { struck: receives_in_all(message) > 1 }
                }
            };
            return (messages.iter().map(place).collect(), Vec::new());
        }
    };
    let strike = |message: &Incoming| found.iter().find(|strike| strike.message_id == message.message_id);
    let batch: Vec<_> = messages.iter().map(|message| (receives_in_all(message), strike(message))).collect();
    let places = places(&batch, name.fifo, clock.now());
    (places, found)
}
