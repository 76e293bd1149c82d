//! Sinks of kind `email`: a mail through SES, from templates of their own, or one that they name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::issue::{Findings, required};
use super::super::mail::{MailSettings, validate_mailbox};
use super::super::raw::{Ambiguous, RawSink};
use crate::kind::SinkKind;
use crate::mail::{MailText, MailTexts};
use crate::template::Template;

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

/// Validates one e-mail sink at `path`.
pub(super) fn validate_email(
    raw: &RawSink,
    path: &str,
    mail: Option<&MailSettings>,
    findings: &mut Findings,
) -> Option<EmailSink> {
    let own = validate_mailbox(raw.from.as_ref(), &format!("{path}.from"), findings);
    let reply_to = validate_mailbox(raw.reply_to.as_ref(), &format!("{path}.reply_to"), findings);
    if raw.from.is_none() && mail.is_none() {
        required(None, path, "from", SinkKind::Email, findings);
    }
    let from = own.or_else(|| mail.map(|mail| mail.from.clone()));
    let to = match (&raw.to, mail) {
        (None, Some(mail)) => Some(mail.to.clone()),
        (to, _) => compile_template(to.as_ref(), path, "to", false, true, findings),
    };
    let texts = match &raw.template {
        Some(name) => named_texts(raw, name, path, mail, findings),
        None => inline_texts(raw, path, findings),
    };
    Some(EmailSink {
        from: from?,
        reply_to: reply_to.or_else(|| mail.and_then(|mail| mail.reply_to.clone())),
        to: to?,
        texts: texts?,
        ambiguous: raw.ambiguous.unwrap_or_default(),
    })
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

/// The texts that stand in the sink itself: one language, for all.
fn inline_texts(raw: &RawSink, path: &str, findings: &mut Findings) -> Option<Arc<MailTexts>> {
    let subject = compile_template(raw.subject.as_ref(), path, "subject", false, true, findings);
    let text = compile_template(raw.text.as_ref(), path, "text", false, true, findings);
    let html = compile_template(raw.html.as_ref(), path, "html", true, false, findings);
    Some(Arc::new(MailTexts::new(MailText { subject: subject?, text: text?, html }, BTreeMap::new())))
}

/// The texts of the template that the sink names.
fn named_texts(
    raw: &RawSink,
    name: &str,
    path: &str,
    mail: Option<&MailSettings>,
    findings: &mut Findings,
) -> Option<Arc<MailTexts>> {
    for (field, present) in
        [("subject", raw.subject.is_some()), ("text", raw.text.is_some()), ("html", raw.html.is_some())]
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
