//! `acequia delayed`: the messages of a tenant that wait outside their queues.

use acequia_core::delivery::delay::{Delayed, Look};
use acequia_core::event::envelope::Named;
use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::DelayedMessages as _;
use acequia_core::tenant::RawTenant;
use serde::Serialize;

use crate::args::DelayedArgs;
use crate::context::{Context, time};
use crate::exit::Failure;
use crate::output::{Report, count, or_dash, sink_or_routing, table};

#[derive(Serialize)]
struct Listed<'a> {
    tenant: &'a TenantId,
    total: u64,
    messages: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    /// Null where the body does not say.
    event: Option<String>,
    r#type: Option<String>,
    /// Null for an event that waits to be routed.
    sink: Option<String>,
    message_id: String,
    delayed_at: String,
    due_at: String,
    /// Whether an operator made it due before its time.
    expedited: bool,
    /// Of the message: its body and its attributes.
    bytes: usize,
}

impl Row {
    fn of(delayed: &Delayed) -> Self {
        let Named { event, event_type: kind } = Named::read(&delayed.message.body);
        Self {
            event: event.map(|event| event.to_string()),
            r#type: kind,
            sink: delayed.key.sink.as_ref().map(ToString::to_string),
            message_id: delayed.key.message_id.clone(),
            delayed_at: time(delayed.delayed_at),
            due_at: time(delayed.due_at),
            expedited: delayed.expedited,
            bytes: delayed.message.bytes(),
        }
    }
}

pub(super) async fn run(context: &Context, arguments: &DelayedArgs) -> Result<Report, Failure> {
    let DelayedArgs { tenant, sink, limit } = arguments;
    let look = context.delays().look(tenant, sink.as_ref(), usize::from(*limit)).await?;
    if look.total == 0 {
        // A wrong name must not look like one for which nothing waits.
        known(tenant, &context.configuration(tenant).await?.1, sink.as_ref())?;
    }
    Ok(report(tenant, &look))
}

/// That the sink, where one is named, is the tenant's.
fn known(tenant: &TenantId, configuration: &RawTenant, sink: Option<&SinkId>) -> Result<(), Failure> {
    let is_there = |sink: &SinkId| configuration.sinks.iter().any(|known| known.id == sink.as_str());
    sink.filter(|sink| !is_there(sink)).map_or(Ok(()), |sink| Err(Failure::no_sink(tenant, sink, configuration)))
}

fn report(tenant: &TenantId, look: &Look) -> Report {
    let listed = Listed { tenant, total: look.total, messages: look.first.iter().map(Row::of).collect() };
    if listed.total == 0 {
        return Report::new(
            &listed,
            format!("{tenant}: nothing is delayed. `acequia status {tenant}` shows its queues."),
        );
    }
    let row = |row: &Row| {
        [
            or_dash(row.event.as_deref()),
            or_dash(row.r#type.as_deref()),
            sink_or_routing(row.sink.as_deref()),
            row.delayed_at.clone(),
            row.due_at.clone(),
        ]
    };
    let header = ["EVENT", "TYPE", "SINK", "DELAYED", "DUE"];
    let text = format!(
        "{}\n\n{} of {}, those due first. `acequia explain {tenant} 'EVENT'` tells what became of one so far.",
        table(header, listed.messages.iter().map(row)),
        listed.messages.len(),
        count(listed.total, "delayed message", "delayed messages")
    );
    Report::new(&listed, text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use acequia_core::kind::SinkKind;
    use acequia_core::queue::QueueRole;
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn what_waits_shows_its_event_and_when_it_is_due_and_never_its_data() {
        let tenant = build::tenant_id("acme");
        let queue = build::queue("acme", QueueRole::Sink(SinkKind::Webhook));
        let envelope = build::envelope("acme", "1", "t", r#"{"secret":"x"}"#);
        let delivery = build::incoming_delivery(&queue, "m-1", "crm", &envelope);
        let unrouted = build::incoming(&build::queue("acme", QueueRole::Intake), "m-2", "no event");
        let delay = |message| Delayed::of(&tenant, message, Duration::from_hours(1), build::start()).unwrap();
        let report = report(&tenant, &Look { first: vec![delay(&delivery), delay(&unrouted)], total: 9 });
        let json: serde_json::Value = serde_json::from_str(report.json()).unwrap();
        let bytes = &json["messages"][0]["bytes"];
        assert!(bytes.as_u64().unwrap() > 100);
        assert_eq!(
            json["messages"][0],
            serde_json::json!({"event": "/tests|1", "type": "t", "sink": "crm", "message_id": "m-1",
            "delayed_at": "2026-01-01T00:00:00.000Z", "due_at": "2026-01-01T01:00:00.000Z", "expedited": false, "bytes": bytes})
        );
        assert_eq!(json["messages"][1]["sink"], serde_json::Value::Null);
        assert!(report.text().contains("(to be routed)") && report.text().contains("2 of 9 delayed messages"));
        assert!(!report.json().contains("secret") && !report.text().contains("secret"));
    }

    #[test]
    fn nothing_delayed_says_so_and_a_sink_that_is_not_there_is_named() {
        let tenant = build::tenant_id("acme");
        assert!(report(&tenant, &Look::default()).text().contains("nothing is delayed"));
        let document = r#"{"tenant":"acme","name":"Acme","sinks":[{"id":"crm","kind":"webhook","types":["*"],"url":"https://crm.example/in","secrets":["crm"]}]}"#;
        let configuration = RawTenant::from_json(document).unwrap();
        assert!(known(&tenant, &configuration, None).is_ok());
        assert!(known(&tenant, &configuration, Some(&build::sink_id("crm"))).is_ok());
        let error = known(&tenant, &configuration, Some(&build::sink_id("crn"))).unwrap_err();
        assert!(error.to_string().contains("no sink crn; it has crm"), "{error}");
    }
}
