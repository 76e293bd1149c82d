//! The sources of the templates: Jinja over YAML, and the table of queues. `infra/source/README.md` tells how they are
//! written.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::Deserialize;

use crate::host;

/// Where they are.
pub(crate) const FOLDER: &str = "infra/source";
/// What every function's source extends.
const SHAPE: &str = "part/function.yaml.j2";
/// The sections of the platform's template, and the block of a function's source that has its part of each.
const SECTIONS: [(&str, &str); 4] = [
    ("parameters", "all_parameters"),
    ("conditions", "all_conditions"),
    ("resources", "all_resources"),
    ("outputs", "outputs"),
];

/// The table of a tenant's queues. Its own file says what each key means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Queues {
    queue: Vec<Queue>,
}

/// A tenant's queue.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Queue {
    name: String,
    holds: String,
    /// The function that works it off.
    pub(crate) function: Option<String>,
    parameter: Option<String>,
    condition: Option<String>,
    batch: Option<String>,
    fifo: Option<String>,
    id: Option<String>,
}

impl Queue {
    /// What the sources know of it: what was left out of the table, and does not follow, is not defined.
    fn value(&self) -> Value {
        let title = title(&self.name);
        let id = self.id.clone().unwrap_or_else(|| format!("{title}Queue"));
        let switched = self.parameter.as_ref().map(|_| format!("Has{title}"));
        let condition = self.condition.clone().or(switched);
        let required = [("name", &self.name), ("holds", &self.holds), ("title", &title), ("id", &id)];
        let optional = [
            ("function", &self.function),
            ("parameter", &self.parameter),
            ("condition", &condition),
            ("batch", &self.batch),
            ("fifo", &self.fifo),
        ];
        let optional = optional.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        Value::from_pairs(required.into_iter().chain(optional).map(|(key, value)| (key, value.as_str())))
    }
}

/// The sources: each file's text, by its path below the folder.
pub(crate) struct Sources(pub(crate) BTreeMap<String, String>);

impl Sources {
    /// Reads them all.
    pub(crate) fn read() -> Result<Self> {
        let mut files = BTreeMap::new();
        for folder in ["", "function/", "part/", "platform/"] {
            let path = host::path(FOLDER).join(folder);
            for entry in fs::read_dir(&path).with_context(|| format!("cannot read {FOLDER}/{folder}"))? {
                let entry = entry?;
                let name = format!("{folder}{}", entry.file_name().display());
                if entry.path().is_file() {
                    let text = fs::read_to_string(entry.path());
                    files.insert(name.clone(), text.with_context(|| format!("cannot read {FOLDER}/{name}"))?);
                }
            }
        }
        Ok(Self(files))
    }

    /// The functions, by name.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|file| file.strip_prefix("function/")?.strip_suffix(".yaml.j2"))
    }

    /// The rows of the table, in its order.
    pub(crate) fn queues(&self) -> Result<Vec<Queue>> {
        let text = self.0.get("queues.toml").with_context(|| format!("{FOLDER}/queues.toml is missing"))?;
        let table: Queues = toml::from_str(text).with_context(|| format!("{FOLDER}/queues.toml"))?;
        Ok(table.queue)
    }

    /// The template that one of them makes with all the others.
    pub(crate) fn make(&self, source: &str) -> Result<String> {
        let unread = self.unread();
        ensure!(unread.is_empty(), "{}", unread.join("\n"));
        let environment = self.environment()?;
        let table = self.queues()?;
        let queues: Value = table.iter().map(Queue::value).collect();
        let sinks: Value = table.iter().filter(|queue| queue.parameter.is_some()).map(Queue::value).collect();
        let functions = self
            .functions()
            .map(|name| {
                let given = context! { name, title => title(name), queues => queues.clone(), sinks => sinks.clone() };
                function(&environment, name, given).map_err(explained)
            })
            .collect::<Result<Vec<Value>>>()?;
        let template = environment.get_template(source).map_err(explained)?;
        let text = template.render(context! { queues, sinks, functions }).map_err(explained)?;
        Ok(tidy(&text))
    }

    /// Blocks and variables of functions that nothing reads. Their names are misspelt, and Jinja would leave them out
    /// without a word.
    fn unread(&self) -> Vec<String> {
        let shape = self.0.get(SHAPE).map_or("", String::as_str);
        let mut found = Vec::new();
        for (file, text) in self.0.iter().filter(|(file, _)| file.starts_with("function/")) {
            let reads = |name: &str| {
                words(shape).any(|word| word == name) || words(text).filter(|word| *word == name).count() > 1
            };
            let blocks = named(text, "{% block ").filter(|name| !named(shape, "{% block ").any(|block| block == *name));
            let variables = named(text, "{% set ").filter(|name| !reads(name));
            for name in blocks.chain(variables) {
                found.push(format!("{FOLDER}/{file}: nothing reads {name:?}; the head of {FOLDER}/{SHAPE} lists what a function can say"));
            }
        }
        found
    }

    /// The language of the sources: Jinja that refuses what is not defined.
    fn environment(&self) -> Result<Environment<'_>> {
        let mut environment = Environment::new();
        let mut syntax = environment.syntax().to_builder();
        syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
        environment.set_syntax(syntax.build().map_err(explained)?);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.add_filter("at", at);
        for (name, text) in self.0.iter().filter(|(name, _)| name.strip_suffix(".j2").is_some()) {
            environment.add_template(name, text).map_err(explained)?;
        }
        Ok(environment)
    }
}

/// What a function's source says of the function, and its part of each section of the template.
fn function(environment: &Environment<'_>, name: &str, given: Value) -> Result<Value, minijinja::Error> {
    let source = format!("function/{name}.yaml.j2");
    let template = environment.get_template(&source)?;
    template.render_captured(given)?.with_state_mut(|state| {
        let names: Vec<String> = state.exports().into_iter().map(str::to_owned).collect();
        let said = names.into_iter().filter_map(|name| {
            let value = state.lookup(&name).filter(|value| value.kind() == ValueKind::String)?;
            Some((name, value))
        });
        let mut function: BTreeMap<String, Value> = said.collect();
        function.insert("name".to_owned(), Value::from(name));
        function.insert("title".to_owned(), Value::from(title(name)));
        for (section, block) in SECTIONS {
            let text = state.render_block(block)?;
            function.insert(section.to_owned(), Value::from(text.trim()));
        }
        Ok(Value::from(function))
    })
}

/// The names in a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
}

/// The names that a kind of statement gives in a text.
fn named<'a>(text: &'a str, statement: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(statement).skip(1).filter_map(|rest| words(rest).next())
}

/// A name as logical ids have it: `Webhook` of `webhook`.
fn title(name: &str) -> String {
    let capitalized = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    name.split('-').map(capitalized).collect()
}

/// The filter `at`: puts text at a column, without its blank lines.
fn at(text: &str, column: usize) -> String {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| format!("{:column$}{line}", "")).collect::<Vec<_>>().join("\n")
}

/// One blank line where there are several, none below a key and at the end, and no spaces at the ends of lines.
fn tidy(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() && (tidy.is_empty() || tidy.ends_with("\n\n") || tidy.ends_with(":\n")) {
            continue;
        }
        tidy.push_str(line);
        tidy.push('\n');
    }
    tidy.truncate(tidy.trim_end().len());
    tidy.push('\n');
    tidy
}

/// An error of a source; it names the file and the line.
fn explained(error: minijinja::Error) -> anyhow::Error {
    anyhow::Error::new(error).context(format!("a source of the templates in {FOLDER} does not hold"))
}
