//! Schemas of events in files beside the tenant's file: the configuration stores what they hold.

use std::path::Path;

use acequia_core::event::schema::MAX_SCHEMA_BYTES;
use acequia_core::tenant::Issue;
use serde_json::{Map, Value as Json};

use crate::beside;

/// Puts, in the document, what a file holds in place of its name; answers what is wrong with that.
pub(crate) fn resolve(document: &mut Json, folder: Option<&Path>) -> Vec<Issue> {
    let schemas = document.get_mut("schemas").and_then(Json::as_object_mut);
    let mut issues = Vec::new();
    for (types, one) in schemas.into_iter().flatten() {
        let Some(fields) = one.as_object_mut() else { continue };
        if let Err((field, problem)) = resolve_one(fields, folder) {
            issues.push(Issue { path: format!("schemas.{types}{field}"), problem, line_in_value: None });
        }
    }
    issues
}

/// Which field is wrong, and how.
type Wrong = (&'static str, String);

fn resolve_one(fields: &mut Map<String, Json>, folder: Option<&Path>) -> Result<(), Wrong> {
    match (fields.remove("file"), fields.contains_key("schema")) {
        (Some(_), true) => Err((".file", "schema stands beside it: leave one of the two out".to_owned())),
        (Some(name), false) => {
            let text = beside::read(&name, folder, MAX_SCHEMA_BYTES).map_err(|problem| (".file", problem))?;
            fields.insert("schema".to_owned(), Json::from(text));
            Ok(())
        }
        (None, true) => Ok(()),
        (None, false) => Err(("", "it has no schema: give it schema, or file".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(fields: &Json, folder: Option<&Path>) -> Result<Json, Issue> {
        let mut document = serde_json::json!({ "schemas": { "action.signed": fields } });
        match resolve(&mut document, folder).pop() {
            None => Ok(document["schemas"]["action.signed"].take()),
            Some(issue) => Err(issue),
        }
    }

    #[test]
    fn a_file_is_read_in_place_of_its_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("signed.json"), "{\r\n}").unwrap();
        let read = resolved(&serde_json::json!({ "file": "signed.json", "mode": "report" }), Some(folder.path()));
        assert_eq!(read.unwrap(), serde_json::json!({ "schema": "{\n}", "mode": "report" }));
        let inline = serde_json::json!({ "schema": { "type": "object" } });
        assert_eq!(resolved(&inline, None).unwrap(), inline);
    }

    #[test]
    fn a_file_that_cannot_be_taken_is_named_by_its_field() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("large.json"), " ".repeat(MAX_SCHEMA_BYTES + 1)).unwrap();
        for (fields, field, words) in [
            (serde_json::json!({ "file": "absent.json" }), ".file", "cannot be read"),
            (serde_json::json!({ "file": "../x.json" }), ".file", "in the tenant's folder"),
            (serde_json::json!({ "file": 7 }), ".file", "the name of a file"),
            (serde_json::json!({ "file": "large.json" }), ".file", "at most"),
            (serde_json::json!({ "file": "x.json", "schema": true }), ".file", "leave one"),
            (serde_json::json!({ "mode": "report" }), "", "give it schema, or file"),
        ] {
            let issue = resolved(&fields, Some(folder.path())).unwrap_err();
            assert_eq!(issue.path, format!("schemas.action.signed{field}"));
            assert!(issue.problem.contains(words), "{fields}: {}", issue.problem);
        }
    }
}
