//! The sinks that an operator paused, with what waits because of it: why a delivery is not made yet.

use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::DelayedMessages as _;
use acequia_core::tenant::RawTenant;
use serde::Serialize;

use crate::context::Context;
use crate::output::count;

/// A sink that an operator paused.
#[derive(Serialize)]
pub(super) struct Paused {
    pub(super) sink: SinkId,
    /// How many of its messages wait delayed; null where that may not be seen.
    pub(super) delayed: Option<u64>,
}

impl Paused {
    /// In one sentence, with what ends it.
    pub(super) fn told(&self, tenant: &TenantId) -> String {
        let Self { sink, delayed } = self;
        let delayed =
            delayed.map(|delayed| format!(", {} so far", count(delayed, "delayed message", "delayed messages")));
        format!(
            "{sink} is paused, and its deliveries wait{}: acequia tenant resume {tenant} {sink} ends that",
            delayed.unwrap_or_default()
        )
    }
}

/// The paused sinks of a configuration.
pub(super) fn sinks(configuration: &RawTenant) -> Vec<SinkId> {
    let paused = configuration.sinks.iter().filter(|sink| sink.paused == Some(true));
    paused.filter_map(|sink| sink.id.parse().ok()).collect()
}

/// The paused sinks of a tenant among those that are asked for, as far as they may be seen.
pub(super) async fn paused(context: &Context, tenant: &TenantId, asked: impl Fn(&SinkId) -> bool) -> Vec<Paused> {
    let Ok((_, configuration)) = context.configuration(tenant).await else { return Vec::new() };
    let found: Vec<SinkId> = sinks(&configuration).into_iter().filter(asked).collect();
    if found.is_empty() {
        return Vec::new();
    }
    let waiting = context.delays().waiting(tenant).await.ok();
    let delayed = |sink: &SinkId| {
        let of_sink = waiting.as_ref()?.iter().filter(|waiting| waiting.sink.as_ref() == Some(sink));
        Some(of_sink.map(|waiting| waiting.count).sum())
    };
    found.into_iter().map(|sink| Paused { delayed: delayed(&sink), sink }).collect()
}

#[cfg(test)]
mod tests {
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn the_paused_sinks_are_those_of_which_the_configuration_says_so() {
        let sink =
            |id: &str, paused: &str| format!(r#"{{"id":"{id}","kind":"forward","types":["*"],"queue":"out"{paused}}}"#);
        let [late, open, quick] =
            [sink("late", r#","paused":true"#), sink("open", r#","paused":false"#), sink("quick", "")];
        let document = format!(r#"{{"tenant":"acme","name":"Acme","sinks":[{late},{open},{quick}]}}"#);
        assert_eq!(sinks(&RawTenant::from_json(&document).unwrap()), [build::sink_id("late")]);
    }

    #[test]
    fn a_pause_is_told_with_what_waits_and_what_ends_it() {
        let told = |delayed| Paused { sink: build::sink_id("crm"), delayed }.told(&build::tenant_id("acme"));
        let end = ": acequia tenant resume acme crm ends that";
        assert_eq!(told(None), format!("crm is paused, and its deliveries wait{end}"));
        assert_eq!(told(Some(1)), format!("crm is paused, and its deliveries wait, 1 delayed message so far{end}"));
    }
}
