//! Schemas of a tenant's events: the first line is the schema, the rest is the data of an event.

use acequia_core::event::envelope::Envelope;
use acequia_core::event::schema::{MAX_SCHEMA_BYTES, Rule, Schema};
use acequia_testkit::build;
use serde_json::Value as Json;

/// Reads a schema, and what it says of an event.
///
/// # Panics
/// Where a promise of the reader is broken.
pub fn schema(bytes: &[u8]) -> bool {
    let Some(tenant) = crate::tenant() else { return false };
    let (written, data) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => bytes.split_at(at),
        None => (bytes, &b"null"[..]),
    };
    let Ok(written) = serde_json::from_slice::<Json>(written) else { return false };
    let schema = Schema::new(written.clone());
    if let Err(flaw) = schema.check() {
        assert!(!flaw.problem.is_empty(), "a schema is refused without a word");
        assert_eq!(Schema::new(written).check().err(), Some(flaw), "it is refused for another reason each time");
        return false;
    }
    assert!(written.to_string().len() <= MAX_SCHEMA_BYTES, "a schema that is too large can be used");
    let Ok(data) = serde_json::from_slice::<Json>(data) else { return false };
    let body = serde_json::json!({"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "data": data});
    let Ok(event) = Envelope::parse_text(&tenant, build::start(), &body.to_string()) else { return false };
    let Ok(found) = schema.misfit(&event) else { return false };
    assert_eq!(schema.misfit(&event).ok(), Some(found.clone()), "it says something else the second time");
    assert_eq!(Schema::new(written).misfit(&event).ok(), Some(found.clone()), "it says something else compiled anew");
    if let Some(misfit) = found {
        assert!(misfit.pointer.starts_with("/data"), "{}", misfit.pointer);
        assert!(matches!(misfit.rule, Rule::Required | Rule::Keyword(_)), "the data is JSON");
    }
    true
}
