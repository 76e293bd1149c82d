//! `acequia dlq list`: what is there and why. Messages are received and shown again at once; nothing is deleted.

use acequia_core::id::TenantId;
use acequia_operations::dead_letters::list::{self, DeadLetterList, DeadLetterRow};
use acequia_operations::dead_letters::{Place, places};

use super::progress::Progress;
use super::{announce, nothing, tell_hidden};
use crate::args::DlqFilter;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, count, or_dash, table};

pub(super) async fn run(
    context: &Context,
    tenant: &TenantId,
    filter: &DlqFilter,
    limit: usize,
) -> Result<Report, Failure> {
    let conditions = filter.conditions()?;
    let places = places(context, tenant, filter.place.queue).await?;
    let watch = Progress::new(places.iter().map(Place::total).sum());
    announce(&places);
    let listed = list::run(context, &places, &conditions, limit, &watch).await;
    watch.finish();
    let listed = listed?;
    tell_hidden(&listed.hidden_in);
    let empty = nothing(tenant, &conditions, &places);
    let report = report(tenant, &listed, &empty);
    let Some(exit) = watch.stopped() else { return Ok(report) };
    watch.say(&format!("stopped after {}; none was changed", count(watch.so_far(), "message", "messages")));
    Ok(report.ending(exit))
}

fn report(tenant: &TenantId, listed: &DeadLetterList, empty: &str) -> Report {
    if listed.messages.is_empty() {
        return Report::new(listed, empty);
    }
    let row = |message: &DeadLetterRow| {
        [
            message.queue.to_string(),
            message.message_id.clone(),
            or_dash(message.event.as_ref()),
            or_dash(message.sink.as_ref()),
            message.reason.clone(),
            or_dash(message.attempts),
            age(message.age_s),
            message.detail.clone(),
        ]
    };
    let header = ["QUEUE", "MESSAGE", "EVENT", "SINK", "REASON", "ATTEMPTS", "AGE", "DETAIL"];
    let mut text = format!(
        "{}\n\n{}. Looking hid them for a moment; none was deleted.",
        table(header, listed.messages.iter().map(row)),
        count(listed.count, "message", "messages")
    );
    if listed.messages.iter().any(|message| message.event.is_none()) {
        text = format!(
            "{text} `acequia dlq show {tenant} --message MESSAGE --body` shows one of which no event can be read."
        );
    }
    Report::new(listed, text)
}

/// A time in its two largest units, such as `3d 4h`.
fn age(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use acequia_core::queue::QueueRole;
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn an_age_shows_its_two_largest_units() {
        assert_eq!([59, 61, 3_660, 90_000].map(age), ["59s", "1m 1s", "1h 1m", "1d 1h"]);
    }

    #[test]
    fn a_message_of_which_no_event_can_be_read_comes_with_the_command_that_shows_it() {
        for event in [None, Some(build::event_id("1"))] {
            let row = DeadLetterRow {
                queue: QueueRole::Intake,
                message_id: "m-1".to_owned(),
                event: event.clone(),
                r#type: None,
                sink: None,
                reason: "not-json".to_owned(),
                detail: "line 1, column 2".to_owned(),
                attempts: Some(2),
                quarantined_at: None,
                age_s: 60,
            };
            let listed = DeadLetterList { messages: vec![row], count: 1, hidden_in: Vec::new() };
            let report = report(&build::tenant_id("acme"), &listed, "");
            let text = report.text();
            assert!(text.contains("\nintake  m-1      ") && text.contains("\n1 message. Looking"), "{text}");
            assert_eq!(event.is_some(), text.contains("/tests|1"), "{text}");
            assert_ne!(event.is_some(), text.contains("acequia dlq show acme --message"), "{text}");
        }
    }
}
