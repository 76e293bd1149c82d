//! Resuming a sink that was paused, or whose endpoint was disabled or has an open circuit; what waits delayed for it is
//! made due now.
//!
//! It is two steps: [`begin`] writes the configuration and the endpoint's state, and [`Begun::finish`] waits until
//! functions go by them and brings back what is delayed. Between them a caller can say that it waits. Stopped at any
//! point, both can be run again.

use std::time::Duration;

use acequia_core::delivery::breaker::{Circuit, EndpointState};
use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::{Clock as _, DelayedMessages as _, EndpointStore as _};
use serde::Serialize;

use crate::pause::{may_be_ordered, switch};
use crate::{OperationError, Ports, configuration};

/// For how long functions go by the configuration that they read last (`CachedTenants`).
const CACHED: Duration = Duration::from_secs(5);

/// What a batch takes, as a rule, that began at the end of that time: until then it may delay by the configuration
/// before. One that is slow may delay later still (docs/GUARANTEES.md), and is not waited for: it may take a minute.
const MARGIN: Duration = Duration::from_secs(2);

/// How long [`Begun::finish`] waits.
pub const WAIT: Duration = CACHED.saturating_add(MARGIN);

/// How often a state is written that others change at the same time.
const TRIES: usize = 5;

/// What resuming came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resumption {
    /// Whose sink.
    pub tenant: TenantId,
    /// The sink.
    pub sink: SinkId,
    /// Whether anything had held it back.
    pub resumed: bool,
    /// How many delayed messages are due now.
    pub expedited: u64,
    /// What was changed for it.
    #[serde(skip)]
    pub begun: Begun,
}

/// What was changed so that a sink delivers again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Whose sink.
    pub tenant: TenantId,
    /// The sink.
    pub sink: SinkId,
    /// Whether a pause was ended.
    pub unpaused: bool,
    /// Whether the endpoint was disabled, or its circuit not closed.
    pub healed: bool,
    /// The version of the configuration that is current.
    pub version: u64,
    /// Whether its deliveries may come from a queue that keeps their order. Nothing of such a queue is delayed: it is
    /// hidden there, an hour at a time, and cannot be shown before.
    pub may_be_ordered: bool,
}

/// Ends the pause of a sink, and writes that its endpoint is healthy. `actor` is who does it, for the audit log.
///
/// # Errors
/// As [`crate::pause::run`]; [`OperationError::Contested`] where others change the endpoint's state all the time.
pub async fn begin(ports: &impl Ports, tenant: &TenantId, sink: &SinkId, actor: &str) -> Result<Begun, OperationError> {
    let configuration = configuration::current(ports, tenant).await?;
    let before = configuration.version;
    let may_be_ordered = may_be_ordered(&configuration.raw, sink);
    let version = switch(ports, configuration, (tenant, sink), false, actor).await?;
    let healed = heal(ports, tenant, sink).await?;
    let (tenant, sink) = (tenant.clone(), sink.clone());
    Ok(Begun { tenant, sink, unpaused: version != before, healed, version, may_be_ordered })
}

impl Begun {
    /// Waits until functions go by the current configuration ([`WAIT`]), then makes due what is delayed for the sink.
    ///
    /// Not earlier: what comes while they go by the one before is delayed for an hour, and what was brought forward
    /// would be once more. It waits in every run, because one before may have been stopped after it wrote the
    /// configuration.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn finish(self, ports: &impl Ports) -> Result<Resumption, OperationError> {
        let clock = ports.clock();
        clock.sleep(WAIT).await;
        let expedited = ports.delayed_messages().expedite(&self.tenant, &self.sink, clock.now()).await?;
        let (tenant, sink, resumed) = (self.tenant.clone(), self.sink.clone(), self.unpaused || self.healed);
        Ok(Resumption { tenant, sink, resumed, expedited, begun: self })
    }
}

/// Writes that the sink's endpoint is healthy; answers whether that changes anything.
async fn heal(ports: &impl Ports, tenant: &TenantId, sink: &SinkId) -> Result<bool, OperationError> {
    let endpoints = ports.endpoints();
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
    Err(OperationError::Contested { tenant: tenant.clone(), sink: sink.clone() })
}

#[cfg(test)]
mod tests {
    use acequia_core::delivery::breaker::Disabled;
    use acequia_core::delivery::delay::Delayed;
    use acequia_core::kind::SinkKind;
    use acequia_core::outcome::DisabledBy;
    use acequia_core::port::{Clock as _, DelayStore as _};
    use acequia_core::queue::QueueRole;
    use acequia_testkit::build;

    use super::*;
    use crate::world::World;

    #[tokio::test]
    async fn a_disabled_endpoint_is_on_again_once() {
        let (world, tenant, sink) = (World::default(), build::tenant_id("acme"), build::sink_id("crm"));
        assert!(!heal(&world, &tenant, &sink).await.unwrap());
        let disabled = Some(Disabled { by: DisabledBy::Gone, since: build::start() });
        let state = EndpointState { disabled, ..EndpointState::healthy("digest", None) };
        assert!(world.endpoints.change(&tenant, &sink, &state).await.unwrap());
        assert!(heal(&world, &tenant, &sink).await.unwrap());
        assert!(!heal(&world, &tenant, &sink).await.unwrap());
        assert_eq!(world.endpoints.state(&tenant, &sink).await.unwrap().unwrap().disabled, None);
    }

    #[tokio::test]
    async fn what_is_delayed_while_functions_still_go_by_the_pause_is_due_at_the_end_too_and_again_is_the_same() {
        let (world, tenant, sink) = (World::default(), build::tenant_id("acme"), build::sink_id("crm"));
        let document = build::webhook_document("acme", "https://a.example/");
        world.tenants.put(&tenant, document.replace(r#""id":"crm""#, r#""id":"crm","paused":true"#));
        let queue = build::queue("acme", QueueRole::Sink(SinkKind::Webhook));
        let delay = async |id: &str| {
            let message = build::incoming_delivery(&queue, id, "crm", &build::envelope("acme", id, "t", "{}"));
            let row = Delayed::of(&tenant, &message, Duration::from_hours(1), world.clock.now()).unwrap();
            assert!(world.delays.delay(&tenant, &[row]).await.iter().all(Result::is_ok));
        };
        delay("before").await;
        for (id, expedited, resumed) in [("late", 2, true), ("later", 3, false)] {
            let begun = begin(&world, &tenant, &sink, "ana").await.unwrap();
            assert_eq!((begun.unpaused, begun.healed, begun.version), (resumed, false, 2));
            let mut back = Box::pin(begun.finish(&world));
            assert!(futures::poll!(&mut back).is_pending());
            world.clock.advance(CACHED);
            delay(id).await;
            assert!(futures::poll!(&mut back).is_pending(), "a batch that began before may still delay");
            assert!(world.delays.rows().iter().any(|row| row.due_at > world.clock.now()));
            world.clock.advance(MARGIN);
            let resumption = back.await.unwrap();
            let wanted =
                serde_json::json!({"tenant": "acme", "sink": "crm", "resumed": resumed, "expedited": expedited});
            assert_eq!(serde_json::to_value(resumption).unwrap(), wanted);
            assert!(world.delays.rows().iter().all(|row| row.expedited && row.due_at <= world.clock.now()));
        }
    }
}
