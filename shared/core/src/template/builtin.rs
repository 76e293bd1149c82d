//! minijinja's filters, tests and functions as templates have them: each pays for what it reads before it reads it, and
//! for what it makes.
//!
//! A filter that can make much of little (`format`, `indent`, `replace`, `batch`) pays first for what it would make.
//! Left out are `debug`, which prints all that there is, `namespace`, by which a loop could let a value grow without a
//! name for it, and `chain`, which makes objects of objects without end.

use std::sync::LazyLock;

use minijinja::value::{Rest, Tuple, ValueKind, ValueOrKwargs};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value, filters, tests};

use super::meter::{Part, keep, pay, pay_escaped, pay_for, weight};
use super::price::{self, CHARACTER, Price, listed, read};

/// The filters that [`super::rewrite`] puts into templates: reads all of a value,
pub(super) const READ: &str = "_read";
/// looks something up in it,
pub(super) const SEARCHED: &str = "_searched";
/// takes one of its items, or some,
pub(super) const INDEXED: &str = "_indexed";
/// gives it a name,
pub(super) const KEPT: &str = "_kept";
/// goes through it, writing so many bytes for each item,
pub(super) const EACH: &str = "_each";
/// multiplies it.
pub(super) const TIMES: &str = "_times";

/// The work that one rendering may take, in minijinja's instructions: thousands of times what a mail needs.
const FUEL: u64 = 100_000;
/// How deep macros and blocks may stand in each other; minijinja counts a macro as four.
const MAX_LEVELS: usize = 50;

/// What all templates have, those of plain text and those of HTML. It is made once: a tenant may have thousands of
/// templates.
pub(super) fn environment(html: bool) -> Environment<'static> {
    static TEXT: LazyLock<Environment<'static>> = LazyLock::new(|| make(AutoEscape::None));
    static HTML: LazyLock<Environment<'static>> = LazyLock::new(|| make(AutoEscape::Html));
    if html { HTML.clone() } else { TEXT.clone() }
}

fn make(escape: AutoEscape) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_LEVELS);
    environment.set_debug(false);
    environment.set_auto_escape_callback(move |_| escape.clone());
    environment.set_formatter(|out, state, value| {
        match (state.auto_escape(), value.is_safe()) {
            (AutoEscape::None, _) | (_, true) => pay_for(state, value, Part::All { indent: 0 })?,
            _ => pay_escaped(state, value)?,
        }
        super::number::print(out, state, value)
    });
    for name in ["debug", "namespace"] {
        environment.remove_global(name);
    }
    environment.remove_filter("chain");
    add_filters(&mut environment);
    add_tests(&mut environment);
    add_meters(&mut environment);
    environment
}

fn add_filters(environment: &mut Environment<'static>) {
    use Price::{All, Compared, Items, Made, Sum, Surface};
    let mut add = |name: &'static str, price: Price, filter: Value| {
        environment.add_filter(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
            let args = args.into_values();
            price.pay(state, &args)?;
            let made = filter.call(state, &args)?;
            keep(state, made)
        });
    };
    add("abs", Surface, Value::from_function(filters::abs));
    add("attr", Surface, Value::from_function(filters::attr));
    add("bool", Surface, Value::from_function(filters::bool));
    add("count", Surface, Value::from_function(filters::length));
    add("d", Surface, Value::from_function(filters::default));
    add("default", Surface, Value::from_function(filters::default));
    add("first", Surface, Value::from_function(filters::first));
    add("float", Surface, Value::from_function(filters::float));
    add("int", Surface, Value::from_function(filters::int));
    add("last", Items, Value::from_function(filters::last));
    add("length", Surface, Value::from_function(filters::length));
    add("round", Surface, Value::from_function(filters::round));
    add("capitalize", All, Value::from_function(filters::capitalize));
    add("lower", All, Value::from_function(filters::lower));
    add("safe", All, Value::from_function(filters::safe));
    add("string", All, Value::from_function(filters::string));
    add("title", All, Value::from_function(filters::title));
    add("trim", All, Value::from_function(filters::trim));
    add("upper", All, Value::from_function(filters::upper));
    add("e", Made(price::escapes), Value::from_function(filters::escape));
    add("escape", Made(price::escapes), Value::from_function(filters::escape));
    add("format", Made(price::formats), Value::from_function(filters::format));
    add("indent", Made(price::indents), Value::from_function(filters::indent));
    add("pprint", Made(price::prints), Value::from_function(filters::pprint));
    add("replace", Made(price::replaces), Value::from_function(filters::replace));
    add("tojson", Made(price::writes), Value::from_function(filters::tojson));
    add("lines", Made(price::splits), Value::from_function(filters::lines));
    add("split", Made(price::splits), Value::from_function(filters::split));
    add("batch", Items, Value::from_function(filters::batch));
    add("items", Items, Value::from_function(filters::items));
    add("list", Items, Value::from_function(filters::list));
    add("map", Items, Value::from_function(filters::map));
    add("reject", Items, Value::from_function(filters::reject));
    add("rejectattr", Items, Value::from_function(filters::rejectattr));
    add("reverse", Items, Value::from_function(filters::reverse));
    add("select", Items, Value::from_function(filters::select));
    add("selectattr", Items, Value::from_function(filters::selectattr));
    add("slice", Items, Value::from_function(filters::slice));
    add("zip", Items, Value::from_function(filters::zip));
    add("dictsort", Compared, Value::from_function(filters::dictsort));
    add("groupby", Compared, Value::from_function(filters::groupby));
    add("join", Compared, Value::from_function(filters::join));
    add("max", Compared, Value::from_function(filters::max));
    add("min", Compared, Value::from_function(filters::min));
    add("sort", Compared, Value::from_function(filters::sort));
    add("sum", Sum, Value::from_function(filters::sum));
    add("unique", Compared, Value::from_function(filters::unique));
}

fn add_tests(environment: &mut Environment<'static>) {
    let mut add = |names: &[&'static str], test: Value| {
        for name in names {
            let test = test.clone();
            environment.add_test(*name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
                let args = args.into_values();
                args.iter().try_for_each(|value| read(state, value))?;
                test.call(state, &args)
            });
        }
    };
    add(&["eq", "equalto", "=="], Value::from_function(tests::is_eq));
    add(&["ne", "!="], Value::from_function(tests::is_ne));
    add(&["lt", "lessthan", "<"], Value::from_function(tests::is_lt));
    add(&["le", "<="], Value::from_function(tests::is_le));
    add(&["gt", "greaterthan", ">"], Value::from_function(tests::is_gt));
    add(&["ge", ">="], Value::from_function(tests::is_ge));
    add(&["in"], Value::from_function(tests::is_in));
    add(&["startingwith"], Value::from_function(tests::is_startingwith));
    add(&["endingwith"], Value::from_function(tests::is_endingwith));
    add(&["lower"], Value::from_function(tests::is_lower));
    add(&["upper"], Value::from_function(tests::is_upper));
}

/// The filters that stand at operators and statements; their names are no words of the language, and a template that
/// uses them harms nobody.
fn add_meters(environment: &mut Environment<'static>) {
    environment.add_filter(READ, |state: &mut State<'_, '_>, value: Value| -> Result<Value, Error> {
        read(state, &value)?;
        Ok(value)
    });
    environment.add_filter(SEARCHED, |state: &mut State<'_, '_>, value: Value| -> Result<Value, Error> {
        // An object finds a key without a look at the rest of it.
        let part = if value.kind() == ValueKind::Map { Part::Surface } else { Part::All { indent: 0 } };
        pay_for(state, &value, part)?;
        Ok(value)
    });
    environment.add_filter(INDEXED, |state: &mut State<'_, '_>, value: Value| -> Result<Value, Error> {
        if matches!(value.kind(), ValueKind::String | ValueKind::Iterable) {
            pay_for(state, &value, Part::Surface)?;
        }
        Ok(value)
    });
    environment.add_filter(KEPT, |state: &mut State<'_, '_>, value: Value| -> Result<Value, Error> {
        let kept = keep(state, value)?;
        pay_for(state, &kept, Part::Shape)?;
        Ok(kept)
    });
    environment.add_filter(EACH, |state: &mut State<'_, '_>, value: Value, bytes: usize| -> Result<Value, Error> {
        pay(state, listed(&value).saturating_mul(bytes))?;
        match value.as_str() {
            Some(text) => pay(state, text.len() * CHARACTER)?,
            None => pay_for(state, &value, Part::Surface)?,
        }
        Ok(value)
    });
    environment.add_filter(TIMES, |state: &mut State<'_, '_>, left: Value, right: Value| -> Result<Value, Error> {
        times(state, &left, &right)
    });
}

/// `left * right`: of numbers their product, and of a text or a list and a number the one so many times.
fn times(state: &mut State<'_, '_>, left: &Value, right: &Value) -> Result<Value, Error> {
    let wrong = || Error::new(ErrorKind::InvalidOperation, "what is multiplied is no number");
    if left.is_undefined() || right.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    let whole = |value: &Value| i128::try_from(value.clone()).ok().filter(|_| !is_float(value));
    if let (Some(left), Some(right)) = (whole(left), whole(right)) {
        return left.checked_mul(right).map(Value::from).ok_or_else(wrong);
    }
    for (repeated, count) in [(left, right), (right, left)] {
        if repeated.as_str().is_none() && repeated.kind() != ValueKind::Seq {
            continue;
        }
        let count = count.as_usize().ok_or_else(wrong)?;
        pay(state, weight(repeated, Part::All { indent: 0 })?.saturating_mul(count))?;
        if let Some(text) = repeated.as_str() {
            return Ok(Value::from(text.repeat(count)));
        }
        let once: Vec<Value> = repeated.try_iter()?.collect();
        let all: Vec<Value> = (0..count).flat_map(|_| once.iter().cloned()).collect();
        return Ok(if repeated.is_tuple() { Value::from(Tuple::from(all)) } else { Value::from(all) });
    }
    let float = |value: &Value| match value.kind() {
        ValueKind::Bool => Some(f64::from(value.is_true())),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        _ => None,
    };
    match (float(left), float(right)) {
        (Some(left), Some(right)) => Ok(Value::from(left * right)),
        _ => Err(wrong()),
    }
}

fn is_float(value: &Value) -> bool {
    value.is_number() && !value.is_integer()
}

/// Whether there is a filter of this name.
pub(super) fn knows_filter(environment: &Environment<'_>, name: &str) -> bool {
    !environment.empty_state().apply_filter(name, &[]).is_err_and(|error| error.kind() == ErrorKind::UnknownFilter)
}

/// Whether there is a test of this name.
pub(super) fn knows_test(environment: &Environment<'_>, name: &str) -> bool {
    !environment.empty_state().perform_test(name, &[]).is_err_and(|error| error.kind() == ErrorKind::UnknownTest)
}
