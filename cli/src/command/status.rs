//! `acequia status`: how deep every queue is, what waits delayed outside them, and which endpoints are not well.

use std::collections::BTreeMap;

use acequia_core::delivery::breaker::{Circuit, EndpointState};
use acequia_core::delivery::delay::Waiting;
use acequia_core::id::{SinkId, Stage, TenantId};
use acequia_core::port::{DelayedMessages as _, EndpointStore as _, StageQueues as _};
use acequia_core::queue::{Depth, QueueName};
use futures::StreamExt as _;
use serde::Serialize;

use super::paused;
use crate::context::{Context, time};
use crate::exit::Failure;
use crate::output::{Report, count, or_dash, sink_or_routing, table};

/// How many queues are asked at once.
const CALLS: usize = 8;

#[derive(Serialize)]
struct Status {
    tenants: Vec<TenantStatus>,
}

#[derive(Serialize)]
struct TenantStatus {
    tenant: TenantId,
    queues: Vec<QueueStatus>,
    delayed: Vec<DelayedStatus>,
    endpoints: Vec<EndpointStatus>,
    /// The sinks that an operator paused, as far as that may be seen.
    paused: Vec<SinkId>,
}

/// An endpoint of which something bad is known.
#[derive(Serialize)]
struct EndpointStatus {
    sink: SinkId,
    /// `open`, `probing` or `closed`.
    circuit: &'static str,
    /// When the next probe is due, while the circuit is open.
    probe_at: Option<String>,
    failing_since: Option<String>,
    /// Why it is disabled, where it is.
    disabled: Option<String>,
}

impl EndpointStatus {
    fn of((sink, state): (SinkId, EndpointState)) -> Option<Self> {
        let (circuit, probe_at) = match &state.circuit {
            Circuit::Closed => ("closed", None),
            Circuit::Open { until, .. } => ("open", Some(time(*until))),
            Circuit::Probing { .. } => ("probing", None),
        };
        let failing_since = state.failing.map(|failing| time(failing.first));
        let disabled = state.disabled.map(|disabled| disabled.why);
        let well = circuit == "closed" && failing_since.is_none() && disabled.is_none();
        (!well).then_some(Self { sink, circuit, probe_at, failing_since, disabled })
    }
}

/// What waits outside the queues, by sink.
#[derive(Serialize)]
struct DelayedStatus {
    /// Null for events that wait to be routed.
    sink: Option<SinkId>,
    count: u64,
    next_due_at: String,
    oldest_delayed_at: String,
}

impl From<Waiting> for DelayedStatus {
    fn from(waiting: Waiting) -> Self {
        let Waiting { sink, count, next_due_at, oldest_delayed_at } = waiting;
        Self { sink, count, next_due_at: time(next_due_at), oldest_delayed_at: time(oldest_delayed_at) }
    }
}

#[derive(Serialize, Default)]
struct QueueStatus {
    queue: String,
    visible: u64,
    in_flight: u64,
    not_yet_visible: u64,
    dlq_visible: u64,
    dlq_in_flight: u64,
    /// SQS tells ages through `CloudWatch` alone; null where that is not asked.
    oldest_age_s: Option<u64>,
}

pub(super) async fn run(context: &Context, tenant: Option<&TenantId>) -> Result<Report, Failure> {
    let queues = match tenant {
        Some(tenant) => context.queues_of(tenant).await?,
        None => context.find_queues(None).await?,
    };
    if queues.is_empty() {
        context.platform_without_queues().await?;
    }
    let operator = context.operator();
    let calls: Vec<_> = queues
        .iter()
        .map(|(name, arn)| async { operator.depth(arn).await.map(|depth| (name.clone(), depth)) })
        .collect();
    let depths: Vec<_> = futures::stream::iter(calls).buffered(CALLS).collect().await;
    let depths = depths.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut status = gather(depths);
    let (delays, endpoints) = (context.delays(), context.endpoints());
    for tenant in &mut status.tenants {
        tenant.delayed = delays.waiting(&tenant.tenant).await?.into_iter().map(DelayedStatus::from).collect();
        let known = endpoints.states(&tenant.tenant).await?;
        tenant.endpoints = known.into_iter().filter_map(EndpointStatus::of).collect();
        // A role that may not read configurations sees the rest.
        let configuration = context.configuration(&tenant.tenant).await;
        tenant.paused = configuration.map(|(_, raw)| paused::sinks(&raw)).unwrap_or_default();
    }
    Ok(report(&status, &context.stage, &context.region))
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
    };
    Status { tenants: tenants.into_iter().map(of_tenant).collect() }
}

fn report(status: &Status, stage: &Stage, region: &str) -> Report {
    if status.tenants.is_empty() {
        let text = format!("There are no queues in stage {stage} in region {region}: no tenant's stack is deployed.");
        return Report::new(status, text);
    }
    let row = |tenant: &TenantStatus, queue: &QueueStatus| {
        [
            tenant.tenant.to_string(),
            queue.queue.clone(),
            queue.visible.to_string(),
            queue.in_flight.to_string(),
            queue.not_yet_visible.to_string(),
            (queue.dlq_visible + queue.dlq_in_flight).to_string(),
            or_dash(queue.oldest_age_s),
        ]
    };
    let rows = status.tenants.iter().flat_map(|tenant| tenant.queues.iter().map(move |queue| row(tenant, queue)));
    let header = ["TENANT", "QUEUE", "VISIBLE", "IN FLIGHT", "NOT YET VISIBLE", "IN DLQ", "OLDEST (S)"];
    let parts = [Some(table(header, rows)), delayed(status), endpoints(status), pauses(status)];
    Report::new(status, parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n"))
}

/// What is delayed, as a table; `None` where nothing is.
fn delayed(status: &Status) -> Option<String> {
    let row = |tenant: &TenantStatus, delayed: &DelayedStatus| {
        [
            tenant.tenant.to_string(),
            sink_or_routing(delayed.sink.as_ref()),
            delayed.count.to_string(),
            delayed.next_due_at.clone(),
            delayed.oldest_delayed_at.clone(),
        ]
    };
    let rows: Vec<_> = status
        .tenants
        .iter()
        .flat_map(|tenant| tenant.delayed.iter().map(move |delayed| row(tenant, delayed)))
        .collect();
    (!rows.is_empty()).then(|| table(["TENANT", "SINK", "DELAYED", "NEXT DUE", "OLDEST SINCE"], rows))
}

/// The endpoints that are not well, as a table; `None` where all are.
fn endpoints(status: &Status) -> Option<String> {
    let row = |tenant: &TenantStatus, endpoint: &EndpointStatus| {
        [
            tenant.tenant.to_string(),
            endpoint.sink.to_string(),
            endpoint.circuit.to_owned(),
            or_dash(endpoint.probe_at.as_ref()),
            or_dash(endpoint.failing_since.as_ref()),
            or_dash(endpoint.disabled.as_ref()),
        ]
    };
    let rows: Vec<_> =
        status.tenants.iter().flat_map(|tenant| tenant.endpoints.iter().map(move |one| row(tenant, one))).collect();
    (!rows.is_empty())
        .then(|| table(["TENANT", "ENDPOINT", "CIRCUIT", "NEXT PROBE", "FAILING SINCE", "DISABLED"], rows))
}

/// The paused sinks with what waits because of it, a line each; `None` where none is.
fn pauses(status: &Status) -> Option<String> {
    let line = |tenant: &TenantStatus, sink: &SinkId| {
        let delayed = tenant.delayed.iter().filter(|delayed| delayed.sink.as_ref() == Some(sink));
        let waits = match delayed.map(|delayed| delayed.count).sum() {
            0 => "nothing is delayed because of it yet".to_owned(),
            delayed => format!("{} because of it", count(delayed, "delivery is delayed", "deliveries are delayed")),
        };
        let tenant = &tenant.tenant;
        format!("{tenant}: {sink} is paused, and {waits}. `acequia tenant resume {tenant} {sink}` ends that.")
    };
    let lines: Vec<_> =
        status.tenants.iter().flat_map(|tenant| tenant.paused.iter().map(move |sink| line(tenant, sink))).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use acequia_core::queue::QueueRole;
    use acequia_testkit::build;

    use super::*;

    fn shown(status: &Status) -> Report {
        report(status, &build::stage(), "eu-west-1")
    }

    #[test]
    fn a_paused_sink_is_named_with_what_is_delayed_because_of_it() {
        let name = QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Intake);
        let mut status = gather(vec![(name, Depth::default())]);
        status.tenants[0].paused.push(build::sink_id("crm"));
        let text = shown(&status).text().to_owned();
        assert!(text.contains("acme: crm is paused, and nothing is delayed because of it yet."), "{text}");
        let (next_due_at, oldest_delayed_at) = (String::new(), String::new());
        status.tenants[0].delayed.push(DelayedStatus {
            sink: Some(build::sink_id("crm")),
            count: 1,
            next_due_at,
            oldest_delayed_at,
        });
        let report = shown(&status);
        let wanted =
            "crm is paused, and 1 delivery is delayed because of it. `acequia tenant resume acme crm` ends that.";
        assert!(report.text().contains(wanted), "{}", report.text());
        let json: serde_json::Value = serde_json::from_str(report.json()).unwrap();
        assert_eq!(json["tenants"][0]["paused"], serde_json::json!(["crm"]));
    }

    #[test]
    fn a_stage_without_queues_is_named_with_its_region() {
        let text = shown(&gather(Vec::new())).text().to_owned();
        assert!(
            text.starts_with(&format!("There are no queues in stage {} in region eu-west-1", build::stage())),
            "{text}"
        );
    }

    #[test]
    fn each_queue_stands_beside_its_dead_letter_queue() {
        let name = QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Intake);
        let depths = vec![
            (name.clone(), Depth { visible: 1, in_flight: 2, not_yet_visible: 3 }),
            (name.dead_letter(), Depth { visible: 4, in_flight: 5, not_yet_visible: 0 }),
        ];
        let report = shown(&gather(depths));
        let json: serde_json::Value = serde_json::from_str(report.json()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"tenants": [{"tenant": "acme", "queues": [
            {"queue": "intake", "visible": 1, "in_flight": 2, "not_yet_visible": 3, "dlq_visible": 4, "dlq_in_flight": 5,
             "oldest_age_s": null}], "delayed": [], "endpoints": [], "paused": []}]})
        );
        assert!(
            report.text().contains("\nacme    intake  1        2          3                9       -"),
            "{}",
            report.text()
        );
    }

    #[test]
    fn what_is_delayed_is_shown_by_sink_with_its_next_due_time() {
        let name = QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Intake);
        let mut status = gather(vec![(name, Depth { visible: 0, in_flight: 0, not_yet_visible: 0 })]);
        let waiting = |sink: Option<&str>, count| Waiting {
            sink: sink.map(build::sink_id),
            count,
            next_due_at: build::at(60),
            oldest_delayed_at: build::start(),
        };
        status.tenants[0].delayed = [waiting(None, 1), waiting(Some("crm"), 7)].map(DelayedStatus::from).into();
        let report = shown(&status);
        assert!(report.text().contains("(to be routed)"), "{}", report.text());
        let json: serde_json::Value = serde_json::from_str(report.json()).unwrap();
        let expected = serde_json::json!({"sink": "crm", "count": 7, "next_due_at": "2026-01-01T00:01:00.000Z",
            "oldest_delayed_at": "2026-01-01T00:00:00.000Z"});
        assert_eq!(json["tenants"][0]["delayed"][1], expected);
    }

    #[test]
    fn an_endpoint_is_shown_while_something_is_wrong_with_it() {
        let name = QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Intake);
        let mut status = gather(vec![(name, Depth { visible: 0, in_flight: 0, not_yet_visible: 0 })]);
        let healthy = EndpointState::healthy("digest", None);
        assert!(EndpointStatus::of((build::sink_id("crm"), healthy.clone())).is_none());
        let circuit = Circuit::Open { until: build::at(60), since: build::start(), trips: 1 };
        let open = EndpointState { circuit, ..healthy };
        status.tenants[0].endpoints.extend(EndpointStatus::of((build::sink_id("crm"), open)));
        let report = shown(&status);
        assert!(report.text().contains("open") && report.text().contains("00:01:00"), "{}", report.text());
        let json: serde_json::Value = serde_json::from_str(report.json()).unwrap();
        assert_eq!(json["tenants"][0]["endpoints"][0]["circuit"], "open");
    }
}
