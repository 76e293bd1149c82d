//! From a pattern's JSON to the tree that is judged: everything that it says must have an effect, and be able to hold.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::absence::bind;
use super::json::Json;
use super::matcher::Matcher;
use super::operator::{OPERATORS, matcher};
use super::place::Place;
use super::reader::{Reader, StepId};
use super::{Field, MAX_BYTES, MAX_DEPTH, MAX_FIELDS, MAX_MATCHERS, Node, Pattern, PatternError};

const OR: &str = "$or";

/// Compiles a pattern.
pub(super) fn compile(json: &str, reader: &mut Reader) -> Result<Pattern, PatternError> {
    let whole = |problem: String| PatternError { path: String::new(), problem };
    if json.len() > MAX_BYTES {
        return Err(whole(format!("the pattern has {} bytes as JSON; at most {MAX_BYTES} are taken", json.len())));
    }
    if crate::event::nesting::exceeds(json, 2 * MAX_DEPTH) {
        return Err(whole(format!(
            "the pattern is nested too deeply; at most {MAX_DEPTH} fields are taken in each other"
        )));
    }
    let raw: &RawValue = serde_json::from_str(json).map_err(|error| whole(format!("not JSON: {error}")))?;
    let Json::Object(members) = Json::read(raw).map_err(|error| whole(format!("not JSON: {error}")))? else {
        return Err(whole("a pattern is an object, such as { \"data\": { \"country\": [\"FR\"] } }".to_owned()));
    };
    if members.is_empty() {
        return Err(whole("the pattern is empty and would take every event: leave it out to say that".to_owned()));
    }
    let mut compiler = Compiler { reader, fields: Vec::new(), matchers: 0 };
    let mut root = Node::default();
    let place = Place { step: Reader::ROOT, path: String::new(), depth: 0, in_or: false };
    compiler.object(&members, &place, &mut root, &mut BTreeSet::new())?;
    bind(&mut root, &compiler.fields);
    Ok(Pattern { root, fields: compiler.fields })
}

struct Compiler<'r> {
    reader: &'r mut Reader,
    fields: Vec<Field>,
    matchers: usize,
}

impl Compiler<'_> {
    /// An object of fields; `taken` has the ways to fields that were named before and must all hold with these.
    fn object(
        &mut self,
        members: &[(String, Json)],
        place: &Place,
        node: &mut Node,
        taken: &mut BTreeSet<String>,
    ) -> Result<(), PatternError> {
        if members.is_empty() {
            return place.error("an empty object never holds: name a field, or leave it out");
        }
        for (name, value) in members {
            let inner = place.named(name);
            if name == OR {
                self.alternatives(value, &inner, place, node, taken)?;
                continue;
            }
            if place.in_or && OPERATORS.contains(&name.as_str()) {
                return inner.error(format!("{name:?} is the name of a matcher and cannot be a field's in {OR}"));
            }
            self.field(name, value, &inner, node, taken)?;
        }
        Ok(())
    }

    fn field(
        &mut self,
        name: &str,
        value: &Json,
        place: &Place,
        node: &mut Node,
        taken: &mut BTreeSet<String>,
    ) -> Result<(), PatternError> {
        // A name with dots is a way through objects.
        let names: Vec<&str> = name.split('.').collect();
        let Some((own, ways)) = names.split_last() else { return Ok(()) };
        let mut node = node;
        let mut place = Place { depth: place.depth + names.len(), ..place.clone() };
        if place.depth > MAX_DEPTH {
            return place.error(format!("too deep: at most {MAX_DEPTH} fields are taken in each other"));
        }
        for way in ways {
            place.step = self.reader.step(place.step, way);
            node = object_at(node, place.step);
        }
        let step = self.reader.step(place.step, own);
        match value {
            Json::Object(members) => {
                let place = Place { step, ..place };
                self.object(members, &place, object_at(node, step), taken)
            }
            Json::Array(list) => {
                if !taken.insert(plain(&place.path)) {
                    return place.error("the field is named twice, and only one list would count");
                }
                let field = self.list(list, &place)?;
                node.leaves.push((step, field));
                Ok(())
            }
            other => place.error(format!("must be a list of matchers or an object of fields, and is {}", other.kind())),
        }
    }

    fn alternatives(
        &mut self,
        value: &Json,
        place: &Place,
        around: &Place,
        node: &mut Node,
        taken: &mut BTreeSet<String>,
    ) -> Result<(), PatternError> {
        let Json::Array(list) = value else {
            return place.error(format!("{OR} must be a list of objects, and is {}", value.kind()));
        };
        if list.len() < 2 {
            return place.error(format!("{OR} needs two alternatives at least, and has {}", list.len()));
        }
        let mut alternatives = Vec::new();
        // Each alternative holds together with what stands around it, before and behind it.
        let around_it = taken.clone();
        for (number, alternative) in list.iter().enumerate() {
            let place = Place { step: around.step, depth: around.depth, in_or: true, ..place.numbered(number) };
            let Json::Object(members) = alternative else {
                return place.error(format!(
                    "an alternative of {OR} must be an object of fields, and is {}",
                    alternative.kind()
                ));
            };
            let mut branch = Node::default();
            let mut with_this = around_it.clone();
            self.object(members, &place, &mut branch, &mut with_this)?;
            taken.append(&mut with_this);
            alternatives.push(branch);
        }
        node.alternatives.push(alternatives);
        Ok(())
    }

    fn list(&mut self, list: &[Json], place: &Place) -> Result<usize, PatternError> {
        if list.is_empty() {
            return place.error("an empty list never holds: give it a matcher, or leave the field out");
        }
        self.matchers += list.len();
        if self.fields.len() >= MAX_FIELDS || self.matchers > MAX_MATCHERS {
            return place
                .error(format!("too many: a pattern has at most {MAX_FIELDS} fields and {MAX_MATCHERS} matchers"));
        }
        let matchers = list
            .iter()
            .enumerate()
            .map(|(number, json)| matcher(json, &place.numbered(number)))
            .collect::<Result<Vec<_>, _>>()?;
        let may_be_absent = matchers.iter().any(|matcher| matches!(matcher, Matcher::Absent));
        let path = plain(&place.path);
        self.fields.push(Field { path, matchers, may_be_absent });
        Ok(self.fields.len() - 1)
    }
}

/// The way to a field without the places in `$or`: fields of two branches are the same field.
fn plain(path: &str) -> String {
    path.split('.').filter(|part| !part.starts_with(OR)).collect::<Vec<_>>().join(".")
}

/// The node below a step, made where there is none yet.
fn object_at(node: &mut Node, step: StepId) -> &mut Node {
    node.objects.entry(step).or_default()
}
