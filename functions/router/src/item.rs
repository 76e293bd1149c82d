//! One event on its way through the router: read, and matched with the tenant's sinks.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use acequia_core::event::EnvelopeError;
use acequia_core::event::envelope::Envelope;
use acequia_core::id::TenantId;
use acequia_core::message::Incoming;
use acequia_core::outcome::{Cause, PANICKED};
use acequia_core::routing::Routing;
use acequia_core::wire::entered_at;
use acequia_lambda::CurrentTenant;

/// One event.
pub(crate) struct Item {
    pub(crate) message: Incoming,
    pub(crate) envelope: Option<Arc<Envelope>>,
    /// The rule of `CloudEvents` that it breaks, if any; a tenant may do without it.
    irregularity: Option<EnvelopeError>,
    pub(crate) routing: Option<Routing>,
    /// Whether it needs consent, so that it is not routed here.
    pub(crate) is_governed: bool,
    pub(crate) failure: Option<Cause>,
}

impl Item {
    /// A message that is not read yet.
    pub(crate) fn unread(message: Incoming) -> Self {
        Self { message, envelope: None, irregularity: None, routing: None, is_governed: false, failure: None }
    }

    /// A message that is not handled now, nor read.
    pub(crate) fn refused(message: Incoming, cause: Cause) -> Self {
        Self { failure: Some(cause), ..Self::unread(message) }
    }

    /// Reads it as an event, unless it is refused. Its time of acceptance is the time at which it first entered the intake queue.
    pub(crate) fn read(&mut self, tenant: &TenantId) {
        if self.failure.is_some() {
            return;
        }
        let message = &self.message;
        // Parsing is our own code over foreign bytes: a panic in it must not cost the neighbours anything.
        let parse = AssertUnwindSafe(|| Envelope::receive(tenant, entered_at(message), &message.body));
        match std::panic::catch_unwind(parse).map_or(Err(Cause::Bug(PANICKED)), |parsed| parsed.map_err(Cause::from)) {
            Ok(received) => {
                self.envelope = Some(Arc::new(received.envelope));
                self.irregularity = received.irregularity;
            }
            Err(cause) => self.failure = Some(cause),
        }
    }

    /// Whether it was read and matched, or turned out to be nothing to match.
    pub(crate) fn is_handled(&self) -> bool {
        self.routing.is_some() || self.is_governed || self.failure.as_ref().is_none_or(|cause| !cause.comes_back())
    }

    /// Finds the sinks that take it, unless it needs consent first, or the tenant wants no event like it.
    pub(crate) fn route(&mut self, current: &CurrentTenant) {
        let Some(envelope) = &self.envelope else { return };
        if let Some(error) = self.irregularity.take_if(|_| current.tenant.strict_intake) {
            self.failure = Some(error.into());
            return;
        }
        if current.tenant.consent.as_ref().is_some_and(|consent| consent.governs(&envelope.event_type)) {
            self.is_governed = true;
            return;
        }
        let routed = std::panic::catch_unwind(AssertUnwindSafe(|| current.tenant.routes.route(envelope)));
        match routed.unwrap_or(Err(Cause::Bug(PANICKED))) {
            Ok(routing) => self.routing = Some(routing),
            Err(cause) => self.failure = Some(cause),
        }
    }
}
