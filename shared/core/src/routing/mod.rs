//! Which of a tenant's sinks take an event: by its type, and by an event pattern over the whole event
//! ([`crate::routing::pattern`]).

pub mod pattern;

use std::fmt;
use std::str::FromStr;

use serde_json::value::RawValue;

use crate::event::envelope::Envelope;
use crate::event::own_type;
use crate::id::SinkId;
use crate::outcome::Cause;
use crate::routing::pattern::{Pattern, PatternError, Reader, Seen, Steps};

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
    /// The clause of each one's rules that the event does not meet, in the order of `filtered`.
    pub clauses: Vec<String>,
}

/// What one sink says of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict<'r> {
    /// The sink.
    pub sink: &'r SinkId,
    /// The first clause of its rules that the event does not meet; nothing where the sink takes it.
    pub clause: Option<Clause<'r>>,
}

/// A part of a sink's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clause<'r> {
    /// Its `types`.
    Types,
    /// A field of its `pattern`, as the way to it with dots.
    Pattern(&'r str),
}

/// The clause as its place in the sink's configuration: `types`, or `pattern.data.country`.
impl fmt::Display for Clause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Types => f.write_str("types"),
            Self::Pattern(field) => write!(f, "pattern.{field}"),
        }
    }
}

impl Clause<'_> {
    /// The clause as it is remembered: a field that is long, or that a message's attribute could not hold, is not named.
    fn brief(&self) -> String {
        match self {
            Self::Pattern(field) if field.len() > 100 || !field.bytes().all(|byte| byte.is_ascii_graphic()) => {
                "pattern".to_owned()
            }
            clause => clause.to_string(),
        }
    }
}

/// The compiled rules of all of a tenant's sinks.
#[derive(Debug, Default)]
pub struct Routes {
    sinks: Vec<Route>,
    reader: Reader,
}

#[derive(Debug)]
struct Route {
    sink: SinkId,
    types: Vec<TypeRule>,
    pattern: Option<Pattern>,
}

impl Routes {
    /// Adds the rules of one sink; `pattern` is JSON.
    ///
    /// # Errors
    /// What is wrong with the pattern, and where.
    pub fn add(&mut self, sink: SinkId, types: Vec<TypeRule>, pattern: Option<&str>) -> Result<(), PatternError> {
        let pattern = pattern.map(|json| Pattern::compile(json, &mut self.reader)).transpose()?;
        self.sinks.push(Route { sink, types, pattern });
        Ok(())
    }

    /// Finds the sinks that take an event.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub fn route(&self, envelope: &Envelope) -> Result<Routing, Cause> {
        let mut routing = Routing::default();
        for Verdict { sink, clause } in self.judge(envelope)? {
            let Some(clause) = clause else {
                routing.taken.push(sink.clone());
                continue;
            };
            routing.filtered.push(sink.clone());
            routing.clauses.push(clause.brief());
        }
        Ok(routing)
    }

    /// Judges an event for each sink by itself, in the order of the configuration.
    ///
    /// # Errors
    /// [`Cause::MatchFailed`] when the event cannot be read: then no sink takes it (it fails closed).
    pub fn judge(&self, envelope: &Envelope) -> Result<Vec<Verdict<'_>>, Cause> {
        let asks = self.sinks.iter().any(|route| route.pattern.is_some() && route.takes_type(&envelope.event_type));
        // The reader's own text may quote the event, so it is not passed on.
        let unreadable = |_| Cause::MatchFailed("the event matcher could not read the event");
        let event = if asks {
            let raw: &RawValue = serde_json::from_str(&envelope.body).map_err(unreadable)?;
            Some(self.reader.read(raw).map_err(unreadable)?)
        } else {
            None
        };
        Ok(self.sinks.iter().map(|route| route.judge(&envelope.event_type, event.as_ref())).collect())
    }
}

impl Route {
    fn takes_type(&self, kind: &str) -> bool {
        self.types.iter().any(|rule| rule.takes(kind))
    }

    /// `event` is there wherever a sink that takes its type has a pattern.
    fn judge(&self, kind: &str, event: Option<&Seen<'_>>) -> Verdict<'_> {
        let clause = match (&self.pattern, event) {
            _ if !self.takes_type(kind) => Some(Clause::Types),
            (Some(pattern), Some(event)) => pattern.judge(event, &mut Steps::default()).err().map(Clause::Pattern),
            _ => None,
        };
        Verdict { sink: &self.sink, clause }
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
        let mut routes = Routes::default();
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
    fn sinks_that_do_not_take_an_event_are_told_apart_from_those_that_do() {
        let mut routes = Routes::default();
        routes.add("all".parse().unwrap(), vec![TypeRule::Any], None).unwrap();
        routes.add("none".parse().unwrap(), vec!["x".parse().unwrap()], None).unwrap();
        let routing = routes.route(&envelope("t", "{}")).unwrap();
        assert_eq!((routing.taken.len(), routing.filtered.len()), (1, 1));
    }

    #[test]
    fn a_sink_that_does_not_take_an_event_names_the_clause() {
        let mut routes = Routes::default();
        routes.add("typed".parse().unwrap(), vec!["x".parse().unwrap()], None).unwrap();
        let pattern = r#"{"type":["t"],"data":{"country":["FR"],"amount":[{"numeric":[">",10]}]}}"#;
        routes.add("narrow".parse().unwrap(), vec![TypeRule::Any], Some(pattern)).unwrap();
        let clauses = |event: &Envelope| -> Vec<String> {
            let verdicts = routes.judge(event).unwrap();
            verdicts.iter().map(|verdict| verdict.clause.map(|clause| clause.to_string()).unwrap_or_default()).collect()
        };
        assert_eq!(clauses(&envelope("t", r#"{"country":"FR","amount":20}"#)), ["types", ""]);
        assert_eq!(clauses(&envelope("t", r#"{"country":"DE","amount":20}"#)), ["types", "pattern.data.country"]);
        assert_eq!(clauses(&envelope("t", r#"{"country":"FR"}"#)), ["types", "pattern.data.amount"]);
        assert_eq!(clauses(&envelope("u", r#"{"country":"FR"}"#)), ["types", "pattern.type"]);
    }
}
