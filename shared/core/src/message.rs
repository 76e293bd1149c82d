//! Messages of SQS, as they come and as they are sent.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::queue::QueueArn;

/// SQS takes ten attributes with a message.
pub const MAX_ATTRIBUTES: usize = 10;
/// SQS takes 1 MiB with a message, attributes included.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// One attribute of an SQS message: its data type (`String`, `Number`, `Binary`, or one of these with `.custom`) and
/// value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The data type, as SQS has it.
    pub data_type: String,
    /// The value.
    pub value: AttributeValue,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// Of `String` and `Number` attributes.
    Text(String),
    /// Of `Binary` attributes.
    Binary(Vec<u8>),
}

impl Attribute {
    /// A `String` attribute.
    pub fn text(value: impl Into<String>) -> Self {
        Self { data_type: "String".to_owned(), value: AttributeValue::Text(value.into()) }
    }

    /// A `Number` attribute.
    pub fn number(value: i64) -> Self {
        Self { data_type: "Number".to_owned(), value: AttributeValue::Text(value.to_string()) }
    }

    /// The value as text, where it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            AttributeValue::Text(text) => Some(text),
            AttributeValue::Binary(_) => None,
        }
    }

    /// How much of SQS's 1 MiB its type and value take.
    pub fn bytes(&self) -> usize {
        self.data_type.len()
            + match &self.value {
                AttributeValue::Text(text) => text.len(),
                AttributeValue::Binary(bytes) => bytes.len(),
            }
    }
}

/// A message's attributes by name.
pub type Attributes = BTreeMap<String, Attribute>;

/// A message as a queue hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// SQS's id of the message. It names the message in the answer, and nothing else: a redriven message gets a new
    /// one.
    pub message_id: String,
    /// What deleting and hiding it takes.
    pub receipt_handle: String,
    /// The body.
    pub body: String,
    /// The attributes.
    pub attributes: Attributes,
    /// How often SQS has handed it out, this time included.
    pub receive_count: u32,
    /// When it entered the queue.
    pub sent_at: Timestamp,
    /// The queue it came from.
    pub queue: QueueArn,
    /// The group in which a FIFO queue keeps order.
    pub group: Option<String>,
    /// Who sent it, as SQS says: the id of an account, a user, or a role with its session.
    pub sender: Option<String>,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outgoing {
    /// The body.
    pub body: String,
    /// The attributes.
    pub attributes: Attributes,
    /// The group in which a FIFO queue keeps order.
    pub group: Option<String>,
    /// What a FIFO queue knows duplicates by, for five minutes.
    pub deduplication: Option<String>,
}

impl Outgoing {
    /// How much of SQS's 1 MiB it takes: the body, and each attribute's name, type and value.
    pub fn bytes(&self) -> usize {
        self.body.len() + self.attributes.iter().map(|(name, attribute)| name.len() + attribute.bytes()).sum::<usize>()
    }
}

/// A message for tests, as a queue of stage `dev` and tenant `acme` hands it out for the first time.
#[cfg(test)]
pub(crate) fn received(queue: &str, body: impl Into<String>, attributes: Attributes) -> Incoming {
    Incoming {
        message_id: "m-1".to_owned(),
        receipt_handle: "r".to_owned(),
        body: body.into(),
        attributes,
        receive_count: 1,
        sent_at: Timestamp::UNIX_EPOCH,
        queue: format!("arn:aws:sqs:eu-west-1:123456789012:acequia_dev_acme_{queue}").parse().expect("an ARN"),
        group: None,
        sender: None,
    }
}
