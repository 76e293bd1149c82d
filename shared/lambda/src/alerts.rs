//! Alerts about endpoints: each is sent once the row of its endpoint says that it is pending, and taken out of the row
//! once it was sent.
//!
//! What is due is decided by [`acequia_core::delivery::breaker`], and written into the row by the change that makes it
//! due. Here it is sent: by the batch that wrote it, or else by a later one for the same endpoint.
//!
//! Not guaranteed: that an alert is sent once only ([`mark_sent`] may fail after it).

use acequia_core::delivery::breaker::{EndpointState, PendingAlert, mark_sent, take_alert};
use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::{Alerts, EndpointStore, Unavailable};
use jiff::Timestamp;

use crate::breakers::Passes;

/// How often a change is tried that lost to another one.
const TRIES: usize = 3;

/// The row of one endpoint, as one batch writes it.
pub(crate) struct EndpointRow<'a, E> {
    pub(crate) endpoints: &'a E,
    pub(crate) tenant: &'a TenantId,
    pub(crate) sink: &'a SinkId,
    pub(crate) passes: &'a Passes,
}

impl<E: EndpointStore> EndpointRow<'_, E> {
    /// Writes what follows from what is known, or else from what another instance wrote meanwhile; answers what came
    /// with it, once it is written.
    pub(crate) async fn change<T>(
        &self,
        mut known: Option<EndpointState>,
        follows: impl Fn(Option<&EndpointState>) -> Option<(EndpointState, T)>,
    ) -> Option<T> {
        for _ in 0..TRIES {
            let (state, with) = follows(known.as_ref())?;
            let changed = match self.endpoints.change(self.tenant, self.sink, &state).await {
                Ok(true) => return Some(with),
                Ok(false) => self.endpoints.state(self.tenant, self.sink).await,
                Err(error) => Err(error),
            };
            match changed {
                Ok(now) => known = now,
                // The next batch sees the same, and tries again.
                Err(error) => {
                    self.not_written(&error);
                    return None;
                }
            }
        }
        None
    }

    fn not_written(&self, error: &Unavailable) {
        tracing::error!(tenant.id = %self.tenant, sink.id = %self.sink, error = ?error,
            "the state of an endpoint could not be written");
        self.passes.note_unwritten();
    }
}

/// The way of alerts about endpoints to the operators.
pub(crate) struct EndpointAlerts<A>(A);

impl<A: Alerts> EndpointAlerts<A> {
    /// Alerts that go this way.
    pub(crate) fn new(alerts: A) -> Self {
        Self(alerts)
    }

    /// Sends what an earlier batch could not, if it is pending for longer than sending takes.
    pub(crate) async fn retry_pending<E: EndpointStore>(
        &self,
        row: &EndpointRow<'_, E>,
        known: &EndpointState,
        now: Timestamp,
    ) {
        let Some(taken) = take_alert(known, now) else { return };
        match row.endpoints.change(row.tenant, row.sink, &taken).await {
            Ok(true) => {
                if let Some(pending) = taken.pending_alert {
                    self.send(row, &taken, pending).await;
                }
            }
            // Another instance sends it, or this batch changed the row: the next one sees what is still pending.
            Ok(false) => {}
            Err(error) => row.not_written(&error),
        }
    }

    /// Sends what is pending, and writes that it was sent.
    pub(crate) async fn send<E: EndpointStore>(
        &self,
        row: &EndpointRow<'_, E>,
        known: &EndpointState,
        pending: PendingAlert,
    ) {
        let (tenant, sink) = (row.tenant, row.sink);
        let alert = pending.alert.text(tenant, sink);
        if let Err(error) = self.0.send(tenant, &alert.subject, &alert.text).await {
            tracing::error!(tenant.id = %tenant, sink.id = %sink, alert = ?pending.alert, error = ?error,
                "the operators could not be told of an endpoint that fails: a later batch for it tries again");
            return;
        }
        row.change(Some(known.clone()), |known| Some((mark_sent(known?, pending)?, ()))).await;
    }
}
