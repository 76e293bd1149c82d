//! SQS, with perils: what the router and the outbox send to the sinks, and what the sinks send to the tenants.

use std::time::Duration;

use acequia_core::event::envelope::Envelope;
use acequia_core::event::own_type::CONFIRMING;
use acequia_core::kind::SinkKind;
use acequia_core::message::{Attribute, Outgoing};
use acequia_core::port::{Agenda as _, Clock as _, Queues, SendError, Unavailable};
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_core::wire::{REASON, RETURNED, SINK};

use super::Port;
use crate::consent::function::Kind;
use crate::consent::mutation::Mutation;
use crate::consent::people;
use crate::consent::rows::Parcel;
use crate::peril::unavailable;

const SEND: &str = "send messages";
const HIDE: &str = "hide messages";
const DELETE: &str = "delete messages";
/// The attribute that names the delivery of a forwarded message.
const DELIVERY_ID: &str = "acequia-delivery-id";

fn text<'a>(outgoing: &'a Outgoing, name: &str) -> Option<&'a str> {
    outgoing.attributes.get(name).and_then(Attribute::as_text)
}

impl Port {
    /// Which delivery a message to a sink's queue is.
    fn parcel(&self, name: &QueueName, outgoing: &Outgoing) -> Option<(Parcel, Envelope)> {
        let now = self.scene.world.clock.now();
        let envelope = Envelope::parse(&name.tenant, now, outgoing.body.as_bytes()).ok()?;
        let sink = text(outgoing, SINK)?.to_owned();
        Some((Parcel { tenant: name.tenant.clone(), event: envelope.event.clone(), sink }, envelope))
    }

    /// Sees a message that a queue took.
    fn see(&self, name: &QueueName, outgoing: &Outgoing, repeated: bool) {
        let who = self.who();
        if name.role == QueueRole::Out {
            return self.see_out(name, outgoing);
        }
        if name.dlq {
            let reason = text(outgoing, REASON);
            self.scene.note(who, &format!("quarantines in {name}: {reason:?}"));
            if reason.is_none() {
                self.hold(Err(format!("a message was sent to {name} without a reason")));
            }
            return;
        }
        // The sweeper's come back, and the client's own repetition is no second sending.
        if outgoing.attributes.contains_key(RETURNED) || repeated {
            return;
        }
        let Some((parcel, _)) = self.parcel(name, outgoing) else {
            return self.hold(Err(format!("a message to {name} is no delivery")));
        };
        self.scene.note(who, &format!("sends {} to {} of {}", parcel.event, parcel.sink, name.tenant));
        let held = self.scene.seen().send(who, self.kind == Kind::Router, &parcel, &outgoing.body);
        self.hold(held);
    }

    /// Sees what came to a tenant's own queue.
    fn see_out(&self, name: &QueueName, outgoing: &Outgoing) {
        let who = self.who();
        let Some(parcel) = text(outgoing, DELIVERY_ID).and_then(|id| self.scene.seen().parcel(id)) else {
            return self.hold(Err(format!("{name} got what nobody sent")));
        };
        self.scene.note(who, &format!("EFFECT of {} to {} of {}", parcel.event, parcel.sink, name.tenant));
        let running = self.scene.world.lock().history.running.clone();
        let (is_new, held) = {
            let mut seen = self.scene.seen();
            let is_new = !seen.arrived.contains(&parcel);
            let of_tenant = parcel.tenant == name.tenant;
            let held =
                if of_tenant { seen.arrive(who, &parcel, &running) } else { Err(format!("{parcel:?} came to {name}")) };
            (is_new, held)
        };
        self.hold(held);
        let event: serde_json::Value = serde_json::from_str(&outgoing.body).unwrap_or_default();
        let link = |which: &str| event.pointer(&format!("/data/links/{which}")).and_then(|link| link.as_str());
        if let (true, Some(CONFIRMING), Some(approve), Some(decline)) =
            (is_new, event.get("type").and_then(|kind| kind.as_str()), link("approve"), link("decline"))
        {
            people::moderate(&self.scene, &name.tenant, approve, decline);
        }
    }

    /// Deletes the rows that ask for these, though they are not sent yet.
    async fn settle_first(&self, name: &QueueName, messages: &[Outgoing]) {
        let parcels: Vec<Parcel> = messages.iter().filter_map(|one| Some(self.parcel(name, one)?.0)).collect();
        let rows = self.scene.seen().rows.clone();
        for (tenant, row, asks) in rows {
            if asks.iter().any(|asked| parcels.contains(asked)) {
                self.scene.consents.settle(&tenant, &row).await.ok();
            }
        }
        if let Some(call) = self.instance.call("consents.settle, too early").await {
            self.instance.end(&call).await;
        }
    }
}

impl Queues for Port {
    async fn send(&self, queue: &QueueArn, messages: &[Outgoing]) -> Vec<Result<String, SendError>> {
        let down = || messages.iter().map(|_| Err(unavailable(SEND).into())).collect();
        let Ok(name) = queue.name().parse::<QueueName>() else {
            return messages.iter().map(|_| Err(SendError::Refused("no such queue".to_owned()))).collect();
        };
        if self.scene.mutation == Some(Mutation::SettleFirst) && self.kind == Kind::Outbox {
            self.settle_first(&name, messages).await;
        }
        if self.kind == Kind::Outbox
            && name.role == QueueRole::Sink(SinkKind::Email)
            && self.scene.seen().lacks_email(&name.tenant)
        {
            return messages.iter().map(|_| Err(SendError::Refused("no such queue".to_owned()))).collect();
        }
        if self.kind == Kind::Outbox {
            let kills =
                |one: &Outgoing| self.parcel(&name, one).is_some_and(|(parcel, _)| self.scene.seen().kills(&parcel));
            if let Some(place) = messages.iter().position(kills) {
                self.instance.die(place).await;
            }
        }
        let what = match (name.dlq, name.role) {
            (true, _) => "queues.send to the dead-letter queue",
            (_, QueueRole::Out) => "queues.send to the target",
            _ => "queues.send to a sink's queue",
        };
        let Some(call) = self.instance.call(what).await else { return down() };
        let mut answers = Vec::with_capacity(messages.len());
        for outgoing in messages {
            if self.instance.entry_fails(&call) {
                answers.push(Err(unavailable(SEND).into()));
                continue;
            }
            answers.extend(self.scene.world.queues.send(queue, std::slice::from_ref(outgoing)).await);
            self.see(&name, outgoing, false);
            if call.repeated {
                self.scene.world.queues.send(queue, std::slice::from_ref(outgoing)).await.pop();
                if name.role != QueueRole::Out {
                    self.see(&name, outgoing, true);
                }
            }
        }
        if self.instance.end(&call).await { answers } else { down() }
    }

    async fn hide(&self, queue: &QueueArn, messages: &[(String, Duration)]) -> Vec<Result<(), Unavailable>> {
        let down = || messages.iter().map(|_| Err(unavailable(HIDE))).collect();
        let Some(call) = self.instance.call("queues.hide").await else { return down() };
        let mut answers = Vec::with_capacity(messages.len());
        for message in messages {
            if self.instance.entry_fails(&call) {
                answers.push(Err(unavailable(HIDE)));
            } else {
                answers.extend(self.scene.world.queues.hide(queue, std::slice::from_ref(message)).await);
            }
        }
        if self.instance.end(&call).await { answers } else { down() }
    }

    async fn delete(&self, queue: &QueueArn, handles: &[String]) -> Vec<Result<(), Unavailable>> {
        let down = || handles.iter().map(|_| Err(unavailable(DELETE))).collect();
        let Some(call) = self.instance.call("queues.delete").await else { return down() };
        let mut answers = Vec::with_capacity(handles.len());
        for handle in handles {
            if self.instance.entry_fails(&call) {
                answers.push(Err(unavailable(DELETE)));
            } else {
                let handle = std::slice::from_ref(handle);
                answers.extend(Queues::delete(&self.scene.world.queues, queue, handle).await);
            }
        }
        if self.instance.end(&call).await { answers } else { down() }
    }
}
