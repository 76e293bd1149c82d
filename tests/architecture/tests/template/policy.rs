//! Rules of the managed policies that people and producers get.

use serde_json::Value;

use crate::document::{Template, reference};

const MANAGED: &str = "AWS::IAM::ManagedPolicy";

/// The characters that a managed policy may have, spaces left out (IAM's quotas, "IAM and STS character limits").
const MOST_CHARACTERS: usize = 6144;

/// A name of its own would ask for `CAPABILITY_NAMED_IAM`, and be in the way of a second stack.
pub(crate) fn managed_policy_is_exported_and_named_by_the_stack(template: &Template) -> Vec<String> {
    let outputs: Vec<&Value> = template
        .body
        .get("Outputs")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(_, output)| output)
        .collect();
    let mut found = Vec::new();
    for policy in template.of_kind(MANAGED) {
        if !policy.property("ManagedPolicyName").is_null() {
            found.push(template.says(policy.name, "CloudFormation gives it its name"));
        }
        if policy.property("Description").is_null() {
            found.push(template.says(policy.name, "has a Description"));
        }
        let is_exported = outputs
            .iter()
            .any(|output| reference(&output["Value"]) == Some(policy.name) && !output["Export"]["Name"].is_null());
        if !is_exported {
            found.push(template.says(policy.name, "an output exports its ARN"));
        }
    }
    found
}

/// What a policy's text becomes at its longest: the largest region, stage and table there can be.
fn longest(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(longest).collect::<Vec<_>>().join(","),
        Value::Object(entries) if entries.contains_key("Fn::GetAtt") || entries.contains_key("Ref") => "x".repeat(100),
        Value::Object(entries) => match entries.get("Fn::Sub").and_then(Value::as_str) {
            Some(text) => {
                [("${AWS::Partition}", 10), ("${AWS::Region}", 14), ("${AWS::AccountId}", 12), ("${Stage}", 10)]
                    .into_iter()
                    .fold(text.to_owned(), |text, (name, characters)| text.replace(name, &"x".repeat(characters)))
            }
            None => entries
                .iter()
                .map(|(name, value)| format!("\"{name}\":{}", longest(value)))
                .collect::<Vec<_>>()
                .join(","),
        },
        other => other.to_string(),
    }
}

pub(crate) fn managed_policy_is_short_enough(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    for policy in template.of_kind(MANAGED) {
        let characters = longest(policy.property("PolicyDocument")).split_whitespace().map(str::len).sum::<usize>();
        // Quotes and brackets that are left out above are fewer than this.
        if characters + 500 > MOST_CHARACTERS {
            found.push(
                template.says(policy.name, &format!("has {characters} characters; {MOST_CHARACTERS} is the most")),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function;

    const WHOLE: &str = r#"
Resources:
  Policy:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      Description: What somebody may do.
      PolicyDocument:
        Statement:
          - { Effect: Allow, Action: sqs:ListQueues, Resource: "*" }
          - { Effect: Allow, Action: sqs:SendMessage, Resource: !Sub "arn:${AWS::Partition}:sqs:::${Stage}_x" }
Outputs:
  Arn: { Value: !Ref Policy, Export: { Name: !Sub "acequia-${Stage}-policy" } }
"#;

    fn broken(rule: fn(&Template) -> Vec<String>, from: &str, to: &str) -> Vec<String> {
        assert_eq!(rule(&Template::parse("whole.yaml", WHOLE)), Vec::<String>::new());
        assert!(WHOLE.contains(from), "the template has no {from}");
        rule(&Template::parse("broken.yaml", &WHOLE.replacen(from, to, 1)))
    }

    #[test]
    fn a_managed_policy_with_a_name_or_without_an_export_is_found() {
        let rule = managed_policy_is_exported_and_named_by_the_stack;
        let named = "Properties:\n      ManagedPolicyName: mine";
        assert_eq!(broken(rule, "Properties:", named), ["broken.yaml: Policy: CloudFormation gives it its name"]);
        assert_eq!(broken(rule, "!Ref Policy", "!Ref Other"), ["broken.yaml: Policy: an output exports its ARN"]);
        assert_eq!(broken(rule, "Export:", "Elsewhere:").len(), 1);
    }

    #[test]
    fn a_managed_policy_that_iam_would_refuse_is_found() {
        let long = format!(
            "sqs:SendMessage, Resource: \"{}\" }}\n          - {{ Effect: Allow, Action: a:B",
            "x".repeat(6000)
        );
        assert_eq!(broken(managed_policy_is_short_enough, "sqs:SendMessage", &long).len(), 1);
    }

    #[test]
    fn a_managed_policy_keeps_the_rules_of_roles() {
        assert_eq!(broken(function::policy_names_its_actions, "sqs:SendMessage", "sqs:*").len(), 1);
        assert_eq!(broken(function::policy_names_its_resources, "sqs:ListQueues", "sqs:PurgeQueue").len(), 1);
        assert_eq!(broken(function::policy_stays_in_its_stage, ":::${Stage}_x", ":::acequia_*").len(), 1);
    }
}
