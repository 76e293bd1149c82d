//! `acequia tenant pause`: holds back the deliveries of a sink, as a version of the configuration of its own.

use acequia_core::id::{SinkId, TenantId};
use acequia_core::kind::SinkKind;
use acequia_core::port::{Change, Clock as _, StoredTenant, TenantStore};
use acequia_core::tenant::RawTenant;
use serde::Serialize;

use super::apply::actor;
use crate::args::SwitchArgs;
use crate::context::{Context, SystemClock};
use crate::exit::Failure;
use crate::output::Report;

#[derive(Serialize)]
struct Answer<'a> {
    tenant: &'a TenantId,
    sink: &'a SinkId,
    paused: bool,
    version: u64,
}

pub(super) async fn run(context: &Context, arguments: &SwitchArgs) -> Result<Report, Failure> {
    let SwitchArgs { tenant, sink, actor: by } = arguments;
    let configuration = context.configuration(tenant).await?;
    let before = configuration.0.version;
    let may_be_ordered = may_be_ordered(&configuration.1, sink);
    let version = switch(&context.tenants(), configuration, arguments, true, &actor(by.as_deref())).await?;
    let mut text = if version == before {
        format!("{tenant}: {sink} was paused already.")
    } else {
        format!(
            "{tenant}: {sink} is paused within five seconds (version {version}). Its deliveries wait without spending an attempt; \
             `acequia tenant resume {tenant} {sink}` brings them back."
        )
    };
    if may_be_ordered {
        text.push_str(ORDERED);
    }
    Ok(Report::new(&Answer { tenant, sink, paused: version != before, version }, text))
}

/// Nothing of a FIFO queue is delayed, so what waits there is as old as SQS lets it be.
const ORDERED: &str =
    " In the queue of an ordered tenant they come back within an hour of that, and SQS keeps them for 14 days at most.";

/// Whether the deliveries of a sink come from a queue that may keep their order. The configuration does not say whether it does.
pub(super) fn may_be_ordered(raw: &RawTenant, sink: &SinkId) -> bool {
    raw.sinks.iter().any(|known| known.id == sink.as_str() && known.kind == SinkKind::Forward.as_str())
}

/// Pauses a sink or ends that, by a new version of the configuration; answers the version that is current then.
pub(super) async fn switch(
    tenants: &impl TenantStore,
    (stored, mut raw): (StoredTenant, RawTenant),
    arguments: &SwitchArgs,
    paused: bool,
    actor: &str,
) -> Result<u64, Failure> {
    let SwitchArgs { tenant, sink, .. } = arguments;
    let missing = Failure::no_sink(tenant, sink, &raw);
    let found = raw.sinks.iter_mut().find(|known| known.id == sink.as_str()).ok_or(missing)?;
    if found.paused.unwrap_or(false) == paused {
        return Ok(stored.version);
    }
    found.paused = paused.then_some(true);
    let change = Change {
        document: raw.to_json(),
        expected: stored.version,
        actor: actor.to_owned(),
        at: SystemClock.now(),
        summary: format!("{} {sink}", if paused { "paused" } else { "resumed" }),
    };
    Ok(tenants.publish(tenant, change).await?)
}

#[cfg(test)]
mod tests {
    use acequia_testkit::{InMemoryTenants, build};

    use super::*;

    fn arguments(sink: &str) -> SwitchArgs {
        SwitchArgs { tenant: build::tenant_id("acme"), sink: build::sink_id(sink), actor: None }
    }

    async fn current(tenants: &InMemoryTenants) -> (StoredTenant, RawTenant) {
        let stored = tenants.current(&build::tenant_id("acme")).await.unwrap().unwrap();
        let raw = RawTenant::from_json(&stored.document).unwrap();
        (stored, raw)
    }

    #[tokio::test]
    async fn pausing_and_resuming_are_versions_with_a_line_in_the_audit_log_and_twice_is_once() {
        let document =
            r#"{"tenant":"acme","name":"Acme","sinks":[{"id":"crm","kind":"forward","types":["*"],"queue":"out"}]}"#;
        let tenants = InMemoryTenants::new().with(&build::tenant_id("acme"), document);
        for (paused, version) in [(true, 2), (true, 2), (false, 3), (false, 3)] {
            let (stored, raw) = current(&tenants).await;
            assert_eq!(switch(&tenants, (stored, raw), &arguments("crm"), paused, "ana").await.unwrap(), version);
            assert_eq!(current(&tenants).await.1.sinks[0].paused.unwrap_or(false), paused);
        }
        let audit = tenants.audit(&build::tenant_id("acme")).await.unwrap();
        let summaries: Vec<&str> = audit.iter().map(|row| row.summary.as_str()).collect();
        assert_eq!(summaries, ["paused crm", "resumed crm"]);
        let raw = current(&tenants).await.1;
        assert!(may_be_ordered(&raw, &build::sink_id("crm")) && !may_be_ordered(&raw, &build::sink_id("other")));
        let failure = switch(&tenants, current(&tenants).await, &arguments("other"), true, "ana").await.unwrap_err();
        assert!(matches!(&failure, Failure::NotFound(text) if text.contains("it has crm")), "{failure:?}");
    }
}
