//! Rules of queues and of the mappings that feed functions from them.

use serde_json::Value;

use crate::document::{Resource, Template, alternatives, reference, references, tag, target, text};
use crate::function;

const QUEUE: &str = "AWS::SQS::Queue";
const MAPPING: &str = "AWS::Lambda::EventSourceMapping";
const DEFAULT_RETENTION: i64 = 345_600;
/// The most that SQS takes: 14 days.
const LONGEST_RETENTION: i64 = 1_209_600;

/// The dead-letter queue of a queue.
fn dead_letter_queue<'a>(queue: &Resource<'a>) -> Option<&'a str> {
    target(queue.property("RedrivePolicy/deadLetterTargetArn"))
}

fn dead_letter_queues(template: &Template) -> Vec<&str> {
    template.of_kind(QUEUE).iter().filter_map(dead_letter_queue).collect()
}

/// The queues that functions read: all that are no other queue's dead-letter queue.
fn sources(template: &Template) -> Vec<Resource<'_>> {
    let dead = dead_letter_queues(template);
    template.of_kind(QUEUE).into_iter().filter(|queue| !dead.contains(&queue.name)).collect()
}

pub(crate) fn mapping_reports_batch_item_failures(template: &Template) -> Vec<String> {
    let wanted = Value::from("ReportBatchItemFailures");
    let silent = template.of_kind(MAPPING).into_iter().filter(|mapping| {
        !mapping.property("FunctionResponseTypes").as_array().is_some_and(|types| types.contains(&wanted))
    });
    silent.map(|mapping| template.says(mapping.name, "FunctionResponseTypes has ReportBatchItemFailures")).collect()
}

fn reads_a_stream(mapping: &Resource<'_>) -> bool {
    !mapping.property("StartingPosition").is_null()
}

/// By default a stream's mapping tries for ever, and everything behind a bad record waits for it.
pub(crate) fn stream_mapping_gives_up_in_the_end_and_tells(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    for mapping in template.of_kind(MAPPING).into_iter().filter(reads_a_stream) {
        for path in ["MaximumRetryAttempts", "MaximumRecordAgeInSeconds"] {
            if mapping.property(path).as_i64().is_none_or(|most| most <= 0) {
                found.push(template.says(mapping.name, &format!("{path} is set")));
            }
        }
        if mapping.property("BisectBatchOnFunctionError") != &Value::Bool(true) {
            found.push(template.says(mapping.name, "BisectBatchOnFunctionError is true"));
        }
        if mapping.property("DestinationConfig/OnFailure/Destination").is_null() {
            found.push(template.says(mapping.name, "DestinationConfig.OnFailure names a destination"));
        }
    }
    found
}

pub(crate) fn mapping_takes_its_concurrency_from_a_parameter(template: &Template) -> Vec<String> {
    let parameters = template.parameters();
    let of_queues = template.of_kind(MAPPING).into_iter().filter(|mapping| !reads_a_stream(mapping));
    let fixed = of_queues.filter(|mapping| {
        let limit = reference(mapping.property("ScalingConfig/MaximumConcurrency"));
        !limit.is_some_and(|name| parameters.contains_key(name))
    });
    fixed.map(|mapping| template.says(mapping.name, "ScalingConfig.MaximumConcurrency is a parameter")).collect()
}

pub(crate) fn queue_has_a_dead_letter_queue_of_its_own(template: &Template) -> Vec<String> {
    let dead = dead_letter_queues(template);
    let mut found = Vec::new();
    for queue in sources(template) {
        match dead_letter_queue(&queue) {
            Some(name) if template.resource(name).is_none() => {
                found.push(template.says(queue.name, &format!("its dead-letter queue {name} is a resource here")));
            }
            Some(name) if dead.iter().filter(|other| **other == name).count() > 1 => {
                found.push(
                    template.says(queue.name, &format!("shares {name}; each queue has a dead-letter queue of its own")),
                );
            }
            Some(_) => {}
            None => found.push(template.says(queue.name, "RedrivePolicy names a dead-letter queue")),
        }
    }
    found
}

/// For how long a queue keeps messages, in seconds.
fn kept(queue: &Resource<'_>) -> i64 {
    queue.property("MessageRetentionPeriod").as_i64().unwrap_or(DEFAULT_RETENTION)
}

pub(crate) fn dead_letters_are_kept_longer_than_messages_or_for_as_long_as_sqs_can(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    for queue in sources(template) {
        let dead = dead_letter_queue(&queue).and_then(|name| template.resource(name));
        let wanted = (kept(&queue) + 1).min(LONGEST_RETENTION);
        if let Some(dead) = dead.filter(|dead| kept(dead) < wanted) {
            found.push(template.says(dead.name, &format!("MessageRetentionPeriod is {wanted} s or more")));
        }
    }
    found
}

/// What waits for a function is safe for as long as SQS keeps anything, and its queue gives it up long after we would:
/// a paused sink costs a receive an hour in a FIFO queue, and 20 attempts are the most that a configuration can ask
/// for.
pub(crate) fn queue_of_a_function_keeps_messages_and_gives_them_up_last(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    for mapping in template.of_kind(MAPPING) {
        let Some(queue) = target(mapping.property("EventSourceArn")).and_then(|name| template.resource(name)) else {
            continue;
        };
        if kept(&queue) != LONGEST_RETENTION {
            found.push(template.says(queue.name, &format!("MessageRetentionPeriod is {LONGEST_RETENTION}")));
        }
        let counts: Vec<i64> = alternatives(queue.property("RedrivePolicy/maxReceiveCount"))
            .into_iter()
            .filter_map(Value::as_i64)
            .collect();
        let wanted: &[i64] = if queue.property("FifoQueue").is_null() { &[100] } else { &[1_000, 100] };
        if counts != wanted {
            found.push(template.says(queue.name, &format!("maxReceiveCount is {wanted:?}, FIFO first")));
        }
    }
    found
}

pub(crate) fn queue_is_encrypted(template: &Template) -> Vec<String> {
    let open = template.of_kind(QUEUE).into_iter().filter(|queue| {
        queue.property("SqsManagedSseEnabled") != &Value::Bool(true) && queue.property("KmsMasterKeyId").is_null()
    });
    open.map(|queue| template.says(queue.name, "SqsManagedSseEnabled is true, or KmsMasterKeyId is set")).collect()
}

pub(crate) fn queue_is_named_for_its_stage_and_tenant(template: &Template) -> Vec<String> {
    // A queue of the platform's own is none of a tenant's, and its name reads as none.
    let of_tenant = template.of_kind("AWS::Serverless::Function").is_empty();
    let start = if of_tenant { "acequia_${Stage}_${TenantId}_" } else { "acequia-${Stage}-" };
    let mut found = Vec::new();
    for queue in template.of_kind(QUEUE) {
        let names = alternatives(queue.property("QueueName"));
        if names.is_empty() || !names.iter().all(|name| text(name).is_some_and(|name| name.starts_with(start))) {
            found.push(template.says(queue.name, &format!("QueueName starts with {start}")));
        }
    }
    for queue in sources(template) {
        let Some(dead) = dead_letter_queue(&queue).and_then(|name| template.resource(name)) else { continue };
        let wanted: Vec<String> = alternatives(queue.property("QueueName"))
            .into_iter()
            .filter_map(text)
            .map(|name| match name.strip_suffix(".fifo") {
                Some(name) => format!("{name}-dlq.fifo"),
                None => format!("{name}-dlq"),
            })
            .collect();
        let has: Vec<&str> = alternatives(dead.property("QueueName")).into_iter().filter_map(text).collect();
        if has != wanted {
            found.push(template.says(dead.name, &format!("QueueName is {}", wanted.join(" or "))));
        }
    }
    found
}

/// The function that a mapping feeds, by the parameter that holds its alias: `.../function/<name>`.
pub(crate) fn consumer<'a>(mapping: &Resource<'a>) -> Option<&'a str> {
    text(mapping.property("FunctionName"))?.rsplit_once("/function/")?.1.strip_suffix("}}")
}

/// Hidden messages must not come back while a function may still work on them: six time-outs and the batch window.
pub(crate) fn queue_hides_messages_long_enough(template: &Template, platform: &Template) -> Vec<String> {
    let common = platform.body.pointer("/Globals/Function/Timeout").and_then(Value::as_i64);
    let mut found = Vec::new();
    for mapping in template.of_kind(MAPPING) {
        let Some(queue) = target(mapping.property("EventSourceArn")).and_then(|name| template.resource(name)) else {
            found.push(template.says(mapping.name, "EventSourceArn is a queue of this template"));
            continue;
        };
        let function = consumer(&mapping).and_then(|name| function::named(platform, name));
        let Some(function) = function else {
            found.push(
                template.says(mapping.name, &format!("FunctionName is the alias of a function of {}", platform.file)),
            );
            continue;
        };
        let timeout = function.property("Timeout").as_i64().or(common).unwrap_or_default();
        let windows = alternatives(mapping.property("MaximumBatchingWindowInSeconds")).into_iter();
        let window = windows.filter_map(|window| template.largest(window)).max().unwrap_or_default();
        let wanted = 6 * timeout + window;
        if queue.property("VisibilityTimeout").as_i64().is_none_or(|hidden| hidden < wanted) {
            let wanted = format!("VisibilityTimeout is {wanted} or more (6 x {timeout} s and a window of {window} s)");
            found.push(template.says(queue.name, &wanted));
        }
    }
    found
}

/// The two templates must agree: the function that a queue feeds may consume it for every tenant, and quarantine.
pub(crate) fn consumer_may_work_on_its_queue(template: &Template, platform: &Template) -> Vec<String> {
    let consume = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"];
    let mut found = Vec::new();
    for mapping in template.of_kind(MAPPING) {
        let queue = target(mapping.property("EventSourceArn")).and_then(|name| template.resource(name));
        let names: Vec<&str> = queue
            .map(|queue| alternatives(queue.property("QueueName")))
            .unwrap_or_default()
            .into_iter()
            .filter_map(|name| text(name)?.strip_prefix("acequia_${Stage}_${TenantId}_"))
            .collect();
        let function = consumer(&mapping).and_then(|name| function::named(platform, name));
        let (Some(function), false) = (function, names.is_empty()) else {
            found.push(template.says(mapping.name, "maps a queue of the tenant to a function of the platform"));
            continue;
        };
        for name in names {
            let start = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:acequia_${Stage}_*_";
            let arn = format!("{start}{name}");
            let dead = match name.strip_suffix(".fifo") {
                Some(name) => format!("{start}{name}-dlq.fifo"),
                None => format!("{arn}-dlq"),
            };
            let wanted = consume.into_iter().map(|action| (action, &arn)).chain([("sqs:SendMessage", &dead)]);
            for (action, arn) in wanted.filter(|(action, arn)| !function::may(platform, &function, action, arn)) {
                found.push(platform.says(function.name, &format!("its role allows {action} on {arn}")));
            }
        }
    }
    found
}

fn statements<'a>(policy: &Resource<'a>) -> Vec<&'a Value> {
    alternatives(policy.property("PolicyDocument/Statement"))
}

/// SQS takes a policy about the queue that it is attached to, and about no other.
pub(crate) fn queue_policy_is_about_one_queue(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    for policy in template.of_kind("AWS::SQS::QueuePolicy") {
        let queues: Vec<_> = references(policy.property("Queues")).into_iter().collect();
        let [queue] = queues.as_slice() else {
            found.push(template.says(policy.name, "Queues has one queue"));
            continue;
        };
        let own = |statement: &&Value| {
            statement.pointer("/Resource/Fn::GetAtt").is_some_and(|path| path[0] == **queue && path[1] == "Arn")
        };
        if !statements(&policy).iter().all(own) {
            found.push(template.says(policy.name, &format!("each statement's Resource is !GetAtt {queue}.Arn")));
        }
    }
    found
}

pub(crate) fn queue_refuses_plain_http(template: &Template) -> Vec<String> {
    let mut covered = Vec::new();
    for policy in template.of_kind("AWS::SQS::QueuePolicy") {
        let refuses = statements(&policy).iter().any(|statement| {
            statement["Effect"] == "Deny"
                && statement.pointer("/Condition/Bool/aws:SecureTransport").is_some_and(|value| value == "false")
        });
        if refuses {
            covered.extend(references(policy.property("Queues")));
        }
    }
    let open = template.of_kind(QUEUE).into_iter().filter(|queue| !covered.iter().any(|name| name == queue.name));
    open.map(|queue| template.says(queue.name, "a QueuePolicy denies what comes without aws:SecureTransport")).collect()
}

pub(crate) fn tenant_tags_everything(template: &Template) -> Vec<String> {
    let untaggable = ["AWS::SQS::QueuePolicy", "AWS::SES::ConfigurationSetEventDestination"];
    let taggable = template.resources().into_iter().filter(|resource| !untaggable.contains(&resource.kind));
    let bare = taggable.filter(|resource| tag(resource, "tenant").and_then(reference) != Some("TenantId"));
    bare.map(|resource| template.says(resource.name, "Tags has tenant with !Ref TenantId")).collect()
}

fn alarm_on(template: &Template, queue: &str, metric: &str) -> bool {
    template.of_kind("AWS::CloudWatch::Alarm").iter().any(|alarm| {
        let watched = alternatives(alarm.property("Dimensions"));
        alarm.property("MetricName") == metric && watched.iter().any(|value| target(&value["Value"]) == Some(queue))
    })
}

pub(crate) fn dead_letter_queue_has_an_alarm_on_its_depth(template: &Template) -> Vec<String> {
    let metric = "ApproximateNumberOfMessagesVisible";
    let unwatched = dead_letter_queues(template).into_iter().filter(|name| !alarm_on(template, name, metric));
    unwatched.map(|name| template.says(name, &format!("an alarm watches {metric}"))).collect()
}

pub(crate) fn queue_has_an_alarm_on_its_oldest_message(template: &Template) -> Vec<String> {
    let metric = "ApproximateAgeOfOldestMessage";
    let unwatched = sources(template).into_iter().filter(|queue| !alarm_on(template, queue.name, metric));
    unwatched.map(|queue| template.says(queue.name, &format!("an alarm watches {metric}"))).collect()
}

/// The order of events is kept from the intake to forward sinks, or nowhere: the router goes by the intake's name.
pub(crate) fn intake_and_forward_are_fifo_together(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    for name in ["IntakeQueue", "IntakeDlq", "ForwardQueue", "ForwardDlq"] {
        let Some(queue) = template.resource(name) else {
            found.push(template.says(name, "is a queue"));
            continue;
        };
        let by_one = |path: &str| queue.property(path).pointer("/Fn::If/0").is_some_and(|name| name == "IsOrdered");
        let fifo = alternatives(queue.property("QueueName")).into_iter().filter_map(text);
        let named = fifo.filter(|name| name.strip_suffix(".fifo").is_some()).count() == 1;
        if !(named && by_one("QueueName") && by_one("FifoQueue")) {
            found.push(template.says(name, "QueueName and FifoQueue are FIFO if IsOrdered, and else not"));
        }
        for (path, value) in [("DeduplicationScope", "messageGroup"), ("FifoThroughputLimit", "perMessageGroupId")] {
            if alternatives(queue.property(path)) != [value] {
                found.push(template.says(name, &format!("{path} is {value} if IsOrdered")));
            }
        }
    }
    for mapping in ["IntakeMapping", "ForwardMapping"].into_iter().filter_map(|name| template.resource(name)) {
        if mapping.property("BatchSize").pointer("/Fn::If/1") != Some(&Value::from(10)) {
            found.push(template.says(mapping.name, "BatchSize is 10 if IsOrdered"));
        }
    }
    found
}
