//! From a pattern's JSON to the tree that is judged: everything that it says must have an effect, and be able to hold.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::absence::bind;
use super::case::AnyCase;
use super::matcher::{Matcher, Network, Range, Wildcard};
use super::number::Comparable;
use super::reader::{Reader, StepId};
use super::{Field, MAX_BYTES, MAX_DEPTH, MAX_FIELDS, MAX_MATCHERS, Node, Pattern, PatternError};

const OR: &str = "$or";
/// The words for matchers; a field of such a name cannot stand in `$or`, where it would be taken for one.
const OPERATORS: [&str; 8] =
    ["exactly", "prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "numeric", "cidr"];
const MATCHERS: &str = "texts, numbers, true, false, null, or objects such as { \"prefix\": \"a\" }";

/// A value of a pattern, which remembers what JSON's readers forget: a number's letters and repeated names.
enum Json {
    Object(Vec<(String, Json)>),
    Array(Vec<Json>),
    Text(String),
    Number(String),
    Bool(bool),
    Null,
}

impl Json {
    fn read(raw: &RawValue) -> Result<Self, serde_json::Error> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let members: Members<'_> = serde_json::from_str(text)?;
                let members = members.0.into_iter().map(|(name, value)| Ok((name, Self::read(value)?)));
                Self::Object(members.collect::<Result<_, serde_json::Error>>()?)
            }
            Some(b'[') => {
                let elements: Vec<&RawValue> = serde_json::from_str(text)?;
                Self::Array(elements.into_iter().map(Self::read).collect::<Result<_, _>>()?)
            }
            Some(b'"') => Self::Text(serde_json::from_str(text)?),
            Some(b't' | b'f') => Self::Bool(text == "true"),
            Some(b'n') => Self::Null,
            _ => Self::Number(text.to_owned()),
        })
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Object(_) => "an object",
            Self::Array(_) => "a list",
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::Bool(_) => "a boolean",
            Self::Null => "null",
        }
    }
}

/// An object's members in their order, repeated ones too.
struct Members<'j>(Vec<(String, &'j RawValue)>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Compiles a pattern.
pub(super) fn compile(json: &str, reader: &mut Reader) -> Result<Pattern, PatternError> {
    let whole = |problem: String| PatternError { path: String::new(), problem };
    if json.len() > MAX_BYTES {
        return Err(whole(format!("the pattern has {} bytes as JSON; at most {MAX_BYTES} are taken", json.len())));
    }
    if crate::nesting::exceeds(json, 2 * MAX_DEPTH) {
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

/// Where in the pattern.
#[derive(Clone)]
struct Place {
    step: StepId,
    path: String,
    depth: usize,
    in_or: bool,
}

impl Place {
    fn error<T>(&self, problem: impl Into<String>) -> Result<T, PatternError> {
        Err(PatternError { path: self.path.clone(), problem: problem.into() })
    }

    fn named(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { path, ..self.clone() }
    }

    fn numbered(&self, number: usize) -> Self {
        Self { path: format!("{}[{number}]", self.path), ..self.clone() }
    }
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

fn matcher(json: &Json, place: &Place) -> Result<Matcher, PatternError> {
    Ok(match json {
        Json::Text(text) => Matcher::Text(text.clone(), text.parse().ok()),
        Json::Number(text) => Matcher::Number(text.clone(), Comparable::read(text)),
        Json::Bool(value) => Matcher::Bool(*value),
        Json::Null => Matcher::Null,
        Json::Array(_) => return place.error(format!("a list in a list never holds: {MATCHERS}")),
        Json::Object(members) => {
            let [(name, value)] = members.as_slice() else {
                return place.error(format!("one matcher has one operator, and this has {}", members.len()));
            };
            operator(name, value, &place.named(name))?
        }
    })
}

fn operator(name: &str, value: &Json, place: &Place) -> Result<Matcher, PatternError> {
    match name {
        "prefix" | "suffix" => affix(name, value, place),
        "equals-ignore-case" => Ok(Matcher::AnyCase(AnyCase::new(text(value, place)?))),
        "wildcard" => wildcard(text(value, place)?, place),
        "exactly" => Ok(Matcher::Text(text(value, place)?.to_owned(), None)),
        "cidr" => match Network::read(text(value, place)?) {
            Some(network) => Ok(Matcher::Cidr(network)),
            None => place.error("must be a network such as \"10.0.0.0/8\" or \"2001:db8::/32\""),
        },
        "exists" => match value {
            Json::Bool(true) => Ok(Matcher::Exists),
            Json::Bool(false) => Ok(Matcher::Absent),
            other => place.error(format!("must be true or false, and is {}", other.kind())),
        },
        "numeric" => numeric(value, place).map(Matcher::Numeric),
        "anything-but" => anything_but(value, place),
        _ => place.error(format!("there is no operator {name:?}; there are exists, {}", OPERATORS.join(", "))),
    }
}

fn text<'j>(value: &'j Json, place: &Place) -> Result<&'j str, PatternError> {
    match value {
        Json::Text(text) => Ok(text),
        other => place.error(format!("must be a text, and is {}", other.kind())),
    }
}

fn affix(name: &str, value: &Json, place: &Place) -> Result<Matcher, PatternError> {
    let is_prefix = name == "prefix";
    if let Json::Object(members) = value {
        return match members.as_slice() {
            [(inner, value)] if inner == "equals-ignore-case" => {
                let wanted = AnyCase::new(text(value, &place.named(inner))?);
                Ok(if is_prefix { Matcher::PrefixAnyCase(wanted) } else { Matcher::SuffixAnyCase(wanted) })
            }
            _ => place.error("must be a text, or { \"equals-ignore-case\": TEXT }"),
        };
    }
    let wanted = text(value, place)?.to_owned();
    Ok(if is_prefix { Matcher::Prefix(wanted) } else { Matcher::Suffix(wanted) })
}

fn wildcard(text: &str, place: &Place) -> Result<Matcher, PatternError> {
    Wildcard::read(text).map(Matcher::Wildcard).or_else(|problem| place.error(problem))
}

fn anything_but(value: &Json, place: &Place) -> Result<Matcher, PatternError> {
    let (operator, value, place) =
        match value {
            Json::Object(members) => match members.as_slice() {
                [(name, value)] if ["prefix", "suffix", "equals-ignore-case", "wildcard"].contains(&name.as_str()) => {
                    (Some(name.as_str()), value, place.named(name))
                }
                _ => return place.error(
                    "takes one of prefix, suffix, equals-ignore-case and wildcard, or a list of texts or of numbers",
                ),
            },
            _ => (None, value, place.clone()),
        };
    let list = if let Json::Array(list) = value { list.as_slice() } else { std::slice::from_ref(value) };
    if list.is_empty() {
        return place
            .error("an empty list leaves nothing out: give it a text or a number, or use { \"exists\": true }");
    }
    let others = list.iter().map(|json| left_out(operator, json, &place)).collect::<Result<Vec<_>, _>>()?;
    let numbers = list.iter().filter(|json| matches!(json, Json::Number(_))).count();
    if numbers != 0 && numbers != list.len() {
        return place.error("texts and numbers cannot be left out by one matcher");
    }
    Ok(Matcher::AnythingBut(others))
}

fn left_out(operator: Option<&str>, json: &Json, place: &Place) -> Result<Matcher, PatternError> {
    match (operator, json) {
        (None, Json::Text(text)) => Ok(Matcher::Text(text.clone(), None)),
        (None, Json::Number(text)) => match Comparable::read(text) {
            Some(number) => Ok(Matcher::Number(text.clone(), Some(number))),
            None => place.error(format!("{text} has more digits than can be compared")),
        },
        (Some("prefix" | "suffix"), Json::Text(text)) if text.is_empty() => {
            place.error("an empty text leaves every text out")
        }
        (Some("prefix"), Json::Text(text)) => Ok(Matcher::Prefix(text.clone())),
        (Some("suffix"), Json::Text(text)) => Ok(Matcher::Suffix(text.clone())),
        (Some("equals-ignore-case"), Json::Text(text)) => Ok(Matcher::AnyCase(AnyCase::new(text))),
        (Some(_), Json::Text(text)) => wildcard(text, place),
        (None, other) => place.error(format!("leaves out texts or numbers, and not {}", other.kind())),
        (Some(_), other) => place.error(format!("must be a text or a list of texts, and has {}", other.kind())),
    }
}

fn numeric(value: &Json, place: &Place) -> Result<Range, PatternError> {
    const WANTS: &str = "must be a comparison such as [\"=\", 5], [\">\", 0] or [\">=\", 0, \"<\", 10]";
    let Json::Array(list) = value else { return place.error(WANTS) };
    let number = |json: &Json| match json {
        Json::Number(text) => match Comparable::read(text) {
            Some(number) => Ok(number),
            None => place.error(format!("{text} has more digits than can be compared")),
        },
        _ => place.error(WANTS),
    };
    let sign = |json: &Json| if let Json::Text(text) = json { Ok(text.clone()) } else { place.error(WANTS) };
    match list.as_slice() {
        [first, bound] => {
            let bound = number(bound)?;
            match sign(first)?.as_str() {
                "=" => Ok(Range { from: Some((bound, true)), to: Some((bound, true)) }),
                ">" => Ok(Range { from: Some((bound, false)), to: None }),
                ">=" => Ok(Range { from: Some((bound, true)), to: None }),
                "<" => Ok(Range { from: None, to: Some((bound, false)) }),
                "<=" => Ok(Range { from: None, to: Some((bound, true)) }),
                _ => place.error(WANTS),
            }
        }
        [first, bottom, second, top] => {
            let (bottom, top) = (number(bottom)?, number(top)?);
            let itself = |sign: &str, strict: &str, loose: &str| {
                (sign == loose).then_some(true).or((sign == strict).then_some(false))
            };
            let (Some(from), Some(to)) = (itself(&sign(first)?, ">", ">="), itself(&sign(second)?, "<", "<=")) else {
                return place.error(WANTS);
            };
            if bottom.compare(top) != std::cmp::Ordering::Less {
                return place.error("never holds: the lower bound must be below the upper one");
            }
            Ok(Range { from: Some((bottom, from)), to: Some((top, to)) })
        }
        _ => place.error(WANTS),
    }
}
