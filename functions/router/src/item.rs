//! One event on its way through the router: read, and matched with the tenant's sinks.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use acequia_core::event::EnvelopeError;
use acequia_core::event::envelope::Envelope;
use acequia_core::event::schema::Violation;
use acequia_core::id::TenantId;
use acequia_core::message::Incoming;
use acequia_core::outcome::schedule::RetryPolicy;
use acequia_core::outcome::{Cause, PANICKED, Situation, Stay};
use acequia_core::port::Clock;
use acequia_core::routing::Routing;
use acequia_core::wire::{entered_at, total_receive_count, trace_of, via_of};
use acequia_lambda::CurrentTenant;
use acequia_lambda::batch_loop::BatchItem;

/// One event.
pub struct Item {
    pub(crate) message: Incoming,
    pub(crate) envelope: Option<Arc<Envelope>>,
    /// The rule of `CloudEvents` that it breaks, if any; a tenant may do without it.
    irregularity: Option<EnvelopeError>,
    pub(crate) routing: Option<Routing>,
    /// How it is routed, as its deliveries carry it to the ledger; `None` where a row of its own is to say it.
    pub(crate) route: Option<Arc<str>>,
    /// How it violates a schema that refuses nothing.
    pub(crate) violation: Option<Violation>,
    /// Whether it needs consent, so that it is not routed here.
    pub(crate) is_governed: bool,
    pub(crate) failure: Option<Cause>,
}

impl BatchItem for Item {
    fn of(message: Incoming) -> Self {
        Self {
            message,
            envelope: None,
            irregularity: None,
            routing: None,
            route: None,
            violation: None,
            is_governed: false,
            failure: None,
        }
    }

    fn message(&self) -> &Incoming {
        &self.message
    }

    fn failure(&self) -> Option<&Cause> {
        self.failure.as_ref()
    }

    fn fail(&mut self, cause: Cause) {
        self.failure = Some(cause);
    }

    fn is_open(&self) -> bool {
        self.failure.is_none()
    }

    fn is_done(&self) -> bool {
        self.failure.is_none()
    }

    /// Whether it was read and matched, or turned out to be nothing to match.
    fn is_handled(&self) -> bool {
        self.routing.is_some() || self.is_governed || self.failure.as_ref().is_none_or(|cause| !cause.comes_back())
    }

    fn situation(&self, _clock: &dyn Clock, is_suspect: bool) -> Situation<'_> {
        let (receive_count, fifo) = (self.message.receive_count, self.message.queue.is_fifo());
        Situation {
            // The router has no schedule of its own, and uses up no attempts: each receive of an event is one for
            // nothing.
            policy: RetryPolicy::standard(),
            attempt: self.attempts(),
            received: self.attempts(),
            expires_in: None,
            has_reservation: false,
            stay: Stay { receive_count, attempts_used: 0, fifo, is_suspect },
        }
    }

    fn attempts(&self) -> u32 {
        total_receive_count(&self.message)
    }
}

impl Item {
    /// Reads it as an event, unless it is refused. Its time of acceptance is the time at which it first entered the
    /// intake queue.
    pub(crate) fn read(&mut self, tenant: &TenantId) {
        if self.failure.is_some() {
            return;
        }
        let message = &self.message;
        // Parsing is our own code over foreign bytes: a panic in it must not cost the neighbours anything.
        let parse = AssertUnwindSafe(|| Envelope::receive(tenant, entered_at(message), &message.body));
        match std::panic::catch_unwind(parse).map_or(Err(Cause::Bug(PANICKED)), |parsed| parsed.map_err(Cause::from)) {
            Ok(received) => {
                let envelope = received.envelope.traced(|| trace_of(&message.attributes)).come(via_of(message));
                self.envelope = Some(Arc::new(envelope));
                self.irregularity = received.irregularity;
            }
            Err(cause) => self.failure = Some(cause),
        }
    }

    /// Finds the sinks that take it, unless it needs consent first, or the tenant wants no event like it.
    pub(crate) fn route(&mut self, current: &CurrentTenant) {
        let Some(envelope) = &self.envelope else { return };
        let irregularity = self.irregularity.take();
        let admitted = std::panic::catch_unwind(AssertUnwindSafe(|| current.admits(envelope, irregularity)));
        match admitted.unwrap_or(Err(Cause::Bug(PANICKED))) {
            Ok(violation) => self.violation = violation,
            Err(cause) => {
                self.failure = Some(cause);
                return;
            }
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
