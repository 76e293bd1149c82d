//! A record's attributes in the order of its fields: what a statement lists, and what a map is made of once.
//!
//! `serde_dynamo::to_item` fills one map and copies it into a second one of the SDK's values, which was a third of what
//! claiming and completing a delivery cost (docs/PERFORMANCE.md). Each attribute is still written by `serde_dynamo`; a
//! test compares the two.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::ser::{Error as _, Impossible, SerializeStruct, Serializer};
use serde_dynamo::{Error, to_attribute_value};

/// An attribute's name, and its value.
pub(crate) type Column = (&'static str, AttributeValue);

/// Returns the attributes of a record, which must be a struct, without the attributes of these names.
///
/// # Errors
/// Where it is none, or an attribute cannot be written.
pub(crate) fn columns(record: &impl Serialize, without: &'static [&'static str]) -> Result<Vec<Column>, Error> {
    record.serialize(Columns { written: Vec::new(), without })
}

/// The value of an attribute.
pub(crate) fn value_of<'a>(columns: &'a [Column], name: &str) -> Option<&'a AttributeValue> {
    columns.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

struct Columns {
    written: Vec<Column>,
    without: &'static [&'static str],
}

impl SerializeStruct for Columns {
    type Ok = Vec<Column>;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        if !self.without.contains(&name) {
            self.written.push((name, to_attribute_value(value)?));
        }
        Ok(())
    }

    fn end(self) -> Result<Vec<Column>, Error> {
        Ok(self.written)
    }
}

/// The methods of a serializer for what is no struct.
macro_rules! no_struct {
    ($($method:ident($($type:ty),*) -> $answer:ty;)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<$answer, Error> { Err(Error::custom("a record is a struct")) })*
    };
}

type None = Impossible<Vec<Column>, Error>;

impl Serializer for Columns {
    type Ok = Vec<Column>;
    type Error = Error;
    type SerializeSeq = None;
    type SerializeTuple = None;
    type SerializeTupleStruct = None;
    type SerializeTupleVariant = None;
    type SerializeMap = None;
    type SerializeStruct = Self;
    type SerializeStructVariant = None;

    fn serialize_struct(mut self, _: &'static str, fields: usize) -> Result<Self, Error> {
        // And room for the key.
        self.written.reserve_exact(fields.saturating_add(2));
        Ok(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Vec<Column>, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Vec<Column>, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Vec<Column>, Error> {
        self.serialize_unit()
    }

    no_struct! {
        serialize_bool(bool) -> Vec<Column>;
        serialize_i8(i8) -> Vec<Column>;
        serialize_i16(i16) -> Vec<Column>;
        serialize_i32(i32) -> Vec<Column>;
        serialize_i64(i64) -> Vec<Column>;
        serialize_u8(u8) -> Vec<Column>;
        serialize_u16(u16) -> Vec<Column>;
        serialize_u32(u32) -> Vec<Column>;
        serialize_u64(u64) -> Vec<Column>;
        serialize_f32(f32) -> Vec<Column>;
        serialize_f64(f64) -> Vec<Column>;
        serialize_char(char) -> Vec<Column>;
        serialize_str(&str) -> Vec<Column>;
        serialize_bytes(&[u8]) -> Vec<Column>;
        serialize_none() -> Vec<Column>;
        serialize_unit() -> Vec<Column>;
        serialize_unit_struct(&'static str) -> Vec<Column>;
        serialize_unit_variant(&'static str, u32, &'static str) -> Vec<Column>;
        serialize_seq(Option<usize>) -> None;
        serialize_tuple(usize) -> None;
        serialize_tuple_struct(&'static str, usize) -> None;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> None;
        serialize_map(Option<usize>) -> None;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> None;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[derive(Serialize)]
    struct Row {
        text: &'static str,
        number: u64,
        flag: bool,
        none: Option<u8>,
        some: Option<i64>,
        list: Vec<&'static str>,
        rows: Vec<Inner>,
        #[serde(skip_serializing_if = "Option::is_none")]
        left_out: Option<u8>,
    }

    #[derive(Serialize)]
    struct Inner {
        at: i64,
    }

    #[test]
    fn a_record_has_the_attributes_that_serde_dynamo_gives_it() {
        let row = Row {
            text: "a",
            number: 7,
            flag: true,
            none: None,
            some: Some(-1),
            list: vec!["x", "y"],
            rows: vec![Inner { at: 5 }],
            left_out: None,
        };
        let whole: HashMap<String, AttributeValue> = serde_dynamo::to_item(&row).unwrap();
        let ours = columns(&row, &[]).unwrap();
        assert_eq!(value_of(&ours, "some"), Some(&AttributeValue::N("-1".to_owned())));
        assert_eq!(ours.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<HashMap<_, _>>(), whole);
    }

    #[test]
    fn what_is_no_struct_is_no_record() {
        assert!(columns(&7, &[]).is_err());
        assert!(columns(&["a"], &[]).is_err());
        assert!(columns(&HashMap::from([("a", 1)]), &[]).is_err());
    }

    #[test]
    fn what_is_to_be_left_out_is_left_out() {
        let names: Vec<&str> = columns(&Inner { at: 5 }, &["at"]).unwrap().iter().map(|(name, _)| *name).collect();
        assert!(names.is_empty(), "{names:?}");
    }
}
