//! Sinks of kind `forward`: an SQS queue.

use super::super::issue::{Findings, required};
use super::super::raw::{RawSink, SinkFormat};
use crate::id::TenantId;
use crate::kind::SinkKind;
use crate::queue::{QueueArn, QueueName, QueueRole};

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

/// Validates what is a forward sink's own of the sink at `path`.
pub(super) fn validate_forward(
    raw: &RawSink,
    path: &str,
    tenant: Option<&TenantId>,
    findings: &mut Findings,
) -> Option<ForwardSink> {
    let at = format!("{path}.queue");
    let target = match required(raw.queue.as_ref(), path, "queue", SinkKind::Forward, findings)? {
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
        if tenant.is_some_and(|tenant| name.tenant != *tenant) {
            findings.report(at, "this is a queue of another tenant");
        } else if name.role != QueueRole::Out || name.dlq {
            findings.report(at, "this is a queue of Acequia's own, and filling it would make a loop");
        }
    }
    Some(ForwardSink { target, format: raw.format.unwrap_or_default() })
}
