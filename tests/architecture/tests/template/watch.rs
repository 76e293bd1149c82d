//! Rules of the choice that a tenant has: alarms of its own, or the platform's watch.

use serde_json::Value;

use crate::document::{Resource, Template, alternatives, reference, tag, target, text};
use crate::function;

const ALARM: &str = "AWS::CloudWatch::Alarm";
const QUEUE: &str = "AWS::SQS::Queue";
/// The condition under which a tenant's stack has alarms.
const OWN: &str = "HasOwnAlarms";

/// The conditions that must hold for a resource to be made.
fn conditions<'a>(template: &'a Template, resource: &Resource<'a>) -> Vec<&'a str> {
    let Some(name) = resource.body["Condition"].as_str() else { return Vec::new() };
    let parts = template.body.pointer(&format!("/Conditions/{name}/Fn::And")).and_then(Value::as_array);
    match parts {
        Some(parts) => parts.iter().filter_map(|part| part["Condition"].as_str()).collect(),
        None => vec![name],
    }
}

/// Idle tenants cost their pollers' price alone.
pub(crate) fn tenant_has_alarms_only_if_it_wants_its_own(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    for alarm in template.of_kind(ALARM) {
        let has = conditions(template, &alarm);
        if !has.contains(&OWN) {
            found.push(template.says(alarm.name, &format!("its Condition needs {OWN}")));
        }
        let watched = alternatives(alarm.property("Dimensions"));
        let queue = watched.iter().find_map(|value| target(&value["Value"])).and_then(|name| template.resource(name));
        let needed = queue.map(|queue| conditions(template, &queue)).unwrap_or_default();
        for missing in needed.into_iter().filter(|needed| !has.contains(needed)) {
            found.push(template.says(alarm.name, &format!("its Condition needs {missing}, as its queue's does")));
        }
        // A new alarm goes from "no data" to OK, and would tell so at each onboarding.
        if !alarm.property("OKActions").is_null() {
            found.push(template.says(alarm.name, "has no OKActions"));
        }
        if !text(alarm.property("AlarmDescription")).is_some_and(|text| text.contains("`acequia ")) {
            found.push(template.says(alarm.name, "its AlarmDescription names the command"));
        }
    }
    found
}

/// By this the watch knows which tenants' queues it looks after.
pub(crate) fn queue_says_whose_its_alarms_are(template: &Template) -> Vec<String> {
    let silent =
        template.of_kind(QUEUE).into_iter().filter(|queue| tag(queue, "alarms").and_then(reference) != Some("Alarms"));
    silent.map(|queue| template.says(queue.name, "Tags has alarms with !Ref Alarms")).collect()
}

/// What the watch needs of every tenant's queues: to measure them all, and to look at the dead letters that say why.
pub(crate) fn watch_may_see_every_queue(tenant: &Template, platform: &Template) -> Vec<String> {
    let Some(sweeper) = function::named(platform, "sweeper") else {
        return vec![platform.says("SweeperFunction", "is a function")];
    };
    let start = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:acequia_${Stage}_*";
    let mut wanted = vec![
        ("sqs:GetQueueAttributes", start.to_owned()),
        ("sqs:ListQueueTags", start.to_owned()),
        ("sqs:ListQueues", "*".to_owned()),
        ("cloudwatch:GetMetricData", "*".to_owned()),
    ];
    for queue in tenant.of_kind(QUEUE) {
        let names = alternatives(queue.property("QueueName")).into_iter().filter_map(text);
        let dead = names.filter_map(|name| name.strip_prefix("acequia_${Stage}_${TenantId}_"));
        for name in dead.filter(|name| name.contains("-dlq") && !name.starts_with("out-")) {
            for action in ["sqs:ReceiveMessage", "sqs:ChangeMessageVisibility"] {
                wanted.push((action, format!("{start}_{name}")));
            }
        }
    }
    let missing = wanted.into_iter().filter(|(action, arn)| !function::may(platform, &sweeper, action, arn));
    missing.map(|(action, arn)| platform.says(sweeper.name, &format!("its role allows {action} on {arn}"))).collect()
}

const TENANT: &str = r#"
Conditions:
  HasOwnAlarms: !Equals [!Ref Alarms, own]
  HasOneAlarms: !And [!Condition HasOwnAlarms, !Condition HasOne]
Resources:
  One:
    Type: AWS::SQS::Queue
    Condition: HasOne
    Properties:
      QueueName: !Sub acequia_${Stage}_${TenantId}_one-dlq
      Tags: [{ Key: alarms, Value: !Ref Alarms }]
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Condition: HasOneAlarms
    Properties:
      AlarmDescription: !Sub "`acequia dlq list ${TenantId}` shows why."
      Dimensions: [{ Name: QueueName, Value: !GetAtt One.QueueName }]
"#;

/// Asserts that the rule holds for [`TENANT`] and finds one thing wrong with each change.
fn finds(rule: fn(&Template) -> Vec<String>, changes: &[(&str, &str)]) {
    assert_eq!(rule(&Template::parse("good.yaml", TENANT)), Vec::<String>::new());
    for (from, to) in changes {
        assert!(TENANT.contains(from), "{from}");
        let found = rule(&Template::parse("broken.yaml", &TENANT.replacen(from, to, 1)));
        assert_eq!(found.len(), 1, "{from} -> {to}: {found:?}");
    }
}

#[test]
fn an_alarm_that_all_tenants_pay_for_or_that_tells_too_much_or_too_little_is_found() {
    finds(
        tenant_has_alarms_only_if_it_wants_its_own,
        &[
            ("Condition: HasOneAlarms", "Condition: HasOne"),
            ("Condition: HasOneAlarms", "Condition: HasOwnAlarms"),
            ("      Dimensions:", "      OKActions: [topic]\n      Dimensions:"),
            ("`acequia dlq list ${TenantId}` shows why.", "It burns."),
        ],
    );
}

#[test]
fn a_queue_that_does_not_say_whose_its_alarms_are_is_found() {
    finds(queue_says_whose_its_alarms_are, &[("!Ref Alarms }]", "own }]"), ("Key: alarms", "Key: alarm")]);
}

#[test]
fn a_watch_that_may_not_see_a_queue_is_found() {
    let platform = r#"
Resources:
  Sweeper: { Type: AWS::Serverless::Function, Properties: { FunctionName: !Sub "acequia-${Stage}-sweeper", Role: !GetAtt Role.Arn } }
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - { Effect: Allow, Action: [sqs:ListQueues, cloudwatch:GetMetricData], Resource: "*" }
              - Effect: Allow
                Action: [sqs:GetQueueAttributes, sqs:ListQueueTags]
                Resource: !Sub "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:acequia_${Stage}_*"
              - Effect: Allow
                Action: [sqs:ReceiveMessage, sqs:ChangeMessageVisibility]
                Resource: !Sub "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:acequia_${Stage}_*_one-dlq"
"#;
    let tenant = Template::parse("tenant.yaml", TENANT);
    let found = |text: &str| watch_may_see_every_queue(&tenant, &Template::parse("platform.yaml", text));
    assert_eq!(found(platform), Vec::<String>::new());
    for action in ["sqs:ListQueues", "cloudwatch:GetMetricData", "sqs:ListQueueTags", "sqs:ReceiveMessage"] {
        assert_eq!(found(&platform.replacen(action, "sqs:None", 1)).len(), 1, "{action}");
    }
    assert_eq!(found(&platform.replacen("_one-dlq", "_two-dlq", 1)).len(), 2);
}
