//! The JSON Schema of a tenant's file, for editors and other checkers: made from the types that read it, their doc
//! comments and their bounds.
//!
//! It is of draft 7, without references, since that is what the language servers of TOML take (taplo ignores what
//! stands beside a `$ref`, <https://taplo.tamasfe.dev/configuration/developing-schemas.html>).
//!
//! Not guaranteed: that what fits the schema is valid. What fields say together, durations and their bounds, templates
//! and patterns are checked by [`Tenant::validate`](super::Tenant::validate) alone. What is valid does fit.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use serde_json::{Map, Value as Json};

use super::raw::RawTenant;

/// The JSON Schema of a tenant's file.
///
/// Two keys are our own: `x-type`, what the reference calls a field's type where JSON's own type says too little, and
/// `x-bounds`, bounds that JSON Schema cannot say. `x-taplo` has the meaning of each value of a list.
pub fn tenant_schema() -> Json {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<RawTenant>();
    RecursiveTransform(|schema: &mut schemars::Schema| {
        if let Some(object) = schema.as_object_mut() {
            simplify(object);
        }
    })
    .transform(&mut schema);
    schema.insert("title".to_owned(), Json::from("A tenant of Acequia"));
    schema.to_value()
}

/// Says what TOML can say (it has no null), as editors show it best.
fn simplify(schema: &mut Map<String, Json>) {
    // The width of Rust's numbers is no concern of an editor's.
    schema.remove("format");
    if let Some(Json::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    list_values(schema);
    require(schema);
    let bounds = schema.get("x-bounds").and_then(Json::as_str).map(|bounds| format!(" Bounds: {bounds}."));
    if let Some(Json::String(description)) = schema.get_mut("description") {
        *description =
            description.split_whitespace().collect::<Vec<_>>().join(" ") + bounds.as_deref().unwrap_or_default();
    }
}

/// Names the properties that must be there though their type in Rust lets them be absent: validation says so, of all of
/// them together.
fn require(schema: &mut Map<String, Json>) {
    let properties = schema.get_mut("properties").and_then(Json::as_object_mut);
    let required = |(name, property): (&String, &mut Json)| {
        let property = property.as_object_mut()?;
        property.remove("x-required")?;
        property.remove("default");
        Some(Json::from(name.as_str()))
    };
    let required: Vec<Json> = properties.into_iter().flatten().filter_map(required).collect();
    if !required.is_empty()
        && let Json::Array(names) = schema.entry("required").or_insert_with(|| Json::Array(Vec::new()))
    {
        names.extend(required);
    }
}

/// Makes a list of the values of which each has a description of its own.
fn list_values(schema: &mut Map<String, Json>) {
    let Some(Json::Array(choices)) = schema.get("oneOf") else { return };
    let values: Option<Vec<Json>> = choices.iter().map(|choice| choice.get("const").cloned()).collect();
    let Some(values) = values else { return };
    let meanings: Vec<Json> =
        choices.iter().map(|choice| choice.get("description").cloned().unwrap_or_default()).collect();
    schema.remove("oneOf");
    schema.insert("type".to_owned(), Json::from("string"));
    schema.insert("enum".to_owned(), Json::Array(values));
    schema.insert("x-taplo".to_owned(), serde_json::json!({ "docs": { "enumValues": meanings } }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property(path: &[&str]) -> Json {
        let mut schema = tenant_schema();
        for name in path {
            schema = schema["properties"][*name].take();
        }
        schema
    }

    #[test]
    fn a_list_of_values_has_the_meaning_of_each() {
        let record = property(&["record"]);
        assert_eq!(record["enum"], serde_json::json!(["all", "failures"]));
        let meanings = record["x-taplo"]["docs"]["enumValues"].as_array().unwrap();
        assert!(meanings.len() == 2 && meanings[1].as_str().unwrap().contains("cheap"), "{meanings:?}");
        assert_eq!(record["default"], "all");
    }

    #[test]
    fn every_kind_of_sinks_has_a_shape_with_the_fields_of_all_and_its_own() {
        let sinks = property(&["sinks"]);
        let shapes = sinks["items"]["oneOf"].as_array().unwrap();
        assert_eq!(shapes.len(), crate::kind::SinkKind::ALL.len());
        for (shape, own) in shapes.iter().zip(["url", "from", "queue"]) {
            assert!(shape["properties"].get(own).is_some() && shape["properties"].get("types").is_some(), "{shape}");
            assert_eq!(shape["additionalProperties"], false);
            assert_eq!(shape["properties"]["kind"]["enum"].as_array().unwrap().len(), 1);
        }
        assert!(shapes[1]["properties"].get("url").is_none());
        assert!(shapes[0]["required"].as_array().unwrap().contains(&"url".into()));
    }

    #[test]
    fn bounds_and_defaults_are_those_of_the_code() {
        let consent = property(&["consent", "valid_for"]);
        assert_eq!((&consent["default"], &consent["x-bounds"]), (&"30d".into(), &"1h to 366d".into()));
        assert_eq!(property(&["consent", "asks_per_day"])["maximum"], 1000);
    }
}
