//! Sinks of kind `eventbridge`: an event bus.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::super::issue::{Findings, required};
use super::Place;
use crate::kind::SinkKind;
use crate::queue::QueueArn;

/// A sink that puts each event on an event bus of `EventBridge`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawEventbridge {
    /// Which bus: its ARN, in this account or another one. The stack must allow it (`ForwardTargets`), and so must the
    /// bus's own policy where it is another account's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "String",
            extend("x-required" = true, "x-type" = "ARN", "examples" = ["arn:aws:events:eu-west-1:123456789012:event-bus/partners"])
        )
    )]
    pub bus: Option<String>,
}

/// An event bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventbridgeSink {
    /// Which bus.
    pub bus: BusArn,
}

impl RawEventbridge {
    /// Validates what is an eventbridge sink's own.
    pub(super) fn validate(&self, place: &Place<'_>, findings: &mut Findings) -> Option<EventbridgeSink> {
        let text = required(self.bus.as_ref(), place.path, "bus", SinkKind::Eventbridge, findings)?;
        match text.parse() {
            Ok(bus) => Some(EventbridgeSink { bus }),
            Err(error @ InvalidBus(_)) => {
                findings.report(place.field("bus"), error.to_string());
                None
            }
        }
    }
}

/// The address of an event bus.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BusArn {
    partition: String,
    region: String,
    account: String,
    name: String,
}

/// A text that is not the ARN of an event bus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not the ARN of an event bus: it must read arn:<partition>:events:<region>:<account>:event-bus/<name>"
)]
pub struct InvalidBus(String);

impl BusArn {
    /// The region that the bus is in.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Whether it is in the partition of AWS that a queue is in.
    pub fn shares_partition(&self, queue: &QueueArn) -> bool {
        self.partition == queue.partition()
    }
}

impl fmt::Display for BusArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, region, account, name } = self;
        write!(f, "arn:{partition}:events:{region}:{account}:event-bus/{name}")
    }
}

impl FromStr for BusArn {
    type Err = InvalidBus;

    fn from_str(text: &str) -> Result<Self, InvalidBus> {
        let invalid = || InvalidBus(text.chars().take(200).collect());
        let mut parts = text.split(':');
        let (Some("arn"), Some(partition), Some("events"), Some(region), Some(account), Some(bus), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid());
        };
        let name = bus.strip_prefix("event-bus/").ok_or_else(invalid)?;
        // The pattern of the API's model; a partner's bus, which has slashes, takes nothing of others
        // (https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html).
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let holds = partition.starts_with("aws")
            && [partition, region].iter().all(|text| !text.is_empty() && text.bytes().all(is_word))
            && account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && (1..=256).contains(&name.len())
            && name.bytes().all(is_plain);
        if !holds {
            return Err(invalid());
        }
        let [partition, region, account, name] = [partition, region, account, name].map(str::to_owned);
        Ok(Self { partition, region, account, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_is_named_by_its_arn_and_nothing_else_is_one() {
        let arn = "arn:aws:events:eu-west-1:123456789012:event-bus/partners.v2";
        let bus: BusArn = arn.parse().unwrap();
        assert_eq!((bus.to_string().as_str(), bus.region()), (arn, "eu-west-1"));
        for text in [
            "partners",
            "arn:aws:sqs:eu-west-1:123456789012:partners",
            "arn:aws:events:eu-west-1:123456789012:rule/partners",
            "arn:aws:events:eu-west-1:123456789012:event-bus/",
            "arn:aws:events:eu-west-1:123456789012:event-bus/aws.partner/them",
            "arn:aws:events:eu-west-1:12:event-bus/partners",
            "arn:aws:events::123456789012:event-bus/partners",
            "arn:aws:events:eu-west-1:123456789012:event-bus/a:b",
        ] {
            let error = text.parse::<BusArn>().unwrap_err().to_string();
            assert!(error.contains("must read arn:<partition>:events:"), "{error}");
        }
    }

    #[test]
    fn a_bus_is_in_the_partition_of_the_installation_or_not() {
        let queue: QueueArn = "arn:aws:sqs:eu-west-1:123456789012:q".parse().unwrap();
        let shares = |arn: &str| arn.parse::<BusArn>().unwrap().shares_partition(&queue);
        assert!(shares("arn:aws:events:us-east-1:210987654321:event-bus/b"));
        assert!(!shares("arn:aws-cn:events:cn-north-1:123456789012:event-bus/b"));
    }
}
