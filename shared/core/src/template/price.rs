//! What filters pay before they read and make, by their kind.

use minijinja::value::{Kwargs, ValueKind, from_args};
use minijinja::{Error, State, Value};

use super::meter::{Bound, Part, items, pay, pay_for, weight};

/// The deepest indentation of what is written out as JSON.
const MAX_INDENT: usize = 16;
/// What a letter takes as an item of a list.
pub(super) const CHARACTER: usize = 40;
/// What a list of lists takes for each of them.
const LIST: usize = 64;

/// What a filter pays.
#[derive(Debug, Clone, Copy)]
pub(super) enum Price {
    /// For the text that it reads, if it reads one.
    Surface,
    /// For all that it reads.
    All,
    /// For the places of the items that it hands on, or that it is told to make.
    Items,
    /// For all that it compares, and its items together with what they are looked at by.
    Compared,
    /// For what it adds up, which is numbers.
    Sum,
    /// For what it would make.
    Made(fn(&Given) -> usize),
}

pub(super) fn read(state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    pay_for(state, value, Part::All { indent: 0 })
}

/// How many items there are to go through: those of a text are its letters.
pub(super) fn listed(value: &Value) -> usize {
    value.as_str().map_or_else(|| items(value), str::len)
}

/// What a filter was given: what stands before it, and its arguments by place and by name.
pub(super) struct Given {
    value: Value,
    places: Vec<Value>,
    names: Vec<(String, Value)>,
}

impl Given {
    fn new(args: &[Value]) -> Result<Self, Error> {
        let (places, others): (&[Value], Kwargs) = from_args(args)?;
        let mut names = Vec::new();
        for name in others.args() {
            names.push((name.to_owned(), others.peek::<Value>(name)?));
        }
        let (value, places) =
            places.split_first().map(|(value, places)| (value.clone(), places.to_vec())).unwrap_or_default();
        Ok(Self { value, places, names })
    }

    fn all(&self) -> impl Iterator<Item = &Value> {
        std::iter::once(&self.value).chain(self.others())
    }

    fn others(&self) -> impl Iterator<Item = &Value> {
        self.places.iter().chain(self.names.iter().map(|(_, value)| value))
    }

    /// The argument of this name, or at this place.
    fn argument(&self, name: &str, place: usize) -> Option<&Value> {
        self.names.iter().find(|(known, _)| known == name).map(|(_, value)| value).or_else(|| self.places.get(place))
    }

    /// A count that is given so; a negative one is none.
    fn count(&self, name: &str, place: usize) -> Option<usize> {
        self.argument(name, place).map(|value| usize::try_from(value.clone()).unwrap_or(0))
    }
}

impl Price {
    pub(super) fn pay(self, state: &mut State<'_, '_>, args: &[Value]) -> Result<(), Error> {
        let given = Given::new(args)?;
        match self {
            // Of a list only its length is looked at, or an item.
            Self::Surface => {
                let mut texts = given.all().filter(|value| value.kind() == ValueKind::String);
                texts.try_for_each(|text| pay_for(state, text, Part::Surface))
            }
            // Capital letters can take three times the bytes of small ones.
            Self::All => (0..3).try_for_each(|_| given.all().try_for_each(|value| read(state, value))),
            Self::Items => pay_items(state, &given),
            Self::Compared => {
                pay_items(state, &given)?;
                given.all().try_for_each(|value| read(state, value))
            }
            Self::Sum => {
                given.all().try_for_each(|value| read(state, value))?;
                pay_sum(state, &given)
            }
            Self::Made(made) => {
                given.all().try_for_each(|value| read(state, value))?;
                pay(state, made(&given))
            }
        }
    }
}

fn pay_items(state: &mut State<'_, '_>, given: &Given) -> Result<(), Error> {
    let first = listed(&given.value);
    pay(state, first.saturating_mul(LIST))?;
    for value in given.others() {
        let count = if value.is_integer() { usize::try_from(value.clone()).unwrap_or(0) } else { items(value) };
        pay(state, count.saturating_mul(LIST))?;
        // What each item is looked at by, or what stands between two.
        let text = value.as_str().map_or(0, str::len);
        pay(state, first.saturating_mul(text))?;
    }
    Ok(())
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn escapes(given: &Given) -> usize {
    text(Some(&given.value)).len().saturating_mul(5)
}

/// Widths and precisions are the numbers in the text, or arguments where it has stars.
pub(super) fn formats(given: &Given) -> usize {
    let pattern = text(Some(&given.value));
    let numbers = pattern.split(|letter: char| !letter.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let widths = numbers.map(|digits| digits.parse().unwrap_or(usize::MAX)).fold(0, usize::saturating_add);
    let stars = if pattern.contains('*') { given.others().filter(|value| value.is_integer()).count() } else { 0 };
    let starred = given.others().take(if stars == 0 { 0 } else { usize::MAX });
    let starred = starred.map(|value| usize::try_from(value.clone()).unwrap_or(0)).fold(0, usize::saturating_add);
    widths.saturating_add(starred)
}

pub(super) fn indents(given: &Given) -> usize {
    let lines = text(Some(&given.value)).split('\n').count();
    given.count("width", 0).unwrap_or(4).saturating_mul(lines)
}

pub(super) fn replaces(given: &Given) -> usize {
    let (whole, from, to) = (text(Some(&given.value)), text(given.places.first()), text(given.places.get(1)));
    let times = if from.is_empty() { whole.chars().count() + 1 } else { whole.matches(from).count() };
    whole.len().saturating_add(times.saturating_mul(to.len())).saturating_mul(5)
}

pub(super) fn splits(given: &Given) -> usize {
    let (whole, at) = (text(Some(&given.value)), text(given.places.first()));
    let pieces = if given.places.is_empty() {
        whole.split_whitespace().count().max(whole.lines().count())
    } else {
        whole.matches(at).count()
    };
    (pieces + 2).saturating_mul(CHARACTER)
}

/// Lists and objects with each item on a line of its own, indented by its depth.
fn written(value: &Value, indent: usize) -> usize {
    // Beyond any bound is enough to know.
    weight(value, Part::All { indent }).unwrap_or(usize::MAX)
}

pub(super) fn prints(given: &Given) -> usize {
    written(&given.value, 4)
}

pub(super) fn writes(given: &Given) -> usize {
    let indent = match given.argument("indent", 0) {
        Some(value) if value.kind() == ValueKind::Bool => 2,
        Some(value) => usize::try_from(value.clone()).unwrap_or(0),
        None => 0,
    };
    // It is a depth's, so that a deep event would make very much of it.
    if indent > MAX_INDENT {
        return usize::MAX;
    }
    written(&given.value, indent)
}

/// Numbers only: each sum of texts would be a text of its own.
fn pay_sum(state: &mut State<'_, '_>, given: &Given) -> Result<(), Error> {
    if given.argument("start", 1).is_some_and(|start| !start.is_number()) {
        return Err(Bound::Sum.into());
    }
    pay(state, listed(&given.value).saturating_mul(text(given.argument("attribute", 0)).len() + 1))
}
