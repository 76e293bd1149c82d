//! What is known of endpoints, with perils, and operators that are told without any.

use acequia_core::delivery::breaker::{Circuit, EndpointState};
use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::{Alerts, EndpointStore, KnownEndpoint, Unavailable};

use super::Perilous;
use crate::mutation::Mutation;
use crate::peril::unavailable;

const READ: &str = "read the state of an endpoint";
const CHANGE: &str = "change the state of an endpoint";

impl EndpointStore for Perilous {
    async fn state(&self, tenant: &TenantId, sink: &SinkId) -> Result<Option<EndpointState>, Unavailable> {
        let Some(call) = self.0.call("endpoints.state").await else { return Err(unavailable(READ)) };
        let answer = self.0.world.endpoints.state(tenant, sink).await;
        if !self.0.end(&call).await {
            return Err(unavailable(READ));
        }
        match (self.0.world.mutation, answer) {
            (Some(Mutation::IgnoreCircuit), _) => Ok(None),
            (Some(Mutation::ElectAll), Ok(Some(state))) => Ok(Some(unprobed(state))),
            (_, answer) => answer,
        }
    }

    async fn change(&self, tenant: &TenantId, sink: &SinkId, state: &EndpointState) -> Result<bool, Unavailable> {
        let Some(call) = self.0.call("endpoints.change").await else { return Err(unavailable(CHANGE)) };
        let mut answer = self.0.world.endpoints.change(tenant, sink, state).await;
        if matches!(answer, Ok(true)) {
            let history = &mut self.0.world.lock().history;
            let word = match &state.circuit {
                Circuit::Closed => "closed",
                Circuit::Open { .. } => "open",
                Circuit::Probing { .. } => "probed",
            };
            history.note(self.0.invocation(), format_args!("the circuit of {tenant}/{sink} is {word}"));
            history.turned(self.0.invocation(), tenant, sink, &state.circuit);
        }
        if self.0.world.mutation == Some(Mutation::ElectAll) && matches!(state.circuit, Circuit::Probing { .. }) {
            answer = Ok(true);
        }
        if call.repeated {
            answer = self.0.world.endpoints.change(tenant, sink, state).await;
        }
        if self.0.end(&call).await { answer } else { Err(unavailable(CHANGE)) }
    }

    async fn states(&self, tenant: &TenantId) -> Result<Vec<KnownEndpoint>, Unavailable> {
        self.0.world.endpoints.states(tenant).await
    }
}

/// Returns the same state, as if no instance probed and the next probe were due.
fn unprobed(state: EndpointState) -> EndpointState {
    let circuit = match state.circuit {
        Circuit::Probing { since, trips, .. } => Circuit::Open { until: since, since, trips },
        other => other,
    };
    EndpointState { circuit, ..state }
}

impl Alerts for Perilous {
    async fn send(&self, tenant: &TenantId, subject: &str, _: &str) -> Result<(), Unavailable> {
        let history = &mut self.0.world.lock().history;
        if subject.ends_with(" fails: its circuit is open") {
            history.note(self.0.invocation(), format_args!("{tenant}: {subject}"));
        } else {
            history.report(self.0.invocation(), format_args!("{tenant}: {subject}, within a quarter of an hour"));
        }
        Ok(())
    }

    async fn send_of_platform(&self, subject: &str, _: &str) -> Result<(), Unavailable> {
        let history = &mut self.0.world.lock().history;
        history.report(self.0.invocation(), format_args!("{subject}, of which no function here knows"));
        Ok(())
    }
}
