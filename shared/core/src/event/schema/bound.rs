//! What is looked at in a schema before a library compiles it: that it is of one draft, refers to nothing outside of
//! itself, and that checking a value by it ends soon.
//!
//! *Soon* is: each value is looked at by at most [`MAX_PLACES`] places of the schema. They are counted as a check goes
//! through them, so a part that is referred to twice counts twice, and a part that leads back to itself is refused: a
//! schema that does so can double its work with each level of the event.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value as Json};

use super::Flaw;

/// The most bytes of a schema, written as JSON.
pub const MAX_SCHEMA_BYTES: usize = 64 * 1024;
/// The most places of a schema, each as often as it is referred to.
pub const MAX_PLACES: usize = 10_000;
/// The deepest nesting of schemas in schemas, references included.
const MAX_DEPTH: usize = 64;
/// The most regular expressions of a schema, each as often as it is referred to, and the most bytes of one.
const MAX_PATTERNS: usize = 100;
const MAX_PATTERN_BYTES: usize = 1000;

/// The one draft.
pub const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Names that the schema itself has for members of values: no secret of any event's.
pub(super) type Names = BTreeSet<String>;

/// Looks at a schema, and answers the names that it knows.
///
/// # Errors
/// The first flaw, and where it is.
pub(super) fn look(schema: &Json) -> Result<Names, Flaw> {
    // Whatever is written, it is stored and sent as this.
    let bytes = schema.to_string().len();
    if bytes > MAX_SCHEMA_BYTES {
        return Err(Flaw::whole(format!("it has {bytes} bytes as JSON; at most {MAX_SCHEMA_BYTES} are taken")));
    }
    let mut walk = Walk { root: schema, places: 0, patterns: 0, open: Vec::new(), names: Names::new() };
    walk.visit("", schema)?;
    Ok(walk.names)
}

/// The way through a schema, as a check of a value takes it at worst.
struct Walk<'s> {
    root: &'s Json,
    places: usize,
    patterns: usize,
    /// The JSON pointers of the schemas that stand around the present one, or refer to it.
    open: Vec<String>,
    names: Names,
}

impl<'s> Walk<'s> {
    fn visit(&mut self, pointer: &str, schema: &'s Json) -> Result<(), Flaw> {
        self.count(1, pointer)?;
        if self.open.len() == MAX_DEPTH {
            return self.flaw(pointer, format!("it nests deeper than {MAX_DEPTH} levels, references included"));
        }
        // What is neither an object nor a boolean is no schema, and the library says so.
        let Json::Object(members) = schema else { return Ok(()) };
        self.open.push(pointer.to_owned());
        for (name, value) in members {
            let here = format!("{pointer}/{}", escape(name));
            self.keyword(name, value, &here, pointer.is_empty())?;
        }
        self.open.pop();
        Ok(())
    }

    fn keyword(&mut self, name: &str, value: &'s Json, here: &str, is_root: bool) -> Result<(), Flaw> {
        match (name, value) {
            ("$schema", Json::String(draft)) if draft.trim_end_matches('#') != DRAFT => {
                self.flaw(here, format!("schemas are of draft 2020-12 ({DRAFT}); leave it out, or name that one"))
            }
            ("$id", _) if !is_root => {
                self.flaw(here, "only the schema itself can have a name: leave it out, and refer by \"#/$defs/...\"")
            }
            ("$dynamicRef" | "$recursiveRef" | "$vocabulary", _) => {
                self.flaw(here, format!("{name} is not taken; refer by $ref, to \"#/$defs/...\""))
            }
            ("$ref", Json::String(reference)) => self.follow(reference, here),
            (
                "not"
                | "if"
                | "then"
                | "else"
                | "items"
                | "contains"
                | "additionalProperties"
                | "propertyNames"
                | "unevaluatedItems"
                | "unevaluatedProperties",
                schema,
            ) => self.visit(here, schema),
            ("allOf" | "anyOf" | "oneOf" | "prefixItems", Json::Array(schemas)) => {
                let mut schemas = schemas.iter().enumerate();
                schemas.try_for_each(|(index, schema)| self.visit(&format!("{here}/{index}"), schema))
            }
            ("properties" | "dependentSchemas", Json::Object(schemas)) => {
                self.names.extend(schemas.keys().cloned());
                self.each(schemas, here)
            }
            ("$defs" | "definitions", Json::Object(schemas)) => self.each(schemas, here),
            ("patternProperties", Json::Object(schemas)) => {
                schemas.keys().try_for_each(|pattern| self.pattern(pattern, here))?;
                self.each(schemas, here)
            }
            ("pattern", Json::String(pattern)) => self.pattern(pattern, here),
            ("enum" | "required", Json::Array(values)) => {
                if name == "required" {
                    self.know(values);
                }
                self.count(values.len(), here)
            }
            ("dependentRequired", Json::Object(lists)) => lists.iter().try_for_each(|(name, list)| {
                let list = list.as_array().map_or(&[][..], Vec::as_slice);
                self.names.insert(name.clone());
                self.know(list);
                self.count(list.len(), here)
            }),
            _ => Ok(()),
        }
    }

    fn each(&mut self, schemas: &'s Map<String, Json>, here: &str) -> Result<(), Flaw> {
        schemas.iter().try_for_each(|(name, schema)| self.visit(&format!("{here}/{}", escape(name)), schema))
    }

    fn follow(&mut self, reference: &str, here: &str) -> Result<(), Flaw> {
        let fragment = reference.strip_prefix('#').map(|text| percent_decode_str(text).decode_utf8_lossy());
        let Some(pointer) = fragment.filter(|text| text.is_empty() || text.starts_with('/')) else {
            return self.flaw(
                here,
                format!("{reference:?} is not within this schema: put it into $defs, and refer by \"#/$defs/...\""),
            );
        };
        if self.open.iter().any(|open| *open == *pointer) {
            return self.flaw(here, format!("{reference:?} leads back to where it stands: a schema must have an end"));
        }
        match self.root.pointer(&pointer) {
            Some(schema) => self.visit(&pointer, schema),
            None => self.flaw(here, format!("{reference:?} is not there")),
        }
    }

    fn pattern(&mut self, pattern: &str, here: &str) -> Result<(), Flaw> {
        self.patterns += 1;
        if self.patterns > MAX_PATTERNS {
            return self.flaw(
                here,
                format!("it has more than {MAX_PATTERNS} regular expressions, each as often as it is referred to"),
            );
        }
        if pattern.len() > MAX_PATTERN_BYTES {
            return self.flaw(
                here,
                format!("the regular expression has {} bytes; at most {MAX_PATTERN_BYTES} are taken", pattern.len()),
            );
        }
        Ok(())
    }

    fn count(&mut self, more: usize, pointer: &str) -> Result<(), Flaw> {
        self.places = self.places.saturating_add(more);
        if self.places <= MAX_PLACES {
            return Ok(());
        }
        self.flaw(pointer, format!("it has more than {MAX_PLACES} places, each as often as it is referred to"))
    }

    fn know(&mut self, names: &[Json]) {
        self.names.extend(names.iter().filter_map(Json::as_str).map(str::to_owned));
    }

    fn flaw(&self, pointer: &str, problem: impl Into<String>) -> Result<(), Flaw> {
        Err(Flaw { place: path(self.root, pointer), problem: problem.into() })
    }
}

/// A name as a JSON pointer has it.
pub(super) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The name that stands in a JSON pointer.
pub(super) fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

/// A place of a schema as paths of fields have it: `.properties.email.allOf[1]`.
pub(super) fn path(root: &Json, pointer: &str) -> String {
    let (mut path, mut at) = (String::new(), Some(root));
    for token in pointer.split('/').skip(1) {
        let name = unescape(token);
        if at.is_some_and(Json::is_array) {
            // Writing to a String cannot fail.
            let _ = write!(path, "[{name}]");
        } else {
            path.push('.');
            path.push_str(&name);
        }
        at = match at {
            Some(Json::Object(members)) => members.get(&name),
            Some(Json::Array(items)) => name.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        };
    }
    path
}
