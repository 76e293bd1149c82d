//! The texts of e-mails: minijinja templates with bounded work, and no silent holes.
//!
//! A variable that an event lacks, or holds as null, is an error at the place that prints it, never an empty text. A
//! template that can do without says so: `{{ data.first_name | default("friend") }}` or `{% if data.first_name %}`.
//!
//! A template cannot harm anybody but its own mails: steps are bounded by minijinja's fuel, and what they read and make
//! by `meter` ([ADR 46](../../../docs/adr/0046-metered-templates.md)).

#[cfg(test)]
mod bound_cases;
mod builtin;
#[cfg(test)]
mod cases;
mod context;
mod meter;
mod number;
mod place;
mod price;
mod rewrite;

use minijinja::{Environment, ErrorKind};

use crate::outcome::Cause;

pub use context::{Context, MailContext};

/// The largest template, in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 256 * 1024;

/// The largest rendered text, in bytes.
pub const MAX_RENDERED_BYTES: usize = 1024 * 1024;

/// What a template can name. Anything else is refused when the configuration is applied.
pub const VARIABLES: [&str; 3] = ["data", "event", "tenant"];

/// What the templates of mails can name besides.
pub const MAIL_VARIABLES: [&str; 2] = ["links", "mail"];

/// Proca's names, which the templates of mails can use for events that are written as its messages are.
pub const PROCA_VARIABLES: [&str; 13] = [
    "firstName",
    "lastName",
    "email",
    "contact",
    "org",
    "campaign",
    "actionPage",
    "tracking",
    "privacy",
    "fields",
    "confirmLink",
    "rejectLink",
    "doiLink",
];

/// The members of those variables that we make ourselves: a misspelt one is found when the configuration is applied.
const MEMBERS: [(&str, &[&str]); 2] = [
    ("links", &["accept", "accept_opt_in", "reject", "unsubscribe"]),
    ("mail", &["kind", "number", "locale", "testing"]),
];

/// A template that cannot be used, found when the configuration is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateProblem {
    /// What is wrong.
    pub problem: String,
    /// Where, as a line of the template (1-based).
    pub line: usize,
}

impl TemplateProblem {
    fn of(error: &minijinja::Error) -> Self {
        let problem = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        Self { problem: format!("it does not compile: {problem}"), line: error.line().unwrap_or(1) }
    }
}

/// One compiled template of a sink's configuration.
#[derive(Clone)]
pub struct Template {
    field: &'static str,
    source: String,
    environment: Environment<'static>,
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Template").field("field", &self.field).finish_non_exhaustive()
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        (self.field, &self.source) == (other.field, &other.source)
    }
}

impl Template {
    /// Compiles the template that stands in `field`; what it prints is HTML-escaped where `html` is set.
    ///
    /// # Errors
    /// When it is too large, has a syntax error, or names something that is no variable.
    pub fn compile(field: &'static str, source: &str, html: bool) -> Result<Self, TemplateProblem> {
        Self::compile_with(field, source, html, &VARIABLES)
    }

    /// Compiles the template of a mail, which can also name [`MAIL_VARIABLES`].
    ///
    /// # Errors
    /// As [`Template::compile`].
    pub fn compile_mail(field: &'static str, source: &str, html: bool) -> Result<Self, TemplateProblem> {
        let all: Vec<&str> = VARIABLES.into_iter().chain(MAIL_VARIABLES).chain(PROCA_VARIABLES).collect();
        let template = Self::compile_with(field, source, html, &all)?;
        template.check_members()?;
        Ok(template)
    }

    fn compile_with(
        field: &'static str,
        source: &str,
        html: bool,
        variables: &[&str],
    ) -> Result<Self, TemplateProblem> {
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(TemplateProblem {
                problem: format!("it has {} bytes; at most {MAX_TEMPLATE_BYTES} are taken", source.len()),
                line: 1,
            });
        }
        let mut environment = builtin::environment(html);
        let metered = rewrite::metered(&environment, source)?;
        environment.add_template_owned(field, metered).map_err(|error| TemplateProblem::of(&error))?;
        let template = Self { field, source: source.to_owned(), environment };
        template.check_variables(variables)?;
        Ok(template)
    }

    /// The text that it was compiled from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it names this variable.
    pub fn uses(&self, variable: &str) -> bool {
        self.environment
            .get_template(self.field)
            .is_ok_and(|compiled| compiled.undeclared_variables(false).contains(variable))
    }

    fn check_variables(&self, variables: &[&str]) -> Result<(), TemplateProblem> {
        let Ok(compiled) = self.environment.get_template(self.field) else { return Ok(()) };
        let mut unknown: Vec<String> = compiled
            .undeclared_variables(false)
            .into_iter()
            .filter(|name| !variables.contains(&name.as_str()) && !self.is_global(name))
            .collect();
        unknown.sort();
        let Some(name) = unknown.first() else { return Ok(()) };
        let problem = format!("there is no variable {name:?}: a template can name {}", variables.join(", "));
        Err(TemplateProblem { problem, line: self.line_of(name) })
    }

    fn check_members(&self) -> Result<(), TemplateProblem> {
        let Ok(compiled) = self.environment.get_template(self.field) else { return Ok(()) };
        let named = compiled.undeclared_variables(true);
        let mut unknown: Vec<(&String, &[&str])> = Vec::new();
        for name in &named {
            let Some((variable, member)) = name.split_once('.') else { continue };
            let Some((_, members)) = MEMBERS.iter().find(|(known, _)| *known == variable) else { continue };
            if !members.contains(&member) {
                unknown.push((name, members));
            }
        }
        unknown.sort();
        let Some((name, members)) = unknown.first() else { return Ok(()) };
        let problem = format!("there is no variable {name:?}: it has {}", members.join(", "));
        Err(TemplateProblem { problem, line: self.line_of(name) })
    }

    fn line_of(&self, name: &str) -> usize {
        self.source.lines().position(|text| text.contains(name)).map_or(1, |at| at + 1)
    }

    /// Functions such as `range` are globals of the environment, not variables.
    fn is_global(&self, name: &str) -> bool {
        self.environment.globals().any(|(known, _)| known == name)
    }

    /// Renders the template for one event.
    ///
    /// # Errors
    /// [`Cause::TemplateVariable`] when the event lacks a variable, [`Cause::TemplateFailed`] for anything else.
    /// Neither repeats a value of the event.
    pub fn render(&self, context: &Context) -> Result<String, Cause> {
        let failed =
            |problem: &str, line: usize| Cause::TemplateFailed { field: self.field, problem: problem.to_owned(), line };
        let compiled = self.environment.get_template(self.field).map_err(|_| failed("it is not there", 1))?;
        let mut text = Bounded::default();
        match compiled.render_captured_to(context.value(), &mut text) {
            Ok(_) => String::from_utf8(text.bytes).map_err(|_| failed("what it renders is not UTF-8", 1)),
            Err(_) if text.full => Err(failed("what it renders is larger than 1 MiB", 1)),
            Err(error) => {
                let line = error.line().unwrap_or(1);
                if let Some(bound) = meter::bound(&error) {
                    return Err(failed(&bound.to_string(), line));
                }
                Err(match error.kind() {
                    ErrorKind::UndefinedError => Cause::TemplateVariable { field: self.field, line },
                    ErrorKind::OutOfFuel => failed("it takes more than 100,000 steps", line),
                    // The kind only: a detail may quote the event.
                    kind => failed(&kind.to_string(), line),
                })
            }
        }
    }
}

/// A writer that takes at most [`MAX_RENDERED_BYTES`].
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    full: bool,
}

impl std::io::Write for Bounded {
    fn write(&mut self, more: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + more.len() > MAX_RENDERED_BYTES {
            self.full = true;
            return Err(std::io::Error::other("too large"));
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
