//! Numbers in templates: they count as numbers, and are printed as the event writes them.
//!
//! Whole numbers of up to 38 digits are exact. Any other is the nearest double-precision value, as for `EventBridge`
//! and nearly every parser (`1e400` is larger than all of them), so that templates can compare it and calculate with
//! it. Where a template prints such a value, it prints what the event says: `30.50`, not 30.5. An event that spells one
//! value in two ways has it printed as minijinja does.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{Error, Output, State, escape_formatter};

/// The variable that holds the [`Spellings`]. No template can name it: it is no identifier.
pub(super) const SPELLINGS: &str = "numbers as they are written";

/// How an event spells its numbers that are not whole, by value; `None` where in more than one way.
#[derive(Debug, Default)]
pub(super) struct Spellings(BTreeMap<u64, Option<Box<str>>>);

impl Spellings {
    /// The value of a number as it is written in JSON.
    pub(super) fn number(&mut self, text: &str) -> Value {
        whole(text).unwrap_or_else(|| {
            // What is beyond a double's range becomes infinite. The text is a number: it was read as JSON.
            let value: f64 = text.parse().unwrap_or(f64::NAN);
            match self.0.entry(value.to_bits()) {
                Entry::Vacant(entry) => drop(entry.insert(Some(text.into()))),
                Entry::Occupied(mut entry) => {
                    if entry.get().as_deref() != Some(text) {
                        entry.insert(None);
                    }
                }
            }
            Value::from(value)
        })
    }

    fn of(&self, value: f64) -> Option<&str> {
        self.0.get(&value.to_bits())?.as_deref()
    }
}

impl Object for Spellings {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// A whole number that can be kept as it is.
fn whole(text: &str) -> Option<Value> {
    let smaller = || text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from));
    let larger = || text.parse::<i128>().map(Value::from).or_else(|_| text.parse::<u128>().map(Value::from));
    // -0 is a number of its own, and not whole.
    if text == "-0" { None } else { smaller().or_else(|_| larger()).ok() }
}

/// Prints a value, as minijinja does but for numbers that the event spells in another way.
pub(super) fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.is_number() && !value.is_integer() {
        let spellings = state.lookup(SPELLINGS);
        let spellings = spellings.as_ref().and_then(Value::downcast_object_ref::<Spellings>);
        let value = f64::try_from(value.clone()).ok();
        if let Some(text) = spellings.zip(value).and_then(|(spellings, value)| spellings.of(value)) {
            // Digits, a sign, a point and an e: nothing of it needs escaping.
            return out.write_str(text).map_err(Error::from);
        }
    }
    escape_formatter(out, state, value)
}

#[cfg(test)]
mod tests {
    use crate::event::envelope::Envelope;
    use crate::id::TenantSummary;
    use crate::outcome::Cause;
    use crate::template::{Context, Template};

    fn render(source: &str, data: &str, html: bool) -> Result<String, Cause> {
        let tenant = TenantSummary { id: "acme".parse().unwrap(), name: "Acme".to_owned() };
        let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{data}}}"#);
        let envelope = Envelope::parse(&tenant.id, jiff::Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap();
        Template::compile("text", source, html).unwrap().render(&Context::new(&tenant, &envelope))
    }

    #[test]
    fn a_number_is_printed_as_the_event_writes_it_and_counts_as_a_number() {
        for text in ["30.50", "1.10", "1e3", "-0", "1e400", "-1E400", "0.1000000000000000055511151231257827", "100.0"] {
            let data = format!(r#"{{"n":{text},"list":[{text}]}}"#);
            assert_eq!(render("{{ data.n }}", &data, true).unwrap(), text);
            assert_eq!(render("{% for n in data.list %}{{ n }}{% endfor %}", &data, false).unwrap(), text);
            let called = "{% macro m(n) %}{{ n }}{% endmacro %}{{ m(data.n) }}";
            assert_eq!(render(called, &data, false).unwrap(), text);
        }
        for text in ["12345678901234567890123456789012345678", "-9007199254740993", "18446744073709551616"] {
            assert_eq!(
                render("{{ data.n }}{{ data.n }}", &format!(r#"{{"n":{text}}}"#), false).unwrap(),
                text.repeat(2)
            );
        }
        for (text, compared) in [("30.50", "True"), ("1e400", "True"), ("-1e400", "False"), ("-5.00", "False")] {
            assert_eq!(render("{{ data.n > 10 }}", &format!(r#"{{"n":{text}}}"#), false).unwrap(), compared, "{text}");
        }
        assert_eq!(render("{{ data.n + 1 }}", r#"{"n":30.50}"#, false).unwrap(), "31.5");
        // Two spellings of one value cannot be told apart.
        assert_eq!(render("{{ data.a }} {{ data.b }}", r#"{"a":30.50,"b":30.5}"#, false).unwrap(), "30.5 30.5");
    }

    #[test]
    fn an_event_with_half_an_emoji_or_a_number_beyond_all_bounds_is_rendered_like_any_other() {
        for odd in [r#""cut \ud83d""#, "1e400", r#"{"deep":["\udead"]}"#] {
            let data = format!(r#"{{"email":"ana@example.org","odd":{odd}}}"#);
            assert_eq!(render("{{ data.email }}", &data, false).unwrap(), "ana@example.org");
        }
        assert_eq!(render("{{ data.name }}!", r#"{"name":"cut \ud83d"}"#, false).unwrap(), "cut \u{fffd}!");
        let twice = r#"{"email":"a@example.org","email":"b@example.org"}"#;
        assert_eq!(render("{{ data.email }}", twice, false).unwrap(), "b@example.org");
    }
}
