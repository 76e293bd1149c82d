//! What may hold an event back: the paused ones of a tenant's sinks, with what waits because of it.

use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::DelayedMessages as _;

use crate::paused::{Paused, sinks};
use crate::{Ports, configuration};

/// The paused sinks of a tenant among those that are asked for, as far as they may be seen.
pub(super) async fn paused_among(
    ports: &impl Ports,
    tenant: &TenantId,
    asked: impl Fn(&SinkId) -> bool + Send,
) -> Vec<Paused> {
    let Ok(configuration) = configuration::current(ports, tenant).await else { return Vec::new() };
    let found: Vec<SinkId> = sinks(&configuration.raw).into_iter().filter(asked).collect();
    if found.is_empty() {
        return Vec::new();
    }
    let waiting = ports.delayed_messages().waiting(tenant).await.ok();
    let delayed = |sink: &SinkId| {
        let of_sink = waiting.as_ref()?.iter().filter(|waiting| waiting.sink.as_ref() == Some(sink));
        Some(of_sink.map(|waiting| waiting.count).sum())
    };
    found.into_iter().map(|sink| Paused { delayed: delayed(&sink), sink }).collect()
}

#[cfg(test)]
mod tests {
    use acequia_core::port::DelayStore as _;
    use acequia_testkit::build;

    use super::*;
    use crate::world::World;

    fn document() -> String {
        let sink =
            |id: &str, paused: &str| format!(r#"{{"id":"{id}","kind":"forward","types":["*"],"queue":"out"{paused}}}"#);
        let [late, open, quick] =
            [sink("late", r#","paused":true"#), sink("open", r#","paused":false"#), sink("quick", "")];
        format!(r#"{{"tenant":"acme","name":"Acme","sinks":[{late},{open},{quick}]}}"#)
    }

    #[tokio::test]
    async fn a_paused_sink_is_told_with_what_waits_as_far_as_that_may_be_seen() {
        let (world, tenant) = (World::default(), build::tenant_id("acme"));
        assert_eq!(paused_among(&world, &tenant, |_| true).await, [], "a configuration that is not there says nothing");
        world.tenants.put(&tenant, document());
        let row = build::delayed("acme", Some("late"), "m-1", 60);
        assert!(world.delays.delay(&tenant, &[row]).await.iter().all(Result::is_ok));
        let late = |delayed| Paused { sink: build::sink_id("late"), delayed };
        assert_eq!(paused_among(&world, &tenant, |_| true).await, [late(Some(1))]);
        assert_eq!(paused_among(&world, &tenant, |sink| sink.as_str() == "quick").await, []);
        world.delays.reads.go_down();
        assert_eq!(paused_among(&world, &tenant, |_| true).await, [late(None)]);
    }
}
