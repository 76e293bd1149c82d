//! From a matcher's JSON to a [`Matcher`]: its operator, and what that is given.

use super::PatternError;
use super::case::AnyCase;
use super::json::Json;
use super::matcher::{Matcher, Network, Range, Wildcard};
use super::number::Comparable;
use super::place::Place;

/// The words for matchers; a field of such a name cannot stand in `$or`, where it would be taken for one.
pub(super) const OPERATORS: [&str; 8] =
    ["exactly", "prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "numeric", "cidr"];
const MATCHERS: &str = "texts, numbers, true, false, null, or objects such as { \"prefix\": \"a\" }";

/// Reads one matcher of a list.
///
/// # Errors
/// What is wrong with it, and where.
pub(super) fn matcher(json: &Json, place: &Place) -> Result<Matcher, PatternError> {
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
