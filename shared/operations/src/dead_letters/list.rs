//! What is in dead-letter queues and why. Messages are received and shown again at once; nothing is deleted.

use acequia_core::delivery::redrive::{Filter, Letter, Received};
use acequia_core::flow::redrive::Observer;
use acequia_core::id::{EventId, SinkId};
use acequia_core::port::Clock as _;
use acequia_core::queue::{QueueName, QueueRole};
use jiff::Timestamp;
use serde::Serialize;

use super::{Found, Place, look};
use crate::{OperationError, Ports, time};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetterList {
    /// Each message, by queue.
    pub messages: Vec<DeadLetterRow>,
    /// How many those are.
    pub count: usize,
    /// The queues of which some messages could not be shown again.
    #[serde(skip)]
    pub hidden_in: Vec<QueueName>,
}

/// One message, without its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetterRow {
    /// The queue in front of the dead-letter queue.
    #[serde(serialize_with = "crate::text::shown")]
    pub queue: QueueRole,
    /// SQS's id of it.
    pub message_id: String,
    /// Null where none can be read.
    pub event: Option<EventId>,
    /// The event's type; null where none can be read.
    pub r#type: Option<String>,
    /// Null in an intake's dead-letter queue.
    pub sink: Option<SinkId>,
    /// The code of the reason.
    pub reason: String,
    /// What was wrong, in words.
    pub detail: String,
    /// How many attempts were made.
    pub attempts: Option<u32>,
    /// When it was quarantined; null where SQS moved it.
    #[serde(serialize_with = "time::maybe")]
    pub quarantined_at: Option<Timestamp>,
    /// How long ago it was quarantined (else sent), in seconds.
    pub age_s: u64,
}

/// Lists at most `limit` messages that the filter takes. Where the observer ends it, it lists what was found until
/// then.
///
/// # Errors
/// When messages cannot be received.
pub async fn run(
    ports: &impl Ports,
    places: &[Place],
    filter: &Filter,
    limit: usize,
    watch: &impl Observer,
) -> Result<DeadLetterList, OperationError> {
    let now = ports.clock().now();
    let keep = |place: &Place, one: Received, letter: Letter| DeadLetterRow::of(place.name.role, &one, letter, now);
    let Found { letters: mut messages, hidden_in } = look(ports, places, filter, limit, watch, keep).await?;
    messages.truncate(limit);
    Ok(DeadLetterList { count: messages.len(), messages, hidden_in })
}

impl DeadLetterRow {
    fn of(queue: QueueRole, one: &Received, letter: Letter, now: Timestamp) -> Self {
        let age = now.as_second() - letter.at.as_second();
        Self {
            queue,
            message_id: one.message.message_id.clone(),
            event: letter.event,
            r#type: letter.event_type,
            sink: letter.sink,
            reason: letter.reason,
            detail: letter.detail,
            attempts: letter.attempts,
            quarantined_at: letter.quarantined_at,
            age_s: u64::try_from(age).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use acequia_core::message::Incoming;
    use acequia_core::outcome::Reason;
    use acequia_core::wire::quarantined;
    use acequia_testkit::build;

    use super::super::places;
    use super::super::tests::{Unwatched, world};
    use super::*;

    fn message(body: &str) -> Incoming {
        build::incoming(&build::dead_letter_queue("acme", QueueRole::Intake), "m-1", body)
    }

    fn listed(message: &Incoming) -> serde_json::Value {
        let one = Received { message: message.clone(), group: None };
        let row = DeadLetterRow::of(QueueRole::Intake, &one, Letter::read(message), build::at(100));
        serde_json::to_value(DeadLetterList { messages: vec![row], count: 1, hidden_in: Vec::new() }).unwrap()
    }

    #[test]
    fn a_quarantined_message_tells_its_event_and_reason() {
        let plain = message(&build::body("1", "t", "{}"));
        let dead = quarantined(&plain, Reason::UnknownTenant, "no configuration", 2, build::at(40)).unwrap();
        let json = listed(&Incoming { attributes: dead.attributes, ..plain });
        assert_eq!(
            json,
            serde_json::json!({"messages": [{"queue": "intake", "message_id": "m-1", "event": "/tests|1", "type": "t",
            "sink": null, "reason": "unknown-tenant", "detail": "no configuration", "attempts": 2,
            "quarantined_at": "2026-01-01T00:00:40.000Z", "age_s": 60}], "count": 1})
        );
    }

    #[test]
    fn a_message_that_sqs_moved_says_so_and_one_that_is_no_event_has_none() {
        let json = listed(&message("not json"));
        let shown = &json["messages"][0];
        assert_eq!((&shown["event"], &shown["reason"]), (&serde_json::Value::Null, &"received-too-often".into()));
        assert_eq!(shown["age_s"], 100);
    }

    #[tokio::test]
    async fn no_more_are_listed_than_were_asked_for_and_all_of_them_stay_where_they_are() {
        let (world, _) = world(12).await;
        let found = places(&world, &build::tenant_id("acme"), None).await.unwrap();
        for (limit, count) in [(5, 5), (100, 12)] {
            let list = run(&world, &found, &Filter::default(), limit, &Unwatched).await.unwrap();
            assert_eq!((list.count, list.messages.len(), list.hidden_in.len()), (count, count, 0));
            assert_eq!(world.queues.depth(&found[0].queue).visible, 12);
        }
        world.queues.hides.go_down();
        let list = run(&world, &found, &Filter::default(), 5, &Unwatched).await.unwrap();
        assert_eq!(list.hidden_in, [found[0].name.clone()], "it is told where messages stay hidden");
    }
}
