//! `acequia tenant resume`: delivers to a sink again that was paused, or whose endpoint was disabled or has an open circuit, and makes
//! what waits parked for it due now.

use std::time::Duration;

use acequia_core::breaker::{Circuit, EndpointState};
use acequia_core::id::{SinkId, TenantId};
use acequia_core::ledger::after;
use acequia_core::port::{Clock as _, EndpointStore, ParkingLot as _};
use serde::Serialize;

use super::apply::actor;
use super::pause;
use crate::args::SwitchArgs;
use crate::context::{Context, SystemClock};
use crate::exit::Failure;
use crate::output::Report;

#[derive(Serialize)]
struct Answer<'a> {
    tenant: &'a TenantId,
    sink: &'a SinkId,
    resumed: bool,
    hastened: u64,
}

/// For how long functions may go by an older configuration, and a second.
const CACHED: Duration = Duration::from_secs(6);

/// How often a state is written that others change at the same time.
const TRIES: usize = 5;

pub(super) async fn run(context: &Context, arguments: &SwitchArgs) -> Result<Report, Failure> {
    let SwitchArgs { tenant, sink, actor: by } = arguments;
    let configuration = context.configuration(tenant).await?;
    let before = configuration.0.version;
    let version = pause::switch(&context.tenants(), configuration, arguments, false, &actor(by.as_deref())).await?;
    let unpaused = version != before;
    let healed = heal(&context.endpoints(), tenant, sink).await?;
    // Functions go by the configuration before for some seconds: what came back within them would be parked once more.
    let due = after(SystemClock.now(), if unpaused { CACHED } else { Duration::ZERO });
    let hastened = context.parking().hasten(tenant, sink, due).await?;
    let mut text = match (unpaused, healed) {
        (false, false) => format!("{tenant}: {sink} was neither paused nor disabled, and its circuit is closed."),
        (true, false) => format!("{tenant}: {sink} is no longer paused (version {version})."),
        (_, true) => {
            format!(
                "{tenant}: {sink} is on again. `acequia dlq redrive {tenant}` brings back what went to the dead-letter queue."
            )
        }
    };
    if hastened > 0 {
        text = format!("{text} {hastened} parked messages are due now and come back within a minute or two.");
    }
    Ok(Report::new(&Answer { tenant, sink, resumed: unpaused || healed, hastened }, text))
}

/// Writes that the sink's endpoint is healthy; answers whether that changes anything.
async fn heal(endpoints: &impl EndpointStore, tenant: &TenantId, sink: &SinkId) -> Result<bool, Failure> {
    for _ in 0..TRIES {
        let Some(known) = endpoints.state(tenant, sink).await? else { return Ok(false) };
        if known.disabled.is_none() && known.failing.is_none() && known.circuit == Circuit::Closed {
            return Ok(false);
        }
        let healthy = EndpointState::healthy(&known.endpoint, Some(&known));
        if endpoints.change(tenant, sink, &healthy).await? {
            return Ok(known.disabled.is_some() || known.circuit != Circuit::Closed);
        }
    }
    Err(Failure::Conflict(format!("the state of {sink} changes all the time; run the command again")))
}

#[cfg(test)]
mod tests {
    use acequia_core::breaker::Disabled;
    use acequia_testkit::{InMemoryEndpoints, build};

    use super::*;

    #[tokio::test]
    async fn a_disabled_endpoint_is_on_again_once() {
        let (endpoints, tenant, sink) = (InMemoryEndpoints::new(), build::tenant_id("acme"), build::sink_id("crm"));
        assert!(!heal(&endpoints, &tenant, &sink).await.unwrap());
        let disabled = Some(Disabled { why: "gone".to_owned(), since: build::start() });
        let state = EndpointState { disabled, ..EndpointState::healthy("digest", None) };
        assert!(endpoints.change(&tenant, &sink, &state).await.unwrap());
        assert!(heal(&endpoints, &tenant, &sink).await.unwrap());
        assert!(!heal(&endpoints, &tenant, &sink).await.unwrap());
        assert_eq!(endpoints.state(&tenant, &sink).await.unwrap().unwrap().disabled, None);
    }
}
