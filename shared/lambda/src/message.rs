//! SQS's batch as Lambda hands it over, read record by record.

use acequia_core::event::trace::{TRACEPARENT, TraceContext};
use acequia_core::message::{Attribute, AttributeValue, Attributes, Incoming, MAX_ATTRIBUTES};
use acequia_core::queue::{InvalidQueue, QueueArn};
use acequia_core::wire::{QUARANTINE_ATTRIBUTES, add_trace};
use aws_lambda_events::event::sqs::{SqsEvent, SqsMessage, SqsMessageAttribute};
use jiff::Timestamp;

/// A message with fewer attributes has room for its trace and, in a dead-letter queue, still for all that stands there
/// beside its own: the reason and what goes with it, and the mark of a redrive. Without the reason it could not go there.
const ROOM: usize = MAX_ATTRIBUTES - QUARANTINE_ATTRIBUTES.len() - 1;

/// A batch that cannot be answered item by item. The whole invocation fails, and every message comes back.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableBatch {
    /// A record lacks what its answer would need. An empty id in an answer fails the whole batch anyway.
    #[error(
        "a record of the batch has no {0}: was the function invoked by something other than an SQS event source mapping?"
    )]
    Incomplete(&'static str),
    /// A record came from something that is not a queue.
    #[error("a record of the batch names its source wrongly")]
    Source(#[from] InvalidQueue),
    /// The records came from more than one queue.
    #[error("the batch mixes the queues {0} and {1}; an event source mapping reads one")]
    Mixed(String, String),
}

/// Reads the records of a batch, all of one queue; `None` for a batch without records.
///
/// # Errors
/// [`UnusableBatch`] where the batch is not one that SQS sends.
pub fn read_batch(event: SqsEvent) -> Result<Option<(QueueArn, Vec<Incoming>)>, UnusableBatch> {
    let source = |record: &SqsMessage| present(record.event_source_arn.clone(), "eventSourceARN");
    let Some(first) = event.records.first().map(source).transpose()? else { return Ok(None) };
    let queue: QueueArn = first.parse()?;
    let mut messages = Vec::with_capacity(event.records.len());
    for record in event.records {
        if record.event_source_arn.as_ref() != Some(&first) {
            let other: QueueArn = source(&record)?.parse()?;
            return Err(UnusableBatch::Mixed(queue.to_string(), other.to_string()));
        }
        messages.push(read_record(record, queue.clone())?);
    }
    Ok(Some((queue, messages)))
}

fn present(value: Option<String>, name: &'static str) -> Result<String, UnusableBatch> {
    value.filter(|text| !text.is_empty()).ok_or(UnusableBatch::Incomplete(name))
}

fn read_record(record: SqsMessage, queue: QueueArn) -> Result<Incoming, UnusableBatch> {
    let (mut receive_count, mut sent_at, mut group) = (1, Timestamp::UNIX_EPOCH, None);
    let (mut trace, mut sender) = (None, None);
    for (name, value) in record.attributes {
        match name.as_str() {
            "ApproximateReceiveCount" => receive_count = value.parse().unwrap_or(1),
            "SentTimestamp" => {
                let sent = value.parse().ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
                sent_at = sent.unwrap_or(Timestamp::UNIX_EPOCH);
            }
            "MessageGroupId" => group = Some(value),
            "SenderId" => sender = Some(value),
            "AWSTraceHeader" => trace = TraceContext::read_aws(&value),
            _ => {}
        }
    }
    let mut attributes: Attributes = record
        .message_attributes
        .into_iter()
        .filter_map(|(name, value)| Some((name, read_attribute(value)?)))
        .collect();
    // X-Ray's header stands beside the attributes, and nobody keeps it when a message is sent again. What the attributes
    // say themselves counts more.
    if let Some(trace) = trace.filter(|_| !attributes.contains_key(TRACEPARENT) && attributes.len() < ROOM) {
        add_trace(&mut attributes, &trace);
    }
    Ok(Incoming {
        group,
        sender,
        message_id: present(record.message_id, "messageId")?,
        receipt_handle: present(record.receipt_handle, "receiptHandle")?,
        // An empty body is a bad event of its own, not a bad batch.
        body: record.body.unwrap_or_default(),
        attributes,
        receive_count: u32::max(receive_count, 1),
        sent_at,
        queue,
    })
}

fn read_attribute(attribute: SqsMessageAttribute) -> Option<Attribute> {
    let value = match (attribute.string_value, attribute.binary_value) {
        (Some(text), _) => AttributeValue::Text(text),
        (None, Some(bytes)) => AttributeValue::Binary(bytes.0),
        (None, None) => return None,
    };
    Some(Attribute { data_type: attribute.data_type.unwrap_or_else(|| "String".to_owned()), value })
}

#[cfg(test)]
mod tests {
    use acequia_core::outcome::Reason;
    use acequia_core::wire::{quarantined, trace_of};

    use super::*;

    fn event(json: &str) -> SqsEvent {
        serde_json::from_str(json).unwrap()
    }

    const RECORD: &str = r#"{"messageId":"m1","receiptHandle":"r1","body":"b","attributes":{"ApproximateReceiveCount":"3","SentTimestamp":"1700000000000"},
        "messageAttributes":{"a":{"stringValue":"x","dataType":"String.custom","stringListValues":[],"binaryListValues":[]}},
        "eventSourceARN":"arn:aws:sqs:eu-west-1:123456789012:acequia_dev_acme_intake","eventSource":"aws:sqs","awsRegion":"eu-west-1"}"#;

    #[test]
    fn a_record_of_sqs_is_read_with_its_counts_and_attributes() {
        let (queue, messages) = read_batch(event(&format!(r#"{{"Records":[{RECORD}]}}"#))).unwrap().unwrap();
        assert_eq!(queue.name(), "acequia_dev_acme_intake");
        assert_eq!((messages[0].receive_count, messages[0].sent_at.as_millisecond()), (3, 1_700_000_000_000));
        assert_eq!(messages[0].attributes["a"].data_type, "String.custom");
    }

    #[test]
    fn the_trace_header_of_aws_is_read_as_the_attribute_where_there_is_none() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let header = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1";
        let traced = RECORD.replace(r#""SentTimestamp""#, &format!(r#""AWSTraceHeader":"{header}","SentTimestamp""#));
        let read =
            |record: &str| read_batch(event(&format!(r#"{{"Records":[{record}]}}"#))).unwrap().unwrap().1.remove(0);
        let of = |record: &str| trace_of(&read(record).attributes);
        assert_eq!(of(&traced).unwrap().parent(), parent);
        let named = parent.replace("00f067aa0ba902b7", "00000000000000aa");
        let attribute =
            format!(r#""messageAttributes":{{"traceparent":{{"stringValue":"{named}","dataType":"String"}},"#);
        assert_eq!(of(&traced.replace(r#""messageAttributes":{"#, &attribute)).unwrap().parent(), named);
        assert_eq!(of(&traced.replace("Sampled=1", "Sampled=0")), None, "Lambda's own, which nobody traces");
        assert_eq!(of(RECORD), None);
    }

    #[test]
    fn a_trace_header_takes_no_room_that_the_reason_of_a_quarantine_needs() {
        let header = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1";
        let traced = RECORD.replace(r#""SentTimestamp""#, &format!(r#""AWSTraceHeader":"{header}","SentTimestamp""#));
        let with = |own: usize| {
            let attribute = |n| format!(r#""own{n}":{{"stringValue":"x","dataType":"String"}},"#);
            let more: String = (1..own).map(attribute).collect();
            let record = traced.replace(r#""messageAttributes":{"#, &format!(r#""messageAttributes":{{{more}"#));
            let (_, mut messages) = read_batch(event(&format!(r#"{{"Records":[{record}]}}"#))).unwrap().unwrap();
            messages.remove(0)
        };
        for own in 1..=9 {
            let message = with(own);
            assert_eq!(message.attributes.len(), own + usize::from(own <= 4), "{own}");
            let letter = quarantined(&message, Reason::NotJson, "why", 1, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(letter.attributes.contains_key("acequia-quarantined-at"), own <= 6, "{own}");
        }
    }

    #[test]
    fn a_record_without_an_id_fails_the_batch_instead_of_answering_with_an_empty_one() {
        let broken = RECORD.replace("\"m1\"", "\"\"");
        let error = read_batch(event(&format!(r#"{{"Records":[{broken}]}}"#))).unwrap_err();
        assert_eq!(error, UnusableBatch::Incomplete("messageId"));
    }

    #[test]
    fn a_batch_of_two_queues_is_refused() {
        let other = RECORD.replace("acme", "bona");
        let error = read_batch(event(&format!(r#"{{"Records":[{RECORD},{other}]}}"#))).unwrap_err();
        assert!(matches!(error, UnusableBatch::Mixed(..)));
    }

    #[test]
    fn an_empty_batch_is_nothing() {
        assert_eq!(read_batch(event(r#"{"Records":[]}"#)).unwrap(), None);
    }
}
