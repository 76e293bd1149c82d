//! The names of the fields that a struct reads, as its own `Deserialize` tells them: no list of them stands a second
//! time.

use serde::de::value::Error;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

/// The names of the fields of `T`, which must be a struct without flattened fields.
pub(super) fn names<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    names_by(|asked| T::deserialize(asked).map(drop))
}

/// The names of the fields of what `read` reads.
pub(super) fn names_by(read: impl FnOnce(Asked<'_>) -> Result<(), Error>) -> &'static [&'static str] {
    let mut names: &[&str] = &[];
    // It always ends in an error: there is nothing to read.
    let _nothing = read(Asked(&mut names));
    names
}

/// A source without any data, that keeps which fields it is asked for.
#[derive(Debug)]
pub(super) struct Asked<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("it has no data"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("it has no data"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only the names are asked for")]
    struct Sample {
        one: String,
        #[serde(default, rename = "other")]
        two: Option<u32>,
        #[serde(skip)]
        three: bool,
    }

    #[test]
    fn a_struct_tells_the_names_that_it_reads() {
        assert_eq!(names::<Sample>(), ["one", "other"]);
        assert!(names::<String>().is_empty());
    }
}
