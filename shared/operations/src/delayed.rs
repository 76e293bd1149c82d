//! The messages of a tenant that wait outside their queues.

use acequia_core::delivery::delay::{Delayed, Look};
use acequia_core::event::envelope::Named;
use acequia_core::id::{EventId, SinkId, TenantId};
use acequia_core::port::DelayedMessages as _;
use jiff::Timestamp;
use serde::Serialize;

use crate::{OperationError, Ports, configuration, time};

/// What waits, those first that are due first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DelayedList {
    /// Whose messages.
    pub tenant: TenantId,
    /// How many wait in all, of the sink where one was named.
    pub total: u64,
    /// The first of them.
    pub messages: Vec<DelayedMessage>,
}

/// One message that waits. Its data is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DelayedMessage {
    /// Null where the body does not say.
    pub event: Option<EventId>,
    /// The event's type; null where the body does not say.
    pub r#type: Option<String>,
    /// Null for an event that waits to be routed.
    pub sink: Option<SinkId>,
    /// SQS's id of it, before it was delayed.
    pub message_id: String,
    /// Since when it waits.
    #[serde(serialize_with = "time::one")]
    pub delayed_at: Timestamp,
    /// When it goes back.
    #[serde(serialize_with = "time::one")]
    pub due_at: Timestamp,
    /// Whether an operator made it due before its time.
    pub expedited: bool,
    /// The bytes of the message: its body and its attributes.
    pub bytes: usize,
}

impl DelayedMessage {
    fn of(delayed: &Delayed) -> Self {
        let Named { event, event_type } = Named::read(&delayed.message.body);
        Self {
            event,
            r#type: event_type,
            sink: delayed.key.sink.clone(),
            message_id: delayed.key.message_id.clone(),
            delayed_at: delayed.delayed_at,
            due_at: delayed.due_at,
            expedited: delayed.expedited,
            bytes: delayed.message.bytes(),
        }
    }
}

/// Lists at most `most` messages of a tenant, of one sink where it is named.
///
/// # Errors
/// Where nothing waits, [`OperationError::NoConfiguration`] or [`OperationError::NoSink`] for a wrong name, which must
/// not look like one for which nothing waits; or when a store does not answer.
pub async fn run(
    ports: &impl Ports,
    tenant: &TenantId,
    sink: Option<&SinkId>,
    most: usize,
) -> Result<DelayedList, OperationError> {
    let Look { total, first } = ports.delayed_messages().look(tenant, sink, most).await?;
    if total == 0 {
        let configuration = configuration::current(ports, tenant).await?;
        if let Some(sink) = sink {
            configuration.require_sink(tenant, sink)?;
        }
    }
    Ok(DelayedList { tenant: tenant.clone(), total, messages: first.iter().map(DelayedMessage::of).collect() })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use acequia_core::kind::SinkKind;
    use acequia_core::port::DelayStore as _;
    use acequia_core::queue::QueueRole;
    use acequia_testkit::build;

    use super::*;
    use crate::world::World;

    #[tokio::test]
    async fn what_waits_tells_its_event_and_when_it_is_due_and_never_its_data() {
        let (world, tenant) = (World::default(), build::tenant_id("acme"));
        let queue = build::queue("acme", QueueRole::Sink(SinkKind::Webhook));
        let envelope = build::envelope("acme", "1", "t", r#"{"secret":"x"}"#);
        let delivery = build::incoming_delivery(&queue, "m-1", "crm", &envelope);
        let unrouted = build::incoming(&build::queue("acme", QueueRole::Intake), "m-2", "no event");
        for (message, minutes) in [(delivery, 60), (unrouted, 90)] {
            let row = Delayed::of(&tenant, &message, Duration::from_mins(minutes), build::start()).unwrap();
            assert!(world.delays.delay(&tenant, &[row]).await.iter().all(Result::is_ok));
        }
        let json = serde_json::to_value(run(&world, &tenant, None, 9).await.unwrap()).unwrap();
        let bytes = &json["messages"][0]["bytes"];
        assert!(bytes.as_u64().unwrap() > 100);
        assert_eq!(
            json["messages"][0],
            serde_json::json!({"event": "/tests|1", "type": "t", "sink": "crm", "message_id": "m-1",
            "delayed_at": "2026-01-01T00:00:00.000Z", "due_at": "2026-01-01T01:00:00.000Z", "expedited": false, "bytes": bytes})
        );
        let routing = &json["messages"][1];
        assert_eq!((&routing["sink"], &routing["event"]), (&serde_json::Value::Null, &serde_json::Value::Null));
        assert!(!json.to_string().contains("secret"));
        let first = run(&world, &tenant, None, 1).await.unwrap();
        assert_eq!((first.total, first.messages.len()), (2, 1));
    }

    #[tokio::test]
    async fn nothing_that_waits_is_told_from_a_tenant_or_a_sink_that_is_not_there() {
        let (world, tenant) = (World::default(), build::tenant_id("acme"));
        let missing = run(&world, &tenant, None, 9).await.unwrap_err();
        assert!(matches!(missing, OperationError::NoConfiguration { .. }), "{missing:?}");
        world.tenants.put(&tenant, build::webhook_document("acme", "https://a.example/"));
        for sink in [None, Some(build::sink_id("crm"))] {
            assert_eq!(run(&world, &tenant, sink.as_ref(), 9).await.unwrap().total, 0);
        }
        let missing = run(&world, &tenant, Some(&build::sink_id("crn")), 9).await.unwrap_err();
        assert!(matches!(missing, OperationError::NoSink { .. }), "{missing:?}");
    }
}
