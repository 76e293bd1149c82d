//! `acequia status`: how deep every queue is, what waits delayed outside them, and which endpoints are not well.

use acequia_core::id::{SinkId, Stage, TenantId};
use acequia_operations::replay::{ReplayStatus, Standing};
use acequia_operations::status::{
    self, CircuitStatus, DelayedStatus, EndpointStatus, QueueStatus, Status, TenantStatus,
};
use acequia_operations::time;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, count, or_dash, sink_or_routing, table};

pub(super) async fn run(context: &Context, tenant: Option<&TenantId>) -> Result<Report, Failure> {
    let status = status::run(context, tenant).await?;
    Ok(report(&status, &context.stage, &context.region))
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
    let parts = [
        Some(table(header, rows)),
        delayed(status),
        endpoints(status),
        replays(status),
        pauses(status),
        crowds(status),
    ];
    Report::new(status, parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n"))
}

/// What is delayed, as a table; `None` where nothing is.
fn delayed(status: &Status) -> Option<String> {
    let row = |tenant: &TenantStatus, delayed: &DelayedStatus| {
        [
            tenant.tenant.to_string(),
            sink_or_routing(delayed.sink.as_ref()),
            delayed.count.to_string(),
            time::text(delayed.next_due_at),
            time::text(delayed.oldest_delayed_at),
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
            endpoint.circuit.as_str().to_owned(),
            or_dash(endpoint.probe_at.map(time::text)),
            or_dash(endpoint.failing_since.map(time::text)),
            or_dash(endpoint.disabled.as_ref()),
        ]
    };
    let is_ill = |one: &&EndpointStatus| {
        one.circuit != CircuitStatus::Closed || one.failing_since.is_some() || one.disabled.is_some()
    };
    let ill =
        |tenant: &TenantStatus| tenant.endpoints.iter().filter(is_ill).map(|one| row(tenant, one)).collect::<Vec<_>>();
    let rows: Vec<_> = status.tenants.iter().flat_map(ill).collect();
    (!rows.is_empty())
        .then(|| table(["TENANT", "ENDPOINT", "CIRCUIT", "NEXT PROBE", "FAILING SINCE", "DISABLED"], rows))
}

/// The replays that are not done, a line each; `None` where all are.
fn replays(status: &Status) -> Option<String> {
    let line = |tenant: &TenantStatus, one: &ReplayStatus| {
        let (tenant, id, state) = (&tenant.tenant, &one.id, one.state.as_str());
        let sent = count(one.figures.deliveries, "delivery", "deliveries");
        let (command, end) =
            if one.state == Standing::Running { ("stop", "ends it") } else { ("resume", "goes on with it") };
        format!("{tenant}: replay {id} is {state}, with {sent} sent. `acequia replay {command} {tenant} {id}` {end}.")
    };
    let lines: Vec<_> =
        status.tenants.iter().flat_map(|tenant| tenant.replays.iter().map(move |one| line(tenant, one))).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
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

/// The sinks that were given too much at once lately, a line each; `None` where none was.
fn crowds(status: &Status) -> Option<String> {
    let line = |tenant: &TenantStatus, one: &EndpointStatus| {
        let (tenant, sink, why) = (&tenant.tenant, &one.sink, one.held_back.as_ref()?);
        Some(format!("{tenant}: deliveries to {sink} were held back within the last five minutes: {why}."))
    };
    let lines: Vec<_> = status
        .tenants
        .iter()
        .flat_map(|tenant| tenant.endpoints.iter().filter_map(move |one| line(tenant, one)))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use acequia_core::outcome::Hold;
    use acequia_testkit::build;

    use super::*;

    fn shown(status: &Status) -> Report {
        report(status, &build::stage(), "eu-west-1")
    }

    /// A tenant with one queue, and nothing else to tell.
    fn status() -> Status {
        let queue = QueueStatus {
            queue: "intake".to_owned(),
            visible: 1,
            in_flight: 2,
            not_yet_visible: 3,
            dlq_visible: 4,
            dlq_in_flight: 5,
            oldest_age_s: None,
        };
        let tenant = build::tenant_id("acme");
        let (delayed, endpoints, paused, replays) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Status { tenants: vec![TenantStatus { tenant, queues: vec![queue], delayed, endpoints, paused, replays }] }
    }

    fn delayed(sink: Option<&str>, count: u64) -> DelayedStatus {
        let sink = sink.map(build::sink_id);
        DelayedStatus { sink, count, next_due_at: build::at(60), oldest_delayed_at: build::start() }
    }

    #[test]
    fn a_paused_sink_is_named_with_what_is_delayed_because_of_it() {
        let mut status = status();
        status.tenants[0].paused.push(build::sink_id("crm"));
        let text = shown(&status).text().to_owned();
        assert!(text.contains("acme: crm is paused, and nothing is delayed because of it yet."), "{text}");
        status.tenants[0].delayed.push(delayed(Some("crm"), 1));
        let report = shown(&status);
        let wanted =
            "crm is paused, and 1 delivery is delayed because of it. `acequia tenant resume acme crm` ends that.";
        assert!(report.text().contains(wanted), "{}", report.text());
        let json: serde_json::Value = serde_json::from_str(report.json()).unwrap();
        assert_eq!(json["tenants"][0]["paused"], serde_json::json!(["crm"]));
    }

    #[test]
    fn a_stage_without_queues_is_named_with_its_region() {
        let text = shown(&Status::default()).text().to_owned();
        assert!(
            text.starts_with(&format!("There are no queues in stage {} in region eu-west-1", build::stage())),
            "{text}"
        );
    }

    #[test]
    fn each_queue_stands_beside_its_dead_letter_queue() {
        let report = shown(&status());
        assert!(
            report.text().contains("\nacme    intake  1        2          3                9       -"),
            "{}",
            report.text()
        );
    }

    #[test]
    fn what_is_delayed_is_shown_by_sink_with_its_next_due_time() {
        let mut status = status();
        status.tenants[0].delayed = vec![delayed(None, 1), delayed(Some("crm"), 7)];
        let report = shown(&status);
        assert!(report.text().contains("(to be routed)"), "{}", report.text());
        let json: serde_json::Value = serde_json::from_str(report.json()).unwrap();
        let expected = serde_json::json!({"sink": "crm", "count": 7, "next_due_at": "2026-01-01T00:01:00.000Z",
            "oldest_delayed_at": "2026-01-01T00:00:00.000Z"});
        assert_eq!(json["tenants"][0]["delayed"][1], expected);
    }

    #[test]
    fn an_endpoint_is_shown_while_something_is_wrong_with_it() {
        let mut status = status();
        status.tenants[0].endpoints.push(EndpointStatus {
            sink: build::sink_id("crm"),
            circuit: CircuitStatus::Open,
            probe_at: Some(build::at(60)),
            failing_since: None,
            disabled: None,
            held_back: None,
        });
        let report = shown(&status);
        assert!(report.text().contains("open") && report.text().contains("00:01:00"), "{}", report.text());
        let json: serde_json::Value = serde_json::from_str(report.json()).unwrap();
        assert_eq!(json["tenants"][0]["endpoints"][0]["circuit"], "open");
    }

    #[test]
    fn a_sink_that_was_given_too_much_at_once_is_named_and_is_not_ill() {
        let mut status = status();
        status.tenants[0].endpoints.push(EndpointStatus {
            sink: build::sink_id("crm"),
            circuit: CircuitStatus::Closed,
            probe_at: None,
            failing_since: None,
            disabled: None,
            held_back: Some(Hold::Concurrency.to_string()),
        });
        let text = shown(&status).text().to_owned();
        assert!(
            text.contains("acme: deliveries to crm were held back within the last five minutes: as many"),
            "{text}"
        );
        assert!(!text.contains("CIRCUIT"), "{text}");
    }
}
