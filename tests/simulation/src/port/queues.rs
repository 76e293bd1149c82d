//! SQS, with perils: the router's deliveries, the dead letters, and the effects of the forward sinks all pass here.

use std::time::Duration;

use acequia_core::id::DeliveryId;
use acequia_core::kind::SinkKind;
use acequia_core::message::{Attribute, Incoming, Outgoing};
use acequia_core::outcome::Reason;
use acequia_core::port::{Queues, SendError, Unavailable};
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_core::wire::{REASON, RETURNED, SINK};
use acequia_testkit::InMemoryQueues;

use super::Perilous;
use crate::history::{History, StoryKey};
use crate::mutation::Mutation;
use crate::peril::unavailable;
use crate::receive::acknowledge;
use crate::scenario::Flaw;

const SEND: &str = "send messages";
const HIDE: &str = "hide messages";
const DELETE: &str = "delete messages";

/// The attribute that names the delivery of a forwarded message.
const DELIVERY_ID: &str = "acequia-delivery-id";

fn text<'a>(outgoing: &'a Outgoing, name: &str) -> Option<&'a str> {
    outgoing.attributes.get(name).and_then(Attribute::as_text)
}

/// The delivery that a forwarded message is about.
fn forwarded(history: &mut History, who: u64, name: &QueueName, outgoing: &Outgoing) -> Option<(usize, StoryKey)> {
    let event = history.event_of(who, &name.tenant, &outgoing.body)?;
    let id = serde_json::from_value::<DeliveryId>(text(outgoing, DELIVERY_ID)?.into()).ok()?;
    Some((event, history.delivery(who, &id, event)?))
}

/// Sees a message that a queue took.
fn see(history: &mut History, who: u64, name: &QueueName, outgoing: &Outgoing, is_new: bool) {
    if name.role == QueueRole::Out {
        if let Some((event, key)) = forwarded(history, who, name, outgoing).filter(|_| is_new) {
            history.effect(who, key, event);
        }
        return;
    }
    let Some(event) = history.event_of(who, &name.tenant, &outgoing.body) else { return };
    if name.dlq && who != 0 && text(outgoing, REASON).is_none() {
        history.report(who, format_args!("event {event} was sent to {name} without a reason"));
    }
    let sink = text(outgoing, SINK);
    if name.dlq && text(outgoing, REASON) == Some(Reason::CrashLoop.as_str()) {
        history.quarantined(who, &(event, sink.map(str::to_owned)));
    }
    let key = sink.and_then(|sink| history.story_of(event, sink));
    if !name.dlq && outgoing.attributes.contains_key(RETURNED) {
        history.note(who, format_args!("sends event {event} {key:?} back to {name}"));
        history.returned(event, sink);
        return;
    }
    history.note(who, format_args!("sends event {event} {key:?} to {name}"));
    match (name.role, name.dlq, key) {
        (QueueRole::Intake, false, _) if history.scenario.partitions > 0 => drop(history.arrived.insert(event)),
        (QueueRole::Intake, true, _) => *history.dead.entry(event).or_default() += 1,
        (QueueRole::Sink(_), dlq, Some(key)) => {
            let story = history.stories.entry(key).or_default();
            let counts = if dlq { &mut story.dead } else { &mut story.sent };
            *counts.entry(event).or_default() += 1;
        }
        _ => history.report(who, format_args!("event {event} was sent to {name}, where it has no business")),
    }
}

/// Sees a message that SQS itself moved to a dead-letter queue.
pub fn see_moved(history: &mut History, name: &QueueName, message: &Incoming) {
    let outgoing =
        Outgoing { body: message.body.clone(), attributes: message.attributes.clone(), ..Outgoing::default() };
    see(history, 0, &name.dead_letter(), &outgoing, true);
}

impl Perilous {
    async fn send_one(
        &self,
        queue: &QueueArn,
        name: &QueueName,
        outgoing: &Outgoing,
        first: bool,
    ) -> Result<String, SendError> {
        let queues: &InMemoryQueues = &self.0.world.queues;
        let known = if name.fifo { queues.messages(queue).len() } else { 0 };
        let forgets = self.0.world.mutation == Some(Mutation::ForgetGroup) && name.role != QueueRole::Out;
        let group = if forgets { outgoing.deduplication.clone() } else { outgoing.group.clone() };
        let sent = Outgoing { group, ..outgoing.clone() };
        let answer = queues.send(queue, &[sent]).await.pop();
        let answer = answer.unwrap_or_else(|| Err(unavailable(SEND).into()));
        if answer.is_ok() && first {
            let is_new = !name.fifo || queues.messages(queue).len() > known;
            see(&mut self.0.world.lock().history, self.0.invocation(), name, outgoing, is_new);
        }
        answer
    }

    /// The event among these that its sender dies of. What the sweeper sends back it does not read.
    fn deadly(&self, name: &QueueName, messages: &[Outgoing]) -> Option<usize> {
        let history = &mut self.0.world.lock().history;
        let swept = |one: &&Outgoing| !name.dlq && name.role != QueueRole::Out && one.attributes.contains_key(RETURNED);
        let read = messages.iter().filter(|one| !swept(one));
        let events: Vec<usize> =
            read.filter_map(|one| history.event_of(self.0.invocation(), &name.tenant, &one.body)).collect();
        // What is sent to an intake is not worked off: the bridge reads it, and dies of none.
        let works = !name.dlq && name.role != QueueRole::Intake;
        events.into_iter().find(|event| works && history.kills(*event, name.role == QueueRole::Out))
    }

    /// Whether the target never takes this message.
    fn refuses(&self, name: &QueueName, outgoing: &Outgoing) -> bool {
        let history = &mut self.0.world.lock().history;
        let event =
            (name.role == QueueRole::Out).then(|| history.event_of(self.0.invocation(), &name.tenant, &outgoing.body));
        event.flatten().and_then(|event| history.event(event)).is_some_and(|event| event.flaw == Flaw::Refused)
    }

    /// Notes the attempts of a forward sink; answers whether the target of this message is out of order.
    fn attempt(&self, name: &QueueName, outgoing: &Outgoing) -> bool {
        let who = self.0.invocation();
        let state = &mut *self.0.world.lock();
        let Some((_, key)) = forwarded(&mut state.history, who, name, outgoing) else { return false };
        // What SQS does not take is throttled or refused, and neither spends an attempt.
        state.history.attempt(who, key, false);
        state.is_out(key)
    }
}

impl Queues for Perilous {
    async fn send(&self, queue: &QueueArn, messages: &[Outgoing]) -> Vec<Result<String, SendError>> {
        let believed = |outgoing: &Outgoing, name: &QueueName| {
            let believes = match self.0.world.mutation {
                Some(Mutation::BelieveDeadLetters) => name.dlq,
                Some(Mutation::BelieveIntake) => !name.dlq && name.role == QueueRole::Intake,
                _ => false,
            };
            if believes { Ok(outgoing.body.clone()) } else { Err(SendError::from(unavailable(SEND))) }
        };
        let Ok(name) = queue.name().parse::<QueueName>() else {
            return messages.iter().map(|_| Err(SendError::Refused("no such queue".to_owned()))).collect();
        };
        let down = || messages.iter().map(|outgoing| believed(outgoing, &name)).collect();
        let what = match (name.dlq, name.role) {
            (true, _) => "queues.send to the dead-letter queue",
            (_, QueueRole::Intake) => "queues.send to intake",
            (_, QueueRole::Sink(SinkKind::Email)) => "queues.send to email",
            (_, QueueRole::Sink(SinkKind::Webhook)) => "queues.send to webhook",
            (_, QueueRole::Sink(SinkKind::Forward)) => "queues.send to forward",
            (_, QueueRole::Sink(SinkKind::Eventbridge)) => "queues.send to eventbridge",
            (_, QueueRole::Sink(SinkKind::Archive)) => "queues.send to archive",
            (_, QueueRole::Sink(SinkKind::Table)) => "queues.send to table",
            (_, QueueRole::Out) => "queues.send to the target",
        };
        if let Some(event) = self.deadly(&name, messages) {
            self.0.die(event).await;
        }
        let Some(call) = self.0.call(what).await else { return down() };
        let mut answers = Vec::with_capacity(messages.len());
        for outgoing in messages {
            let is_out = name.role == QueueRole::Out && self.attempt(&name, outgoing);
            if is_out || self.0.entry_fails(&call) {
                answers.push(believed(outgoing, &name));
                continue;
            }
            if self.refuses(&name, outgoing) {
                answers.push(Err(SendError::Refused("the target refuses it".to_owned())));
                continue;
            }
            answers.push(self.send_one(queue, &name, outgoing, true).await);
            if call.repeated {
                // The client's own repetition: in a standard queue it is a second message of one attempt.
                self.send_one(queue, &name, outgoing, name.role != QueueRole::Out).await.ok();
            }
        }
        if self.0.end(&call).await { answers } else { down() }
    }

    async fn hide(&self, queue: &QueueArn, messages: &[(String, Duration)]) -> Vec<Result<(), Unavailable>> {
        let down = || messages.iter().map(|_| Err(unavailable(HIDE))).collect();
        let Some(call) = self.0.call("queues.hide").await else { return down() };
        let mut answers = Vec::with_capacity(messages.len());
        for message in messages {
            if self.0.entry_fails(&call) {
                answers.push(Err(unavailable(HIDE)));
            } else {
                answers.extend(self.0.world.queues.hide(queue, std::slice::from_ref(message)).await);
            }
        }
        if self.0.end(&call).await { answers } else { down() }
    }

    async fn delete(&self, queue: &QueueArn, handles: &[String]) -> Vec<Result<(), Unavailable>> {
        let down = || handles.iter().map(|_| Err(unavailable(DELETE))).collect();
        let Some(call) = self.0.call("queues.delete").await else { return down() };
        let mut answers = Vec::with_capacity(handles.len());
        for handle in handles {
            if self.0.entry_fails(&call) {
                answers.push(Err(unavailable(DELETE)));
                continue;
            }
            let messages = self.0.world.queues.messages(queue);
            let message = messages.iter().find(|message| message.receipt_handle == *handle);
            if let Some(message) = message {
                acknowledge(&mut self.0.world.lock().history, self.0.invocation(), message);
            }
            answers.extend(Queues::delete(&self.0.world.queues, queue, std::slice::from_ref(handle)).await);
        }
        if self.0.end(&call).await { answers } else { down() }
    }
}
