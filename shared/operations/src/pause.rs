//! Pausing a sink: its deliveries are held back, as a version of the configuration of its own.

use acequia_core::id::{SinkId, TenantId};
use acequia_core::kind::SinkKind;
use acequia_core::port::{Change, Clock as _, TenantStore as _};
use acequia_core::tenant::RawTenant;
use serde::Serialize;

use crate::configuration::{self, Configuration};
use crate::{OperationError, Ports};

/// What pausing came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// Whose sink.
    pub tenant: TenantId,
    /// The sink.
    pub sink: SinkId,
    /// Whether it was paused now: false where it was before.
    pub paused: bool,
    /// The version of the configuration that is current.
    pub version: u64,
    /// Whether its deliveries may come from a queue that keeps their order. Nothing of such a queue is delayed: what
    /// waits there is as old as SQS lets it be.
    #[serde(skip)]
    pub may_be_ordered: bool,
}

/// Pauses a sink. Functions go by it within five seconds. `actor` is who does it, for the audit log.
///
/// # Errors
/// [`OperationError::NoConfiguration`] or [`OperationError::NoSink`] where there is none, [`OperationError::Publish`]
/// where the configuration was changed in between, or when the store does not answer.
pub async fn run(ports: &impl Ports, tenant: &TenantId, sink: &SinkId, actor: &str) -> Result<Pause, OperationError> {
    let configuration = configuration::current(ports, tenant).await?;
    let before = configuration.version;
    let may_be_ordered = may_be_ordered(&configuration.raw, sink);
    let version = switch(ports, configuration, (tenant, sink), true, actor).await?;
    Ok(Pause { tenant: tenant.clone(), sink: sink.clone(), paused: version != before, version, may_be_ordered })
}

/// Whether the deliveries of a sink come from a queue that may keep their order. The configuration does not say whether
/// it does.
pub(crate) fn may_be_ordered(raw: &RawTenant, sink: &SinkId) -> bool {
    raw.sinks.iter().any(|known| known.id == sink.as_str() && known.kind == SinkKind::Forward.as_str())
}

/// Pauses a sink or ends that, by a new version of the configuration; answers the version that is current then.
pub(crate) async fn switch(
    ports: &impl Ports,
    mut configuration: Configuration,
    (tenant, sink): (&TenantId, &SinkId),
    paused: bool,
    actor: &str,
) -> Result<u64, OperationError> {
    configuration.require_sink(tenant, sink)?;
    let Configuration { version, raw } = &mut configuration;
    for found in raw.sinks.iter_mut().filter(|known| known.id == sink.as_str()) {
        if found.paused.unwrap_or(false) == paused {
            return Ok(*version);
        }
        found.paused = paused.then_some(true);
    }
    let change = Change {
        document: raw.to_json(),
        expected: *version,
        actor: actor.to_owned(),
        at: ports.clock().now(),
        summary: format!("{} {sink}", if paused { "paused" } else { "resumed" }),
    };
    let published = ports.tenants().publish(tenant, change).await;
    published.map_err(|source| OperationError::Publish { tenant: tenant.clone(), source })
}

#[cfg(test)]
mod tests {
    use acequia_testkit::build;

    use super::*;
    use crate::world::World;

    #[tokio::test]
    async fn pausing_and_resuming_are_versions_with_a_line_in_the_audit_log_and_twice_is_once() {
        let (world, tenant, sink) = (World::default(), build::tenant_id("acme"), build::sink_id("crm"));
        let document =
            r#"{"tenant":"acme","name":"Acme","sinks":[{"id":"crm","kind":"forward","types":["*"],"queue":"out"}]}"#;
        world.tenants.put(&tenant, document);
        for (paused, version) in [(true, 2), (true, 2), (false, 3), (false, 3)] {
            let current = configuration::current(&world, &tenant).await.unwrap();
            assert_eq!(switch(&world, current, (&tenant, &sink), paused, "ana").await.unwrap(), version);
            let raw = configuration::current(&world, &tenant).await.unwrap().raw;
            assert_eq!(raw.sinks[0].paused.unwrap_or(false), paused);
        }
        let audit = world.tenants.audit(&tenant).await.unwrap();
        let summaries: Vec<&str> = audit.iter().map(|row| row.summary.as_str()).collect();
        assert_eq!(summaries, ["paused crm", "resumed crm"]);
    }

    #[tokio::test]
    async fn a_pause_is_reported_once_and_a_sink_that_is_not_there_is_refused() {
        let (world, tenant, sink) = (World::default(), build::tenant_id("acme"), build::sink_id("crm"));
        world.tenants.put(&tenant, build::webhook_document("acme", "https://a.example/"));
        for (paused, version) in [(true, 2), (false, 2)] {
            let pause = run(&world, &tenant, &sink, "ana").await.unwrap();
            assert!(!pause.may_be_ordered, "no webhook is");
            let wanted = serde_json::json!({"tenant": "acme", "sink": "crm", "paused": paused, "version": version});
            assert_eq!(serde_json::to_value(pause).unwrap(), wanted);
        }
        let error = run(&world, &tenant, &build::sink_id("other"), "ana").await.unwrap_err();
        assert_eq!(error.to_string(), "tenant acme has no sink other; it has crm");
    }
}
