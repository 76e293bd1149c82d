//! Event patterns in `EventBridge`'s syntax: whether one sink wants an event.
//!
//! A pattern is a tree of field names with lists of matchers at its leaves. All its fields must hold, of a list any
//! matcher. Each pattern is judged by itself: what another sink asks for says nothing. What is documented of
//! `EventBridge` is the authority
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>), and the answers of
//! its matcher (<https://github.com/aws/event-ruler>) to the cases of `shared/core/tests/pattern` are the tests.
//!
//! - *Arrays.* A field may have several values; one that a matcher takes is enough. Objects in an array are looked at
//!   one by one: all fields that a pattern asks of them must hold in the same element.
//! - *Absence.* `exists: false` holds where the field has no value: where it is not there, an empty array or an object.
//!   In an array it is asked of the element that the fields *before it in the alphabet* have chosen, and of all
//!   elements where none has chosen.
//! - *Names with dots.* `a.b` and `b` in `a` are the same field, in patterns and in events.
//! - *Repeated names.* The last one counts.
//! - *Time.* An event is read once for all sinks ([`Reader`]), and only what some pattern asks for. A pattern looks at
//!   each part of what was read at most once for each of its fields: the time is linear in the event, whatever the
//!   pattern.

mod absence;
mod case;
mod compile;
mod json;
mod matcher;
mod number;
mod operator;
mod place;
mod reader;

use std::collections::BTreeMap;

use matcher::Matcher;
use reader::StepId;
pub use reader::{Reader, Seen};

/// The most nested fields of a pattern: far above what a filter needs.
pub const MAX_DEPTH: usize = 16;
/// The most fields with matchers. They are the bits of a word ([`Pattern::matches`]).
pub const MAX_FIELDS: usize = 64;
/// The most matchers of all fields together.
pub const MAX_MATCHERS: usize = 512;
/// The longest pattern, in bytes of JSON.
pub const MAX_BYTES: usize = 16 * 1024;

/// What is wrong with a pattern: where, and what is wanted there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", if .path.is_empty() { String::new() } else { format!("{}: ", .path) })]
pub struct PatternError {
    /// The way to the part, such as `data.amount[0].numeric`; empty for the pattern as a whole.
    pub path: String,
    /// What is wrong there, and what is wanted.
    pub problem: String,
}

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    root: Node,
    fields: Vec<Field>,
}

/// Fields that must all hold, at one place of the tree.
#[derive(Debug, Default)]
struct Node {
    /// The steps into deeper objects, each once.
    objects: BTreeMap<StepId, Node>,
    /// The fields with matchers, as places in [`Pattern::fields`].
    leaves: Vec<(StepId, usize)>,
    /// Alternatives (`$or`), of which one must hold; several such lists must all hold.
    alternatives: Vec<Vec<Node>>,
    /// The fields below that may be absent.
    absent: u64,
    /// Those of them before them binds to an element where this node's value is an array.
    unbound: u64,
}

/// A field with matchers.
#[derive(Debug)]
struct Field {
    /// The way to it, with dots.
    path: String,
    matchers: Vec<Matcher>,
    /// Whether one of them is `exists: false`.
    may_be_absent: bool,
}

/// The work of one judgement, counted: parts of events looked at.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Steps(pub u64);

impl Pattern {
    /// Compiles a pattern, and tells the reader which parts of events it asks for.
    ///
    /// # Errors
    /// Where it is no pattern, could never match, or has a part that would be ignored: the first such place.
    pub fn compile(json: &str, reader: &mut Reader) -> Result<Self, PatternError> {
        compile::compile(json, reader)
    }

    /// Whether it takes an event.
    pub fn matches(&self, event: &Seen<'_>) -> bool {
        self.judge(event, &mut Steps::default()).is_ok()
    }

    /// The same with the reason and the work: in `Err` the way to the first field that does not hold.
    ///
    /// # Errors
    /// When it does not take the event.
    pub fn judge(&self, event: &Seen<'_>, steps: &mut Steps) -> Result<(), &str> {
        self.node(&self.root, Some(event), 0, steps)
            .map_err(|field| self.fields.get(field).map_or("", |field| &field.path))
    }

    /// Judges one node of the pattern at one place of the event. `denied` has the fields that cannot count as absent,
    /// since another element of an array has them. In `Err` the field that does not hold.
    fn node(&self, node: &Node, seen: Option<&Seen<'_>>, denied: u64, steps: &mut Steps) -> Result<(), usize> {
        steps.0 += 1;
        let arrays = seen.map(Seen::arrays).unwrap_or_default();
        // What is here without an element is absent only where no element has it.
        let in_elements =
            arrays.iter().fold(denied, |found, array| found | self.present(node.absent, node, array, steps));
        let mut failed = match self.all(node, seen, in_elements, steps) {
            Ok(()) => return Ok(()),
            Err(field) => field,
        };
        for elements in arrays {
            let denied = denied | self.present(node.unbound, node, elements, steps);
            for element in elements {
                match self.node(node, Some(element), denied, steps) {
                    Ok(()) => return Ok(()),
                    Err(field) => failed = field,
                }
            }
        }
        Err(failed)
    }

    /// All that a node asks for, of what is an object here, or is not there.
    fn all(&self, node: &Node, seen: Option<&Seen<'_>>, denied: u64, steps: &mut Steps) -> Result<(), usize> {
        let at = |step: StepId| seen.and_then(|seen| seen.field(step));
        for (step, field) in &node.leaves {
            if !self.leaf(*field, at(*step), denied, steps) {
                return Err(*field);
            }
        }
        for (step, deeper) in &node.objects {
            self.node(deeper, at(*step), denied, steps)?;
        }
        for list in &node.alternatives {
            let mut failed = Ok(());
            for alternative in list {
                failed = self.all(alternative, seen, denied, steps);
                if failed.is_ok() {
                    break;
                }
            }
            failed?;
        }
        Ok(())
    }

    fn leaf(&self, index: usize, seen: Option<&Seen<'_>>, denied: u64, steps: &mut Steps) -> bool {
        let Some(field) = self.fields.get(index) else { return false };
        let Some(seen) = seen.filter(|seen| seen.has_value()) else {
            return field.may_be_absent && denied & (1 << index) == 0;
        };
        seen.any_value(&mut |value| {
            steps.0 += 1;
            field.matchers.iter().any(|matcher| matcher.takes(value))
        })
    }
}
