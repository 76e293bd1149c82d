//! `acequia dlq`: what is in the dead-letter queues, and moving it back.

pub(super) mod list;
pub(super) mod redrive;

use acequia_core::delivery::{Attribute, DETAIL, Incoming, REASON};
use acequia_core::id::TenantId;
use acequia_core::queue::{QueueArn, QueueName};

use crate::args::DlqFilter;
use crate::context::Context;
use crate::exit::Failure;

/// The dead-letter queues of a tenant that the filter asks for, of which there must be one.
async fn queues(
    context: &Context,
    tenant: &TenantId,
    filter: &DlqFilter,
) -> Result<Vec<(QueueName, QueueArn)>, Failure> {
    let mut queues = context.queues_of(tenant).await?;
    queues.retain(|(name, _)| name.dlq && filter.queue.is_none_or(|role| name.role == role));
    if queues.is_empty() {
        let role = filter.queue.map(|role| role.to_string()).unwrap_or_default();
        return Err(Failure::NotFound(format!(
            "tenant {tenant} has no dead-letter queue of {role}: see acequia status {tenant}"
        )));
    }
    Ok(queues)
}

/// The text of one of our attributes on a message.
fn text<'a>(message: &'a Incoming, name: &str) -> Option<&'a str> {
    message.attributes.get(name).and_then(Attribute::as_text)
}

/// Why the message is here. SQS moves a message without a reason, after too many receives.
fn reason(message: &Incoming) -> &str {
    text(message, REASON).unwrap_or("received-too-often")
}

fn detail(message: &Incoming) -> String {
    let by_sqs = "SQS moved it after too many receives: an invocation crashed or ran out of time again and again";
    text(message, DETAIL)
        .map_or_else(|| if text(message, REASON).is_none() { by_sqs } else { "" }.to_owned(), str::to_owned)
}

fn wanted(message: &Incoming, filter: &DlqFilter) -> bool {
    filter.reason.as_deref().is_none_or(|wanted| wanted == reason(message))
}
