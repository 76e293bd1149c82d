//! `acequia dlq redrive`: moves messages back to the queues they came from, without what quarantining added to them.
//!
//! A message is sent first and deleted then, so a crash in between leaves it twice and never loses it; the ledger, or the
//! stable delivery id, tells the two apart. The walk is bounded by what was there at its start, so messages that fail again at once
//! are not moved round and round.

use std::time::Duration;

use acequia_aws::operator::OperatorQueues;
use acequia_core::delivery::{Incoming, Outgoing, QUARANTINE_ATTRIBUTES};
use acequia_core::id::TenantId;
use acequia_core::port::Queues;
use acequia_core::queue::{QueueArn, QueueName};
use serde::Serialize;

use super::super::pace::Pace;
use super::super::send::why;
use super::{queues, wanted};
use crate::args::DlqFilter;
use crate::context::{Confirmed, Context, confirm};
use crate::exit::{Exit, Failure};
use crate::output::{Report, note};

/// Long enough to send and delete ten messages; one that is left comes back after it.
const HIDDEN: Duration = Duration::from_mins(1);

#[derive(Debug, Serialize, Default, PartialEq, Eq)]
struct Redriven {
    moved: u64,
    failed: u64,
    remaining: u64,
}

/// One dead-letter queue, and where its messages came from.
struct Way {
    dead_letters: QueueArn,
    source: QueueArn,
    /// How many messages were there at the start.
    depth: u64,
}

pub(crate) async fn run(
    context: &Context,
    tenant: &TenantId,
    filter: &DlqFilter,
    yes: bool,
    rate: Option<u32>,
) -> Result<Report, Failure> {
    let (operator, mut ways, mut parts) = (context.operator(), Vec::new(), Vec::new());
    for (name, dead_letters) in queues(context, tenant, filter).await? {
        let depth = operator.depth(&dead_letters).await?;
        let depth = depth.visible + depth.in_flight + depth.delayed;
        if depth > 0 {
            parts.push(format!("{depth} of {}", name.role));
        }
        let source = dead_letters.beside(&QueueName { dlq: false, ..name });
        ways.push(Way { dead_letters, source, depth });
    }
    if parts.is_empty() {
        return Ok(report(tenant, &Redriven::default()));
    }
    let which = filter.reason.as_ref().map(|reason| format!(" with reason {reason}")).unwrap_or_default();
    let question = format!("Move messages of {tenant}{which} back to their queues ({})?", parts.join(", "));
    let confirmed = confirm(&question, yes)?;
    let mut total = Redriven::default();
    for way in &ways {
        let pace = Pace::new(rate, 10);
        let redriven = move_back(&operator, &context.queues(), way, filter, pace, &confirmed).await?;
        total.moved += redriven.moved;
        total.failed += redriven.failed;
        total.remaining += redriven.remaining;
    }
    Ok(report(tenant, &total))
}

async fn move_back(
    operator: &OperatorQueues,
    queues: &impl Queues,
    way: &Way,
    filter: &DlqFilter,
    pace: Pace,
    _confirmed: &Confirmed,
) -> Result<Redriven, Failure> {
    let (mut redriven, mut seen, mut left) = (Redriven::default(), 0, Vec::new());
    while seen < way.depth {
        let received = operator.receive(&way.dead_letters, HIDDEN).await?;
        if received.is_empty() {
            break;
        }
        seen += received.len() as u64;
        let (chosen, others): (Vec<_>, Vec<_>) = received.into_iter().partition(|message| wanted(message, filter));
        left.extend(others.into_iter().map(|message| message.receipt_handle));
        for step in chosen.chunks(pace.step) {
            let messages: Vec<Outgoing> = step.iter().map(restored).collect();
            let mut sent = Vec::with_capacity(step.len());
            for (message, answer) in step.iter().zip(queues.send(&way.source, &messages).await) {
                match answer {
                    Ok(_) => sent.push(message.receipt_handle.clone()),
                    Err(error) => {
                        note(&format!("message {}: {}", message.message_id, why(&error)));
                        redriven.failed += 1;
                        left.push(message.receipt_handle.clone());
                    }
                }
            }
            redriven.moved += sent.len() as u64;
            if operator.delete(&way.dead_letters, &sent).await.iter().any(Result::is_err) {
                note("note: some messages were sent back and could not be deleted here: they are there twice now");
            }
            pace.wait(step.len()).await;
        }
    }
    let shown: Vec<_> = left.into_iter().map(|handle| (handle, Duration::ZERO)).collect();
    // Those that stay hidden come back by themselves after a minute.
    let _ = queues.hide(&way.dead_letters, &shown).await;
    redriven.remaining = way.depth.saturating_sub(redriven.moved);
    Ok(redriven)
}

/// The message as it was before it was quarantined.
fn restored(message: &Incoming) -> Outgoing {
    let mut attributes = message.attributes.clone();
    for name in QUARANTINE_ATTRIBUTES {
        attributes.remove(name);
    }
    let fifo = message.queue.is_fifo();
    Outgoing {
        body: message.body.clone(),
        attributes,
        group: fifo.then(|| "redrive".to_owned()),
        deduplication: fifo.then(|| message.message_id.clone()),
    }
}

fn report(tenant: &TenantId, redriven: &Redriven) -> Report {
    let Redriven { moved, failed, remaining } = redriven;
    let text = match (moved, failed, remaining) {
        (0, 0, 0) => format!("{tenant}: the dead-letter queues are empty."),
        (_, 0, _) => format!("{tenant}: {moved} moved back, {remaining} remain."),
        _ => format!("{tenant}: {moved} moved back, {failed} could not be sent and remain, {remaining} remain in all."),
    };
    Report::new(redriven, text).ending(if *failed == 0 { Exit::Ok } else { Exit::Failed })
}

#[cfg(test)]
mod tests {
    use acequia_core::delivery::quarantined;
    use acequia_core::outcome::Reason;
    use acequia_core::queue::QueueRole;
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn a_redriven_message_is_what_it_was_before_it_was_quarantined() {
        let queue = build::queue("acme", QueueRole::Intake);
        let envelope = build::envelope("acme", "1", "t", "{}");
        let before = build::incoming_delivery(&queue, "m", "crm", &envelope);
        let dead = quarantined(&before, Reason::HttpStatus, "400", 3, build::start()).unwrap();
        let back = restored(&Incoming { attributes: dead.attributes, ..before.clone() });
        assert_eq!((back.body, back.attributes, back.group), (before.body, before.attributes, None));
    }

    #[test]
    fn the_json_for_scripts_has_three_counts_and_a_failure_ends_with_one() {
        let report = report(&build::tenant_id("acme"), &Redriven { moved: 2, failed: 1, remaining: 1 });
        let json: serde_json::Value = serde_json::from_str(report.json()).unwrap();
        assert_eq!(json, serde_json::json!({"moved": 2, "failed": 1, "remaining": 1}));
        assert_eq!(report.exit, Exit::Failed);
    }
}
