//! The sinks that an operator paused.

use acequia_core::id::SinkId;
use acequia_core::tenant::RawTenant;
use serde::Serialize;

/// A sink that an operator paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Paused {
    /// The sink.
    pub sink: SinkId,
    /// How many of its messages wait delayed; null where that may not be seen.
    pub delayed: Option<u64>,
}

/// The paused sinks of a configuration.
pub fn sinks(configuration: &RawTenant) -> Vec<SinkId> {
    let paused = configuration.sinks.iter().filter(|sink| sink.paused == Some(true));
    paused.filter_map(|sink| sink.id.parse().ok()).collect()
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
}
