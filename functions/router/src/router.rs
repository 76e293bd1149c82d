//! One batch of a tenant's intake queue, from the messages to the answer.

use std::sync::Arc;

use acequia_core::delivery::Delivery;
use acequia_core::delivery::route::Routed;
use acequia_core::flow::consent::{ConsentCommands, ConsentError};
use acequia_core::id::TenantId;
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::Ports;
use acequia_core::template::Context;
use acequia_lambda::batch_loop::{BatchFunction, Settled, Unrecorded, handle, stop_groups};
use acequia_lambda::{
    Batch, BatchLoop, BatchMetrics, CurrentTenant, Deadline, Fates, Timing, UnusableBatch, dispatch_noting, unwind,
};
use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use futures::StreamExt as _;

use crate::item::Item;
use crate::{record, report};

/// How many events that need consent are taken in at once.
const HELD_AT_ONCE: usize = 8;

/// The router, wired to its ports.
pub struct Router<P: Ports> {
    /// What it has in common with the sinks' loops.
    pub common: BatchLoop<P>,
    /// The memory of consents; untouched for tenants that ask for none.
    pub consents: P::Consents,
}

impl<P: Ports> BatchFunction for Router<P> {
    type Ports = P;
    type Item = Item;
    type Notes = ();
    const NAME: &'static str = "router";

    fn common(&self) -> &BatchLoop<P> {
        &self.common
    }

    fn read(&self, tenant: &TenantId, items: &mut [Item]) {
        for item in items {
            item.read(tenant);
        }
    }

    async fn process(&self, batch: Batch<'_>, items: &mut [Item]) {
        let timing = Timing { clock: &*self.common.clock, deadline: batch.deadline };
        for item in &mut *items {
            item.route(batch.current);
        }
        stop_groups(items);
        self.hold(batch.current, timing, items).await;
        // Once more: an event that could not be held stops its group, too.
        stop_groups(items);
        self.dispatch(batch, timing, items).await;
    }

    async fn record(&self, settled: &Settled<'_, Item>, timing: Timing<'_>, current: &CurrentTenant) -> Unrecorded {
        record::write(&self.common.ledger, settled, timing, current).await
    }

    fn report(&self, settled: &Settled<'_, Item>, (): ()) -> BatchMetrics {
        report::report(&self.common.telemetry, &*self.common.clock, settled)
    }
}

impl<P: Ports> Router<P> {
    /// Handles one batch.
    ///
    /// # Errors
    /// [`UnusableBatch`] where the batch cannot be answered item by item; all of it then comes back.
    pub async fn handle(&self, event: SqsEvent, deadline: Deadline) -> Result<SqsBatchResponse, UnusableBatch> {
        handle(self, event, deadline).await
    }

    /// Writes the deliveries. An event fails if one of its deliveries does.
    async fn dispatch(&self, batch: Batch<'_>, timing: Timing<'_>, items: &mut [Item]) {
        let now = self.common.clock.now();
        let mut indexes = Vec::new();
        let mut deliveries = Vec::new();
        for (index, item) in items.iter_mut().enumerate() {
            let (Some(envelope), Some(routing), None) = (&item.envelope, &item.routing, &item.failure) else {
                continue;
            };
            if !routing.taken.is_empty() {
                item.route = Routed::of(envelope, routing, batch.current.version, now).to_text().map(Arc::from);
            }
            for sink in &routing.taken {
                indexes.push(index);
                deliveries.push(Delivery::new(sink.clone(), Arc::clone(envelope)).routed(item.route.as_ref()));
            }
        }
        let fates = Fates::new(deliveries.len());
        let sent = dispatch_noting(&self.common.queues, batch.current, batch.queue, &deliveries, &fates);
        timing.for_effects(sent).await;
        // If an event's last deliveries found no time, the deliveries that went out go out again: their sinks know them
        // by their ids.
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
        let (tenant, now) = (&current.tenant.summary, self.common.clock.now());
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
}
