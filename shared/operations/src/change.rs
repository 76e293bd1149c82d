//! What differs between two versions of a configuration, field by field, for people to read before they apply it.
//!
//! Values of headers never show. Texts of several lines, such as templates, are named and not repeated.

use std::collections::BTreeMap;

use acequia_core::tenant::RawTenant;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

/// In place of what must not show.
pub const HIDDEN: &str = "(hidden)";

/// The longest value that is shown in a change.
const SHORT: usize = 80;

/// One difference: the field's path with the sink's id in it, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The field, such as `sinks.crm.url`.
    pub path: String,
    what: String,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

/// As it is told: `sinks.crm.url: "https://a.example/" -> "https://b.example/"`.
impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// All differences between `old` (`None` for a new tenant) and `new`, by path.
pub fn between(old: Option<&RawTenant>, new: &RawTenant) -> Vec<Change> {
    let (before, after) = (old.map(fields).unwrap_or_default(), fields(new));
    let mut changes = Vec::new();
    for path in before.keys().chain(after.keys().filter(|path| !before.contains_key(*path))) {
        let what = match (before.get(path), after.get(path)) {
            (Some(old), Some(new)) if old == new => continue,
            (Some(old), Some(new)) => match (shown(path, old), shown(path, new)) {
                (Some(old), Some(new)) => format!("{old} -> {new}"),
                _ => "changed".to_owned(),
            },
            (Some(_), None) => "removed".to_owned(),
            (None, Some(new)) => shown(path, new).map_or_else(|| "added".to_owned(), |new| format!("added: {new}")),
            (None, None) => continue,
        };
        changes.push(Change { path: path.clone(), what });
    }
    changes.sort_by(|one, other| one.path.cmp(&other.path));
    let order = |raw: &RawTenant| raw.sinks.iter().map(|sink| sink.id.clone()).collect::<Vec<_>>();
    if let Some(old) = old
        && changes.is_empty()
        && order(old) != order(new)
    {
        changes.push(Change { path: "sinks".to_owned(), what: "in another order".to_owned() });
    }
    changes
}

/// The document as JSON, with the values of headers hidden.
pub fn redacted(raw: &RawTenant) -> Json {
    let mut document = serde_json::to_value(raw).unwrap_or_default();
    let sinks = document.get_mut("sinks").and_then(Json::as_array_mut);
    for sink in sinks.into_iter().flatten() {
        let headers = sink.get_mut("headers").and_then(Json::as_object_mut);
        for value in headers.into_iter().flat_map(|headers| headers.values_mut()).filter(|value| value.is_string()) {
            *value = Json::from(HIDDEN);
        }
    }
    document
}

/// Every field with its path. Sinks go by their ids, so that one that moved did not change.
fn fields(raw: &RawTenant) -> BTreeMap<String, Json> {
    let mut fields = BTreeMap::new();
    let document = serde_json::to_value(raw).unwrap_or_default();
    for (name, value) in document.as_object().into_iter().flatten().filter(|(name, _)| *name != "sinks") {
        if name == "auth" {
            // Who may send is told in full, field by field.
            spread(name, value, &mut fields);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
    let sinks = document.get("sinks").and_then(Json::as_array);
    for (sink, raw) in sinks.into_iter().flatten().zip(&raw.sinks) {
        for (name, value) in sink.as_object().into_iter().flatten().filter(|(name, _)| *name != "id") {
            let path = format!("sinks.{}.{name}", raw.id);
            match value.as_object().filter(|_| name == "headers") {
                Some(headers) => {
                    fields.extend(headers.iter().map(|(key, value)| (format!("{path}.{key}"), value.clone())));
                }
                None => _ = fields.insert(path, value.clone()),
            }
        }
    }
    fields
}

/// Each value within a value, with its path.
fn spread(path: &str, value: &Json, fields: &mut BTreeMap<String, Json>) {
    match value {
        Json::Object(table) => {
            table.iter().for_each(|(name, value)| spread(&format!("{path}.{name}"), value, fields));
        }
        Json::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| spread(&format!("{path}[{index}]"), value, fields));
        }
        value => _ = fields.insert(path.to_owned(), value.clone()),
    }
}

/// How a value shows; `None` where it does not.
fn shown(path: &str, value: &Json) -> Option<String> {
    // A reference to a secret is a name and may show.
    if path.contains(".headers.") && value.is_string() {
        return None;
    }
    let text = value.to_string();
    (text.len() <= SHORT && !text.contains("\\n")).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(header: &str, url: &str, text: &str) -> RawTenant {
        let document = serde_json::json!({"tenant": "acme", "name": "Acme", "sinks": [
            {"id": "crm", "kind": "webhook", "types": ["*"], "url": url, "headers": {"x-key": header}},
            {"id": "mail", "kind": "email", "types": ["*"], "text": text},
        ]});
        RawTenant::from_value(document).unwrap()
    }

    fn texts(old: Option<&RawTenant>, new: &RawTenant) -> Vec<String> {
        between(old, new).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn changes_are_told_field_by_field_without_values_of_headers_or_long_texts() {
        let old = raw("s3cret-old", "https://a.example/", "one\ntwo");
        let new = raw("s3cret-new", "https://b.example/", "one\nthree");
        let changes = texts(Some(&old), &new);
        assert_eq!(
            changes,
            [
                "sinks.crm.headers.x-key: changed",
                "sinks.crm.url: \"https://a.example/\" -> \"https://b.example/\"",
                "sinks.mail.text: changed",
            ]
        );
    }

    #[test]
    fn a_new_tenant_has_everything_added_and_still_no_value_of_a_header() {
        let changes = texts(None, &raw("s3cret", "https://a.example/", "x"));
        assert!(changes.contains(&"sinks.crm.headers.x-key: added".to_owned()), "{changes:?}");
        assert!(!changes.concat().contains("s3cret"));
    }

    #[test]
    fn who_may_send_is_told_field_by_field() {
        let with = |audience: &str| {
            let key =
                serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
            let issuer = serde_json::json!({"issuer": "https://id.example/", "audience": audience, "keys": [key]});
            let mut document = serde_json::to_value(raw("h", "https://a.example/", "x")).unwrap();
            document["auth"] = serde_json::json!({"jwt": [issuer]});
            RawTenant::from_value(document).unwrap()
        };
        let changes = texts(Some(&with("acme")), &with("urn:acme"));
        assert_eq!(changes, [r#"auth.jwt[0].audience: "acme" -> "urn:acme""#]);
        let added = texts(Some(&raw("h", "https://a.example/", "x")), &with("acme"));
        assert!(added.contains(&r#"auth.jwt[0].issuer: added: "https://id.example/""#.to_owned()), "{added:?}");
        assert!(added.iter().any(|change| change.starts_with("auth.jwt[0].keys[0].x: added")), "{added:?}");
    }

    #[test]
    fn sinks_that_changed_places_are_only_in_another_order() {
        let old = raw("h", "https://a.example/", "x");
        let mut new = old.clone();
        new.sinks.reverse();
        assert_eq!(texts(Some(&old), &new), ["sinks: in another order"]);
        assert_eq!(texts(Some(&old), &old), [""; 0]);
    }

    #[test]
    fn what_is_shown_of_a_document_has_no_value_of_a_header() {
        let shown = redacted(&raw("s3cret", "https://a.example/", "x")).to_string();
        assert!(shown.contains(HIDDEN) && !shown.contains("s3cret"), "{shown}");
    }
}
