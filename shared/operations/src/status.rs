//! Status: how deep every queue is, what waits delayed outside them, and which endpoints are not well.

use std::collections::BTreeMap;
use std::time::Duration;

use acequia_core::delivery::breaker::Circuit;
use acequia_core::delivery::delay::Waiting;
use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::{Clock as _, DelayedMessages as _, EndpointStore as _, KnownEndpoint, StageQueues as _};
use acequia_core::queue::{Depth, QueueName};
use acequia_core::time::after;
use futures::StreamExt as _;
use jiff::Timestamp;
use serde::Serialize;

use crate::replay::{self, ReplayStatus};
use crate::stage::{find_queues, queues_of, require_platform_without_queues};
use crate::{OperationError, Ports, configuration, paused, time};

/// For how long it is told that deliveries were held back.
const LATELY: Duration = Duration::from_mins(5);

/// How many queues are asked at once.
const CALLS: usize = 8;

/// The tenants of a stage that have queues, by id.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Status {
    /// Each tenant.
    pub tenants: Vec<TenantStatus>,
}

/// One tenant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TenantStatus {
    /// Its id.
    pub tenant: TenantId,
    /// Its queues, by name.
    pub queues: Vec<QueueStatus>,
    /// What waits outside them.
    pub delayed: Vec<DelayedStatus>,
    /// The endpoints of which something bad is known.
    pub endpoints: Vec<EndpointStatus>,
    /// The sinks that an operator paused, as far as that may be seen.
    pub paused: Vec<SinkId>,
    /// The replays that are not done, as far as those may be seen.
    pub replays: Vec<ReplayStatus>,
}

/// A queue with the dead-letter queue behind it: how many messages each holds, as SQS estimates it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct QueueStatus {
    /// Its role, with `.fifo` behind it where it is one.
    pub queue: String,
    /// Messages that can be received.
    pub visible: u64,
    /// Messages that were received and are hidden.
    pub in_flight: u64,
    /// Messages that were sent with a delay and are not visible yet.
    pub not_yet_visible: u64,
    /// Dead letters that can be received.
    pub dlq_visible: u64,
    /// Dead letters that were received and are hidden.
    pub dlq_in_flight: u64,
    /// The age of the oldest message in seconds. SQS tells ages through `CloudWatch` alone; null where that is not
    /// asked.
    pub oldest_age_s: Option<u64>,
}

/// What waits outside the queues, by sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DelayedStatus {
    /// Null for events that wait to be routed.
    pub sink: Option<SinkId>,
    /// How many messages.
    pub count: u64,
    /// When the next of them is due.
    #[serde(serialize_with = "time::one")]
    pub next_due_at: Timestamp,
    /// Since when the oldest of them is delayed.
    #[serde(serialize_with = "time::one")]
    pub oldest_delayed_at: Timestamp,
}

impl From<Waiting> for DelayedStatus {
    fn from(waiting: Waiting) -> Self {
        let Waiting { sink, count, next_due_at, oldest_delayed_at } = waiting;
        Self { sink, count, next_due_at, oldest_delayed_at }
    }
}

/// An endpoint of which something bad is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndpointStatus {
    /// The sink that delivers to it.
    pub sink: SinkId,
    /// Whether it may be called.
    pub circuit: CircuitStatus,
    /// When the next probe is due, while the circuit is open.
    #[serde(serialize_with = "time::maybe")]
    pub probe_at: Option<Timestamp>,
    /// Since when it fails, where it does.
    #[serde(serialize_with = "time::maybe")]
    pub failing_since: Option<Timestamp>,
    /// Why it is disabled, where it is.
    pub disabled: Option<String>,
    /// What held deliveries back lately because there were too many at once, where something did.
    pub held_back: Option<String>,
}

/// Whether an endpoint may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CircuitStatus {
    /// It may.
    Closed,
    /// It may not, until a probe is due.
    Open,
    /// One delivery is sent to see whether it is well again.
    Probing,
    /// What is known of it cannot be read, and its deliveries wait.
    Unreadable,
}

impl CircuitStatus {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Probing => "probing",
            Self::Unreadable => "unreadable",
        }
    }
}

impl EndpointStatus {
    /// `None` for one that is well.
    fn of((sink, row): KnownEndpoint, now: Timestamp) -> Option<Self> {
        let Ok(state) = row else {
            let circuit = CircuitStatus::Unreadable;
            return Some(Self { sink, circuit, probe_at: None, failing_since: None, disabled: None, held_back: None });
        };
        let (circuit, probe_at) = match &state.circuit {
            Circuit::Closed => (CircuitStatus::Closed, None),
            Circuit::Open { until, .. } => (CircuitStatus::Open, Some(*until)),
            Circuit::Probing { .. } => (CircuitStatus::Probing, None),
        };
        let failing_since = state.failing.map(|failing| failing.first);
        let disabled = state.disabled.map(|disabled| disabled.by.to_string());
        let lately = state.held_back.filter(|held| after(held.at, LATELY) > now);
        let held_back = lately.map(|held| held.by.to_string());
        let well =
            circuit == CircuitStatus::Closed && failing_since.is_none() && disabled.is_none() && held_back.is_none();
        (!well).then_some(Self { sink, circuit, probe_at, failing_since, disabled, held_back })
    }
}

/// Looks at one tenant, or at all.
///
/// # Errors
/// [`OperationError::NoQueues`] where the tenant has none, [`OperationError::NoPlatform`] or
/// [`OperationError::HiddenPlatform`] where the stage has none, or when a service does not answer. What the credentials
/// may not read of configurations is left out.
pub async fn run(ports: &impl Ports, tenant: Option<&TenantId>) -> Result<Status, OperationError> {
    let queues = match tenant {
        Some(tenant) => queues_of(ports, tenant).await?,
        None => find_queues(ports, None).await?,
    };
    if queues.is_empty() {
        require_platform_without_queues(ports).await?;
    }
    let stage_queues = ports.stage_queues();
    let calls: Vec<_> = queues
        .iter()
        .map(|(name, queue)| async { stage_queues.depth(queue).await.map(|depth| (name.clone(), depth)) })
        .collect();
    let depths: Vec<_> = futures::stream::iter(calls).buffered(CALLS).collect().await;
    let mut status = gather(depths.into_iter().collect::<Result<Vec<_>, _>>()?);
    let (delayed, endpoints) = (ports.delayed_messages(), ports.endpoints());
    for tenant in &mut status.tenants {
        tenant.delayed = delayed.waiting(&tenant.tenant).await?.into_iter().map(DelayedStatus::from).collect();
        let known = endpoints.states(&tenant.tenant).await?;
        let now = ports.clock().now();
        tenant.endpoints = known.into_iter().filter_map(|known| EndpointStatus::of(known, now)).collect();
        // A role that may not read configurations sees the rest.
        let configuration = configuration::current(ports, &tenant.tenant).await;
        tenant.paused = configuration.map(|current| paused::sinks(&current.raw)).unwrap_or_default();
        let replays = replay::list(ports, &tenant.tenant).await.unwrap_or_default();
        tenant.replays = replays.into_iter().filter(|replay| replay.state.is_open()).collect();
    }
    Ok(status)
}

/// Puts each queue beside its dead-letter queue, by tenant.
fn gather(depths: Vec<(QueueName, Depth)>) -> Status {
    let mut tenants: BTreeMap<TenantId, BTreeMap<QueueName, QueueStatus>> = BTreeMap::new();
    for (name, depth) in depths {
        let source = QueueName { dlq: false, ..name.clone() };
        let fifo = if source.fifo { ".fifo" } else { "" };
        let queue = format!("{}{fifo}", source.role);
        let queues = tenants.entry(name.tenant.clone()).or_default();
        let status = queues.entry(source).or_insert_with(|| QueueStatus { queue, ..QueueStatus::default() });
        if name.dlq {
            (status.dlq_visible, status.dlq_in_flight) = (depth.visible, depth.in_flight);
        } else {
            (status.visible, status.in_flight, status.not_yet_visible) =
                (depth.visible, depth.in_flight, depth.not_yet_visible);
        }
    }
    let of_tenant = |(tenant, queues): (TenantId, BTreeMap<_, _>)| TenantStatus {
        tenant,
        queues: queues.into_values().collect(),
        delayed: Vec::new(),
        endpoints: Vec::new(),
        paused: Vec::new(),
        replays: Vec::new(),
    };
    Status { tenants: tenants.into_iter().map(of_tenant).collect() }
}

#[cfg(test)]
mod tests {
    use acequia_core::delivery::breaker::{EndpointState, HeldBack};
    use acequia_core::message::Outgoing;
    use acequia_core::outcome::Hold;
    use acequia_core::port::{DelayStore as _, Queues as _, Unavailable};
    use acequia_core::queue::QueueRole;
    use acequia_testkit::build;

    use super::*;
    use crate::world::World;

    #[test]
    fn each_queue_stands_beside_its_dead_letter_queue() {
        let name = QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Intake);
        let depths = vec![
            (name.clone(), Depth { visible: 1, in_flight: 2, not_yet_visible: 3 }),
            (name.dead_letter(), Depth { visible: 4, in_flight: 5, not_yet_visible: 0 }),
        ];
        let json = serde_json::to_value(gather(depths)).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"tenants": [{"tenant": "acme", "queues": [
            {"queue": "intake", "visible": 1, "in_flight": 2, "not_yet_visible": 3, "dlq_visible": 4, "dlq_in_flight": 5,
             "oldest_age_s": null}], "delayed": [], "endpoints": [], "paused": [], "replays": []}]})
        );
    }

    #[test]
    fn an_endpoint_is_told_while_something_is_wrong_with_it() {
        let healthy = EndpointState::healthy("digest", None);
        let of = |state| EndpointStatus::of((build::sink_id("crm"), Ok(state)), build::at(600));
        assert!(of(healthy.clone()).is_none());
        let held = |at| Some(HeldBack { by: Hold::Concurrency, at: build::at(at) });
        assert!(of(EndpointState { held_back: held(300), ..healthy.clone() }).is_none(), "five minutes are over");
        let crowded = of(EndpointState { held_back: held(301), ..healthy.clone() }).unwrap();
        assert!(crowded.held_back.unwrap().contains("concurrency"));
        let circuit = Circuit::Open { until: build::at(60), since: build::start(), trips: 1 };
        let open = of(EndpointState { circuit, ..healthy });
        assert_eq!(
            serde_json::to_value(open).unwrap(),
            serde_json::json!({"sink": "crm", "circuit": "open", "probe_at": "2026-01-01T00:01:00.000Z",
            "failing_since": null, "disabled": null, "held_back": null})
        );
        let unreadable = Err(Unavailable::new("read the state of an endpoint", std::fmt::Error));
        let unreadable = EndpointStatus::of((build::sink_id("crm"), unreadable), build::at(600)).unwrap();
        assert_eq!(unreadable.circuit.as_str(), "unreadable");
    }

    #[tokio::test]
    async fn a_tenants_queues_delayed_messages_endpoints_and_pauses_are_gathered() {
        let (world, tenant) = (World::default(), build::tenant_id("acme"));
        let name = QueueName::new(&build::stage(), &tenant, QueueRole::Intake);
        let (queue, _) = (world.stage_queues.make(&name), world.stage_queues.make(&name.dead_letter()));
        let message = Outgoing { body: "{}".to_owned(), ..Outgoing::default() };
        assert!(world.queues.send(&queue, &[message]).await.iter().all(Result::is_ok));
        for (sink, id) in [(None, "m-1"), (Some("crm"), "m-2"), (Some("crm"), "m-3")] {
            let row = build::delayed("acme", sink, id, 60);
            assert!(world.delays.delay(&tenant, &[row]).await.iter().all(Result::is_ok));
        }
        let document = build::webhook_document("acme", "https://a.example/");
        world.tenants.put(&tenant, document.replace(r#""id":"crm""#, r#""id":"crm","paused":true"#));
        let status = run(&world, Some(&tenant)).await.unwrap();
        assert_eq!(run(&world, None).await.unwrap(), status);
        let found = &status.tenants[0];
        assert_eq!((found.queues.len(), found.queues[0].visible), (1, 1));
        let waits: Vec<_> = found.delayed.iter().map(|one| (one.sink.is_some(), one.count, one.next_due_at)).collect();
        assert_eq!(waits, [(false, 1, build::at(60)), (true, 2, build::at(60))]);
        assert_eq!(found.paused, [build::sink_id("crm")]);
        world.tenants.reads.go_down();
        let status = run(&world, None).await.unwrap();
        assert_eq!(status.tenants[0].paused, [], "who may not read configurations sees the rest");
    }

    #[tokio::test]
    async fn a_stage_without_queues_needs_a_platform_that_can_be_seen() {
        let world = World::default();
        assert_eq!(run(&world, None).await.unwrap(), Status::default());
        world.platform.refusals.go_down();
        let hidden = run(&world, None).await.unwrap_err();
        assert!(matches!(hidden, OperationError::HiddenPlatform { .. }), "{hidden:?}");
        world.platform.refusals.mend();
        world.platform.remove();
        let missing = run(&world, None).await.unwrap_err();
        assert!(matches!(missing, OperationError::NoPlatform { .. }), "{missing:?}");
    }
}
