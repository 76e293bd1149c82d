//! Rules of functions: roles, permissions, logs, traces and alarms.

use serde_json::Value;

use crate::document::{Resource, Template, alternatives, reference, target, text};

pub(crate) const FUNCTION: &str = "AWS::Serverless::Function";
const ROLE: &str = "AWS::IAM::Role";
const MANAGED: &str = "AWS::IAM::ManagedPolicy";

/// Actions that know no resource, so that `*` is all there is (Service Authorization Reference); and those of EC2 that
/// Lambda calls by a function's role for its place in a VPC, and wants for all interfaces
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions>).
const WITHOUT_RESOURCE: &[&str] = &[
    "cloudformation:DescribeStacks",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
    "lambda:GetAccountSettings",
    "lambda:ListEventSourceMappings",
    "ses:GetAccount",
    "sqs:ListQueues",
    "ssm:DescribeParameters",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
];

/// A property of the function, or else what Globals says for all of them.
pub(crate) fn setting<'a>(template: &'a Template, function: &Resource<'a>, path: &str) -> &'a Value {
    let own = function.property(path);
    if !own.is_null() {
        return own;
    }
    template.body.pointer(&format!("/Globals/Function/{path}")).unwrap_or(&Value::Null)
}

fn role<'a>(template: &'a Template, function: &Resource<'a>) -> Option<Resource<'a>> {
    let name = target(function.property("Role"))?;
    template.resource(name).filter(|resource| resource.kind == ROLE)
}

/// Returns the resources that say what a principal may do: roles, with their own policies, and managed policies.
fn grants(template: &Template) -> Vec<Resource<'_>> {
    template.resources().into_iter().filter(|resource| [ROLE, MANAGED].contains(&resource.kind)).collect()
}

/// Every statement of a role's own policies, or of a managed policy, that allows something.
pub(crate) fn allowances<'a>(grant: &Resource<'a>) -> Vec<&'a Value> {
    let policies = alternatives(grant.property("Policies"));
    let documents = policies.into_iter().filter_map(|policy| policy.pointer("/PolicyDocument"));
    let statements =
        documents.chain([grant.property("PolicyDocument")]).filter_map(|document| document.get("Statement"));
    statements.flat_map(alternatives).filter(|statement| statement["Effect"] == "Allow").collect()
}

pub(crate) fn actions(statement: &Value) -> Vec<&str> {
    alternatives(&statement["Action"]).into_iter().filter_map(Value::as_str).collect()
}

/// The function that is called `acequia-<stage>-<name>`.
pub(crate) fn named<'a>(template: &'a Template, name: &str) -> Option<Resource<'a>> {
    let functions = template.of_kind(FUNCTION).into_iter();
    let mut found = functions.filter(|function| {
        text(function.property("FunctionName")).and_then(|name| name.rsplit_once('-')).map(|(_, name)| name)
            == Some(name)
    });
    found.next()
}

/// Whether the function's role allows the action on exactly this ARN (or pattern of ARNs).
pub(crate) fn may(template: &Template, function: &Resource<'_>, action: &str, arn: &str) -> bool {
    let statements = role(template, function).map(|role| allowances(&role)).unwrap_or_default();
    statements.into_iter().any(|statement| {
        actions(statement).contains(&action)
            && alternatives(&statement["Resource"]).into_iter().any(|resource| text(resource) == Some(arn))
    })
}

pub(crate) fn function_has_a_role_of_its_own(template: &Template) -> Vec<String> {
    let functions = template.of_kind(FUNCTION);
    let mut found = Vec::new();
    for function in &functions {
        match role(template, function) {
            None => found.push(template.says(function.name, "Role is !GetAtt of a role of this template")),
            Some(own) => {
                let users = functions.iter().filter(|other| target(other.property("Role")) == Some(own.name)).count();
                if users > 1 {
                    found.push(
                        template
                            .says(function.name, &format!("shares {}; each function has a role of its own", own.name)),
                    );
                }
            }
        }
    }
    found
}

pub(crate) fn policy_names_its_actions(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    for role in grants(template) {
        if !role.property("ManagedPolicyArns").is_null() {
            found.push(template.says(role.name, "has no managed policies; its own say what it may do"));
        }
        for statement in allowances(&role) {
            let wild = actions(statement).into_iter().filter(|action| action.contains('*'));
            found
                .extend(wild.map(|action| template.says(role.name, &format!("names its actions instead of {action}"))));
            if !statement["NotAction"].is_null() || !statement["NotResource"].is_null() {
                found.push(template.says(role.name, "says what is allowed, not what is not"));
            }
        }
    }
    found
}

pub(crate) fn policy_names_its_resources(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    for role in grants(template) {
        for statement in allowances(&role) {
            let everything = alternatives(&statement["Resource"]).iter().any(|value| text(value) == Some("*"));
            let named = actions(statement).into_iter().filter(|action| !WITHOUT_RESOURCE.contains(action));
            if everything {
                found.extend(
                    named.map(|action| template.says(role.name, &format!("names the resources of {action}, not *"))),
                );
            }
        }
    }
    found
}

pub(crate) fn policy_stays_in_its_stage(template: &Template) -> Vec<String> {
    let services = ["arn:${AWS::Partition}:sqs:", "arn:${AWS::Partition}:ssm:", "arn:${AWS::Partition}:dynamodb:"];
    let mut found = Vec::new();
    for role in grants(template) {
        for resource in allowances(&role).into_iter().flat_map(|statement| alternatives(&statement["Resource"])) {
            let Some(arn) = text(resource) else { continue };
            // A setting of the account belongs to no stage.
            let is_staged =
                services.iter().any(|service| arn.starts_with(service)) && !arn.contains(":servicesetting/");
            if is_staged && !arn.contains("${Stage}") {
                found.push(template.says(role.name, &format!("has ${{Stage}} in {arn}")));
            }
        }
    }
    found
}

fn log_group<'a>(template: &'a Template, function: &Resource<'a>) -> Option<Resource<'a>> {
    target(function.property("LoggingConfig/LogGroup")).and_then(|name| template.resource(name))
}

pub(crate) fn function_keeps_its_logs_for_a_set_time(template: &Template) -> Vec<String> {
    let functions = template.of_kind(FUNCTION);
    let endless = functions.iter().filter(|function| {
        log_group(template, function).is_none_or(|group| group.property("RetentionInDays").is_null())
    });
    endless
        .map(|function| template.says(function.name, "LoggingConfig.LogGroup is a log group with RetentionInDays"))
        .collect()
}

pub(crate) fn function_logs_to_its_own_group_only(template: &Template) -> Vec<String> {
    let mut found = Vec::new();
    for function in template.of_kind(FUNCTION) {
        let group = log_group(template, &function).map(|group| group.name);
        let statements = role(template, &function).map(|role| allowances(&role)).unwrap_or_default();
        let logging = statements
            .into_iter()
            .filter(|statement| actions(statement).iter().any(|action| action.starts_with("logs:")));
        for resource in logging.flat_map(|statement| alternatives(&statement["Resource"])) {
            if group.is_none() || target(resource) != group {
                found.push(template.says(function.name, "its role logs to the function's own group only"));
            }
        }
    }
    found
}

pub(crate) fn function_logs_json(template: &Template) -> Vec<String> {
    let functions = template.of_kind(FUNCTION);
    let plain = functions.iter().filter(|function| {
        setting(template, function, "LoggingConfig/LogFormat") != "JSON"
            && template.body.pointer("/Globals/Function/LoggingConfig/LogFormat").is_none_or(|format| format != "JSON")
    });
    plain.map(|function| template.says(function.name, "LoggingConfig.LogFormat is JSON")).collect()
}

/// Traces cost money and are useful only to a reader: whether there are any is the operator's choice, in one place.
pub(crate) fn function_is_traced_by_choice(template: &Template) -> Vec<String> {
    let parameters = template.parameters();
    let functions = template.of_kind(FUNCTION);
    let fixed = functions.iter().filter(|function| {
        let choice = reference(setting(template, function, "Tracing")).and_then(|name| parameters.get(name));
        !choice.is_some_and(|choice| alternatives(&choice["AllowedValues"]).contains(&&Value::from("Active")))
    });
    fixed.map(|function| template.says(function.name, "Tracing is a parameter that can be Active")).collect()
}

pub(crate) fn function_is_called_by_an_alias_that_tenants_can_find(template: &Template) -> Vec<String> {
    let parameters = template.of_kind("AWS::SSM::Parameter");
    let mut found = Vec::new();
    for function in template.of_kind(FUNCTION) {
        let name =
            text(function.property("FunctionName")).and_then(|name| name.rsplit_once('-')).map_or("", |(_, name)| name);
        let path = format!("/acequia/${{Stage}}/function/{name}");
        let published = parameters.iter().any(|parameter| {
            text(parameter.property("Name")) == Some(&path)
                && reference(parameter.property("Value")) == Some(&format!("{}.Alias", function.name))
        });
        if !published {
            found.push(
                template.says(function.name, &format!("the SSM parameter {path} holds !Ref {}.Alias", function.name)),
            );
        }
        if setting(template, &function, "AutoPublishAlias").is_null() {
            found.push(template.says(function.name, "AutoPublishAlias is set"));
        }
    }
    found
}

/// Which secrets each function may read, by their purpose, and which may read what tenants' stacks allow: these and no
/// others.
const PARAMETERS: [(&str, &[&str]); 9] = [
    ("ingest", &["jwt-issuer"]),
    ("webhook", &["tenant/*/header/*", "tenant/*/webhook/*"]),
    ("email", &["grants/*", "tenant/*/link/*", "tenant/*/personal/*"]),
    ("table", &["grants/*", "tenant/*/database/*"]),
    ("forward", &["grants/*"]),
    ("eventbridge", &["grants/*"]),
    ("outbox", &["tenant/*/link/*"]),
    ("confirm", &["tenant/*/link/*"]),
    ("kafka", &["kafka/*"]),
];

pub(crate) fn function_reads_the_parameters_of_its_own_purposes_only(template: &Template) -> Vec<String> {
    let prefix = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/acequia/${Stage}/";
    let mut found = Vec::new();
    for function in template.of_kind(FUNCTION) {
        let name =
            text(function.property("FunctionName")).and_then(|name| name.rsplit_once('-')).map_or("", |(_, name)| name);
        let wanted = PARAMETERS.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, paths)| *paths);
        let statements = role(template, &function).map(|role| allowances(&role)).unwrap_or_default();
        let reading = statements
            .into_iter()
            .filter(|statement| actions(statement).iter().any(|action| action.starts_with("ssm:")));
        let mut paths = Vec::new();
        for statement in reading {
            if actions(statement) != ["ssm:GetParameter"] {
                found.push(template.says(function.name, "reads single parameters, and does nothing else to them"));
            }
            let resources = alternatives(&statement["Resource"]);
            paths.extend(
                resources.into_iter().map(|arn| text(arn).and_then(|arn| arn.strip_prefix(prefix)).unwrap_or("?")),
            );
        }
        paths.sort_unstable();
        if paths != wanted {
            found.push(template.says(function.name, &format!("may read the parameters {wanted:?}, and has {paths:?}")));
        }
    }
    found
}

/// A function that receives messages and claims deliveries in the ledger is a sink's.
pub(crate) fn sink_has_an_alarm_on_unrecorded_deliveries(template: &Template) -> Vec<String> {
    let alarms = template.of_kind("AWS::CloudWatch::Alarm");
    let mut found = Vec::new();
    for function in template.of_kind(FUNCTION) {
        let claims = role(template, &function).is_some_and(|role| {
            let may = |wanted: &str| allowances(&role).into_iter().flat_map(actions).any(|action| action == wanted);
            may("dynamodb:PartiQLInsert") && may("sqs:ReceiveMessage")
        });
        let name =
            text(function.property("FunctionName")).and_then(|name| name.rsplit_once('-')).map_or("", |(_, name)| name);
        let watched = alarms.iter().any(|alarm| {
            let dimensions = alternatives(alarm.property("Dimensions"));
            alarm.property("Namespace") == "Acequia"
                && alarm.property("MetricName") == "delivered_unrecorded"
                && dimensions.iter().any(|value| value["Name"] == "function" && value["Value"] == name)
        });
        if claims && !watched {
            found.push(template.says(function.name, "an alarm watches delivered_unrecorded"));
        }
    }
    found
}

pub(crate) fn function_has_alarms_on_errors_and_throttles(template: &Template) -> Vec<String> {
    let alarms = template.of_kind("AWS::CloudWatch::Alarm");
    let mut found = Vec::new();
    for function in template.of_kind(FUNCTION) {
        for metric in ["Errors", "Throttles"] {
            let watched = alarms.iter().any(|alarm| {
                let dimensions = alternatives(alarm.property("Dimensions"));
                alarm.property("MetricName") == metric
                    && dimensions.iter().any(|value| target(&value["Value"]) == Some(function.name))
            });
            if !watched {
                found.push(template.says(function.name, &format!("an alarm watches {metric}")));
            }
        }
    }
    found
}
