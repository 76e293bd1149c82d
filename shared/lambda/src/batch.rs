//! Settles messages: quarantines, delays, hides and reports them, so that each goes its own way and none is lost.
//!
//! Invariants:
//! - A message is acknowledged only when it is done, or when its copy *is* delayed or in the dead-letter queue.
//! - A message that could not be quarantined, delayed or hidden is still reported as failed: SQS brings it back by
//!   itself.
//! - The answer names only messages of the batch, each once.
//! - What is asked of a store or a queue here is cut off in time for the answer, and then counts as not done.

use std::time::Duration;

use acequia_core::delivery::delay::Delayed;
use acequia_core::message::{Incoming, Outgoing};
use acequia_core::outcome::{Cause, Disposition, Reason, Situation, Undone, fallback, of_follower};
use acequia_core::port::{Chance, DelayStore, Queues, SendError};
use acequia_core::queue::Queue;
use acequia_core::wire::quarantined;
use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse};

use crate::Timing;

/// The longest that SQS hides a message; longer waits are made of several.
const LONGEST_HIDE: Duration = Duration::from_mins(719);

/// A message with what was decided about it.
#[derive(Debug)]
pub struct Decided<'m> {
    /// The message.
    pub message: &'m Incoming,
    /// What went wrong with it, if anything did.
    pub cause: Option<&'m Cause>,
    /// What the decision was made by.
    pub situation: Situation<'m>,
    /// What is to happen to it.
    pub disposition: Disposition,
    /// How many attempts were made.
    pub attempts: u32,
    /// The earlier message of the batch that holds the same: it shares that one's fate ([`share_fate`]).
    pub follows: Option<usize>,
    /// Why it was to be quarantined, where the dead-letter queue did not take it.
    pub refused: Option<Reason>,
}

impl Decided<'_> {
    /// What was wrong, in words.
    pub fn detail(&self) -> String {
        self.cause.map(ToString::to_string).unwrap_or_default()
    }

    /// Lets it come back, because that could not be done with it.
    fn fall_back(&mut self, undone: Undone, chance: &dyn Chance) {
        let Some(cause) = self.cause else { return };
        let random = if undone == Undone::Quarantine { chance.unit() } else { 0.0 };
        self.disposition = fallback(undone, cause, &self.situation, random);
    }

    fn untaken(&mut self, reason: Reason, chance: &dyn Chance) {
        self.fall_back(Undone::Quarantine, chance);
        self.refused = Some(reason);
    }
}

/// What all settling of a batch has in common.
#[derive(Clone, Copy)]
pub struct Settling<'a> {
    /// The queue that the messages came from.
    pub queue: &'a Queue,
    /// How long there is.
    pub timing: Timing<'a>,
    /// Chance.
    pub chance: &'a dyn Chance,
}

/// Moves messages to the dead-letter queue of their queue where that was decided. One that could not be moved is to
/// come back instead; answers how many that were because the dead-letter queue did not take them.
pub async fn quarantine(queues: &impl Queues, settling: Settling<'_>, decided: &mut [Decided<'_>]) -> u64 {
    let Settling { queue, timing, chance } = settling;
    let now = timing.clock.now();
    let (mut moved, mut letters): (Vec<(usize, Reason)>, Vec<Outgoing>) = (Vec::new(), Vec::new());
    for (index, item) in decided.iter_mut().enumerate() {
        let Disposition::Quarantine(reason) = item.disposition else { continue };
        if let Some(outgoing) = quarantined(item.message, reason, &item.detail(), item.attempts, now) {
            moved.push((index, reason));
            letters.push(outgoing);
        } else {
            tracing::warn!(message.id = item.message.message_id, reason = %reason,
                "the message leaves no room for the reason: its queue's own redrive will move it");
            item.untaken(reason, chance);
        }
    }
    if moved.is_empty() {
        return 0;
    }
    let mut untaken = 0;
    let dead_letters = queue.dead_letters();
    let mut answers = timing.for_settling(queues.send(&dead_letters, &letters)).await.unwrap_or_default().into_iter();
    for (index, reason) in moved {
        let Some(item) = decided.get_mut(index) else { continue };
        let problem = match answers.next() {
            Some(Ok(_)) => continue,
            Some(Err(SendError::Unavailable(error))) => format!("{error:?}"),
            Some(Err(error @ SendError::Refused(_))) => error.to_string(),
            None => "it gave no answer in time".to_owned(),
        };
        tracing::error!(message.id = item.message.message_id, reason = %reason, error = problem,
            "the dead-letter queue did not take a message: it comes back");
        item.untaken(reason, chance);
        untaken += 1;
    }
    untaken
}

/// Delays messages where that was decided ([`acequia_core::delivery::delay`]). One that could not be delayed is hidden;
/// answers how many that were because the store of delayed messages did not take them.
pub async fn delay(delays: &impl DelayStore, settling: Settling<'_>, decided: &mut [Decided<'_>]) -> u64 {
    let Settling { queue, timing, chance } = settling;
    let (now, tenant) = (timing.clock.now(), &queue.name.tenant);
    let mut leaving: Vec<(usize, Duration)> = Vec::new();
    let mut rows: Vec<Delayed> = Vec::new();
    for (index, item) in decided.iter_mut().enumerate() {
        let Disposition::Delay(wait) = item.disposition else { continue };
        if let Some(row) = Delayed::of(tenant, item.message, wait, now) {
            leaving.push((index, wait));
            rows.push(row);
        } else {
            tracing::warn!(
                message.id = item.message.message_id,
                "the message leaves no room for the mark of a delayed one: it waits in its queue"
            );
            item.fall_back(Undone::Delay(wait), chance);
        }
    }
    if rows.is_empty() {
        return 0;
    }
    let mut undelayed = 0;
    let answers = timing.for_settling(delays.delay(tenant, &rows)).await;
    if answers.is_none() {
        tracing::warn!(tenant.id = %tenant, messages = rows.len(),
            "the table of delayed messages gives no answer in time: they wait in their queue");
    }
    let mut answers = answers.unwrap_or_default().into_iter();
    for (index, wait) in leaving {
        let Some(item) = decided.get_mut(index) else { continue };
        match answers.next() {
            Some(Ok(())) => continue,
            Some(Err(error)) => {
                tracing::warn!(message.id = item.message.message_id, error = ?error,
                    "a message could not be delayed: it waits in its queue");
            }
            None => {}
        }
        item.fall_back(Undone::Delay(wait), chance);
        undelayed += 1;
    }
    undelayed
}

/// Gives each message that repeats another one of the batch the fate of that one.
pub fn share_fate(decided: &mut [Decided<'_>]) {
    for index in 0..decided.len() {
        let first = decided.get(index).and_then(|item| item.follows).and_then(|first| decided.get(first));
        let Some(fate) = first.map(|first| of_follower(first.disposition)) else { continue };
        if let Some(follower) = decided.get_mut(index) {
            follower.disposition = fate;
        }
    }
}

/// Hides what is to come back, and makes the answer to SQS; says besides how many SQS gave no answer about. One that
/// it refuses to hide (it may be visible again) comes back all the same, and is held up by nothing.
pub async fn finish(queues: &impl Queues, settling: Settling<'_>, decided: &[Decided<'_>]) -> (SqsBatchResponse, u64) {
    let timing = settling.timing;
    let mut unhidden = 0;
    let returned: Vec<(&Incoming, Duration)> = decided
        .iter()
        .filter_map(|item| match item.disposition {
            Disposition::Hide(wait) => Some((item.message, wait.min(LONGEST_HIDE))),
            Disposition::Acknowledge | Disposition::Quarantine(_) | Disposition::Delay(_) => None,
        })
        .collect();
    if !returned.is_empty() {
        let asked: Vec<(String, Duration)> =
            returned.iter().map(|(message, wait)| (message.receipt_handle.clone(), whole_seconds(*wait))).collect();
        let answers = timing.for_settling(queues.hide(&settling.queue.arn, &asked)).await;
        if answers.is_none() {
            unhidden = asked.len();
            tracing::warn!(
                messages = asked.len(),
                "messages could not be hidden in time: they come back when their queue's visibility timeout ends"
            );
        }
        for ((message, _), answer) in returned.iter().zip(answers.unwrap_or_default()) {
            if let Err(error) = answer {
                tracing::warn!(message.id = message.message_id, error = ?error,
                    "a message could not be hidden: it comes back when its queue's visibility timeout ends");
            }
        }
    }
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = returned.into_iter().map(|(message, _)| failure(message)).collect();
    (response, u64::try_from(unhidden).unwrap_or(u64::MAX))
}

/// Deletes what an answer does not give back: it is settled, and stays so should the process die before the answer is
/// heard.
pub async fn delete_settled(
    queues: &impl Queues,
    settling: Settling<'_>,
    messages: impl Iterator<Item = &Incoming>,
    response: &SqsBatchResponse,
) {
    let returned = |message: &Incoming| {
        response.batch_item_failures.iter().any(|failure| failure.item_identifier == message.message_id)
    };
    let settled: Vec<&Incoming> = messages.filter(|message| !returned(message)).collect();
    if settled.is_empty() {
        return;
    }
    let handles: Vec<String> = settled.iter().map(|message| message.receipt_handle.clone()).collect();
    let answers = settling.timing.for_settling(queues.delete(&settling.queue.arn, &handles)).await;
    if answers.is_none() {
        tracing::warn!(
            messages = handles.len(),
            "settled messages could not be deleted in time: Lambda does it, unless the process dies before it answers"
        );
    }
    for (message, answer) in settled.iter().zip(answers.unwrap_or_default()) {
        if let Err(error) = answer {
            tracing::warn!(message.id = message.message_id, error = ?error,
                "a settled message could not be deleted: Lambda does it, unless the process dies before it answers");
        }
    }
}

fn failure(message: &Incoming) -> BatchItemFailure {
    let mut failure = BatchItemFailure::default();
    failure.item_identifier.clone_from(&message.message_id);
    failure
}

/// SQS counts in whole seconds; a wait is never made shorter than it was decided.
fn whole_seconds(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}
