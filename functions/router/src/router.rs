//! One batch of a tenant's intake queue, from the messages to the answer.

use std::sync::Arc;

use acequia_core::delivery::Delivery;
use acequia_core::delivery::delay::WaitKind;
use acequia_core::delivery::order::Stopped;
use acequia_core::flow::consent::{ConsentCommands, ConsentError};
use acequia_core::message::Incoming;
use acequia_core::outcome::schedule::RetryPolicy;
use acequia_core::outcome::stall::Store;
use acequia_core::outcome::{Cause, Disposition};
use acequia_core::port::{Chance, Clock, Consents, CrashMarkers, DelayStore, Ledger, Queues, TenantStore};
use acequia_core::queue::{QueueArn, QueueName};
use acequia_core::template::Context;
use acequia_core::wire::total_receive_count;
use acequia_lambda::batch::{Decided, delay, delete_settled, finish, quarantine};
use acequia_lambda::{
    CachedTenants, CrashGuard, CurrentTenant, Deadline, Fates, Telemetry, Timing, UnusableBatch, dispatch_noting,
    read_batch, unwind,
};
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use futures::StreamExt as _;

use crate::item::Item;
use crate::{record, report};

/// How many events that need consent are taken in at once.
const HELD_AT_ONCE: usize = 8;

/// The router, wired to its ports.
pub struct Router<T, L, Q, P, C> {
    /// The tenants' configurations.
    pub tenants: CachedTenants<T>,
    /// The memory of deliveries.
    pub ledger: L,
    /// SQS.
    pub queues: Q,
    /// Where messages wait for long.
    pub delays: P,
    /// The memory of consents; untouched for tenants that ask for none.
    pub consents: C,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
    /// What is told of the work.
    pub telemetry: Telemetry,
}

impl<T: TenantStore, L: Ledger + CrashMarkers, Q: Queues, P: DelayStore, C: Consents> Router<T, L, Q, P, C> {
    /// Handles one batch.
    ///
    /// # Errors
    /// [`UnusableBatch`] where the batch cannot be answered item by item; all of it then comes back.
    pub async fn handle(&self, event: SqsEvent, deadline: Deadline) -> Result<SqsBatchResponse, UnusableBatch> {
        let Some((queue, messages)) = read_batch(event)? else { return Ok(SqsBatchResponse::default()) };
        let name: QueueName = queue.name().parse()?;
        Ok(self.run(&queue, &name, messages, deadline).await)
    }

    async fn run(
        &self,
        queue: &QueueArn,
        name: &QueueName,
        messages: Vec<Incoming>,
        deadline: Deadline,
    ) -> SqsBatchResponse {
        let timing = Timing { clock: &*self.clock, deadline };
        let mut guard = CrashGuard::begin(&self.ledger, &*self.clock, name, &messages).await;
        let (mut refused, mut items) = (Vec::new(), Vec::with_capacity(messages.len()));
        for (message, admission) in messages.into_iter().zip(guard.admissions(name.fifo)) {
            match admission.refusal() {
                Some(cause) if admission.settles_first() => refused.push(Item::refused(message, cause.clone())),
                Some(cause) => items.push(Item::refused(message, cause.clone())),
                None => items.push(Item::unread(message)),
            }
        }
        let mut response = SqsBatchResponse::default();
        if !refused.is_empty() {
            // First, because the process may die of what is handled now: then these are on their way all the same.
            response = self.settle((queue, name), timing, None, &mut guard, &refused).await;
        }
        if items.is_empty() {
            self.end(guard, timing, name).await;
            return response;
        }
        delete_settled(&self.queues, timing, queue, refused.iter().map(|item| &item.message), &response).await;
        for item in &mut items {
            item.read(&name.tenant);
        }
        let current = self.tenants.current(&name.tenant).await;
        match &current {
            Ok(current) => {
                for item in &mut items {
                    item.route(current);
                }
                stop_groups(&mut items);
                self.hold(current, timing, &mut items).await;
                // Once more: an event that could not be held stops its group, too.
                stop_groups(&mut items);
                self.dispatch(current, (queue, name), timing, &mut items).await;
            }
            Err(cause) => {
                for item in items.iter_mut().filter(|item| item.failure.is_none()) {
                    item.failure = Some(cause.clone());
                }
            }
        }
        let settled = self.settle((queue, name), timing, current.as_deref().ok(), &mut guard, &items).await;
        response.batch_item_failures.extend(settled.batch_item_failures);
        self.end(guard, timing, name).await;
        response
    }

    async fn end(&self, guard: CrashGuard, timing: Timing<'_>, name: &QueueName) {
        let stalls = guard.end(&self.ledger, timing, name).await;
        self.telemetry.write_stalls(&name.stage, ("router", Some(&name.tenant)), self.clock.now(), &stalls);
    }

    /// Settles events of which is known what came of them.
    async fn settle(
        &self,
        (queue, name): (&QueueArn, &QueueName),
        timing: Timing<'_>,
        current: Option<&CurrentTenant>,
        guard: &mut CrashGuard,
        items: &[Item],
    ) -> SqsBatchResponse {
        let mut decided: Vec<Decided<'_>> = items.iter().map(|item| self.decide(item)).collect();
        let untaken = quarantine(&self.queues, timing, &*self.chance, queue, name, &mut decided).await;
        // The router spends no attempts: each receive of an event is one for nothing.
        let attempts_used = vec![Some(0); decided.len()];
        for item in items.iter().filter(|item| item.is_handled()) {
            guard.clear(&item.message.message_id);
        }
        let undelayed = delay(&self.delays, timing, name, guard, &attempts_used, &mut decided).await;
        let mut unwritten = guard.take_unwritten();
        if let Some(current) = current {
            unwritten += record::write(&self.ledger, timing, current, items, &decided).await;
        }
        let mut metrics = report::report(&self.telemetry, name, &*self.clock, items, &decided);
        let (response, unhidden) = finish(&self.queues, timing, queue, &decided).await;
        for (store, count) in
            [(Store::Queues, untaken + unhidden), (Store::Delays, undelayed), (Store::Ledger, unwritten)]
        {
            metrics.stalls.add(store, count);
        }
        self.telemetry.write(name, self.clock.now(), &metrics);
        response
    }

    /// Writes the deliveries. An event fails if one of its deliveries does.
    async fn dispatch(
        &self,
        current: &CurrentTenant,
        (queue, name): (&QueueArn, &QueueName),
        timing: Timing<'_>,
        items: &mut [Item],
    ) {
        let mut indexes = Vec::new();
        let mut deliveries = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let (Some(envelope), Some(routing), None) = (&item.envelope, &item.routing, &item.failure) else {
                continue;
            };
            for sink in &routing.taken {
                indexes.push(index);
                deliveries.push(Delivery::new(sink.clone(), Arc::clone(envelope)));
            }
        }
        let fates = Fates::new(deliveries.len());
        timing.for_effects(dispatch_noting(&self.queues, current, (queue, name), &deliveries, &fates)).await;
        // Of an event whose last deliveries found no time, those that went out go out again: its sinks know them by their ids.
        let failures = fates.into_inner();
        for (index, failure) in indexes.into_iter().zip(failures) {
            if let (Some(item), Some(failure)) = (items.get_mut(index), failure) {
                item.failure = Some(failure);
            }
        }
    }

    /// Takes in the events that need consent. What becomes of them is decided there; the outbox does the rest.
    async fn hold(&self, current: &CurrentTenant, timing: Timing<'_>, items: &mut [Item]) {
        let Some(settings) = &current.tenant.consent else { return };
        let (tenant, now) = (&current.tenant.summary, self.clock.now());
        let commands = ConsentCommands {
            consents: &self.consents,
            tenant: &tenant.id,
            settings,
            config_version: current.version,
            now,
        };
        let commands = &commands;
        let held = items.iter().enumerate().filter(|(_, item)| item.is_governed && item.failure.is_none());
        let arrivals = held.filter_map(|(index, item)| {
            let envelope = item.envelope.clone()?;
            Some(async move {
                let arrival = async {
                    let need = settings.need(&Context::new(tenant, &envelope))?;
                    commands.submit(&need, &envelope).await
                };
                // Foreign bytes are rendered in here: a panic must not cost the neighbours anything.
                (index, timing.for_effects(unwind(arrival)).await.unwrap_or(Err(Cause::NoTime)))
            })
        });
        let arrivals: Vec<_> = arrivals.collect();
        let answers: Vec<_> = futures::stream::iter(arrivals).buffer_unordered(HELD_AT_ONCE).collect().await;
        for (index, answer) in answers {
            let failure = match answer {
                Ok(Ok(_)) => continue,
                Ok(Err(ConsentError::Refused(cause))) | Err(cause) => cause,
                Ok(Err(error)) => {
                    tracing::warn!(tenant.id = %tenant.id, error = ?error, "the store of consents does not answer");
                    Cause::StoreDown(Store::Consents)
                }
            };
            if let Some(item) = items.get_mut(index) {
                item.failure = Some(failure);
            }
        }
    }

    fn decide<'m>(&self, item: &'m Item) -> Decided<'m> {
        let message = &item.message;
        let receive_count = total_receive_count(message);
        let disposition = item.failure.as_ref().map_or(Disposition::Acknowledge, |cause| {
            // The router has no schedule of its own: only sinks spend attempts.
            cause.disposition(&RetryPolicy::default(), receive_count, receive_count, self.chance.unit())
        });
        let detail = item.failure.as_ref().map(ToString::to_string).unwrap_or_default();
        Decided { attempts: receive_count, message, disposition, detail, waiting: WaitKind::Alone, refused: None }
    }
}

/// Lets nothing go on that stands, in its group of a FIFO intake, behind an event that is to come back.
fn stop_groups(items: &mut [Item]) {
    let mut stopped = Stopped::default();
    for item in items {
        let group = item.message.group.as_deref();
        match &item.failure {
            Some(cause) if cause.comes_back() => stopped.stop(group),
            None if stopped.has(group) => item.failure = Some(Cause::GroupStopped),
            _ => {}
        }
    }
}
