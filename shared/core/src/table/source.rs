//! What of an event stands in a column: a member of it, found by its path, or what is known of the delivery.
//!
//! The event is never read into values: a member's own text is taken out of it, so that a number keeps its digits.

use std::fmt;
use std::str::FromStr;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::delivery::Delivery;
use crate::table::Cell;

/// The deepest path.
const MAX_STEPS: usize = 10;
/// The longest path, in bytes.
const MAX_BYTES: usize = 300;

/// What of an event stands in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnSource {
    /// A member: `data.country`, `time`.
    Path(Vec<String>),
    /// `$event`: the event as it came.
    Event,
    /// `$accepted_at`: when it was accepted.
    AcceptedAt,
    /// `$delivery`: the delivery's id.
    Delivery,
    /// `$tenant`: the tenant's id.
    Tenant,
}

/// A text that is no source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it must be the path of a member, such as data.country or time, or one of $event, $accepted_at, $delivery and $tenant"
)]
pub struct InvalidSource;

impl FromStr for ColumnSource {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        match text {
            "$event" => return Ok(Self::Event),
            "$accepted_at" => return Ok(Self::AcceptedAt),
            "$delivery" => return Ok(Self::Delivery),
            "$tenant" => return Ok(Self::Tenant),
            _ => {}
        }
        let steps: Vec<String> = text.split('.').map(str::to_owned).collect();
        let is_path = text.len() <= MAX_BYTES
            && steps.len() <= MAX_STEPS
            && !text.starts_with('$')
            && !text.chars().any(char::is_control)
            && steps.iter().all(|step| !step.is_empty());
        if is_path { Ok(Self::Path(steps)) } else { Err(InvalidSource) }
    }
}

impl fmt::Display for ColumnSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(steps) => f.write_str(&steps.join(".")),
            Self::Event => f.write_str("$event"),
            Self::AcceptedAt => f.write_str("$accepted_at"),
            Self::Delivery => f.write_str("$delivery"),
            Self::Tenant => f.write_str("$tenant"),
        }
    }
}

impl ColumnSource {
    /// What stands in the column for a delivery; nothing where the event has no such member, or `null` there.
    pub fn read(&self, delivery: &Delivery) -> Option<Cell> {
        let envelope = &delivery.envelope;
        match self {
            Self::Path(steps) => member(&envelope.body, steps).map(|found| Cell::json(found.get())),
            Self::Event => Some(Cell::json(&envelope.body)),
            Self::AcceptedAt => Some(Cell::text(format!("{:.3}", envelope.accepted_at))),
            Self::Delivery => Some(Cell::text(delivery.id.as_str().to_owned())),
            Self::Tenant => Some(Cell::text(envelope.tenant.as_str().to_owned())),
        }
    }
}

/// The member at a path; nothing where there is none, or `null`.
fn member<'a>(body: &'a str, steps: &[String]) -> Option<&'a RawValue> {
    let mut text = body;
    let mut found = None;
    for step in steps {
        if !text.trim_start().starts_with('{') {
            return None;
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let value = Member(step).deserialize(&mut reader).ok().flatten()?;
        text = value.get();
        found = Some(value);
    }
    found.filter(|value| value.get() != "null")
}

/// Reads one member of an object and passes over the others. Of two of the same name the last counts, as it does for
/// `jsonb`.
struct Member<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(Is(self.0))? {
            if is_it {
                found = Some(map.next_value::<&'de RawValue>()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Whether a key is this one.
struct Is<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        Ok(text == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::envelope::Envelope;

    fn delivery(data: &str) -> Delivery {
        let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{data}}}"#);
        let at = jiff::Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        let envelope = Envelope::parse(&"acme".parse().unwrap(), at, body.as_bytes()).unwrap();
        Delivery::new("crm".parse().unwrap(), envelope)
    }

    fn read(path: &str, data: &str) -> Option<String> {
        let source: ColumnSource = path.parse().unwrap();
        assert_eq!(source.to_string(), path);
        source.read(&delivery(data)).map(|cell| cell.written(false).into_owned())
    }

    #[test]
    fn a_member_is_found_by_its_path_and_keeps_its_own_text() {
        let data = r#"{"n":1.10,"big":12345678901234567890123,"t":"a\"b","o":{"x":[1, 2]},"null":null,"n2":1,"n2":2}"#;
        for (path, found) in [
            ("data.n", Some("1.10")),
            ("data.big", Some("12345678901234567890123")),
            ("data.t", Some("a\"b")),
            ("data.o", Some(r#"{"x":[1, 2]}"#)),
            ("data.o.x", Some("[1, 2]")),
            ("data.n2", Some("2")),
            ("data.null", None),
            ("data.none", None),
            ("data.n.x", None),
            ("data.o.x.y", None),
            ("type", Some("t")),
            ("$tenant", Some("acme")),
            ("$accepted_at", Some("2023-11-14T22:13:20.123Z")),
        ] {
            assert_eq!(read(path, data).as_deref(), found, "{path}");
        }
        assert!(read("$event", data).unwrap().contains("1.10"));
        assert!(read("$delivery", data).unwrap().starts_with("dlv_"));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "data.", ".a", "a..b", "$other", "a\nb", &"a.".repeat(10), &"a".repeat(301)] {
            assert_eq!(text.parse::<ColumnSource>(), Err(InvalidSource), "{text}");
        }
    }
}
