//! One value of a row, as the event has it.

use std::borrow::Cow;
use std::fmt;

/// A value of a row: JSON as it stands in the event. Its `Debug` shows nothing, since it may be personal.
#[derive(Clone, PartialEq, Eq)]
pub struct Cell {
    /// What is written into a column of `json` or `jsonb`.
    json: String,
    /// The text of a JSON string, which is what other columns get of one.
    text: Option<String>,
}

impl Cell {
    /// A value of an event, which is JSON.
    pub fn json(json: &str) -> Self {
        let text = if json.starts_with('"') { serde_json::from_str(json).ok() } else { None };
        Self { json: json.to_owned(), text }
    }

    /// A text of our own.
    pub fn text(text: String) -> Self {
        Self { json: serde_json::Value::from(text.as_str()).to_string(), text: Some(text) }
    }

    /// What the database gets for it: the text of a string, and JSON where the column is of that type or the value is
    /// no string. `PostgreSQL` reads the column's type from it.
    pub fn written(&self, is_json: bool) -> Cow<'_, str> {
        match &self.text {
            Some(text) if !is_json => Cow::Borrowed(text),
            _ => Cow::Borrowed(&self.json),
        }
    }

    /// Whether it is a text with U+0000 in it, which no type of `PostgreSQL` takes.
    pub fn has_nul(&self) -> bool {
        self.text.as_ref().is_some_and(|text| text.contains('\0'))
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cell(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_its_text_or_json_by_the_column_and_shows_nothing() {
        let cell = Cell::json(r#""a\u00e9\"""#);
        assert_eq!((cell.written(false), cell.written(true)), ("aé\"".into(), r#""a\u00e9\"""#.into()));
        assert_eq!(Cell::text("a\"".to_owned()).written(true), r#""a\"""#);
        assert_eq!(Cell::json("1.50").written(false), "1.50");
        assert_eq!(format!("{cell:?}"), "Cell(..)");
        assert!(Cell::json(r#""a\u0000""#).has_nul() && !cell.has_nul());
    }
}
