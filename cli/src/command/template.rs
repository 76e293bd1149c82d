//! `acequia template`: what a mail looks like, in a file or in a mailbox, before any recipient gets it.

use std::path::Path;

use acequia_aws::refusal::unavailable;
use acequia_core::address::Address;
use acequia_core::event::envelope::Envelope;
use acequia_core::id::Stage;
use acequia_core::mail::{Composed, Locale};
use acequia_core::port::{Clock as _, Unavailable};
use acequia_core::template::{Context as TemplateContext, MailContext};
use acequia_core::tenant::MailSettings;
use acequia_operations::apply::require_grants;
use acequia_operations::require_platform;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use serde::Serialize;

use crate::args::{SampleArgs, TemplateCommand};
use crate::command::tenant::in_file;
use crate::context::{Context, SystemClock, egress};
use crate::failure::Failure;
use crate::file::write_file;
use crate::input;
use crate::output::Report;
use crate::tenant_file::{self, TenantFile};

/// Where the links of a sample lead: to a name that can never exist (RFC 2606).
const NOWHERE: &str = "https://sample.invalid/";

#[derive(Serialize)]
struct Previewed {
    template: String,
    locale: String,
    subject: String,
    file: String,
}

#[derive(Serialize)]
struct Sent {
    template: String,
    locale: String,
    message_id: String,
}

pub(super) async fn run(
    command: &TemplateCommand,
    stage: &Stage,
    context: impl AsyncFnOnce() -> Result<Context, Failure>,
) -> Result<Report, Failure> {
    match command {
        TemplateCommand::Preview { sample, out } => {
            let (file, mail) = read(sample, stage)?;
            preview(sample, &file, &mail, out)
        }
        TemplateCommand::SendTest { sample, to } => {
            let (file, mail) = read(sample, stage)?;
            let to = Address::parse(to).map_err(|problem| Failure::Invalid(format!("--to: {problem}")))?;
            let to = to.as_str();
            check_recipient(&mail, to)?;
            let (locale, composed) = compose(sample, &file, &mail, true)?;
            let context = context().await?;
            // A stage that is not there allows no sender: an error about the sender would hide what is wrong.
            require_platform(&context).await?;
            let granted = require_grants(&context, &file.tenant.summary.id, &file.raw).await;
            granted.map_err(|error| in_file(error, &file))?;
            send(&context, &mail, to, composed).await.map(|message_id| {
                let text = format!("Sent to {to}; SES calls it {message_id}.");
                Report::new(&Sent { template: sample.template.clone(), locale, message_id }, text)
            })
        }
    }
}

fn read(sample: &SampleArgs, stage: &Stage) -> Result<(TenantFile, MailSettings), Failure> {
    let mut file = tenant_file::read_valid(&sample.file, egress(stage), "")?;
    let missing =
        || Failure::NotFound(format!("{}: there is no section [mail], and so no template", sample.file.display()));
    let mail = file.tenant.mail.take().ok_or_else(missing)?;
    Ok((file, mail))
}

fn preview(sample: &SampleArgs, file: &TenantFile, mail: &MailSettings, out: &Path) -> Result<Report, Failure> {
    let (locale, composed) = compose(sample, file, mail, false)?;
    let wants_html = out.extension().is_some_and(|extension| extension == "html");
    let text = match composed.html {
        Some(html) if wants_html => html,
        None if wants_html => {
            let problem = format!("the template {:?} has no HTML: let --out end in .txt", sample.template);
            return Err(Failure::Invalid(problem));
        }
        _ => composed.text,
    };
    write_file(out, text.as_bytes())?;
    let shown = Previewed {
        template: sample.template.clone(),
        locale,
        subject: composed.subject,
        file: out.display().to_string(),
    };
    let text = format!("Subject: {}\n{} is written.", shown.subject, shown.file);
    Ok(Report::new(&shown, text))
}

fn compose(
    sample: &SampleArgs,
    file: &TenantFile,
    mail: &MailSettings,
    testing: bool,
) -> Result<(String, Composed), Failure> {
    let texts = mail.template(&sample.template).ok_or_else(|| {
        let known: Vec<&str> = mail.templates.keys().map(String::as_str).collect();
        Failure::NotFound(format!("there is no template {:?}; there are: {}", sample.template, known.join(", ")))
    })?;
    let asked: Option<Locale> = sample
        .locale
        .as_deref()
        .map(|tag| tag.parse().map_err(|error| Failure::Usage(format!("--locale {tag:?}: {error}"))))
        .transpose()?;
    let (name, body) = input::read(Some(&sample.event))?;
    let envelope = Envelope::parse(&file.tenant.summary.id, SystemClock.now(), body.as_bytes())
        .map_err(|error| Failure::Invalid(format!("{name}: {error}")))?;
    let locale = asked.as_ref().unwrap_or(&mail.default_locale).as_str().to_owned();
    let link = |name: &'static str| (name, format!("{NOWHERE}{name}"));
    let links = ["accept", "accept_opt_in", "reject", "unsubscribe"].map(link).into();
    let kind = sample.template.clone();
    let of_mail = MailContext { kind, number: 1, locale: locale.clone(), testing, links: Some(links) };
    let context = TemplateContext::new(&file.tenant.summary, &envelope).with_mail(of_mail);
    let composed = texts
        .in_language(asked.as_ref())
        .compose(&context, testing)
        .map_err(|cause| Failure::Invalid(format!("template {:?} in {locale:?}: {cause}", sample.template)))?;
    Ok((locale, composed))
}

fn check_recipient(mail: &MailSettings, to: &str) -> Result<(), Failure> {
    if mail.test_recipients.iter().any(|allowed| allowed.takes(to)) {
        return Ok(());
    }
    Err(Failure::Invalid(format!(
        "{to} may not get tests: add it, or its domain as \"*@...\", to mail.test_recipients in the tenant's file"
    )))
}

async fn send(context: &Context, mail: &MailSettings, to: &str, composed: Composed) -> Result<String, Failure> {
    let unbuilt = |error| Failure::from(Unavailable::new("build the mail", error));
    let part = |text: String| Content::builder().data(text).charset("UTF-8").build().map_err(unbuilt);
    let body = Body::builder().text(part(composed.text)?).set_html(composed.html.map(part).transpose()?).build();
    let message = Message::builder().subject(part(composed.subject)?).body(body).build();
    let sent = context
        .ses
        .send_email()
        .from_email_address(&mail.from)
        .destination(Destination::builder().to_addresses(to).build())
        .set_reply_to_addresses(mail.reply_to.clone().map(|address| vec![address]))
        .content(EmailContent::builder().simple(message).build())
        .configuration_set_name(format!("acequia-{}", context.stage))
        .send()
        .await
        .map_err(|error| unavailable("send the mail through SES", error))?;
    Ok(sent.message_id.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
tenant = "acme"
name = "Acme"
[mail]
from = "hello@acme.example"
to = "{{ data.email }}"
default_locale = "en"
test_recipients = ["*@acme.example"]
[templates.confirm.en]
subject = "Confirm, {{ data.name }}"
html = "<p>Dear {{ data.name }}, <a href='{{ links.accept }}'>yes</a></p>"
[templates.confirm.fr]
subject = "Confirmez"
text = "Oui: {{ links.accept }}"
[[sinks]]
id = "out"
kind = "forward"
types = ["*"]
queue = "out"
"#;

    struct World {
        folder: tempfile::TempDir,
    }

    impl World {
        fn new(data: &str) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let event = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{data}}}"#);
            std::fs::write(folder.path().join("acme.toml"), FILE).unwrap();
            std::fs::write(folder.path().join("event.json"), event).unwrap();
            Self { folder }
        }

        fn preview(&self, template: &str, locale: Option<&str>, out: &str) -> Result<String, Failure> {
            let at = |name: &str| self.folder.path().join(name);
            let sample = SampleArgs {
                file: at("acme.toml"),
                template: template.to_owned(),
                event: at("event.json"),
                locale: locale.map(str::to_owned),
            };
            let (file, mail) = read(&sample, &"dev".parse().unwrap())?;
            preview(&sample, &file, &mail, &at(out))?;
            Ok(std::fs::read_to_string(at(out)).unwrap())
        }
    }

    #[test]
    fn a_preview_is_the_mail_in_the_language_that_was_asked_for() {
        let world = World::new(r#"{"name":"Ana <3"}"#);
        let html = world.preview("confirm", None, "a.html").unwrap();
        assert_eq!(html, "<p>Dear Ana &lt;3, <a href='https://sample.invalid/accept'>yes</a></p>");
        let text = world.preview("confirm", Some("de"), "a.txt").unwrap();
        assert!(text.starts_with("Dear Ana <3, [yes]") && text.contains(NOWHERE), "{text}");
        assert_eq!(world.preview("confirm", Some("fr-CA"), "b.txt").unwrap(), "Oui: https://sample.invalid/accept");
    }

    #[test]
    fn what_cannot_be_previewed_says_why() {
        let world = World::new("{}");
        for (template, locale, out, words) in [
            ("confirm", None, "a.html", "variable that the event does not have"),
            ("thanks", None, "a.txt", "there are: confirm"),
            ("confirm", Some("french"), "a.txt", "language tag"),
            ("confirm", Some("fr"), "a.html", "no HTML"),
        ] {
            let problem = world.preview(template, locale, out).unwrap_err().to_string();
            assert!(problem.contains(words), "{problem}");
        }
    }

    #[test]
    fn a_test_goes_to_allowed_recipients_only() {
        let world = World::new("{}");
        let sample = SampleArgs {
            file: world.folder.path().join("acme.toml"),
            template: "confirm".to_owned(),
            event: world.folder.path().join("event.json"),
            locale: None,
        };
        let (_, mail) = read(&sample, &"dev".parse().unwrap()).unwrap();
        assert!(check_recipient(&mail, "ana@acme.example").is_ok());
        let problem = check_recipient(&mail, "ana@example.org").unwrap_err().to_string();
        assert!(problem.contains("mail.test_recipients"), "{problem}");
    }
}
