//! Which of a tenant's sinks take an event: by its type, and by an event pattern over the whole event.
//!
//! Patterns have `EventBridge`'s syntax and run as one automaton (the quamina crate), in one pass for all sinks of a tenant.

use std::fmt;
use std::str::FromStr;

use quamina::{Quamina, QuaminaBuilder};

use crate::envelope::Envelope;
use crate::id::SinkId;
use crate::outcome::Cause;
use crate::own_type;

/// How much of a pattern is taken: far above what a filter needs, far below what could hurt the router.
const MAX_PATTERN_DEPTH: usize = 16;
const MAX_PATTERN_FIELDS: usize = 64;
const MAX_PATTERN_STATES: usize = 256;
/// Memory of one field's automaton, in bytes.
const MAX_PATTERN_ARENA: usize = 1024 * 1024;
/// The longest pattern, in bytes of JSON.
pub const MAX_PATTERN_BYTES: usize = 16 * 1024;

/// Which types of events a sink takes: one type exactly, or all that begin with a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeRule {
    /// `action.signed`: this type alone.
    Exact(String),
    /// `action.*`: every type below `action.`.
    Below(String),
    /// `*`: every type but the platform's own ([`own_type`]).
    Any,
}

impl TypeRule {
    /// Whether an event of this type is taken.
    pub fn takes(&self, kind: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == kind,
            Self::Below(prefix) => kind.strip_prefix(prefix.as_str()).is_some_and(|rest| !rest.is_empty()),
            Self::Any => own_type::any_takes(kind),
        }
    }
}

impl FromStr for TypeRule {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTS: &str = "an event type such as \"action.signed\", a prefix such as \"action.*\", or \"*\"";
        if text == "*" {
            return Ok(Self::Any);
        }
        let (name, below) = text.strip_suffix(".*").map_or((text, false), |name| (name, true));
        let fits = (1..=200).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic() && b != b'*');
        match (fits, below) {
            (false, _) => Err(WANTS),
            (true, true) => Ok(Self::Below(format!("{name}."))),
            (true, false) => Ok(Self::Exact(name.to_owned())),
        }
    }
}

impl fmt::Display for TypeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(kind) => f.write_str(kind),
            Self::Below(prefix) => write!(f, "{prefix}*"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// What routing came to for one event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routing {
    /// The sinks that take it, in the order of the configuration.
    pub taken: Vec<SinkId>,
    /// The sinks that do not.
    pub filtered: Vec<SinkId>,
}

/// The compiled rules of all of a tenant's sinks.
pub struct Routes {
    sinks: Vec<Route>,
    patterns: Quamina<usize>,
}

struct Route {
    sink: SinkId,
    types: Vec<TypeRule>,
    has_pattern: bool,
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("sinks", &self.sinks.len()).finish_non_exhaustive()
    }
}

impl Routes {
    /// No rules yet.
    ///
    /// # Errors
    /// When the matcher cannot be built.
    pub fn new() -> Result<Self, String> {
        let patterns = QuaminaBuilder::new()
            .with_max_pattern_depth(MAX_PATTERN_DEPTH)
            .with_max_fields_per_pattern(MAX_PATTERN_FIELDS)
            .with_max_states_per_pattern(MAX_PATTERN_STATES)
            .with_arena_byte_budget(MAX_PATTERN_ARENA)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { sinks: Vec::new(), patterns })
    }

    /// Adds the rules of one sink; `pattern` is JSON.
    ///
    /// # Errors
    /// When the pattern is empty, malformed or too complex.
    pub fn add(&mut self, sink: SinkId, types: Vec<TypeRule>, pattern: Option<&str>) -> Result<(), String> {
        if let Some(pattern) = pattern {
            if pattern.len() > MAX_PATTERN_BYTES {
                return Err(format!(
                    "the pattern has {} bytes as JSON; at most {MAX_PATTERN_BYTES} are taken",
                    pattern.len()
                ));
            }
            if pattern == "{}" {
                return Err("the pattern is empty and would take every event: leave it out to say that".to_owned());
            }
            self.patterns.add_pattern(self.sinks.len(), pattern).map_err(|error| error.to_string())?;
        }
        self.sinks.push(Route { sink, types, has_pattern: pattern.is_some() });
        Ok(())
    }

    /// Finds the sinks that take an event.
    ///
    /// # Errors
    /// [`Cause::MatchFailed`] when matching itself fails: then no sink takes it (it fails closed).
    pub fn route(&self, envelope: &Envelope) -> Result<Routing, Cause> {
        let matched = if self.sinks.iter().any(|route| route.has_pattern) {
            // The matcher's own text may quote the event, so it is not passed on.
            self.patterns
                .matches_for_event(envelope.body.as_bytes())
                .map_err(|_| Cause::MatchFailed("the event matcher could not read the event".to_owned()))?
        } else {
            Vec::new()
        };
        let mut routing = Routing::default();
        for (index, route) in self.sinks.iter().enumerate() {
            let typed = route.types.iter().any(|rule| rule.takes(&envelope.kind));
            let taken = typed && (!route.has_pattern || matched.contains(&index));
            let side = if taken { &mut routing.taken } else { &mut routing.filtered };
            side.push(route.sink.clone());
        }
        Ok(routing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(kind: &str, data: &str) -> Envelope {
        let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"{kind}","data":{data}}}"#);
        Envelope::parse(&"acme".parse().unwrap(), jiff::Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap()
    }

    fn takes(types: &str, pattern: Option<&str>, event: &Envelope) -> bool {
        let mut routes = Routes::new().unwrap();
        routes.add("s".parse().unwrap(), vec![types.parse().unwrap()], pattern).unwrap();
        !routes.route(event).unwrap().taken.is_empty()
    }

    #[test]
    fn types_match_exactly_or_below_a_prefix() {
        let event = envelope("action.signed", "{}");
        for (rule, taken) in [
            ("action.signed", true),
            ("action.*", true),
            ("*", true),
            ("action", false),
            ("act.*", false),
            ("action.signed.*", false),
        ] {
            assert_eq!(takes(rule, None, &event), taken, "{rule}");
        }
        for bad in ["", ".*x", "a*b", "**", "a.*.*"] {
            assert!(bad.parse::<TypeRule>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_pattern_looks_at_the_whole_event_and_all_must_hold() {
        let event = envelope("t", r#"{"country":"FR","amount":20}"#);
        for (pattern, taken) in [
            (r#"{"data":{"country":["FR","DE"]}}"#, true),
            (r#"{"data":{"country":["DE"]}}"#, false),
            (r#"{"data":{"country":["FR"],"amount":[{"numeric":[">",10]}]}}"#, true),
            (r#"{"data":{"country":["FR"],"amount":[{"numeric":[">",30]}]}}"#, false),
            (r#"{"source":[{"prefix":"/a"}]}"#, true),
            (r#"{"data":{"city":[{"exists":false}]}}"#, true),
        ] {
            assert_eq!(takes("*", Some(pattern), &event), taken, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_is_empty_malformed_or_too_complex_is_refused() {
        let mut routes = Routes::new().unwrap();
        let deep = format!("{}[1]{}", r#"{"a":"#.repeat(20), "}".repeat(20));
        let long = format!(r#"{{"a":["{}"]}}"#, "x".repeat(MAX_PATTERN_BYTES));
        for bad in ["{}", "{", "[]", r#"{"a":"FR"}"#, r#"{"a":[{"prefix":1}]}"#, &deep, &long] {
            assert!(routes.add("s".parse().unwrap(), vec![TypeRule::Any], Some(bad)).is_err(), "{bad:.60} was taken");
        }
    }

    #[test]
    fn sinks_that_do_not_take_an_event_are_told_apart_from_those_that_do() {
        let mut routes = Routes::new().unwrap();
        routes.add("all".parse().unwrap(), vec![TypeRule::Any], None).unwrap();
        routes.add("none".parse().unwrap(), vec!["x".parse().unwrap()], None).unwrap();
        let routing = routes.route(&envelope("t", "{}")).unwrap();
        assert_eq!((routing.taken.len(), routing.filtered.len()), (1, 1));
    }
}
