//! Events in binary mode: the attributes stand beside the data, in the headers of a request or a record.
//!
//! They are written down as one `CloudEvents` JSON object, which is what an intake takes. Data that are JSON keep their
//! bytes; others stand in `data_base64`.
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#31-binary-content-mode>

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::event::EnvelopeError;
use crate::event::envelope::utf8;

/// Writes the JSON object of an event from its attributes, by their names without any prefix, and its data.
///
/// `content_type` is the data's, and becomes `datacontenttype`. The attributes are not checked here, but where the text
/// is read ([`crate::event::envelope::Envelope::receive`]).
///
/// # Errors
/// Where the data are to be JSON, and are none: what stands behind a whole value must not become an attribute.
pub fn structured<'a>(
    attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
    content_type: Option<&str>,
    data: &[u8],
) -> Result<String, EnvelopeError> {
    let data = written(content_type, data)?;
    let mut text = String::with_capacity(data.as_ref().map_or(0, |(_, json)| json.len()) + 256);
    text.push('{');
    let mut member = |name: &str, json: &str| {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&quoted(name));
        text.push(':');
        text.push_str(json);
    };
    for (name, value) in attributes {
        member(name, &quoted(value));
    }
    if let Some(kind) = content_type {
        member("datacontenttype", &quoted(kind));
    }
    if let Some((name, json)) = &data {
        member(name, json);
    }
    text.push('}');
    Ok(text)
}

/// The member that holds data, and its JSON; none where there are no data.
fn written<'a>(
    content_type: Option<&str>,
    data: &'a [u8],
) -> Result<Option<(&'static str, Cow<'a, str>)>, EnvelopeError> {
    let in_base64 = || ("data_base64", Cow::Owned(quoted(&STANDARD.encode(data))));
    Ok(match (content_type, std::str::from_utf8(data)) {
        (_, Ok("")) => None,
        (Some(kind), _) if is_json(kind) => Some(("data", Cow::Borrowed(json(utf8(data)?)?))),
        (Some(kind), Ok(plain)) if is_text(kind) => Some(("data", Cow::Owned(quoted(plain)))),
        (None, Ok(text)) => Some(json(text).map_or_else(|_| in_base64(), |json| ("data", Cow::Borrowed(json)))),
        _ => Some(in_base64()),
    })
}

/// The one JSON value that a text is, as it is written.
fn json(text: &str) -> Result<&str, EnvelopeError> {
    let raw: Result<&RawValue, _> = serde_json::from_str(text);
    raw.map(RawValue::get).map_err(|error| EnvelopeError::NotJson { line: error.line(), column: error.column() })
}

fn quoted(text: &str) -> String {
    // A text always has a JSON form.
    serde_json::to_string(text).unwrap_or_default()
}

/// Whether a content type is JSON's: `*/json` and `*/*+json`.
pub fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.split_once('/').is_some_and(|(_, subtype)| subtype == "json" || subtype.ends_with("+json"))
}

fn is_text(content_type: &str) -> bool {
    content_type.trim_start().to_ascii_lowercase().starts_with("text/")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTRIBUTES: [(&str, &str); 4] = [("specversion", "1.0"), ("id", "a\"1"), ("source", "/a"), ("type", "t")];

    #[test]
    fn data_of_json_keep_their_bytes_and_others_stand_in_base64_or_as_a_text() {
        for (kind, data, wanted) in [
            (Some("application/json"), " {\"b\":1.10, \"a\":2}\n".as_bytes(), r#","data":{"b":1.10, "a":2}}"#),
            (Some("application/vnd.x+json; charset=utf-8"), b"[1]", r#","data":[1]}"#),
            (None, b"1", r#","data":1}"#),
            (Some("text/csv"), b"a,\"b\"", r#","data":"a,\"b\""}"#),
            (Some("application/octet-stream"), b"\x00\xff", r#","data_base64":"AP8="}"#),
            (None, b"\xff", r#","data_base64":"/w=="}"#),
            (None, b"plain", r#","data_base64":"cGxhaW4="}"#),
            (Some("application/json"), b"", "}"),
        ] {
            let text = structured(ATTRIBUTES, kind, data).unwrap();
            assert!(text.starts_with(r#"{"specversion":"1.0","id":"a\"1","source":"/a","type":"t""#), "{text}");
            assert!(text.ends_with(wanted), "{text}");
            assert_eq!(text.contains("datacontenttype"), kind.is_some());
        }
    }

    #[test]
    fn data_that_are_no_json_are_refused_and_inject_nothing() {
        for bad in [r#"1,"subject":"other""#, "{", "1 2", "{}}"] {
            let refused = structured(ATTRIBUTES, Some("application/json"), bad.as_bytes());
            assert!(matches!(refused, Err(EnvelopeError::NotJson { line: 1, .. })), "{bad}");
        }
        let refused = structured(ATTRIBUTES, Some("application/json"), b"\"a\xff\"");
        assert_eq!(refused, Err(EnvelopeError::NotUtf8 { valid_up_to: 2 }));
    }
}
