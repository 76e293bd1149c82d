//! What `acequia tenant try` says of the files and events before anything is sent, against what arrives.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::Value as Json;

use super::Phases;
use super::tenant::{self, SINKS, STACKS};
use crate::local::Local;
use crate::report::Check;

/// How many different events each sink will get, by the endpoint's name.
pub(super) fn count(local: &Local, phases: &Phases) -> Result<BTreeMap<String, u64>> {
    let mut events: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for stack in STACKS {
        for batch in phases.all().iter().filter_map(|phase| phase.sent.get(stack.tenant)) {
            for tried in local.acequia.try_out(&tenant::applied(stack.tenant), &batch.lines)? {
                let Some(event) = tried.get("event").and_then(Json::as_str) else { continue };
                for sink in tried.get("taken").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
                    events.entry(format!("{}-{sink}", stack.tenant)).or_default().insert(event.to_owned());
                }
            }
        }
    }
    Ok(events.into_iter().map(|(endpoint, events)| (endpoint, events.len() as u64)).collect())
}

/// Whether each sink got what was foretold; `arrived` is by the endpoint's name.
pub(super) fn check(foretold: &BTreeMap<String, u64>, arrived: impl Fn(&str) -> u64) -> Check {
    let wrong: Vec<String> = SINKS
        .iter()
        .map(|sink| (sink.endpoint(), foretold.get(&sink.endpoint()).copied().unwrap_or_default()))
        .filter(|(endpoint, count)| *count == 0 || arrived(endpoint) != *count)
        .map(|(endpoint, count)| format!("{endpoint} got {} of {count}", arrived(&endpoint)))
        .collect();
    let all: u64 = foretold.values().sum();
    Check {
        holds: wrong.is_empty(),
        says: if wrong.is_empty() {
            format!(
                "foretold: acequia tenant try said without AWS that {all} deliveries come of these events, and each sink got its own"
            )
        } else {
            format!("foretold: acequia tenant try said otherwise: {}", wrong.join(", "))
        },
    }
}
