//! What an event says, as all who read it see it: one reading of its text, for templates, consent, and the members of
//! Proca's messages.
//!
//! It agrees with what patterns see ([`crate::routing`]) and with what a receiver's parser makes of the bytes:
//!
//! - *Repeated names.* The last one counts, as for `EventBridge` and in nearly every parser.
//! - *Numbers* are kept as they are written. None is too large or too long to be read.
//! - *Half an emoji.* JSON can write one half of a surrogate pair alone (`"\ud83d"`), which no text of Unicode can
//!   hold. It is read as U+FFFD.
//!
//! The text must be JSON. Of an event that is known, since it was taken ([`crate::event::envelope`]); of another text
//! see [`read_foreign`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, Visitor};

use crate::event::nesting;

/// How deep a text may nest that is no event: events are bounded before.
const MAX_FOREIGN_NESTING: usize = 64;
/// How deep what is read may nest, whatever it is. It is far beyond what events may, and bounds the stack.
const MAX_DEPTH: usize = 200;

/// The members of an object; of two with one name the last.
pub(crate) type Members<'t> = BTreeMap<Cow<'t, str>, Part<'t>>;

/// One value of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part<'t> {
    Null,
    Bool(bool),
    /// A number as it is written.
    Number(Cow<'t, str>),
    Text(Cow<'t, str>),
    List(Vec<Part<'t>>),
    Object(Members<'t>),
}

impl Part<'_> {
    /// The same, independent of the text that it was read from.
    pub(crate) fn into_owned(self) -> Part<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Null => Part::Null,
            Self::Bool(value) => Part::Bool(value),
            Self::Number(text) => Part::Number(owned(text)),
            Self::Text(text) => Part::Text(owned(text)),
            Self::List(items) => Part::List(items.into_iter().map(Part::into_owned).collect()),
            Self::Object(members) => {
                Part::Object(members.into_iter().map(|(name, part)| (owned(name), part.into_owned())).collect())
            }
        }
    }

    /// The text, where it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// Reads the members of an event's text; none where it is no object.
pub(crate) fn members(event: &str) -> Members<'_> {
    match read(event) {
        Some(Part::Object(members)) => members,
        _ => Members::new(),
    }
}

/// Reads a text that is JSON. `None` where it is not, as far as that is noticed.
pub(crate) fn read(text: &str) -> Option<Part<'_>> {
    let mut reader = Reader { rest: text };
    let part = reader.value(MAX_DEPTH)?;
    reader.skip_space();
    reader.rest.is_empty().then_some(part)
}

/// Reads any text; `None` where it is not JSON, or nests too deep.
pub(crate) fn read_foreign(text: &str) -> Option<Part<'_>> {
    let is_json = !nesting::exceeds(text, MAX_FOREIGN_NESTING) && serde_json::from_str::<IgnoredAny>(text).is_ok();
    if is_json { read(text) } else { None }
}

/// What is still to be read.
struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn skip(&mut self, wanted: char) -> Option<()> {
        self.skip_space();
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<Part<'t>> {
        let deeper = depth.checked_sub(1)?;
        self.skip_space();
        match self.rest.as_bytes().first()? {
            b'{' => self.object(deeper).map(Part::Object),
            b'[' => self.list(deeper).map(Part::List),
            b'"' => self.text().map(Part::Text),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Members<'t>> {
        self.skip('{')?;
        let mut members = Members::new();
        if self.skip('}').is_some() {
            return Some(members);
        }
        loop {
            self.skip_space();
            let name = self.text()?;
            self.skip(':')?;
            let value = self.value(depth)?;
            members.insert(name, value);
            if self.skip(',').is_none() {
                self.skip('}')?;
                return Some(members);
            }
        }
    }

    fn list(&mut self, depth: usize) -> Option<Vec<Part<'t>>> {
        self.skip('[')?;
        let mut items = Vec::new();
        if self.skip(']').is_some() {
            return Some(items);
        }
        loop {
            items.push(self.value(depth)?);
            if self.skip(',').is_none() {
                self.skip(']')?;
                return Some(items);
            }
        }
    }

    /// `null`, `true`, `false`, or a number.
    fn word(&mut self) -> Option<Part<'t>> {
        let end = self.rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        match word {
            "" => None,
            "null" => Some(Part::Null),
            "true" => Some(Part::Bool(true)),
            "false" => Some(Part::Bool(false)),
            number => Some(Part::Number(Cow::Borrowed(number))),
        }
    }

    fn text(&mut self) -> Option<Cow<'t, str>> {
        let bytes = self.rest.as_bytes();
        if bytes.first() != Some(&b'"') {
            return None;
        }
        let (mut at, mut has_escapes) = (1, false);
        loop {
            at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
            if bytes.get(at) == Some(&b'"') {
                break;
            }
            has_escapes = true;
            at += 2;
        }
        let (literal, rest) = self.rest.split_at_checked(at + 1)?;
        self.rest = rest;
        if has_escapes { unescape(literal).map(Cow::Owned) } else { literal.get(1..at).map(Cow::Borrowed) }
    }
}

/// The text that a JSON string with escapes stands for, quotes included.
fn unescape(literal: &str) -> Option<String> {
    serde_json::from_str(literal)
        .or_else(|_| (&mut serde_json::Deserializer::from_str(literal)).deserialize_bytes(Lossy))
        .ok()
}

/// Takes a string's bytes, in which half a surrogate pair stands as three bytes that are not UTF-8.
struct Lossy;

impl Visitor<'_> for Lossy {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            // The three come one by one; the first of them is this one, and of the others none is.
            if chunk.invalid().first() == Some(&0xED) {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Part<'_> {
        Part::Text(Cow::Borrowed(text))
    }

    fn number(text: &str) -> Part<'_> {
        Part::Number(Cow::Borrowed(text))
    }

    #[test]
    fn every_kind_of_value_is_read_and_numbers_stay_as_they_are_written() {
        let read =
            read(" { \"a\" : [ 1.10 , -0 , 1e400 , true , false , null , { } , [ ] ] , \"b\\n\" : \"x\\\"\\\\y\" } ");
        let list = ["1.10", "-0", "1e400"].map(number).into_iter().chain([
            Part::Bool(true),
            Part::Bool(false),
            Part::Null,
            Part::Object(Members::new()),
            Part::List(Vec::new()),
        ]);
        let wanted = [("a", Part::List(list.collect())), ("b\n", text("x\"\\y"))];
        assert_eq!(read.unwrap(), Part::Object(wanted.map(|(name, part)| (Cow::Borrowed(name), part)).into()));
    }

    #[test]
    fn the_last_of_a_repeated_name_counts_however_it_is_written() {
        let members = members(r#"{"a":1,"b":2,"\u0061":3}"#);
        assert_eq!(members.get("a"), Some(&number("3")));
        assert_eq!(members.len(), 2);
    }

    #[test]
    fn half_an_emoji_is_one_replacement_character_and_a_whole_one_is_itself() {
        for (literal, wanted) in [
            (r#""cut \ud83d""#, "cut \u{fffd}"),
            (r#""\ude00\ud83d!""#, "\u{fffd}\u{fffd}!"),
            (r#""\ud83d\ud83d\ude00 é""#, "\u{fffd}\u{1f600} é"),
            (r#""\u00e9\/""#, "é/"),
        ] {
            assert_eq!(read(literal).unwrap(), text(wanted), "{literal}");
        }
    }

    #[test]
    fn what_is_no_json_or_nests_too_deep_is_not_read() {
        for bad in ["", "{", "{\"a\"}", "[1", "[1,]", "\"", "\"\\", "nul", "{\"a\":1}}", "01", "\"\\x\""] {
            assert_eq!(read_foreign(bad), None, "{bad}");
        }
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read_foreign(&nested(64)).is_some());
        assert!(read_foreign(&nested(65)).is_none());
        assert!(read(&nested(100_000)).is_none());
    }
}
