//! The message of one delivery, and the queue that it goes to.

use acequia_core::delivery::{Delivery, order};
use acequia_core::event::proca;
use acequia_core::message::{Attribute, Attributes, Outgoing};
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_core::tenant::{ForwardTarget, Sink, SinkFormat, Target};
use acequia_core::wire::{REPLAY_OF, add_trace};
use acequia_lambda::{Batch, Job};

/// The queue that a sink fills; `None` for a sink of another kind.
pub fn target(batch: &Batch<'_>, sink: &Sink) -> Option<QueueArn> {
    match &sink.target {
        Target::Forward(forward) => Some(match &forward.target {
            ForwardTarget::Out { fifo } => own(batch, *fifo),
            ForwardTarget::Arn(arn) => arn.clone(),
        }),
        _ => None,
    }
}

/// The queue of the tenant's own that stands beside the one that the batch came from.
fn own(batch: &Batch<'_>, fifo: bool) -> QueueArn {
    batch.queue.arn.beside(&QueueName { fifo, ..batch.queue.name.sibling(QueueRole::Out) })
}

/// Whether a queue is the tenant's own; all others are outside.
pub fn is_own(batch: &Batch<'_>, queue: &QueueArn) -> bool {
    [false, true].into_iter().any(|fifo| own(batch, fifo) == *queue)
}

/// How the sink of a job writes its messages.
pub fn format(job: &Job) -> SinkFormat {
    match &job.sink.target {
        Target::Forward(forward) => forward.format,
        _ => SinkFormat::Event,
    }
}

/// The message of a delivery, with what a FIFO queue needs where `fifo` is set.
///
/// In Proca's format it has Proca's attributes and no others: its readers may count on what there is. The delivery is
/// then known to a FIFO queue alone.
pub fn message(delivery: &Delivery, fifo: bool, format: SinkFormat) -> Outgoing {
    let envelope = &delivery.envelope;
    let named = |(name, value): (&str, String)| (name.to_owned(), Attribute::text(value));
    let mut attributes: Attributes = match format {
        SinkFormat::Event => [
            ("acequia-delivery-id", delivery.id.as_str().to_owned()),
            ("acequia-event-type", envelope.event_type.clone()),
            ("acequia-tenant", envelope.tenant.as_str().to_owned()),
        ]
        .map(named)
        .into(),
        SinkFormat::Proca => proca::attributes(&envelope.body).into_iter().map(named).collect(),
    };
    if let Some(first) = delivery.repeats().filter(|_| format == SinkFormat::Event) {
        attributes.insert(REPLAY_OF.to_owned(), Attribute::text(first.as_str()));
    }
    if let Some(trace) = envelope.trace.as_ref().filter(|_| format == SinkFormat::Event) {
        add_trace(&mut attributes, trace);
    }
    Outgoing {
        body: envelope.body.clone(),
        attributes,
        group: fifo.then(|| order::group(envelope)),
        deduplication: fifo.then(|| delivery.id.as_str().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use acequia_core::event::envelope::Envelope;

    use super::*;

    fn delivery(extra: &str) -> Delivery {
        let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t"{extra}}}"#);
        let at = jiff::Timestamp::UNIX_EPOCH;
        Delivery::new("s".parse().unwrap(), Envelope::parse(&"acme".parse().unwrap(), at, body.as_bytes()).unwrap())
    }

    #[test]
    fn a_fifo_queue_gets_the_group_of_the_event_and_the_delivery_id() {
        let delivery = delivery(r#","partitionkey":"p""#);
        let message = message(&delivery, true, SinkFormat::Event);
        assert_eq!(
            (message.group.as_deref(), message.deduplication.as_deref()),
            (Some("p"), Some(delivery.id.as_str()))
        );
    }

    #[test]
    fn a_standard_queue_gets_neither_group_nor_deduplication_id() {
        let message = message(&delivery(""), false, SinkFormat::Event);
        assert_eq!((message.group, message.deduplication), (None, None));
        assert_eq!(message.attributes["acequia-delivery-id"], Attribute::text(delivery("").id.as_str()));
    }

    #[test]
    fn in_procas_format_a_message_has_procas_attributes_and_no_others() {
        let body = r#"{"schema":"proca:action:2","stage":"deliver","actionId":1,"orgId":2,"action":{"actionType":"petition"},
            "campaign":{"name":"no-coal"},"personalInfo":{"payload":"p","nonce":"n"}}"#;
        let at = jiff::Timestamp::UNIX_EPOCH;
        let envelope = Envelope::parse(&"acme".parse().unwrap(), at, body.as_bytes()).unwrap();
        let message = message(&Delivery::new("s".parse().unwrap(), envelope), false, SinkFormat::Proca);
        assert_eq!(message.body, body, "byte for byte, what is encrypted too");
        let names: Vec<&str> = message.attributes.keys().map(String::as_str).collect();
        assert_eq!(names, ["ActionType", "CampaignName", "Schema", "Stage"]);
        assert_eq!(message.attributes["Stage"], Attribute::text("deliver"));
    }
}
