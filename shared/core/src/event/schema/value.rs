//! An event's data as the library of schemas takes them.
//!
//! They are read as everything else of an event is ([`crate::event::reading`]): of two members with one name the last
//! counts, and half an emoji is U+FFFD. A number is whole where it is written so and fits 64 bits, else the nearest of
//! 64 bits of floating point; beyond these, the largest.

use serde_json::{Number, Value as Json};

use crate::event::envelope::{Envelope, Format};
use crate::event::reading::{self, Part};

/// What of an event a schema is about.
pub(super) enum Subject {
    /// A JSON value, which stands at this JSON pointer in the event.
    Json(Json, &'static str),
    /// Bytes that are no JSON.
    Binary,
}

/// Returns what of an event a schema is about: its `data`, null where it has none. Of one of Proca's messages, which
/// have no `data`, it is the message.
pub(super) fn subject(envelope: &Envelope) -> Subject {
    let mut members = reading::members(&envelope.body);
    match envelope.format {
        Format::Proca => Subject::Json(json(Part::Object(members)), ""),
        Format::CloudEvents => match (members.remove("data"), members.remove("data_base64")) {
            (None | Some(Part::Null), Some(binary)) if binary != Part::Null => Subject::Binary,
            (data, _) => Subject::Json(data.map_or(Json::Null, json), "/data"),
        },
    }
}

fn json(part: Part<'_>) -> Json {
    match part {
        Part::Null => Json::Null,
        Part::Bool(value) => Json::Bool(value),
        Part::Number(text) => Json::Number(number(&text)),
        Part::Text(text) => Json::String(text.into_owned()),
        Part::List(items) => Json::Array(items.into_iter().map(json).collect()),
        Part::Object(members) => {
            Json::Object(members.into_iter().map(|(name, part)| (name.into_owned(), json(part))).collect())
        }
    }
}

fn number(text: &str) -> Number {
    if let Ok(whole) = text.parse::<u64>() {
        return Number::from(whole);
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Number::from(whole);
    }
    let nearest = text.parse::<f64>().unwrap_or_default();
    Number::from_f64(nearest.clamp(f64::MIN, f64::MAX)).unwrap_or_else(|| Number::from(0_u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_nearest_that_can_be_compared() {
        for (written, read) in [
            ("0", "0"),
            ("-0", "0"),
            ("18446744073709551615", "18446744073709551615"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("1.0", "1.0"),
            ("1e2", "100.0"),
            ("18446744073709551616", "1.8446744073709552e+19"),
            ("1e400", "1.7976931348623157e+308"),
            ("-1e400", "-1.7976931348623157e+308"),
            ("1e-400", "0.0"),
        ] {
            assert_eq!(number(written).to_string(), read, "{written}");
        }
    }
}
