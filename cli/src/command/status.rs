//! `acequia status`: how deep every queue is.

use std::collections::BTreeMap;

use acequia_aws::operator::Depth;
use acequia_core::id::TenantId;
use acequia_core::queue::QueueName;
use futures::StreamExt as _;
use serde::Serialize;

use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Report, or_dash, table};

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
}

#[derive(Serialize, Default)]
struct QueueStatus {
    queue: String,
    visible: u64,
    in_flight: u64,
    delayed: u64,
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
    let operator = context.operator();
    let calls: Vec<_> = queues
        .iter()
        .map(|(name, arn)| async { operator.depth(arn).await.map(|depth| (name.clone(), depth)) })
        .collect();
    let depths: Vec<_> = futures::stream::iter(calls).buffered(CALLS).collect().await;
    let depths = depths.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(report(&gather(depths)))
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
            (status.visible, status.in_flight, status.delayed) = (depth.visible, depth.in_flight, depth.delayed);
        }
    }
    let of_tenant =
        |(tenant, queues): (TenantId, BTreeMap<_, _>)| TenantStatus { tenant, queues: queues.into_values().collect() };
    Status { tenants: tenants.into_iter().map(of_tenant).collect() }
}

fn report(status: &Status) -> Report {
    if status.tenants.is_empty() {
        return Report::new(status, "There are no queues in this stage: no tenant's stack is deployed.");
    }
    let row = |tenant: &TenantStatus, queue: &QueueStatus| {
        [
            tenant.tenant.to_string(),
            queue.queue.clone(),
            queue.visible.to_string(),
            queue.in_flight.to_string(),
            queue.delayed.to_string(),
            (queue.dlq_visible + queue.dlq_in_flight).to_string(),
            or_dash(queue.oldest_age_s),
        ]
    };
    let rows = status.tenants.iter().flat_map(|tenant| tenant.queues.iter().map(move |queue| row(tenant, queue)));
    let header = ["TENANT", "QUEUE", "VISIBLE", "IN FLIGHT", "DELAYED", "IN DLQ", "OLDEST (S)"];
    Report::new(status, table(header, rows))
}

#[cfg(test)]
mod tests {
    use acequia_core::queue::QueueRole;
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn each_queue_stands_beside_its_dead_letter_queue() {
        let name = QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Intake);
        let depths = vec![
            (name.clone(), Depth { visible: 1, in_flight: 2, delayed: 3 }),
            (name.dead_letter(), Depth { visible: 4, in_flight: 5, delayed: 0 }),
        ];
        let report = report(&gather(depths));
        let json: serde_json::Value = serde_json::from_str(report.json()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"tenants": [{"tenant": "acme", "queues": [
            {"queue": "intake", "visible": 1, "in_flight": 2, "delayed": 3, "dlq_visible": 4, "dlq_in_flight": 5,
             "oldest_age_s": null}]}]})
        );
        assert!(report.text().contains(" acme    intake  1        2          3        9       -"), "{}", report.text());
    }
}
