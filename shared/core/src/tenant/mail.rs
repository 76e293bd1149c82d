//! A tenant's mails: who sends them, in which languages, to whom at most, and their templates by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::Url;

use super::issue::Findings;
#[cfg(feature = "schema")]
use super::schema::{ColourText, LocaleText, MailboxText, SecretNameText, TemplateText, UrlText};
use crate::address::{Address, Mailbox, ascii_domain};
use crate::id::SecretName;
use crate::mail::{Locale, MailText, MailTexts, TestRecipient};
use crate::template::Template;

/// The most templates, and the most languages of one.
pub(super) const MAX_TEMPLATES: usize = 50;
const MAX_LANGUAGES: usize = 60;
const MAX_TEST_RECIPIENTS: usize = 50;
/// How our pages look where the tenant says nothing.
const COLOUR: &str = "#1f4e8c";

/// What all mails of a tenant have in common, as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawMail {
    /// The sender, `Name <address>` or an address. The stack must allow it (the parameter `SenderDomains`) and SES must
    /// have verified it.
    #[cfg_attr(feature = "schema", schemars(with = "MailboxText", extend("examples" = ["Dalia <hola@dalia.example>"])))]
    pub from: String,
    /// Where answers go, in the form of `from`. Without it, to the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "MailboxText", extend("examples" = ["personas@dalia.example"])))]
    pub reply_to: Option<String>,
    /// A template that gives the recipient's address.
    #[cfg_attr(feature = "schema", schemars(with = "TemplateText", extend("examples" = ["{{ data.email }}"])))]
    pub to: String,
    /// The language of recipients whose own no template has. Every template must have it.
    #[cfg_attr(feature = "schema", schemars(with = "LocaleText", extend("examples" = ["en"])))]
    pub default_locale: String,
    /// A template that gives the recipient's language. Without it, all get the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "TemplateText", extend("examples" = ["{{ data.locale | default('en') }}"])))]
    pub locale: Option<String>,
    /// The most mails of one day (UTC). Without it, there is no cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "u64", range(min = 1), extend("examples" = [50000])))]
    pub daily_cap: Option<u64>,
    /// A template that gives `true` for test events: their mails are marked `[TEST]` and go to `test_recipients` alone.
    /// Without it, no event is a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "TemplateText", extend("examples" = ["{{ data.testing | default(false) }}"])))]
    pub testing: Option<String>,
    /// Who may get the mails of test events: addresses, or `*@domain`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("default" = [], "maxItems" = MAX_TEST_RECIPIENTS, "examples" = [["*@dalia.example"]])))]
    pub test_recipients: Vec<String>,
    /// The name of the secret that opens sealed addresses: a private key of X25519, 32 bytes in base64url. Without it,
    /// mails to such addresses are quarantined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "SecretNameText", extend("examples" = ["proca"])))]
    pub personal_key: Option<String>,
    /// `true` sends through a tenant of SES and a configuration set of the tenant's own (`acequia-<stage>-<tenant>`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", schemars(extend("default" = false, "examples" = [true])))]
    pub ses_tenant: bool,
    /// The `https` address of the tenant's logo, which its pages show. Without it, they show none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "UrlText", extend("examples" = ["https://dalia.example/logo.png"])))]
    pub logo: Option<String>,
    /// The colour of the tenant's pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "ColourText", extend("default" = COLOUR, "examples" = ["#7a1f5c"])))]
    pub colour: Option<String>,
}

/// A template in one language, as written. MJML and files are turned into these fields when the file is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTemplate {
    /// The template of the subject.
    pub subject: String,
    /// The template of the plain text.
    pub text: String,
    /// The template of the HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
}

/// Templates by name and language, as written.
pub type RawTemplates = BTreeMap<String, BTreeMap<String, RawTemplate>>;

/// What all mails of a tenant have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct MailSettings {
    /// The sender, as a header has it.
    pub from: String,
    /// Where answers go, in the same form.
    pub reply_to: Option<String>,
    /// Gives the recipient's address.
    pub to: Template,
    /// The language of who has none of the templates'.
    pub default_locale: Locale,
    /// Gives the recipient's language.
    pub locale: Option<Template>,
    /// The most mails of one day (UTC).
    pub daily_cap: Option<u64>,
    /// Gives `true` for test events.
    pub testing: Option<Template>,
    /// Who may get the mails of test events.
    pub test_recipients: Vec<TestRecipient>,
    /// The name of the secret that opens sealed addresses.
    pub personal_key: Option<SecretName>,
    /// Whether mails go through a tenant of SES of its own.
    pub ses_tenant: bool,
    /// How the tenant looks.
    pub brand: Brand,
    /// The templates by name.
    pub templates: BTreeMap<String, Arc<MailTexts>>,
}

/// How a tenant looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    /// Its logo.
    pub logo: Option<Url>,
    /// Its colour, `#rrggbb`.
    pub colour: String,
}

impl MailSettings {
    /// The template of this name.
    pub fn template(&self, name: &str) -> Option<&Arc<MailTexts>> {
        self.templates.get(name)
    }
}

/// Validates the section `[mail]` with the templates beside it.
pub(super) fn validate_mail(
    raw: Option<&RawMail>,
    templates: &RawTemplates,
    findings: &mut Findings,
) -> Option<MailSettings> {
    let Some(raw) = raw else {
        if !templates.is_empty() {
            findings.report("mail", "it is missing: templates need the default language that it names");
        }
        return None;
    };
    let from = validate_mailbox(Some(&raw.from), "mail.from", findings);
    let reply_to = validate_mailbox(raw.reply_to.as_ref(), "mail.reply_to", findings);
    let mut template = |field: &'static str, source: Option<&String>| {
        Template::compile(field, source?, false)
            .map_err(|found| findings.report_line(format!("mail.{field}"), found.problem, found.line))
            .ok()
    };
    let to = template("to", Some(&raw.to));
    let locale = template("locale", raw.locale.as_ref());
    let testing = template("testing", raw.testing.as_ref());
    if raw.daily_cap == Some(0) {
        findings.report("mail.daily_cap", "it must be 1 or more; leave it out for no cap");
    }
    let default_locale = raw.default_locale.parse::<Locale>();
    let default_locale = default_locale.map_err(|error| findings.report("mail.default_locale", error.to_string())).ok();
    let personal_key = raw.personal_key.as_ref().and_then(|name| {
        name.parse::<SecretName>().map_err(|error| findings.report("mail.personal_key", error.to_string())).ok()
    });
    let test_recipients = validate_test_recipients(&raw.test_recipients, findings);
    let brand = validate_brand(raw, findings);
    let templates = validate_templates(templates, default_locale.as_ref(), findings);
    Some(MailSettings {
        // One that is none was reported, and nothing is made of what follows.
        from: from.unwrap_or_default(),
        reply_to,
        to: to?,
        default_locale: default_locale?,
        locale,
        daily_cap: raw.daily_cap,
        testing,
        test_recipients,
        personal_key,
        ses_tenant: raw.ses_tenant,
        brand,
        templates,
    })
}

/// A sender, or who gets the answers, as a header has it.
pub(super) fn validate_mailbox(value: Option<&String>, path: &str, findings: &mut Findings) -> Option<String> {
    match Mailbox::parse(value?) {
        Ok(mailbox) => Some(mailbox.to_string()),
        Err(problem) => {
            findings.report(path, problem.to_string());
            None
        }
    }
}

fn validate_test_recipients(raw: &[String], findings: &mut Findings) -> Vec<TestRecipient> {
    if raw.len() > MAX_TEST_RECIPIENTS {
        findings.report(
            "mail.test_recipients",
            format!("there are {}; at most {MAX_TEST_RECIPIENTS} are taken", raw.len()),
        );
    }
    let mut recipients = Vec::with_capacity(raw.len());
    for (index, text) in raw.iter().enumerate() {
        let recipient = match text.strip_prefix("*@") {
            Some(domain) => ascii_domain(domain).map(TestRecipient::Domain),
            None if text.contains('*') => None,
            None => Address::parse(text).ok().map(|one| TestRecipient::Address(one.as_str().to_ascii_lowercase())),
        };
        if recipient.is_none() {
            let wants = "it must be a mail address, or *@ and a domain";
            findings.report(format!("mail.test_recipients[{index}]"), wants);
        }
        recipients.extend(recipient);
    }
    recipients
}

fn validate_brand(raw: &RawMail, findings: &mut Findings) -> Brand {
    let logo = raw.logo.as_ref().and_then(|text| match Url::parse(text) {
        Ok(url) if url.scheme() == "https" && url.has_host() && url.username().is_empty() => Some(url),
        _ => {
            findings.report("mail.logo", "it must be the https address of an image");
            None
        }
    });
    let colour = raw.colour.as_deref().unwrap_or(COLOUR);
    let digits = colour.strip_prefix('#').unwrap_or_default();
    if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        findings.report("mail.colour", "it must be a colour such as \"#1f4e8c\"");
    }
    Brand { logo, colour: colour.to_ascii_lowercase() }
}

fn validate_templates(
    raw: &RawTemplates,
    default: Option<&Locale>,
    findings: &mut Findings,
) -> BTreeMap<String, Arc<MailTexts>> {
    if raw.len() > MAX_TEMPLATES {
        findings.report("templates", format!("there are {}; at most {MAX_TEMPLATES} are taken", raw.len()));
    }
    let mut templates = BTreeMap::new();
    for (name, languages) in raw {
        let path = format!("templates.{name}");
        if name.parse::<crate::id::SinkId>().is_err() {
            findings.report(&*path, "a template's name has 1 to 32 lower-case letters, digits and hyphens");
        }
        if languages.len() > MAX_LANGUAGES {
            findings.report(&*path, format!("it has {} languages; at most {MAX_LANGUAGES} are taken", languages.len()));
        }
        let mut texts: BTreeMap<Locale, MailText> = BTreeMap::new();
        for (tag, raw) in languages {
            let path = format!("{path}.{tag}");
            let text = validate_text(raw, &path, findings);
            match tag.parse::<Locale>() {
                Err(error) => findings.report(path, error.to_string()),
                Ok(locale) if texts.contains_key(&locale) => {
                    findings.report(path, "this language stands here twice, in different letters");
                }
                Ok(locale) => texts.extend(text.map(|text| (locale, text))),
            }
        }
        let Some(default) = default else { continue };
        let named = languages.keys().any(|tag| tag.parse::<Locale>().as_ref() == Ok(default));
        match texts.get(default).cloned() {
            Some(text) => {
                templates.insert(name.clone(), Arc::new(MailTexts::new(text, texts)));
            }
            None if named => {}
            None => findings.report(
                path,
                format!("it has no text in {:?}, the tenant's default language: whoever reads another one would get no mail", default.as_str()),
            ),
        }
    }
    templates
}

fn validate_text(raw: &RawTemplate, path: &str, findings: &mut Findings) -> Option<MailText> {
    let mut template = |field: &'static str, source: &str, html: bool| {
        Template::compile_mail(field, source, html)
            .map_err(|found| findings.report_line(format!("{path}.{field}"), found.problem, found.line))
            .ok()
    };
    let subject = template("subject", &raw.subject, false);
    let text = template("text", &raw.text, false);
    let html = raw.html.as_ref().map(|source| template("html", source, true));
    Some(MailText { subject: subject?, text: text?, html: html.map_or(Some(None), |html| html.map(Some))? })
}
