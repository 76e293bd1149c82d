//! Names in a database: letters that need no quotes, and quotes around them all the same, so that a name is taken as it
//! is written.

use std::fmt;
use std::str::FromStr;

use crate::id::InvalidName;

/// The tables that are ours, in the schema of the tenant's.
const OWN: [&str; 2] = ["acequia_inbox", "acequia_outbox"];
/// The schema of a table that names none.
const SCHEMA: &str = "public";

/// The name of a column, a table or a schema: `[A-Za-z_][A-Za-z0-9_]{0,62}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(String);

impl Identifier {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it stands in a statement.
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

impl FromStr for Identifier {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
        let (first, rest) = (text.bytes().next(), text.bytes().skip(1));
        if text.len() <= 63
            && first.is_some_and(is_letter)
            && rest.into_iter().all(|byte| is_letter(byte) || byte.is_ascii_digit())
        {
            return Ok(Self(text.to_owned()));
        }
        let wants = "1 to 63 characters, a letter or _ first, then letters, digits or _";
        Err(InvalidName::new("name in a database", text, wants))
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A table with its schema; `public` where none is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// Its schema, which is that of inbox and outbox, too.
    pub schema: Identifier,
    /// Its name.
    pub name: Identifier,
}

impl TableName {
    /// The table as it stands in a statement.
    pub fn quoted(&self) -> String {
        format!("{}.{}", self.schema.quoted(), self.name.quoted())
    }

    /// The inbox beside it.
    pub fn inbox(&self) -> String {
        format!("{}.\"acequia_inbox\"", self.schema.quoted())
    }

    /// The outbox beside it.
    pub fn outbox(&self) -> String {
        format!("{}.\"acequia_outbox\"", self.schema.quoted())
    }
}

impl FromStr for TableName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (schema, name) = text.split_once('.').unwrap_or((SCHEMA, text));
        let table = Self { schema: schema.parse()?, name: name.parse()? };
        if OWN.contains(&table.name.as_str()) {
            return Err(InvalidName::new("table of a sink", text, "another one than acequia_inbox and acequia_outbox"));
        }
        Ok(table)
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_schema_and_both_are_quoted() {
        let table: TableName = "crm.Signatures".parse().unwrap();
        assert_eq!((table.to_string(), table.quoted()), ("crm.Signatures".into(), r#""crm"."Signatures""#.into()));
        assert_eq!("signatures".parse::<TableName>().unwrap().inbox(), r#""public"."acequia_inbox""#);
    }

    #[test]
    fn what_could_end_a_name_or_is_ours_is_none() {
        for text in ["", "a b", "1a", "a\"b", "a.b.c", "a;drop", "é", ".a", "a.", "acequia_inbox", "x.acequia_outbox"]
        {
            assert!(text.parse::<TableName>().is_err(), "{text}");
        }
        assert!("a".repeat(64).parse::<Identifier>().is_err());
    }
}
