//! What an invocation is handed, and what becomes of messages before and after it.

use std::collections::BTreeSet;
use std::time::Duration;

use acequia_core::message::Incoming;
use acequia_core::queue::QueueArn;
use acequia_testkit::event::lambda_event;
use aws_lambda_events::event::sqs::SqsBatchResponse;

use super::function::Input;
use super::mutation::Mutation;
use super::people::Visit;
use super::scene::Scene;
use super::stream::Records;

/// A received message stays hidden for this long: six time-outs, as in the templates.
const VISIBILITY: Duration = Duration::from_mins(6);

/// What an invocation has in hand.
pub enum Work {
    /// Messages of a queue.
    Messages(QueueArn, Vec<Incoming>),
    /// Records of the stream.
    Records(Records),
    /// A request.
    Visit(Visit),
    /// A schedule's call.
    Schedule,
}

impl Work {
    /// What the function gets, and what the trace says of it.
    pub fn begin(&self, scene: &Scene, number: u64) -> (Input, String) {
        match self {
            Work::Messages(queue, messages) => {
                let event = serde_json::from_value(lambda_event(messages)).unwrap_or_default();
                (Input::Messages(event), format!("{} messages of {}", messages.len(), queue.name()))
            }
            Work::Records(records) => {
                for (tenant, row) in &records.rows {
                    scene.seen().hand(number, tenant, row);
                }
                (
                    Input::Records(records.event()),
                    format!("records {} of shard {}: {:?}", records.from, records.shard, records.rows),
                )
            }
            Work::Visit(visit) => {
                visit.begin(scene, number);
                let purpose = visit.link(scene).map(|(link, expired)| (link.purpose, expired));
                let acts = scene.mutation == Some(Mutation::ActOnLook);
                (Input::Request(visit.request(acts)), format!("{:?} of {purpose:?} at {}", visit.way, visit.tenant))
            }
            Work::Schedule => (Input::Schedule, "the schedule".to_owned()),
        }
    }
}

/// Receives messages, in the order that chance wants; some will be handed out again.
pub fn receive(scene: &Scene, queue: &QueueArn) -> Vec<Incoming> {
    let mut visible = scene.world.queues.visible(queue);
    visible.sort();
    visible.dedup();
    let mut received = Vec::new();
    if visible.is_empty() {
        return received;
    }
    let most = 1 + scene.world.lock().dice.below(10);
    while received.len() < most {
        let Some(id) = scene.world.lock().dice.draw(&mut visible) else { break };
        received.extend(scene.world.queues.receive_one(queue, &id, VISIBILITY));
    }
    for message in &received {
        let wait = {
            let state = &mut *scene.world.lock();
            let again = state.dice.happens(state.weather.duplicated);
            again.then(|| state.dice.between(Duration::ZERO, Duration::from_secs(90)))
        };
        if let Some(wait) = wait {
            scene.world.queues.duplicate(queue, &message.message_id, wait);
        }
    }
    received
}

/// Deletes what is not named as failed.
///
/// # Errors
/// Where the answer names what the batch does not have.
pub fn delete(scene: &Scene, queue: &QueueArn, messages: &[Incoming], answer: &SqsBatchResponse) -> Result<(), String> {
    let failed: BTreeSet<&str> = answer.batch_item_failures.iter().map(|item| item.item_identifier.as_str()).collect();
    for message in messages.iter().filter(|message| !failed.contains(message.message_id.as_str())) {
        let undeleted = {
            let state = &mut *scene.world.lock();
            state.dice.happens(state.weather.undeleted)
        };
        if !undeleted {
            scene.world.queues.delete(queue, &message.receipt_handle);
        }
    }
    let ids: BTreeSet<&str> = messages.iter().map(|message| message.message_id.as_str()).collect();
    let known = failed.is_subset(&ids);
    if known { Ok(()) } else { Err(format!("the answer names {failed:?}, and the batch has {ids:?}")) }
}
