//! A `CloudFormation` template as data: YAML with its short tags, read into the long JSON form.

use std::collections::BTreeSet;

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// One template, with the name to show in what is found.
pub(crate) struct Template {
    pub(crate) file: String,
    pub(crate) body: Value,
}

/// One resource of a template.
#[derive(Clone, Copy)]
pub(crate) struct Resource<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) body: &'a Value,
}

impl Template {
    /// Reads a template's text.
    pub(crate) fn parse(file: &str, text: &str) -> Self {
        let documents = Yaml::load_from_str(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let body = documents.first().map(plain).unwrap_or_default();
        Self { file: file.to_owned(), body }
    }

    pub(crate) fn resources(&self) -> Vec<Resource<'_>> {
        let resources = self.body.get("Resources").and_then(Value::as_object);
        let named = resources.into_iter().flatten();
        named.map(|(name, body)| Resource { name, kind: body["Type"].as_str().unwrap_or_default(), body }).collect()
    }

    pub(crate) fn of_kind(&self, kind: &str) -> Vec<Resource<'_>> {
        self.resources().into_iter().filter(|resource| resource.kind == kind).collect()
    }

    pub(crate) fn resource(&self, name: &str) -> Option<Resource<'_>> {
        self.resources().into_iter().find(|resource| resource.name == name)
    }

    pub(crate) fn parameters(&self) -> Map<String, Value> {
        self.body.get("Parameters").and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// What a rule says when this resource breaks it.
    pub(crate) fn says(&self, name: &str, wanted: &str) -> String {
        format!("{}: {name}: {wanted}", self.file)
    }

    /// The largest number that a property can have: its own, or its parameter's largest.
    pub(crate) fn largest(&self, value: &Value) -> Option<i64> {
        match reference(value) {
            Some(parameter) => self.parameters().get(parameter)?.get("MaxValue")?.as_i64(),
            None => value.as_i64(),
        }
    }
}

impl<'a> Resource<'a> {
    /// A property by its path, like `ScalingConfig/MaximumConcurrency`; null if it is missing.
    pub(crate) fn property(&self, path: &str) -> &'a Value {
        self.body.pointer(&format!("/Properties/{path}")).unwrap_or(&Value::Null)
    }
}

/// Writes YAML as JSON, with `!Ref x` as `{"Ref": "x"}` and `!Sub x` as `{"Fn::Sub": "x"}`.
fn plain(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(value) => json!(value),
            Scalar::Integer(value) => json!(value),
            Scalar::FloatingPoint(value) => json!(value.into_inner()),
            Scalar::String(value) => json!(value),
        },
        Yaml::Representation(text, ..) => json!(text),
        Yaml::Sequence(items) => items.iter().map(plain).collect(),
        Yaml::Mapping(entries) => entries.iter().map(|(key, value)| (word(key), plain(value))).collect(),
        Yaml::Tagged(tag, inner) => tagged(&tag.suffix, plain(inner)),
        Yaml::Alias(_) | Yaml::BadValue => Value::Null,
    }
}

fn word(key: &Yaml<'_>) -> String {
    match plain(key) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn tagged(tag: &str, value: Value) -> Value {
    let name = match tag {
        "Ref" | "Condition" => tag.to_owned(),
        _ => format!("Fn::{tag}"),
    };
    let value = match (tag, value) {
        ("GetAtt", Value::String(path)) => json!(path.splitn(2, '.').collect::<Vec<_>>()),
        (_, value) => value,
    };
    json!({ name: value })
}

/// The name in `!Ref name`.
pub(crate) fn reference(value: &Value) -> Option<&str> {
    value.get("Ref")?.as_str()
}

/// The resource in `!GetAtt resource.attribute` or `!Ref resource`.
pub(crate) fn target(value: &Value) -> Option<&str> {
    value.pointer("/Fn::GetAtt/0").and_then(Value::as_str).or_else(|| reference(value))
}

/// The text of a string or of a `!Sub`.
pub(crate) fn text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("Fn::Sub")?.as_str())
}

/// The values that a property can have: both branches of every `!If`, lists opened, `AWS::NoValue` left out.
pub(crate) fn alternatives(value: &Value) -> Vec<&Value> {
    if let Some(branches) = value.get("Fn::If").and_then(Value::as_array) {
        return branches.iter().skip(1).flat_map(alternatives).collect();
    }
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().flat_map(alternatives).collect(),
        other if reference(other) == Some("AWS::NoValue") => Vec::new(),
        other => vec![other],
    }
}

/// Every resource and parameter that is referred to anywhere in a value.
pub(crate) fn references(value: &Value) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = target(value).map(str::to_owned).into_iter().collect();
    match value {
        Value::Array(items) => found.extend(items.iter().flat_map(references)),
        Value::Object(entries) => found.extend(entries.values().flat_map(references)),
        _ => {}
    }
    found
}

/// The value of a tag, in a list of keys and values or in a map.
pub(crate) fn tag<'a>(resource: &Resource<'a>, name: &str) -> Option<&'a Value> {
    let tags = resource.property("Tags");
    match tags.as_array() {
        Some(pairs) => pairs.iter().find(|pair| pair["Key"] == name).map(|pair| &pair["Value"]),
        None => tags.get(name),
    }
}
