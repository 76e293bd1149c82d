//! What patterns ask of events, and what an event has of that: it is read once for all patterns.
//!
//! Texts are bytes in UTF-8 but for halves of surrogate pairs, which JSON may hold (`"\ud800"`) and other readers take.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::number::Comparable;

/// A name at a place of the tree of names that patterns ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct StepId(usize);

/// The names that patterns ask for, as a tree.
#[derive(Debug)]
pub struct Reader {
    /// The first is the event itself.
    steps: Vec<Step>,
}

#[derive(Debug, Default)]
struct Step {
    /// The names below it, sorted.
    below: Vec<(String, StepId)>,
}

impl Default for Reader {
    fn default() -> Self {
        Self { steps: vec![Step::default()] }
    }
}

impl Reader {
    /// The event itself.
    pub(super) const ROOT: StepId = StepId(0);

    /// The step to a name below another, made where no pattern asked for it before.
    pub(super) fn step(&mut self, from: StepId, name: &str) -> StepId {
        if let Some(step) = self.find(from, name.as_bytes()) {
            return step;
        }
        let made = StepId(self.steps.len());
        self.steps.push(Step::default());
        if let Some(step) = self.steps.get_mut(from.0) {
            let place = step.below.partition_point(|(other, _)| other.as_str() < name);
            step.below.insert(place, (name.to_owned(), made));
        }
        made
    }

    fn find(&self, from: StepId, name: &[u8]) -> Option<StepId> {
        let below = &self.steps.get(from.0)?.below;
        let place = below.binary_search_by(|(other, _)| other.as_bytes().cmp(name)).ok()?;
        below.get(place).map(|(_, step)| *step)
    }

    /// The steps for a name of an event, in which dots lead deeper; none where no pattern asks for it.
    fn find_dotted(&self, from: StepId, name: &[u8]) -> Option<Vec<StepId>> {
        let mut step = from;
        name.split(|byte| *byte == b'.')
            .map(|name| {
                step = self.find(step, name)?;
                Some(step)
            })
            .collect()
    }

    fn is_end(&self, step: StepId) -> bool {
        self.steps.get(step.0).is_none_or(|step| step.below.is_empty())
    }

    /// Reads an event: what the patterns ask for, and nothing else.
    ///
    /// # Errors
    /// Where it is not JSON.
    pub fn read<'e>(&self, event: &'e RawValue) -> Result<Seen<'e>, serde_json::Error> {
        let mut seen = Seen::default();
        self.look(Self::ROOT, event, &mut seen)?;
        Ok(seen)
    }

    fn look<'e>(&self, step: StepId, raw: &'e RawValue, seen: &mut Seen<'e>) -> Result<(), serde_json::Error> {
        match raw.get().as_bytes().first() {
            Some(b'{') => {
                // No pattern asks for what is in it.
                if self.is_end(step) {
                    return Ok(());
                }
                let mut members = BTreeMap::new();
                Deserializer::deserialize_map(
                    &mut serde_json::Deserializer::from_str(raw.get()),
                    Members { reader: self, step, found: &mut members },
                )?;
                // Events may have a hundred thousand small objects: each takes no more room than what it has.
                seen.fields.reserve_exact(members.len());
                for (last, (steps, value)) in members {
                    let field = steps.iter().fold(&mut *seen, |seen, step| seen.field_mut(*step));
                    self.look(last, value, field)?;
                }
            }
            Some(b'[') => {
                let mut elements = Vec::new();
                Deserializer::deserialize_seq(
                    &mut serde_json::Deserializer::from_str(raw.get()),
                    Elements(&mut elements),
                )?;
                let nested = elements.iter().filter(|element| is_nested(element)).count();
                let mut objects = Vec::with_capacity(nested);
                seen.values.reserve_exact(elements.len() - nested);
                for element in elements {
                    if is_nested(element) {
                        let mut inner = Seen::default();
                        self.look(step, element, &mut inner)?;
                        // An element without anything that is asked for may be the one in which a field is absent.
                        objects.push(inner);
                    } else {
                        seen.values.push(scalar(element)?);
                    }
                }
                if !objects.is_empty() {
                    seen.arrays.push(objects);
                }
            }
            _ => {
                seen.values.reserve_exact(1);
                seen.values.push(scalar(raw)?);
            }
        }
        Ok(())
    }
}

fn is_nested(raw: &RawValue) -> bool {
    matches!(raw.get().as_bytes().first(), Some(b'{' | b'['))
}

fn scalar(raw: &RawValue) -> Result<Value<'_>, serde_json::Error> {
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'"') => {
            Value::Text(Deserializer::deserialize_bytes(&mut serde_json::Deserializer::from_str(text), Bytes)?)
        }
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') => Value::Null,
        _ => Value::Number { text, comparable: Comparable::read(text) },
    })
}

/// What an event has of what is asked for, at one place.
#[derive(Debug, Default, Clone)]
pub struct Seen<'e> {
    /// The values here: of an array all that are neither objects nor arrays.
    values: Vec<Value<'e>>,
    /// What is in the objects here, in the order of the steps.
    fields: Vec<(StepId, Seen<'e>)>,
    /// Of each array here, its elements that are objects or arrays.
    arrays: Vec<Vec<Seen<'e>>>,
}

impl<'e> Seen<'e> {
    pub(super) fn field(&self, step: StepId) -> Option<&Self> {
        let place = self.fields.binary_search_by_key(&step, |(other, _)| *other).ok()?;
        self.fields.get(place).map(|(_, seen)| seen)
    }

    /// What is at a step below here, made where there is nothing yet: a name with dots may lead to what is there
    /// already.
    fn field_mut(&mut self, step: StepId) -> &mut Self {
        let place = self.fields.partition_point(|(other, _)| *other < step);
        if self.fields.get(place).is_none_or(|(other, _)| *other != step) {
            self.fields.insert(place, (step, Self::default()));
        }
        #[expect(clippy::indexing_slicing, reason = "it is there, or was put there")]
        &mut self.fields[place].1
    }

    pub(super) fn arrays(&self) -> &[Vec<Self>] {
        &self.arrays
    }

    /// Whether there is any value here, in arrays of arrays too.
    pub(super) fn has_value(&self) -> bool {
        !self.values.is_empty() || self.arrays.iter().flatten().any(Self::has_value)
    }

    /// Whether a value here is such a one.
    pub(super) fn any_value(&self, is: &mut impl FnMut(&Value<'e>) -> bool) -> bool {
        self.values.iter().any(&mut *is) || self.arrays.iter().flatten().any(|element| element.any_value(is))
    }
}

/// A value that matchers look at.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'e> {
    Text(Cow<'e, [u8]>),
    Number { text: &'e str, comparable: Option<Comparable> },
    Bool(bool),
    Null,
}

/// Takes an object's members that are asked for; of a repeated name the last.
struct Members<'r, 'e, 'm> {
    reader: &'r Reader,
    step: StepId,
    /// By the last step of each.
    found: &'m mut BTreeMap<StepId, Member<'e>>,
}

/// The steps that a member's name leads through, and its value. Different names end at different steps.
type Member<'e> = (Vec<StepId>, &'e RawValue);

impl<'e> Visitor<'e> for Members<'_, 'e, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'e>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Name)? {
            let Some(steps) = self.reader.find_dotted(self.step, &name) else {
                map.next_value::<serde::de::IgnoredAny>()?;
                continue;
            };
            let value: &'e RawValue = map.next_value()?;
            if let Some(last) = steps.last().copied() {
                self.found.insert(last, (steps, value));
            }
        }
        Ok(())
    }
}

struct Elements<'e, 'm>(&'m mut Vec<&'e RawValue>);

impl<'e> Visitor<'e> for Elements<'e, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'e>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element()? {
            self.0.push(element);
        }
        Ok(())
    }
}

struct Name;

impl<'e> DeserializeSeed<'e> for Name {
    type Value = Cow<'e, [u8]>;

    fn deserialize<D: Deserializer<'e>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(Bytes)
    }
}

struct Bytes;

impl<'e> Visitor<'e> for Bytes {
    type Value = Cow<'e, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'e [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_owned()))
    }

    fn visit_borrowed_str<E>(self, text: &'e str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text.as_bytes()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.as_bytes().to_owned()))
    }
}
