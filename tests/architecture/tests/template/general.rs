//! Rules of parameters, tables and alarms, whatever they are for.

use acequia_core::queue::QueueRole;
use serde_json::Value;

use crate::document::{Template, alternatives, text};

pub(crate) fn parameter_is_described(template: &Template) -> Vec<String> {
    let parameters = template.parameters();
    let silent =
        parameters.iter().filter(|(_, parameter)| parameter["Description"].as_str().is_none_or(|text| text.len() < 10));
    silent.map(|(name, _)| template.says(name, "the parameter has a Description")).collect()
}

pub(crate) fn parameter_is_bounded(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    for (name, parameter) in template.parameters() {
        let has = |key: &str| !parameter[key].is_null();
        let bounded = has("AllowedValues")
            || match parameter["Type"].as_str() {
                Some("Number") => has("MinValue") && has("MaxValue"),
                _ => has("AllowedPattern") && has("ConstraintDescription"),
            };
        if !bounded {
            let wanted = "the parameter has AllowedValues, or MinValue and MaxValue, or AllowedPattern and ConstraintDescription";
            found.push(template.says(&name, wanted));
        }
    }
    found
}

pub(crate) fn table_is_encrypted_recoverable_and_kept(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    for table in template.of_kind("AWS::DynamoDB::Table") {
        // Without a specification the key is DynamoDB's own; `SSEEnabled: false` would say the same, and read as the
        // contrary.
        if alternatives(table.property("SSESpecification")).iter().any(|key| key["SSEEnabled"] != Value::Bool(true)) {
            found.push(template.says(table.name, "SSESpecification is left out, or SSEEnabled is true"));
        }
        if table.property("PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled") != &Value::Bool(true) {
            found
                .push(template.says(table.name, "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled is true"));
        }
        if table.property("BillingMode") != "PAY_PER_REQUEST" {
            found.push(template.says(table.name, "BillingMode is PAY_PER_REQUEST"));
        }
        if !table.body["DeletionPolicy"].as_str().is_some_and(|policy| policy.starts_with("Retain")) {
            found.push(template.says(table.name, "DeletionPolicy is Retain or RetainExceptOnCreate"));
        }
        if table.body["UpdateReplacePolicy"] != "Retain" {
            found.push(template.says(table.name, "UpdateReplacePolicy is Retain"));
        }
        if !alternatives(table.property("DeletionProtectionEnabled")).contains(&&Value::Bool(true)) {
            found.push(template.says(table.name, "DeletionProtectionEnabled is true once the stage stands"));
        }
    }
    found
}

pub(crate) fn alarm_tells_somebody_what_it_means(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    for alarm in template.of_kind("AWS::CloudWatch::Alarm") {
        if alternatives(alarm.property("AlarmActions")).is_empty() {
            found.push(template.says(alarm.name, "AlarmActions names a topic"));
        }
        if alarm.property("AlarmDescription").is_null() {
            found.push(template.says(alarm.name, "has an AlarmDescription"));
        }
        if alarm.property("TreatMissingData").is_null() {
            found.push(template.says(alarm.name, "says how to TreatMissingData"));
        }
    }
    found
}

/// The runbook names an alarm as it is, or with `<function>`, `<table>` or `<queue>` for all that are looked at alike.
pub(crate) fn alarm_stands_in_the_runbook(template: &Template, runbook: &str) -> Vec<String> {
    let functions = template.of_kind("AWS::Serverless::Function");
    let functions = functions.iter().filter_map(|function| text(function.property("FunctionName"))?.rsplit('-').next());
    let tables = template.of_kind("AWS::DynamoDB::Table");
    let tables = tables.iter().filter_map(|table| text(table.property("TableName"))?.rsplit('-').next());
    // The queues that we work off, so that the same helps each of them. What lies in `out` is the tenant's to read.
    let worked_off = QueueRole::ALL.into_iter().filter(|role| *role != QueueRole::Out).map(QueueRole::as_str);
    let general: Vec<_> = functions
        .map(|word| (word, "<function>"))
        .chain(tables.map(|word| (word, "<table>")))
        .chain(worked_off.map(|word| (word, "<queue>")))
        .collect();
    let mut found = Vec::new();
    for alarm in template.of_kind("AWS::CloudWatch::Alarm") {
        let name = text(alarm.property("AlarmName")).unwrap_or_default();
        let placeholders = [("${Stage}", "<stage>"), ("${TenantId}", "<tenant>"), ("${Source}", "<source>")];
        let name = placeholders.iter().fold(name.to_owned(), |name, (parameter, word)| name.replace(parameter, word));
        let names = general.iter().map(|(word, any)| name.replace(&format!("-{word}-"), &format!("-{any}-")));
        if !names.chain([name.clone()]).any(|name| runbook.contains(&format!("| `{name}`"))) {
            found.push(template.says(alarm.name, &format!("docs/RUNBOOK.md has a row that begins with `{name}`")));
        }
    }
    found
}
