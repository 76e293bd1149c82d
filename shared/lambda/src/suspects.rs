//! Keeps messages that make the process die from their neighbours, by the protocol of [`acequia_core::strikes`].
//!
//! A batch is watched from before its messages are read until everything about them is settled. While the store of strikes is
//! down, what could be suspect comes back; all else goes on.

use acequia_core::delivery::Incoming;
use acequia_core::outcome::Cause;
use acequia_core::port::{Clock, Strikes};
use acequia_core::queue::QueueName;
use acequia_core::strikes::{Place, Strike, may_be_struck, places};

/// The watch over one batch.
#[derive(Debug)]
#[must_use = "strikes that are not taken back make healthy messages suspect"]
pub struct Watch {
    refusals: Vec<Option<Cause>>,
    struck: Vec<String>,
}

impl Watch {
    /// Begins it: finds out which messages may be handled, and writes the strikes.
    pub async fn begin(strikes: &impl Strikes, clock: &dyn Clock, name: &QueueName, messages: &[Incoming]) -> Self {
        let places = place(strikes, clock, name, messages).await;
        let now = clock.now();
        let mut watch = Self { refusals: Vec::with_capacity(places.len()), struck: Vec::new() };
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
            if let Some(refusal) = alone.and_then(|index| watch.refusals.get_mut(index)) {
                *refusal = Some(Cause::LedgerDown);
            }
        }
        watch
    }

    /// What each message is refused for, in their order: a refused one is not handled, not even read.
    pub fn refusals(&self) -> impl Iterator<Item = Option<&Cause>> {
        self.refusals.iter().map(Option::as_ref)
    }

    /// Ends it in order: takes the strikes back.
    pub async fn end(self, strikes: &impl Strikes, name: &QueueName) {
        if self.struck.is_empty() {
            return;
        }
        let mut answers = strikes.take_back(&name.tenant, &self.struck).await;
        let failed: Vec<String> =
            self.struck.iter().zip(&answers).filter(|(_, answer)| answer.is_err()).map(|(id, _)| id.clone()).collect();
        if !failed.is_empty() {
            // A strike that stays tells of a death that was none: worth a second call.
            answers = strikes.take_back(&name.tenant, &failed).await;
        }
        if let Some(error) = answers.into_iter().find_map(Result::err) {
            tracing::warn!(tenant.id = %name.tenant, error = ?error,
                "strikes against messages could not be taken back: those that come back are handled alone");
        }
    }
}

async fn place(strikes: &impl Strikes, clock: &dyn Clock, name: &QueueName, messages: &[Incoming]) -> Vec<Place> {
    let mut asked: Vec<String> = messages
        .iter()
        .filter(|message| may_be_struck(message.receives))
        .map(|message| message.message_id.clone())
        .collect();
    asked.sort();
    asked.dedup();
    let found = if asked.is_empty() { Ok(Vec::new()) } else { strikes.strikes(&name.tenant, &asked).await };
    let found: Vec<Strike> = match found {
        Ok(found) => found.into_iter().flatten().collect(),
        Err(error) => {
            tracing::warn!(tenant.id = %name.tenant, error = ?error, "strikes against messages could not be read");
            let place = |message: &Incoming| {
                if may_be_struck(message.receives) {
                    Place::Not(Cause::LedgerDown)
                } else {
                    Place::Company { struck: message.receives > 1 }
                }
            };
            return messages.iter().map(place).collect();
        }
    };
    let strike = |message: &Incoming| found.iter().find(|strike| strike.message_id == message.message_id);
    let batch: Vec<_> = messages.iter().map(|message| (message.receives, strike(message))).collect();
    places(&batch, name.fifo, clock.now())
}
