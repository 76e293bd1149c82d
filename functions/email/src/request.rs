//! The mail of one delivery: the tenant's templates, filled from the event.

use acequia_core::config::{EmailSink, TenantSummary, is_address};
use acequia_core::delivery::Delivery;
use acequia_core::mail::Composed;
use acequia_core::outcome::Cause;
use acequia_core::template::Context;

use crate::mailer::Mail;

/// Renders the mail.
///
/// # Errors
/// [`Cause::TemplateVariable`] or [`Cause::TemplateFailed`]; nothing is sent with a hole in it.
pub fn mail(tenant: &TenantSummary, sink: &EmailSink, delivery: &Delivery) -> Result<Mail, Cause> {
    let context = Context::new(tenant, &delivery.envelope);
    let to = sink.to.render(&context)?.trim().to_owned();
    if !is_address(&to) {
        return Err(Cause::TemplateFailed {
            field: "to",
            problem: "it does not give one mail address".to_owned(),
            line: 1,
        });
    }
    let Composed { subject, text, html } = sink.texts.in_language(None).compose(&context, false)?;
    Ok(Mail {
        from: sink.from.clone(),
        to,
        reply_to: sink.reply_to.clone(),
        subject,
        text,
        html,
        delivery: delivery.id.clone(),
        tenant: tenant.id.clone(),
    })
}

#[cfg(test)]
mod tests {
    use acequia_core::config::{RawTenant, Target, Tenant};
    use acequia_core::egress::Egress;
    use acequia_core::envelope::Envelope;

    use super::*;

    fn render(data: &str) -> Result<Mail, Cause> {
        let document = serde_json::json!({ "tenant": "acme", "name": "Acme", "sinks": [{
            "id": "thanks", "kind": "email", "types": ["*"], "from": "a@acme.example", "to": "{{ data.email }}",
            "subject": "Thank you, {{ data.name }}", "text": "Dear {{ data.name }}", "html": "<p>{{ data.name }}</p>",
        }]});
        let tenant = Tenant::validate(&RawTenant::from_value(document).unwrap(), Egress::Public).unwrap();
        let Target::Email(sink) = &tenant.sinks[0].target else { panic!("it is an email sink") };
        let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{data}}}"#);
        let envelope = Envelope::parse(&tenant.summary.id, jiff::Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap();
        mail(&tenant.summary, sink, &Delivery::new(tenant.sinks[0].id.clone(), envelope))
    }

    #[test]
    fn a_mail_is_filled_from_the_event_and_its_html_escaped() {
        let mail = render(r#"{"email":"ana@example.org","name":"Ana <3"}"#).unwrap();
        assert_eq!((mail.to.as_str(), mail.subject.as_str()), ("ana@example.org", "Thank you, Ana <3"));
        assert_eq!(mail.html.unwrap(), "<p>Ana &lt;3</p>");
    }

    #[test]
    fn a_missing_variable_is_no_empty_place_but_a_failure() {
        assert_eq!(
            render(r#"{"email":"ana@example.org"}"#),
            Err(Cause::TemplateVariable { field: "subject", line: 1 })
        );
    }

    #[test]
    fn an_event_cannot_add_headers_or_recipients() {
        let mail = render(r#"{"email":"ana@example.org","name":"x\r\nBcc: all@example.org"}"#).unwrap();
        assert!(!mail.subject.contains(['\r', '\n']));
        for to in
            ["ana@example.org, bob@example.org", "Ana <ana@example.org>", "ana@example.org\\nBcc: b@example.org", "ana"]
        {
            let error = render(&format!(r#"{{"email":"{to}","name":"x"}}"#)).unwrap_err();
            assert!(matches!(error, Cause::TemplateFailed { field: "to", .. }), "{to}");
            assert!(!error.to_string().contains("ana"), "the error repeats the address");
        }
    }
}
