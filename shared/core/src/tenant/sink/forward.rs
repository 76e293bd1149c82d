//! Sinks of kind `forward`: an SQS queue.

use serde::{Deserialize, Serialize};

use super::super::issue::{Findings, required};
use super::Place;
use super::format::SinkFormat;
use crate::kind::SinkKind;
use crate::queue::{QueueArn, QueueName, QueueRole};

/// A sink that puts each event into an SQS queue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawForward {
    /// Which queue: `out` or `out.fifo`, the tenant's own (the stack's parameter `OutQueue`), or the ARN of a queue
    /// outside that the stack allows (`ForwardTargets`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "String",
            extend("x-required" = true, "x-type" = "queue", "examples" = ["out", "arn:aws:sqs:eu-west-1:123456789012:their-queue"])
        )
    )]
    pub queue: Option<String>,
    /// What stands beside the event's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "SinkFormat", extend("default" = SinkFormat::default(), "examples" = ["proca"]))
    )]
    pub format: Option<SinkFormat>,
}

/// An SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardSink {
    /// Which queue.
    pub target: ForwardTarget,
    /// What stands beside the event's bytes.
    pub format: SinkFormat,
}

/// Which queue a forward sink fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardTarget {
    /// The tenant's own `out` queue.
    Out {
        /// Whether it is the one that keeps order.
        fifo: bool,
    },
    /// Any other queue.
    Arn(QueueArn),
}

impl RawForward {
    /// Validates what is a forward sink's own.
    pub(super) fn validate(&self, place: &Place<'_>, findings: &mut Findings) -> Option<ForwardSink> {
        let at = place.field("queue");
        let target = match required(self.queue.as_ref(), place.path, "queue", SinkKind::Forward, findings)? {
            "out" => ForwardTarget::Out { fifo: false },
            "out.fifo" => ForwardTarget::Out { fifo: true },
            text => match text.parse::<QueueArn>() {
                Ok(arn) => ForwardTarget::Arn(arn),
                Err(error) => {
                    findings.report(at, format!("{error}; \"out\" and \"out.fifo\" name the tenant's own queue"));
                    return None;
                }
            },
        };
        if let ForwardTarget::Arn(arn) = &target
            && let Ok(name) = arn.name().parse::<QueueName>()
        {
            if place.tenant.is_some_and(|tenant| name.tenant != *tenant) {
                findings.report(at, "this is a queue of another tenant");
            } else if name.role != QueueRole::Out || name.dlq {
                findings.report(at, "this is a queue of Acequia's own, and filling it would make a loop");
            }
        }
        Some(ForwardSink { target, format: self.format.unwrap_or_default() })
    }
}
