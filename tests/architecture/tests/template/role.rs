//! Rules that hold the templates to core's own lists: what a queue is for, and which function works it off.

use std::collections::BTreeSet;

use acequia_core::kind::SinkKind;
use acequia_core::queue::QueueRole;

use crate::document::{Template, alternatives, target, text};
use crate::{function, queue};

/// What a queue of a tenant's stack is for, by its name: `forward` of `acequia_<stage>_<tenant>_forward-dlq.fifo`.
fn role(name: &str) -> &str {
    let role = name.rsplit('_').next().unwrap_or_default();
    let role = role.strip_suffix(".fifo").unwrap_or(role);
    role.strip_suffix("-dlq").unwrap_or(role)
}

/// A queue that core does not know is read by nothing; one that only core knows takes nothing.
pub(crate) fn tenant_has_the_queues_that_core_knows(tenant: &Template) -> Vec<String> {
    let queues = tenant.of_kind("AWS::SQS::Queue");
    let names = queues.iter().flat_map(|queue| alternatives(queue.property("QueueName"))).filter_map(text);
    let there: BTreeSet<&str> = names.map(role).collect();
    let known: BTreeSet<&str> = QueueRole::ALL.into_iter().map(QueueRole::as_str).collect();
    let missing = known.difference(&there).map(|role| tenant.says(role, "core's QueueRole has it, so it is a queue"));
    let more = there.difference(&known).map(|role| tenant.says(role, "core's QueueRole has it, or there is no queue"));
    missing.chain(more).collect()
}

/// The deliveries of a kind of sinks are worked off by the function of that name.
pub(crate) fn sinks_deliver_by_their_own_function(tenant: &Template, platform: &Template) -> Vec<String> {
    let mappings = tenant.of_kind("AWS::Lambda::EventSourceMapping");
    let mut found = Vec::new();
    for kind in SinkKind::ALL {
        let of_kind = |name: &str| {
            let queue = tenant.resource(name)?;
            let names = alternatives(queue.property("QueueName"));
            names.into_iter().filter_map(text).map(role).find(|role| *role == kind.as_str())
        };
        let mapped = mappings.iter().any(|mapping| {
            target(mapping.property("EventSourceArn")).and_then(of_kind).is_some()
                && queue::consumer(mapping) == Some(kind.as_str())
        });
        if !mapped {
            found.push(tenant.says(kind.as_str(), &format!("a mapping leads its queue to the function {kind}")));
        }
        if function::named(platform, kind.as_str()).is_none() {
            found.push(platform.says(kind.as_str(), "is a function"));
        }
    }
    found
}

#[test]
fn a_queue_too_few_or_too_many_is_found() {
    let whole = crate::tenant();
    let with = |from: &str, to: &str| {
        let text = std::fs::read_to_string(crate::path("infra/tenant.yaml")).unwrap_or_default();
        Template::parse("broken.yaml", &text.replace(from, to))
    };
    assert_eq!(tenant_has_the_queues_that_core_knows(&whole), Vec::<String>::new());
    assert_eq!(tenant_has_the_queues_that_core_knows(&with("}_email", "}_letters")).len(), 2, "one of each");
    assert_eq!(sinks_deliver_by_their_own_function(&whole, &crate::platform()), Vec::<String>::new());
    let mislaid = with("/function/email}}", "/function/webhook}}");
    assert_eq!(sinks_deliver_by_their_own_function(&mislaid, &crate::platform()).len(), 1);
    let without = Template::parse("empty.yaml", "Resources: {}");
    assert_eq!(sinks_deliver_by_their_own_function(&whole, &without).len(), SinkKind::ALL.len());
}
