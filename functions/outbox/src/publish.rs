//! One row, from what it asks for to the deliveries in the queues.

use std::sync::Arc;

use acequia_core::consent::link::Links;
use acequia_core::consent::token::Purpose;
use acequia_core::consent::{OutboxRow, OutboxTask, notice};
use acequia_core::delivery::Delivery;
use acequia_core::delivery::ledger::{RETENTION, Record, RouteRecord};
use acequia_core::delivery::route::Routed;
use acequia_core::event::envelope::Envelope;
use acequia_core::flow::link_key;
use acequia_core::id::{SinkId, TenantId};
use acequia_core::mail::{MailKind, MailRef};
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::{Agenda, Consents, Ledger, Queues, Secrets, TenantStore};
use acequia_core::queue::{Queue, QueueArn, QueueName, QueueRole};
use acequia_core::routing::Routing;
use acequia_core::tenant::Recording;
use acequia_core::time::after;
use acequia_lambda::{CurrentTenant, dispatch};

use crate::Outbox;

impl<T: TenantStore, L: Ledger, Q: Queues, C: Consents + Agenda, S: Secrets> Outbox<T, L, Q, C, S> {
    /// Puts the deliveries that a row asks for into their queues.
    pub(crate) async fn publish(&self, tenant: &TenantId, row: &OutboxRow) -> Result<(), Cause> {
        let current = self.tenants.current(tenant).await?;
        let body = match row.task {
            OutboxTask::Moderate => self.moderation(&current, row).await?,
            OutboxTask::Deliver { .. } | OutboxTask::Mail { .. } | OutboxTask::Notify => row.body.clone(),
        };
        let envelope = Envelope::parse(tenant, row.accepted_at, body.as_bytes())?;
        let envelope = Arc::new(envelope.traced(|| row.trace.clone()));
        if let OutboxTask::Mail { mail } = row.task {
            return self.send(&current, vec![mail_about(mail, &envelope)?]).await;
        }
        let routing = current.tenant.routes.route(&envelope)?;
        // By the row's own time, so that the message is the same whenever it is made.
        let routed = Routed::of(&envelope, &routing, current.version, row.at);
        let route = routed.to_text().filter(|_| !routing.taken.is_empty()).map(Arc::from);
        let delivery = |sink: &SinkId| Delivery::new(sink.clone(), Arc::clone(&envelope)).routed(route.as_ref());
        let mut deliveries: Vec<Delivery> = routing.taken.iter().map(delivery).collect();
        if let OutboxTask::Deliver { repeat } = row.task
            && let Some(mail) = thanks(&current, repeat)
        {
            deliveries.push(mail_about(mail, &envelope)?);
        }
        self.send(&current, deliveries).await?;
        if route.is_none() {
            self.record(&current, &envelope, routing).await;
        }
        Ok(())
    }

    async fn send(&self, current: &CurrentTenant, deliveries: Vec<Delivery>) -> Result<(), Cause> {
        let name = QueueName::new(&self.stage, &current.tenant.summary.id, QueueRole::Intake);
        // The prefix is the installation's; with a name of ours behind it, it is a queue's ARN.
        let arn: QueueArn = format!("{}{name}", self.queue_arns)
            .parse()
            .map_err(|error| Cause::ConfigurationInvalid(format!("QUEUE_ARNS: {error}")))?;
        let mut intake = Queue { arn, name };
        let failures = dispatch(&self.queues, current, &intake, &deliveries).await;
        // No queue tells us, as the intake tells the router, whether the tenant is ordered: then its forward queue has
        // another name.
        let mut ordered = Vec::new();
        let mut others = Vec::new();
        for (delivery, failure) in deliveries.into_iter().zip(failures) {
            match failure {
                Some(Cause::QueueRefused(kind)) if kind.facts().keeps_order => ordered.push(delivery),
                failure => others.extend(failure),
            }
        }
        intake.name.fifo = true;
        let failures = dispatch(&self.queues, current, &intake, &ordered).await;
        others.into_iter().chain(failures.into_iter().flatten()).next().map_or(Ok(()), Err)
    }

    /// The event that asks a moderator, with the links of the two answers.
    async fn moderation(&self, current: &CurrentTenant, row: &OutboxRow) -> Result<String, Cause> {
        // The row was written under a configuration that had the section; without the section the links cannot be
        // answered any more.
        let settings = current.tenant.consent.as_ref().ok_or(Cause::SinkUnknown)?;
        let tenant = &current.tenant.summary.id;
        let key = link_key::signing_key(&self.secrets, tenant, settings).await?;
        let links = Links {
            base: &self.link_base,
            tenant,
            key: &key,
            consent: row.key,
            action: row.action,
            // From the row's own time, so that the event is the same whenever it is made.
            expires_at: after(row.at, settings.valid_for),
        };
        Ok(notice::moderation(row, &links.url(Purpose::Approve), &links.url(Purpose::Decline)))
    }

    /// What `acequia explain` tells of an event whose deliveries do not carry it. A write that fails is logged and costs nothing else: the deliveries
    /// are in their queues.
    async fn record(&self, current: &CurrentTenant, envelope: &Envelope, routing: Routing) {
        let unmatched = routing.taken.is_empty();
        if current.tenant.record == Recording::Failures && !unmatched {
            return;
        }
        let now = self.clock.now();
        let row = RouteRecord {
            event: envelope.event.clone(),
            event_type: envelope.event_type.clone(),
            taken: routing.taken,
            filtered: routing.filtered,
            clauses: routing.clauses,
            via: envelope.via.clone(),
            unmatched,
            reason: None,
            config_version: current.version,
            accepted_at: envelope.accepted_at,
            updated_at: now,
            expires_at: after(now, RETENTION),
            trace_id: envelope.trace.as_ref().map(|trace| trace.trace_id().to_owned()),
        };
        let answers = self.ledger.write(&current.tenant.summary.id, &[Record::Route(Box::new(row))]).await;
        if let Some(Err(error)) = answers.into_iter().next() {
            tracing::error!(tenant.id = %current.tenant.summary.id, error = ?error, "the routing of an event could not be recorded");
            self.stalled(Some(&current.tenant.summary.id), Some(Store::Ledger));
        }
    }
}

/// Returns the mail that thanks, where the tenant has one; a subject who signed again gets the mail for that, where
/// there is one.
fn thanks(current: &CurrentTenant, repeat: bool) -> Option<MailRef> {
    let has = |kind: MailKind| {
        current.tenant.mail.as_ref().is_some_and(|mail| mail.template(kind.as_str()).is_some())
            && current.tenant.sends(kind)
    };
    if repeat && has(MailKind::Duplicate) {
        // The first of its kind may have gone out while the action waited.
        return Some(MailRef { kind: MailKind::Duplicate, number: 2 });
    }
    has(MailKind::Thanks).then_some(MailRef { kind: MailKind::Thanks, number: 1 })
}

fn mail_about(mail: MailRef, envelope: &Arc<Envelope>) -> Result<Delivery, Cause> {
    let sink = mail.sink().ok_or(Cause::SinkUnknown)?;
    Ok(Delivery::new(sink, Arc::clone(envelope)))
}
