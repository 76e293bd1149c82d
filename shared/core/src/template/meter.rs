//! Counts the bytes that a rendering reads and makes, and ends it when they are too many.
//!
//! minijinja's fuel counts instructions, and one instruction can double a text of any size. So everything that reads a
//! text or a list, or makes one, is paid for by its size: what templates print and every filter and test by
//! [`super::builtin`], operators by [`super::rewrite`].
//!
//! Invariants:
//! - What is made was paid for before, or is no larger than a small multiple of what was, and is paid for at once.
//! - No value is lazy: what iterates is made a list, so that to use it later costs what was paid.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};

/// The most bytes that one rendering may read and make: eight times the largest mail.
pub(super) const MAX_BYTES: usize = 8 * 1024 * 1024;
/// The deepest nesting of lists and objects, above that of an event.
const MAX_DEPTH: usize = 100;
/// What a list takes for each of its items.
const ITEM: usize = 24;
/// What a value takes beside its text, where each is counted.
const NODE: usize = 40;
/// The most bytes that one byte becomes where it is escaped: `&#x2f;` and `\u{1}` have six.
const ESCAPED: usize = 6;

/// A bound that a rendering came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Bound {
    /// It reads and makes too much.
    #[error("it reads and makes more than 8 MiB of texts and lists")]
    Bytes,
    /// It nests too deep.
    #[error("it nests lists deeper than 100 levels")]
    Depth,
    /// It adds up what are no numbers.
    #[error("it adds up texts or lists by sum")]
    Sum,
    /// Macros call each other too deep.
    #[error("its macros, loops and blocks stand in each other deeper than 50 levels, a macro counting as four")]
    Levels,
}

/// How minijinja says that they do.
const LEVELS: &str = "recursion limit exceeded";

impl From<Bound> for Error {
    fn from(bound: Bound) -> Self {
        Self::new(ErrorKind::InvalidOperation, "a bound of the rendering").with_source(bound)
    }
}

/// The bound that an error is about, if it is about one.
pub(super) fn bound(error: &Error) -> Option<Bound> {
    let about = |error: &(dyn std::error::Error + 'static)| match error.downcast_ref::<Error>() {
        Some(error) => (error.detail() == Some(LEVELS)).then_some(Bound::Levels),
        None => error.downcast_ref().copied(),
    };
    std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| error.source()).find_map(about)
}

/// What of a value is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Its text, or the places of its items; not what is in them.
    Surface,
    /// All of it, written out with this many spaces for each level.
    All {
        /// The spaces.
        indent: usize,
    },
    /// Its items, on all levels; not their texts.
    Shape,
}

/// What has been read and made.
#[derive(Default)]
struct Spent(usize);

/// Pays for `bytes`.
pub(super) fn pay(state: &mut State<'_, '_>, bytes: usize) -> Result<(), Error> {
    let attempts_used = state.get_or_insert_extension_with(Spent::default);
    attempts_used.0 = attempts_used.0.saturating_add(bytes);
    if attempts_used.0 > MAX_BYTES { Err(Bound::Bytes.into()) } else { Ok(()) }
}

/// Pays for a part of a value.
pub(super) fn pay_for(state: &mut State<'_, '_>, value: &Value, part: Part) -> Result<(), Error> {
    let left = MAX_BYTES.saturating_sub(state.get_or_insert_extension_with(Spent::default).0);
    let mut weight = 0;
    weigh(value, part, 0, left, &mut weight)?;
    pay(state, weight)
}

/// What a part of a value weighs.
pub(super) fn weight(value: &Value, part: Part) -> Result<usize, Bound> {
    let mut weight = 0;
    weigh(value, part, 0, MAX_BYTES, &mut weight)?;
    Ok(weight)
}

/// Pays for a text that is written with its special characters escaped.
pub(super) fn pay_escaped(state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) => pay(state, escaped(text)),
        None => pay_for(state, value, Part::All { indent: 0 }),
    }
}

/// Pays for a value that was made, and makes a list of what is only a way to one.
pub(super) fn keep(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    if value.kind() != ValueKind::Iterable {
        pay_for(state, &value, Part::Surface)?;
        return Ok(value);
    }
    let mut items = Vec::new();
    for item in value.try_iter()? {
        pay(state, ITEM)?;
        items.push(item);
    }
    Ok(Value::from(items))
}

/// How many items a value has, where it has any.
pub(super) fn items(value: &Value) -> usize {
    value.as_object().and_then(|_| value.len()).unwrap_or(0)
}

fn weigh(value: &Value, part: Part, depth: usize, left: usize, weight: &mut usize) -> Result<(), Bound> {
    if depth > MAX_DEPTH {
        return Err(Bound::Depth);
    }
    let text = value.as_str();
    *weight += match (part, text) {
        (Part::Shape, _) => 0,
        // A text within a list is quoted where the list is written out.
        (Part::All { .. }, Some(text)) if depth > 0 => escaped(text),
        (_, Some(text)) => text.len(),
        (Part::Surface, None) => items(value).saturating_mul(ITEM),
        (Part::All { .. }, None) => 0,
    };
    if let Part::All { indent } = part {
        *weight = weight.saturating_add(NODE + indent.saturating_mul(depth + 1));
    } else if part == Part::Shape {
        *weight += ITEM;
    }
    if *weight > left {
        return Err(Bound::Bytes);
    }
    if part == Part::Surface || text.is_some() {
        return Ok(());
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let Ok(items) = value.try_iter() else { return Ok(()) };
            for item in items {
                weigh(&item, part, depth + 1, left, weight)?;
            }
        }
        ValueKind::Map => {
            let Ok(keys) = value.try_iter() else { return Ok(()) };
            for key in keys {
                weigh(&key, part, depth + 1, left, weight)?;
                if let Ok(item) = value.get_item(&key) {
                    weigh(&item, part, depth + 1, left, weight)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// The most bytes that a text has once it is escaped, for HTML or within quotation marks.
fn escaped(text: &str) -> usize {
    let special = text.bytes().filter(|byte| !byte.is_ascii_alphanumeric() && *byte != b' ').count();
    text.len() + special * (ESCAPED - 1)
}
