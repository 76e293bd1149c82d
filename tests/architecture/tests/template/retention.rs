//! Rules of what outlives a stack, of alarms that need no answer, and of invocations that come back by themselves.

use crate::document::{Template, reference, target};
use crate::function::FUNCTION;

/// Kinds that hold what cannot be made anew: events, dead letters, configuration, and the logs that explain them.
const HOLDS_DATA: [&str; 3] = ["AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::Logs::LogGroup"];

/// To disable a kind, to change a name or to delete a stack deletes nothing. Only a first deployment that fails takes
/// back what it made, so that it can be tried again: names are fixed.
pub(crate) fn what_holds_data_outlives_its_stack(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    for resource in HOLDS_DATA.iter().flat_map(|kind| template.of_kind(kind)) {
        for (policy, wanted) in [("DeletionPolicy", "RetainExceptOnCreate"), ("UpdateReplacePolicy", "Retain")] {
            if resource.body[policy] != wanted {
                found.push(template.says(resource.name, &format!("{policy} is {wanted}")));
            }
        }
    }
    found
}

/// A new alarm goes from insufficient data to OK, so that each deployment would send a notice for every alarm that it
/// makes.
pub(crate) fn alarm_tells_of_trouble_alone(template: &Template) -> Vec<String> {
    let alarms = template.of_kind("AWS::CloudWatch::Alarm");
    let chatty = alarms.iter().filter(|alarm| !alarm.property("OKActions").is_null());
    chatty.map(|alarm| template.says(alarm.name, "has no OKActions")).collect()
}

/// Lambda tries a failed asynchronous call twice more, and keeps a throttled one for six hours, unless it is told
/// otherwise. A schedule's own policy is for the way to Lambda alone.
pub(crate) fn scheduled_function_is_invoked_once(template: &Template) -> Vec<String> {
    let schedules = template.of_kind("AWS::Scheduler::Schedule");
    let mut found = Vec::new();
    for function in template.of_kind(FUNCTION) {
        let alias = format!("{}.Alias", function.name);
        let by_resource = schedules
            .iter()
            .filter(|schedule| reference(schedule.property("Target/Arn")) == Some(&alias))
            .map(|s| (s.name, s.property("Target/RetryPolicy"), s.property("Target/RoleArn")));
        let events = function.property("Events").as_object();
        let by_event = events
            .into_iter()
            .flatten()
            .filter(|(_, event)| event["Type"] == "ScheduleV2")
            .map(|(name, e)| (name.as_str(), &e["Properties"]["RetryPolicy"], &e["Properties"]["RoleArn"]));
        let calls: Vec<_> = by_resource.chain(by_event).collect();
        if calls.is_empty() {
            continue;
        }
        for (name, policy, role) in calls {
            if policy["MaximumRetryAttempts"] != 0 || policy["MaximumEventAgeInSeconds"] != 60 {
                found.push(template.says(name, "RetryPolicy has no attempts, and an age of 60 s"));
            }
            if target(role).and_then(|role| template.resource(role)).is_none() {
                found.push(template.says(name, "RoleArn is !GetAtt of a role of this template"));
            }
        }
        let inside = function.property("EventInvokeConfig");
        if inside["MaximumRetryAttempts"] != 0 || inside["MaximumEventAgeInSeconds"] != 60 {
            found.push(template.says(function.name, "EventInvokeConfig has no attempts, and an age of 60 s"));
        }
    }
    found
}

const KEPT: &str = r"
Resources:
  Queue: { Type: AWS::SQS::Queue, DeletionPolicy: RetainExceptOnCreate, UpdateReplacePolicy: Retain }
  Logs: { Type: AWS::Logs::LogGroup, DeletionPolicy: RetainExceptOnCreate, UpdateReplacePolicy: Retain }
  Alarm: { Type: AWS::CloudWatch::Alarm, Properties: { AlarmActions: [x] } }
  Role: { Type: AWS::IAM::Role }
  One:
    Type: AWS::Serverless::Function
    Properties:
      EventInvokeConfig: { MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60 }
      Events:
        Often:
          Type: ScheduleV2
          Properties: { RoleArn: !GetAtt Role.Arn, RetryPolicy: { MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60 } }
  Two:
    Type: AWS::Serverless::Function
    Properties: { EventInvokeConfig: { MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60 } }
  Seldom:
    Type: AWS::Scheduler::Schedule
    Properties:
      Target: { Arn: !Ref Two.Alias, RoleArn: !GetAtt Role.Arn, RetryPolicy: { MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60 } }
  Three: { Type: AWS::Serverless::Function }
";

fn all(text: &str) -> Vec<String> {
    let template = Template::parse("t", text);
    let rules = [what_holds_data_outlives_its_stack, alarm_tells_of_trouble_alone, scheduled_function_is_invoked_once];
    rules.iter().flat_map(|rule| rule(&template)).collect()
}

#[test]
fn each_of_these_rules_can_fail() {
    assert_eq!(all(KEPT), Vec::<String>::new());
    for (from, to, wanted) in [
        ("SQS::Queue, DeletionPolicy: RetainExceptOnCreate", "SQS::Queue, DeletionPolicy: Delete", "t: Queue: Del"),
        ("UpdateReplacePolicy: Retain }\n  Logs", "UpdateReplacePolicy: Delete }\n  Logs", "t: Queue: Update"),
        ("LogGroup, DeletionPolicy: RetainExceptOnCreate", "LogGroup", "t: Logs: Del"),
        ("AlarmActions: [x]", "AlarmActions: [x], OKActions: [x]", "t: Alarm"),
        ("EventInvokeConfig: { MaximumRetryAttempts: 0,", "EventInvokeConfig: {", "t: One: EventInvokeConfig"),
        ("RetryPolicy: { MaximumRetryAttempts: 0,", "RetryPolicy: {", "t: Often: RetryPolicy"),
        ("RoleArn: !GetAtt Role.Arn, RetryPolicy", "RetryPolicy", "t: Often: RoleArn"),
        ("Properties: { EventInvokeConfig: { MaximumRetryAttempts: 0,", "Properties: { EventInvokeConfig: {", "t: Two"),
        ("Arn: !Ref Two.Alias, RoleArn: !GetAtt Role.Arn,", "Arn: !Ref Two.Alias,", "t: Seldom: RoleArn"),
    ] {
        let found = all(&KEPT.replacen(from, to, 1));
        assert_eq!(found.len(), 1, "{from} -> {to}: {found:?}");
        assert!(found[0].starts_with(wanted), "{found:?}");
    }
}
