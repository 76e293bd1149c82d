//! One batch of a tenant's intake queue, from the messages to the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use acequia_core::config::SinkKind;
use acequia_core::delivery::{Delivery, Incoming, Outgoing};
use acequia_core::id::SinkId;
use acequia_core::order::{Stopped, send_in_order};
use acequia_core::outcome::{Cause, Disposition};
use acequia_core::parking::receives_in_all;
use acequia_core::port::{Chance, Clock, Ledger, Parking, Queues, SendError, Strikes, TenantStore};
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_core::schedule::RetryPolicy;
use acequia_lambda::batch::{Decided, finish, park, quarantine};
use acequia_lambda::{CachedTenants, CurrentTenant, Telemetry, UnusableBatch, Watch, read_batch};
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};

use crate::item::Item;
use crate::{record, report};

/// The router, wired to its ports.
pub struct Router<T, L, Q, P> {
    /// The tenants' configurations.
    pub tenants: CachedTenants<T>,
    /// The memory of deliveries.
    pub ledger: L,
    /// SQS.
    pub queues: Q,
    /// Where messages wait for long.
    pub parking: P,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
    /// What is told of the work.
    pub telemetry: Telemetry,
}

impl<T: TenantStore, L: Ledger + Strikes, Q: Queues, P: Parking> Router<T, L, Q, P> {
    /// Handles one batch.
    ///
    /// # Errors
    /// [`UnusableBatch`] where the batch cannot be answered item by item; all of it then comes back.
    pub async fn handle(&self, event: SqsEvent) -> Result<SqsBatchResponse, UnusableBatch> {
        let Some((queue, messages)) = read_batch(event)? else { return Ok(SqsBatchResponse::default()) };
        let name: QueueName = queue.name().parse()?;
        Ok(self.run(&queue, &name, messages).await)
    }

    async fn run(&self, queue: &QueueArn, name: &QueueName, messages: Vec<Incoming>) -> SqsBatchResponse {
        let watch = Watch::begin(&self.ledger, &*self.clock, name, &messages).await;
        let mut items: Vec<Item> = messages
            .into_iter()
            .zip(watch.refusals())
            .map(|(message, refusal)| match refusal {
                Some(cause) => Item::refused(message, cause.clone()),
                None => Item::parse(&name.tenant, message),
            })
            .collect();
        let current = self.tenants.current(&name.tenant).await;
        match &current {
            Ok(current) => {
                for item in &mut items {
                    item.route(current);
                }
                stop_groups(&mut items);
                self.dispatch(current, queue, name, &mut items).await;
            }
            Err(cause) => {
                for item in items.iter_mut().filter(|item| item.failure.is_none()) {
                    item.failure = Some(cause.clone());
                }
            }
        }
        let mut decided: Vec<Decided> = items.iter().map(|item| self.decide(item)).collect();
        quarantine(&self.queues, &*self.clock, &*self.chance, queue, name, &mut decided).await;
        // The router spends no attempts: each receive of an event is one for nothing.
        let spent = vec![Some(0); decided.len()];
        park(&self.parking, &*self.clock, name, &spent, &mut decided).await;
        if let Ok(current) = &current {
            record::write(&self.ledger, &*self.clock, current, &items, &decided).await;
        }
        let metrics = report::report(&self.telemetry, name, &*self.clock, &items, &decided);
        let response = finish(&self.queues, queue, &decided).await;
        self.telemetry.write(name, self.clock.now(), &metrics);
        watch.end(&self.ledger, name).await;
        response
    }

    /// Writes the deliveries, batched by the queue that they go to. An event fails if one of its deliveries does.
    async fn dispatch(&self, current: &CurrentTenant, queue: &QueueArn, name: &QueueName, items: &mut [Item]) {
        let mut by_kind: BTreeMap<SinkKind, (Vec<usize>, Vec<Outgoing>)> = BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            let (Some(envelope), Some(routing), None) = (&item.envelope, &item.routing, &item.failure) else {
                continue;
            };
            for (kind, sink) in routing.taken.iter().filter_map(|sink| Some((kind_of(current, sink)?, sink))) {
                let (indexes, messages) = by_kind.entry(kind).or_default();
                indexes.push(index);
                let delivery = Delivery::new(sink.clone(), envelope.clone());
                messages.push(if keeps_order(name, kind) {
                    delivery.to_ordered_message()
                } else {
                    delivery.to_message()
                });
            }
        }
        let sends = by_kind.into_iter().map(|(kind, (indexes, messages))| async move {
            let fifo = keeps_order(name, kind);
            let target = queue.beside(&QueueName { fifo, ..name.sibling(QueueRole::Sink(kind)) });
            (kind, indexes, send_in_order(&self.queues, &target, &messages).await)
        });
        for (kind, indexes, answers) in futures::future::join_all(sends).await {
            let mut answers = answers.into_iter();
            for index in indexes {
                let failure = match answers.next() {
                    Some(Ok(_)) => continue,
                    Some(Err(SendError::Refused(problem))) => {
                        tracing::error!(tenant.id = %name.tenant, sink.kind = %kind, error = problem, "a sink's queue refuses deliveries");
                        Cause::QueueRefused(kind)
                    }
                    Some(Err(SendError::Unavailable(error))) => {
                        tracing::warn!(tenant.id = %name.tenant, sink.kind = %kind, error = ?error, "a sink's queue does not answer");
                        Cause::QueueDown
                    }
                    None => Cause::QueueDown,
                };
                if let Some(item) = items.get_mut(index) {
                    item.failure = Some(failure);
                }
            }
        }
    }

    fn decide(&self, item: &Item) -> Decided {
        let message = item.message.clone();
        let receives = receives_in_all(&message);
        let disposition = item.failure.as_ref().map_or(Disposition::Acknowledge, |cause| {
            // The router has no schedule of its own: only sinks spend attempts.
            cause.disposition(&RetryPolicy::default(), receives, receives, self.chance.unit())
        });
        let detail = item.failure.as_ref().map(ToString::to_string).unwrap_or_default();
        Decided { attempts: receives, message, disposition, detail, refused: None }
    }
}

/// One parameter of the tenant's stack makes its intake and its forward queue FIFO, both or none.
fn keeps_order(intake: &QueueName, kind: SinkKind) -> bool {
    intake.fifo && kind == SinkKind::Forward
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

fn kind_of(current: &CurrentTenant, sink: &SinkId) -> Option<SinkKind> {
    current.tenant.sink(sink).map(|sink| sink.kind())
}
