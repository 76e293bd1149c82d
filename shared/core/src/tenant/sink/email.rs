//! Sinks of kind `email`: a mail through SES, from templates of their own, or one that they name.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::issue::{Findings, required};
use super::super::mail::{MailSettings, validate_mailbox};
#[cfg(feature = "schema")]
use super::super::schema::{MailboxText, TemplateText};
use super::Place;
use crate::kind::SinkKind;
use crate::mail::{MailText, MailTexts};
use crate::template::Template;

/// What to do with a mail of which nobody knows whether it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Ambiguous {
    /// Send it again: nobody goes without, somebody may get it twice.
    #[default]
    Resend,
    /// Keep it in the dead-letter queue for a person to decide: nobody gets it twice.
    Quarantine,
}

/// A sink that sends a mail through SES for each event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawEmail {
    /// The sender, `Name <address>` or an address. The stack must allow it (the parameter `SenderDomains`) and SES must
    /// have verified it. Without it, that of `[mail]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "MailboxText", extend("examples" = ["Acme <hello@acme.example>"])))]
    pub from: Option<String>,
    /// A template that gives the recipient's address. Without it, that of `[mail]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "TemplateText", extend("examples" = ["{{ data.email }}"])))]
    pub to: Option<String>,
    /// Where answers go, in the form of `from`. Without it, as `[mail]` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "MailboxText", extend("examples" = ["people@acme.example"])))]
    pub reply_to: Option<String>,
    /// The template of the subject. It is needed where there is no `template`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "TemplateText", extend("examples" = ["Thank you, {{ data.first_name }}!"]))
    )]
    pub subject: Option<String>,
    /// The template of the plain text. It is needed where there is no `template`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "TemplateText", extend("examples" = ["Dear {{ data.first_name }},\nthank you.\n"]))
    )]
    pub text: Option<String>,
    /// The template of the HTML. Without it, the mail has a plain text alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "TemplateText", extend("examples" = ["<p>Dear {{ data.first_name }}, thank you.</p>"]))
    )]
    pub html: Option<String>,
    /// The name of one of `[templates]`, in place of `subject`, `text` and `html`: then the mail is in the recipient's
    /// language. Without it, those three are the mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("x-type" = "name", "examples" = ["welcome"])))]
    pub template: Option<String>,
    /// What to do with a mail of which nobody knows whether it was sent, because a function ended between SES's answer
    /// and the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Ambiguous", extend("default" = Ambiguous::default(), "examples" = ["quarantine"]))
    )]
    pub ambiguous: Option<Ambiguous>,
}

/// A mail through SES.
#[derive(Debug, Clone, PartialEq)]
pub struct EmailSink {
    /// The sender, `Name <address>` or an address, as a header has it.
    pub from: String,
    /// Where answers go, in the same form.
    pub reply_to: Option<String>,
    /// Gives the recipient's address.
    pub to: Template,
    /// Give subject, text and HTML, by language.
    pub texts: Arc<MailTexts>,
    /// What to do with a mail that may have been sent or not.
    pub ambiguous: Ambiguous,
}

impl RawEmail {
    /// Validates what is an e-mail sink's own.
    pub(super) fn validate(&self, place: &Place<'_>, findings: &mut Findings) -> Option<Box<EmailSink>> {
        let Place { path, mail, .. } = *place;
        let own = validate_mailbox(self.from.as_ref(), &place.field("from"), findings);
        let reply_to = validate_mailbox(self.reply_to.as_ref(), &place.field("reply_to"), findings);
        if self.from.is_none() && mail.is_none() {
            required(None, path, "from", SinkKind::Email, findings);
        }
        let from = own.or_else(|| mail.map(|mail| mail.from.clone()));
        let to = match (&self.to, mail) {
            (None, Some(mail)) => Some(mail.to.clone()),
            (to, _) => compile_template(to.as_ref(), path, "to", false, true, findings),
        };
        let texts = match &self.template {
            Some(name) => self.named_texts(name, path, mail, findings),
            None => self.inline_texts(path, findings),
        };
        Some(Box::new(EmailSink {
            from: from?,
            reply_to: reply_to.or_else(|| mail.and_then(|mail| mail.reply_to.clone())),
            to: to?,
            texts: texts?,
            ambiguous: self.ambiguous.unwrap_or_default(),
        }))
    }

    /// The texts that stand in the sink itself: one language, for all.
    fn inline_texts(&self, path: &str, findings: &mut Findings) -> Option<Arc<MailTexts>> {
        let subject = compile_template(self.subject.as_ref(), path, "subject", false, true, findings);
        let text = compile_template(self.text.as_ref(), path, "text", false, true, findings);
        let html = compile_template(self.html.as_ref(), path, "html", true, false, findings);
        Some(Arc::new(MailTexts::new(MailText { subject: subject?, text: text?, html }, BTreeMap::new())))
    }

    /// The texts of the template that the sink names.
    fn named_texts(
        &self,
        name: &str,
        path: &str,
        mail: Option<&MailSettings>,
        findings: &mut Findings,
    ) -> Option<Arc<MailTexts>> {
        for (field, present) in
            [("subject", self.subject.is_some()), ("text", self.text.is_some()), ("html", self.html.is_some())]
        {
            if present {
                findings.report(format!("{path}.{field}"), "the template has it: leave one of the two out");
            }
        }
        let Some(texts) = mail.and_then(|mail| mail.template(name)) else {
            findings.report(format!("{path}.template"), format!("there is no template {name:?}"));
            return None;
        };
        if texts.uses("links") {
            let problem = format!("the template {name:?} names links, which only the mails of consent have");
            findings.report(format!("{path}.template"), problem);
        }
        Some(Arc::clone(texts))
    }
}

fn compile_template(
    value: Option<&String>,
    path: &str,
    name: &'static str,
    html: bool,
    needed: bool,
    findings: &mut Findings,
) -> Option<Template> {
    let source = if needed { required(value, path, name, SinkKind::Email, findings)? } else { value?.as_str() };
    Template::compile(name, source, html)
        .map_err(|found| findings.report_line(format!("{path}.{name}"), found.problem, found.line))
        .ok()
}
