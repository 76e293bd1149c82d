//! What `CloudEvents` 1.0 asks of an event beyond what Acequia itself needs to deliver it
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md>,
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>).
//!
//! A receiver with an official SDK refuses an event that does not keep it, so the intake does, unless the tenant wants
//! otherwise.

use super::members::{Members, text};
use super::syntax::{is_base64, is_media_type, is_plain, is_time, is_uri, is_uri_reference};
use super::{EnvelopeError, RFC_3339};
use crate::event::trace::{TRACEPARENT, TRACESTATE};

/// Extensions whose values are texts by their own specifications.
const TEXTS: [&str; 3] = ["dataref", TRACEPARENT, TRACESTATE];

/// Whether an event keeps all of it.
///
/// # Errors
/// The first attribute that does not, in the order of their names.
pub(super) fn check(members: &Members<'_>) -> Result<(), EnvelopeError> {
    for (name, raw) in members.all() {
        match name {
            // Checked wherever an event is read.
            "data" | "expirytime" | "id" | "specversion" | "subject" | "type" => {}
            "source" => known("source", raw, is_uri_reference, "a URI reference of RFC 3986")?,
            "time" => known("time", raw, is_time, RFC_3339)?,
            "datacontenttype" => {
                known("datacontenttype", raw, is_media_type, "a media type of RFC 2045, such as \"application/json\"")?;
            }
            "dataschema" => known("dataschema", raw, is_uri, "a URI with a scheme")?,
            "data_base64" => {
                known("data_base64", raw, is_base64, "a text of base64 with padding")?;
                if raw != "null" && members.raw("data").is_some() {
                    let wants = "the only data of the event: it has the attribute \"data\" too";
                    return Err(EnvelopeError::Malformed { attribute: "data_base64", wants });
                }
            }
            _ => extension(name, raw)?,
        }
    }
    Ok(())
}

/// Checks an attribute that is a text of a form.
fn known(attribute: &'static str, raw: &str, fits: fn(&str) -> bool, wants: &'static str) -> Result<(), EnvelopeError> {
    if raw == "null" || text(raw).is_some_and(|text| fits(&text)) {
        Ok(())
    } else {
        Err(EnvelopeError::Malformed { attribute, wants })
    }
}

fn extension(name: &str, raw: &str) -> Result<(), EnvelopeError> {
    let refuse = |wants| Err(EnvelopeError::Extension { name: shown(name), wants });
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        return refuse("named by lower-case letters a to z and digits alone");
    }
    match raw.as_bytes().first() {
        Some(b'"') if !text(raw).is_some_and(|text| is_plain(&text)) => {
            refuse("a text without control characters and halves of surrogate pairs")
        }
        Some(b'"') => Ok(()),
        Some(b'n') => Ok(()),
        _ if TEXTS.contains(&name) => refuse("a text"),
        Some(b't' | b'f') => Ok(()),
        Some(b'{' | b'[') => refuse("a text, true, false or a whole number: what is larger belongs into data"),
        _ if raw.parse::<i32>().is_ok() => Ok(()),
        _ => refuse("a whole number from -2147483648 to 2147483647"),
    }
}

/// What an error shows of a name that may be anything: not what only an address would have.
fn shown(name: &str) -> String {
    let shown = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '?' };
    name.chars().take(40).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(member: &str) -> Result<(), EnvelopeError> {
        let event = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t"{member}}}"#);
        check(&Members::parse(&event).unwrap())
    }

    #[test]
    fn what_is_shown_of_a_name_is_short_and_no_address() {
        let error = checked(&format!(r#","ana@example.org{}":1"#, "x".repeat(100))).unwrap_err().to_string();
        assert!(error.contains("ana?example.org") && error.len() < 150, "{error}");
    }

    #[test]
    fn an_extension_is_a_text_a_truth_or_a_whole_number_of_32_bits() {
        for value in ["\"\"", "\"x\"", "true", "false", "null", "0", "-2147483648", "2147483647"] {
            assert_eq!(checked(&format!(r#","x1":{value}"#)), Ok(()), "{value}");
        }
        for value in ["2147483648", "-2147483649", "1.5", "1.0", "1e3", "{}", "[1]", "\"a\\nb\"", "\"\\ud800\""] {
            let error = checked(&format!(r#","x1":{value}"#)).unwrap_err();
            assert!(matches!(&error, EnvelopeError::Extension { name, .. } if name == "x1"), "{value}: {error}");
        }
        assert!(checked(r#","traceparent":1"#).is_err());
    }
}
