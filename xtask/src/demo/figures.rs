//! What the demo measures, where it reads it, and the form in which `--json` writes it.
//!
//! The demo counts what arrived at the far end (the receiver, the mails that SES took, the tenant's queue). The
//! operator's command says what was filtered, waits or failed. So the sums in the proof have two independent sides.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::tenant::{Far, Sink, behind_bus};
use crate::local::Local;
use crate::queue::{self, Queues};
use crate::receiver::{self, EndpointStats};

/// `acequia tally T`: what the ledger says.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Tally {
    /// Events that were routed.
    pub(super) events: u64,
    /// The events that no sink takes.
    pub(super) unmatched: u64,
    /// By sink.
    pub(super) sinks: Vec<SinkTally>,
}

/// What the ledger says of one sink.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub(super) struct SinkTally {
    pub(super) sink: String,
    pub(super) delivered: u64,
    pub(super) filtered: u64,
    pub(super) retrying: u64,
    pub(super) in_progress: u64,
    pub(super) quarantined: u64,
    pub(super) p50_ms: Option<u64>,
    pub(super) p95_ms: Option<u64>,
    pub(super) p99_ms: Option<u64>,
}

impl Tally {
    /// Reads it; with `since` only events accepted from that time on (RFC 3339).
    pub(super) fn read(local: &Local, tenant: &str, since: Option<&str>) -> Result<Self> {
        let mut arguments = vec!["tally", tenant];
        if let Some(since) = since {
            arguments.extend(["--since", since]);
        }
        serde_json::from_value(local.acequia.read(&arguments)?).context("acequia tally printed another form")
    }

    /// One sink's.
    pub(super) fn sink(&self, id: &str) -> SinkTally {
        self.sinks.iter().find(|tally| tally.sink == id).cloned().unwrap_or_default()
    }
}

/// What arrived at the far end of one sink.
#[derive(Debug, Clone, Copy, Default, Serialize, PartialEq, Eq)]
pub(super) struct Arrived {
    /// Different events.
    pub(super) distinct: u64,
    /// Further copies of them.
    pub(super) duplicates: u64,
    /// Requests with a bad signature.
    pub(super) bad_signatures: u64,
    /// All requests, where the far end is an endpoint.
    pub(super) requests: u64,
}

/// Counts what arrived at all sinks, by the endpoint's name.
pub(super) fn arrived(local: &Local, sinks: &[Sink]) -> Result<BTreeMap<String, Arrived>> {
    let stats = local.receiver.stats()?;
    let mails = mails(local)?;
    sinks
        .iter()
        .map(|sink| {
            let arrived = match sink.far {
                Far::Webhook => of_endpoint(stats.get(&sink.endpoint())),
                Far::Email => distinct(mails.iter().filter(|mail| mail.0.contains(sink.tenant)).map(|mail| &mail.1)),
                Far::Queue => distinct(queue_bodies(local, &out(sink.tenant))?.iter()),
                Far::Bus => distinct(details(local, sink.tenant)?.iter()),
            };
            Ok((sink.endpoint(), arrived))
        })
        .collect()
}

/// How much arrived so far, by the endpoint's name. It costs little, so it can be asked often.
pub(super) fn counts(local: &Local, sinks: &[Sink], queues: &Queues) -> Result<BTreeMap<String, u64>> {
    let stats = local.receiver.stats()?;
    let mails = mails(local)?;
    let count = |sink: &Sink| -> Result<u64> {
        Ok(match sink.far {
            Far::Webhook => of_endpoint(stats.get(&sink.endpoint())).distinct,
            Far::Email => mails.iter().filter(|mail| mail.0.contains(sink.tenant)).count() as u64,
            Far::Queue => queue::of(queues, sink.tenant, "out").waiting(),
            Far::Bus => queue_bodies(local, &behind_bus(sink.tenant))?.len() as u64,
        })
    };
    sinks.iter().map(|sink| Ok((sink.endpoint(), count(sink)?))).collect()
}

fn of_endpoint(stats: Option<&EndpointStats>) -> Arrived {
    stats.map_or_else(Arrived::default, |stats| Arrived {
        distinct: stats.accepted,
        duplicates: stats.duplicates,
        bad_signatures: stats.bad_signatures,
        requests: stats.requests,
    })
}

fn distinct<'a>(items: impl Iterator<Item = &'a String>) -> Arrived {
    let mut seen = BTreeSet::new();
    let mut arrived = Arrived::default();
    for item in items {
        if seen.insert(item) {
            arrived.distinct += 1;
        } else {
            arrived.duplicates += 1;
        }
    }
    arrived
}

/// A member of an object, as JSON text.
fn text(object: &Json, name: &str) -> String {
    object.get(name).map(Json::to_string).unwrap_or_default()
}

/// The sender and recipient of every mail that SES took. Each event of the demo has a recipient of its own.
fn mails(local: &Local) -> Result<Vec<(String, String)>> {
    let answer: Json = receiver::get(&format!("{}/_ministack/ses/messages", local.aws.address))?;
    let accounts = answer.get("messages").and_then(Json::as_object).context("the list of mails has another form")?;
    let mails = accounts.values().filter_map(Json::as_array).flatten();
    Ok(mails.map(|mail| (text(mail, "Source"), text(mail, "To"))).collect())
}

/// The name of a tenant's queue `out`.
fn out(tenant: &str) -> String {
    format!("acequia_local_{tenant}_out")
}

/// The events of ours that a tenant's bus led on, as they stand in its own events.
fn details(local: &Local, tenant: &str) -> Result<Vec<String>> {
    let detail = |body: &String| {
        // The body is a text of JSON, and a text in the answer.
        let of_bus: Json = serde_json::from_str::<String>(body).and_then(|body| serde_json::from_str(&body))?;
        Ok(of_bus.get("detail").map(Json::to_string).unwrap_or_default())
    };
    queue_bodies(local, &behind_bus(tenant))?.iter().map(detail).collect()
}

/// The bodies of the messages in a queue.
fn queue_bodies(local: &Local, queue: &str) -> Result<Vec<String>> {
    let url = format!("{0}/_ministack/sqs/messages?QueueUrl={0}/000000000000/{queue}", local.aws.address);
    let answer: Json = receiver::get(&url)?;
    let accounts = answer.get("messages").and_then(Json::as_object).context("the list of messages has another form")?;
    let messages = accounts.values().filter_map(Json::as_object).flat_map(|regions| regions.values());
    let messages = messages.filter_map(Json::as_object).flat_map(|queues| queues.values());
    Ok(messages.filter_map(Json::as_array).flatten().map(|message| text(message, "Body")).collect())
}
