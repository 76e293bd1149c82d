//! JSON Schemas of events: of draft 2020-12, without any reference outside, bounded, and compiled when one is first
//! needed.
//!
//! A schema is about an event's `data` (`value`). Formats (`"format": "email"`) are checked, as far as the draft names
//! them; `regex` is not, since it would compile what an event says. Regular expressions are those that can be matched in
//! linear time: without look-around and back-references.
//!
//! Not guaranteed: that a check is quick. It ends after at most [`MAX_PLACES`] looks at each value of an event.

mod bound;
#[cfg(test)]
mod cases;
mod value;

use std::fmt;
use std::sync::OnceLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value as Json;

use crate::event::envelope::Envelope;
use bound::Names;
use value::Subject;

pub use bound::{DRAFT, MAX_PLACES, MAX_SCHEMA_BYTES};

/// The most bytes that one compiled regular expression takes, and the most that matching by it does.
const MAX_COMPILED_BYTES: usize = 1024 * 1024;

/// A schema, compiled when it is first needed.
pub struct Schema {
    written: Json,
    compiled: OnceLock<Result<Compiled, Flaw>>,
}

struct Compiled {
    validator: Validator,
    names: Names,
}

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Where in the schema, such as `.properties.email.pattern`; empty where it is the schema as a whole.
    pub place: String,
    /// What is wrong, and what is wanted.
    pub problem: String,
}

impl Flaw {
    fn whole(problem: impl Into<String>) -> Self {
        Self { place: String::new(), problem: problem.into() }
    }
}

/// Where an event does not fit a schema, and by which rule. The event's values stand nowhere in it, nor do names of
/// members that the schema does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The place in the event, as a JSON pointer; a name that the schema does not know is `*`.
    pub pointer: String,
    /// What does not fit.
    pub rule: Rule,
}

/// The rule of a schema that an event breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// What stands there must be there.
    Required,
    /// A keyword, such as `format`.
    Keyword(String),
    /// The data must be JSON.
    Json,
}

/// A misfit with the schema that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where, and by which rule.
    pub misfit: Misfit,
    /// The types that the schema is for, as the configuration names them.
    pub types: String,
    /// The version of the configuration that the schema stands in; `None` where it was never applied.
    pub version: Option<u64>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { misfit: Misfit { pointer, rule }, types, version } = self;
        let pointer = if pointer.is_empty() { "the message" } else { pointer };
        match rule {
            Rule::Required => write!(f, "{pointer} is missing, and required by the schema of {types:?}")?,
            Rule::Keyword(keyword) => write!(f, "{pointer} does not fit {keyword:?} of the schema of {types:?}")?,
            Rule::Json => write!(f, "{pointer} is binary, and no JSON for the schema of {types:?}")?,
        }
        match version {
            Some(version) => write!(f, " in version {version} of the configuration"),
            None => Ok(()),
        }
    }
}

impl Schema {
    /// A schema as it is written, which nobody has looked at yet.
    pub fn new(written: Json) -> Self {
        Self { written, compiled: OnceLock::new() }
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// The first flaw.
    pub fn check(&self) -> Result<(), Flaw> {
        self.compiled().map(drop)
    }

    /// Where an event does not fit; `None` where it does.
    ///
    /// # Errors
    /// The schema cannot be used.
    pub fn misfit(&self, envelope: &Envelope) -> Result<Option<Misfit>, Flaw> {
        let Compiled { validator, names } = self.compiled()?;
        Ok(match value::subject(envelope) {
            Subject::Binary => Some(Misfit { pointer: "/data_base64".to_owned(), rule: Rule::Json }),
            Subject::Json(json, base) => {
                validator.validate(&json).err().map(|error| misfit(&error, &json, base, names))
            }
        })
    }

    fn compiled(&self) -> Result<&Compiled, Flaw> {
        self.compiled.get_or_init(|| compile(&self.written)).as_ref().map_err(Clone::clone)
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(&self.written).finish()
    }
}

fn compile(written: &Json) -> Result<Compiled, Flaw> {
    let parsed;
    // JSON in a text can be copied from where the schema comes from.
    let schema = match written {
        Json::String(text) => {
            parsed = serde_json::from_str(text).map_err(|error| Flaw::whole(format!("it is not JSON: {error}")))?;
            &parsed
        }
        schema => schema,
    };
    let names = bound::look(schema)?;
    let patterns = PatternOptions::regex().size_limit(MAX_COMPILED_BYTES).dfa_size_limit(MAX_COMPILED_BYTES);
    let validator = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(patterns)
        .should_validate_formats(true)
        .with_format("regex", |_: &str| true)
        .build(schema)
        .map_err(|error| flaw(&error, schema))?;
    Ok(Compiled { validator, names })
}

/// What the library says of a schema that it does not compile.
fn flaw(error: &ValidationError<'_>, schema: &Json) -> Flaw {
    let place = bound::path(schema, error.instance_path().as_str());
    let problem = match error.kind() {
        ValidationErrorKind::Format { format } if format == "regex" => {
            "it is no regular expression that can be matched in linear time, without look-around and back-references, \
             or is too large"
                .to_owned()
        }
        _ => format!("it is no schema of draft 2020-12: {error}"),
    };
    Flaw { place, problem }
}

fn misfit(error: &ValidationError<'_>, subject: &Json, base: &str, names: &Names) -> Misfit {
    let mut pointer = format!("{base}{}", shown(error.instance_path().as_str(), subject, names));
    let rule = match error.kind() {
        ValidationErrorKind::Required { property: Json::String(name) } => {
            pointer = format!("{pointer}/{}", bound::escape(name));
            Rule::Required
        }
        kind => Rule::Keyword(kind.keyword().to_owned()),
    };
    Misfit { pointer, rule }
}

/// A JSON pointer without the names that only the event has: they may be anything, addresses too.
fn shown(pointer: &str, subject: &Json, names: &Names) -> String {
    let (mut shown, mut at) = (String::new(), Some(subject));
    for token in pointer.split('/').skip(1) {
        let name = bound::unescape(token);
        shown.push('/');
        let is_index = at.is_some_and(Json::is_array);
        shown.push_str(if is_index || names.contains(&name) { token } else { "*" });
        at = match at {
            Some(Json::Object(members)) => members.get(&name),
            Some(Json::Array(items)) => name.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        };
    }
    shown
}
