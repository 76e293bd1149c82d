//! The texts of e-mails: minijinja templates with bounded work, and no silent holes.
//!
//! A variable that an event lacks, or holds as null, is an error at the place that prints it, never an empty text. A template
//! that can do without says so: `{{ data.first_name | default("friend") }}` or `{% if data.first_name %}`.

mod context;
mod number;

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};

use crate::outcome::Cause;

pub use context::{Context, MailContext};

/// The work that one rendering may take, in minijinja's instructions: thousands of times what a mail needs.
const FUEL: u64 = 100_000;

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
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(50);
        environment.set_formatter(number::print);

        environment.set_auto_escape_callback(move |_| if html { AutoEscape::Html } else { AutoEscape::None });
        environment.add_template_owned(field, source.to_owned()).map_err(|error| TemplateProblem {
            problem: format!(
                "it does not compile: {}",
                error.detail().map_or_else(|| error.kind().to_string(), str::to_owned)
            ),
            line: error.line().unwrap_or(1),
        })?;
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
    /// [`Cause::TemplateVariable`] when the event lacks a variable, [`Cause::TemplateFailed`] for anything else. Neither
    /// repeats a value of the event.
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
                Err(match error.kind() {
                    ErrorKind::UndefinedError => Cause::TemplateVariable { field: self.field, line },
                    ErrorKind::OutOfFuel => failed("it takes too much work", line),
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

#[cfg(test)]
mod tests {
    use crate::config::TenantSummary;
    use crate::envelope::Envelope;
    use crate::proca::Personal;

    use super::*;

    fn render(source: &str, data: &str, html: bool) -> Result<String, Cause> {
        let tenant = TenantSummary { id: "acme".parse().unwrap(), name: "Acme & Co".to_owned() };
        let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{data}}}"#);
        let envelope = Envelope::parse(&tenant.id, jiff::Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap();
        Template::compile("text", source, html).unwrap().render(&Context::new(&tenant, &envelope))
    }

    #[test]
    fn data_event_and_tenant_can_be_named() {
        let text =
            render("{{ data.name }} {{ event.id }} {{ event.type }} {{ tenant.name }}", r#"{"name":"Ana"}"#, false);
        assert_eq!(text.unwrap(), "Ana 1 t Acme & Co");
    }

    #[test]
    fn html_is_escaped_and_text_is_not() {
        assert_eq!(render("{{ data.n }}", r#"{"n":"<b>"}"#, true).unwrap(), "&lt;b&gt;");
        assert_eq!(render("{{ data.n }}", r#"{"n":"<b>"}"#, false).unwrap(), "<b>");
    }

    #[test]
    fn a_missing_and_a_null_variable_fail_with_their_line_and_a_default_helps() {
        for data in ["{}", r#"{"name":null}"#] {
            let error = render("Dear\n{{ data.name }}", data, false).unwrap_err();
            assert_eq!(error, Cause::TemplateVariable { field: "text", line: 2 });
            assert_eq!(render("{{ data.name | default('you') }}", data, false).unwrap(), "you");
            assert_eq!(render("{% if data.name %}x{% endif %}", data, false).unwrap(), "");
        }
        assert!(matches!(render("{{ data.name }}", "null", false), Err(Cause::TemplateVariable { .. })));
    }

    #[test]
    fn a_template_that_does_not_compile_or_names_no_variable_is_refused_with_its_line() {
        let problem = Template::compile("text", "a\nb {{ data. }}", false).unwrap_err();
        assert_eq!(problem.line, 2);
        let problem = Template::compile("text", "a\n\n{{ dta.name }}", false).unwrap_err();
        assert_eq!(problem.line, 3);
        assert!(problem.problem.contains("\"dta\""), "{}", problem.problem);
        assert!(Template::compile("text", "{% for i in range(3) %}{{ i }}{% endfor %}", false).is_ok());
    }

    #[test]
    fn a_mails_template_can_name_its_links_and_no_link_that_there_is_not() {
        let template =
            Template::compile_mail("text", "{{ links.accept }} {{ mail.kind }} {{ data.x }}", false).unwrap();
        assert!(template.uses("links") && !template.uses("event"));
        let tenant = TenantSummary { id: "acme".parse().unwrap(), name: "Acme".to_owned() };
        let body = br#"{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{"x":1}}"#;
        let envelope = Envelope::parse(&tenant.id, jiff::Timestamp::UNIX_EPOCH, body).unwrap();
        let links = Some([("accept", "https://a.example/c".to_owned())].into());
        let mail = MailContext { kind: "confirm".to_owned(), links, ..MailContext::default() };
        let context = Context::new(&tenant, &envelope);
        assert_eq!(template.render(&context.clone().with_mail(mail)).unwrap(), "https://a.example/c confirm 1");
        let without = context.with_mail(MailContext::default());
        assert!(matches!(template.render(&without), Err(Cause::TemplateVariable { .. })));
        let problem = Template::compile_mail("text", "a\n{{ links.acept }}", false).unwrap_err();
        assert_eq!(problem.line, 2);
        assert!(problem.problem.contains("acept") && problem.problem.contains("unsubscribe"), "{}", problem.problem);
        assert!(Template::compile("text", "{{ links.accept }}", false).is_err());
    }

    #[test]
    fn a_link_stands_in_html_as_it_is_and_what_comes_from_the_event_is_escaped() {
        let template =
            Template::compile_mail("html", "<a href=\"{{ links.accept }}\">{{ data.name }}</a>", true).unwrap();
        let tenant = TenantSummary { id: "acme".parse().unwrap(), name: "Acme".to_owned() };
        let body = r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{"name":"</a>"}}"#;
        let envelope = Envelope::parse(&tenant.id, jiff::Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap();
        let links = Some([("accept", "https://a.example/c/acme/x".to_owned())].into());
        let context = Context::new(&tenant, &envelope).with_mail(MailContext { links, ..MailContext::default() });
        assert_eq!(template.render(&context).unwrap(), "<a href=\"https://a.example/c/acme/x\">&lt;&#x2f;a&gt;</a>");
    }

    #[test]
    fn procas_names_are_filled_from_its_messages_and_from_nothing_else() {
        let source = "{{ firstName }} {{ campaign.title }} {{ fields.age }} {{ data.contact.email }} {{ confirmLink }}";
        let template = Template::compile_mail("text", source, false).unwrap();
        let tenant = TenantSummary { id: "acme".parse().unwrap(), name: "Acme".to_owned() };
        let context = |body: &str, personal: Option<Personal>| {
            let envelope = Envelope::parse(&tenant.id, jiff::Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap();
            let links = Some([("accept", "https://a.example/c".to_owned())].into());
            let mail = MailContext { links, ..MailContext::default() };
            Context::with_personal(&tenant, &envelope, personal).with_mail(mail)
        };
        let open = r#"{"schema":"proca:action:2","stage":"deliver","actionId":1,"campaign":{"title":"No coal"},
            "action":{"customFields":{"age":30}},"contact":{"firstName":"Ana","email":"ana@example.org"}}"#;
        assert_eq!(
            template.render(&context(open, None)).unwrap(),
            "Ana No coal 30 ana@example.org https://a.example/c"
        );
        let closed = open.replace(r#""firstName":"Ana","email":"ana@example.org""#, r#""contactRef":"c-1""#);
        assert!(matches!(template.render(&context(&closed, None)), Err(Cause::TemplateVariable { .. })));
        let personal = Personal::read(r#"{"firstName":"Ana","email":"ana@example.org"}"#);
        assert!(template.render(&context(&closed, personal)).unwrap().contains("ana@example.org"));
        let cloud = r#"{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{"x":1}}"#;
        assert!(matches!(template.render(&context(cloud, None)), Err(Cause::TemplateVariable { .. })));
    }

    #[test]
    fn work_and_size_are_bounded() {
        let endless = "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}";
        assert!(matches!(render(endless, "{}", false), Err(Cause::TemplateFailed { .. })));
        let data = format!(r#"{{"x":"{}"}}"#, "x".repeat(100_000));
        let large = "{% for a in range(20) %}{{ data.x }}{% endfor %}";
        let error = render(large, &data, false).unwrap_err();
        assert!(error.to_string().contains("1 MiB"), "{error}");
    }

    #[test]
    fn an_error_does_not_quote_the_event() {
        let error = render("{{ data.name | int }}", r#"{"name":"ana@example.org"}"#, false).unwrap_err();
        assert!(!error.to_string().contains("ana@"), "{error}");
    }
}
