//! The rule of versions: callers invoke an alias, an alias follows a version, and `CloudFormation` makes another one
//! where its description changes.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::document::Template;
use crate::function::FUNCTION;

/// What a version does not hold, or what makes another function altogether.
const BESIDE_THE_VERSION: [&str; 7] =
    ["Description", "VersionDescription", "FunctionName", "Role", "Tags", "Events", "ReservedConcurrentExecutions"];

/// Every name in a value: of `!Ref`, in the text of `!Sub`, and of a condition.
fn names(value: &Value) -> BTreeSet<String> {
    match value {
        Value::String(text) => text
            .split("${")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('}')?.0.split('.').next()?.to_owned()))
            .collect(),
        Value::Array(items) => items.iter().flat_map(names).collect(),
        Value::Object(entries) => {
            let own = ["Ref", "Condition"].iter().filter_map(|key| Some(entries.get(*key)?.as_str()?.to_owned()));
            let decided = entries.get("Fn::If").and_then(|parts| Some(parts.get(0)?.as_str()?.to_owned()));
            own.chain(decided).chain(entries.values().flat_map(names)).collect()
        }
        _ => BTreeSet::new(),
    }
}

/// Returns the parameters in a value, including the parameters that decide its conditions.
fn parameters(template: &Template, value: &Value) -> BTreeSet<String> {
    let known = template.parameters();
    let conditions = &template.body["Conditions"];
    let found = names(value);
    let decide = found.iter().flat_map(|name| names(&conditions[name])).collect::<BTreeSet<_>>();
    found.into_iter().chain(decide).filter(|name| known.contains_key(name)).collect()
}

/// The stage needs not be said: it is in the function's name, so that another stage has other functions.
pub(crate) fn version_says_what_reaches_its_function(template: &Template) -> Vec<String> {
    let everywhere = template.body.pointer("/Globals/Function").unwrap_or(&Value::Null);
    let mut found = Vec::new();
    for function in template.of_kind(FUNCTION) {
        let of_both = [everywhere, &function.body["Properties"]];
        let parts = of_both.iter().filter_map(|part| part.as_object()).flatten();
        let reaching: BTreeSet<String> = parts
            .filter(|(key, _)| !BESIDE_THE_VERSION.contains(&key.as_str()))
            .flat_map(|(_, value)| parameters(template, value))
            .filter(|name| name != "Stage")
            .collect();
        for path in ["Description", "VersionDescription"] {
            let said = parameters(template, function.property(path));
            let forgotten = reaching.difference(&said);
            found.extend(forgotten.map(|name| template.says(function.name, &format!("{path} has ${{{name}}}"))));
        }
    }
    found
}

const DESCRIBED: &str = r#"
Parameters: { Stage: {}, Level: {}, Rate: {}, Link: {} }
Conditions: { HasLink: !Not [!Equals [!Ref Link, ""]] }
Globals: { Function: { LoggingConfig: { Level: !Ref Level }, Tags: { stage: !Ref Stage } } }
Resources:
  One:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub x-${Stage}
      Description: !Sub ["${Level} ${Rate} ${Links}", { Links: !If [HasLink, !Ref Link, none] }]
      VersionDescription: !Sub ["${Level} ${Rate} ${Links}", { Links: !If [HasLink, !Ref Link, none] }]
      Environment: { Variables: { RATE: !Ref Rate, STAGE: !Ref Stage, LINK: !If [HasLink, yes, no] } }
"#;

#[test]
fn a_parameter_that_a_version_forgets_is_found() {
    let found = |text: &str| version_says_what_reaches_its_function(&Template::parse("t", text));
    assert_eq!(found(DESCRIBED), Vec::<String>::new());
    assert_eq!(found(&DESCRIBED.replacen("${Rate}", "", 1)), ["t: One: Description has ${Rate}"]);
    assert_eq!(found(&DESCRIBED.replacen("VersionDescription", "Other", 1)).len(), 3);
    assert_eq!(found(&DESCRIBED.replace("${Level} ", "")).len(), 2, "from Globals");
    let unlinked = DESCRIBED.replace("Links: !If [HasLink, !Ref Link, none]", "Links: none");
    assert_eq!(found(&unlinked).len(), 2, "by its condition alone");
}
