//! The mail of one delivery: the tenant's templates, filled from the event.

use acequia_core::address::Address;
use acequia_core::consent::link::Links;
use acequia_core::consent::token::Purpose;
use acequia_core::delivery::Delivery;
use acequia_core::mail::{Composed, Locale, MailRef};
use acequia_core::outcome::Cause;
use acequia_core::port::Mail;
use acequia_core::template::{Context, MailContext};
use acequia_core::tenant::{EmailSink, MailSettings, Tenant};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What of an address is written as `%xx` in a `mailto` URI: all but letters, digits and what is never special.
const MAILTO: &AsciiSet = &NON_ALPHANUMERIC.remove(b'@').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Renders the mail. `links` are the links of a mail about consent.
///
/// # Errors
/// [`Cause::TemplateVariable`] or [`Cause::TemplateFailed`]; a mail with a hole in it is never sent.
/// [`Cause::AddressUnusable`] where SES could not send the mail, whatever its content. [`Cause::NotWanted`] for a test
/// that goes to a recipient who may not get tests.
pub fn mail(
    tenant: &Tenant,
    sink: &EmailSink,
    delivery: &Delivery,
    context: &Context,
    links: Option<&Links<'_>>,
) -> Result<Mail, Cause> {
    let written = sink.to.render(context)?.trim().to_owned();
    let to = Address::parse(&written)?.as_str().to_owned();
    let settings = tenant.mail.as_ref();
    let testing = settings.is_some_and(|settings| is_test(settings, context));
    if testing && !settings.is_some_and(|settings| settings.test_recipients.iter().any(|allowed| allowed.takes(&to))) {
        return Err(Cause::NotWanted("the event is a test, and this is none of mail.test_recipients"));
    }
    let wanted = settings.and_then(|settings| language(settings, context));
    let of_mail = MailContext {
        kind: MailRef::of(&delivery.sink)
            .map_or_else(|| delivery.sink.to_string(), |mail| mail.kind.as_str().to_owned()),
        number: MailRef::of(&delivery.sink).map_or(1, |mail| mail.number),
        locale: wanted
            .as_ref()
            .or(settings.map(|settings| &settings.default_locale))
            .map(|locale| locale.as_str().to_owned())
            .unwrap_or_default(),
        testing,
        links: links.map(Links::for_mail),
    };
    let context = context.clone().with_mail(of_mail);
    let Composed { subject, text, html } = sink.texts.in_language(wanted.as_ref()).compose(&context, testing)?;
    Ok(Mail {
        from: sink.from.clone(),
        to,
        written,
        reply_to: sink.reply_to.clone(),
        subject,
        text,
        html,
        delivery: delivery.id.clone(),
        key: delivery.key(),
        tenant: tenant.summary.id.clone(),
        headers: links.map(|links| unsubscribe_headers(links, sink)).unwrap_or_default(),
        about: links.map(|links| (links.consent, links.action)),
        ses_tenant: None,
    })
}

fn is_test(settings: &MailSettings, context: &Context) -> bool {
    // What cannot be told is taken for a test: a real mail too few can be sent again.
    settings
        .testing
        .as_ref()
        .is_some_and(|testing| testing.render(context).map_or(true, |text| text.trim().eq_ignore_ascii_case("true")))
}

/// The language that the event asks for; nothing where it asks for none, or for what is no language.
fn language(settings: &MailSettings, context: &Context) -> Option<Locale> {
    settings.locale.as_ref()?.render(context).ok()?.parse().ok()
}

/// What mail programs show their own button for (RFC 2369, RFC 8058): one POST ends all mails.
fn unsubscribe_headers(links: &Links<'_>, sink: &EmailSink) -> Vec<(&'static str, String)> {
    let answers = sink.reply_to.as_ref().unwrap_or(&sink.from);
    let address = answers.rsplit_once('<').map_or(answers.as_str(), |(_, rest)| rest.trim_end_matches('>'));
    // In a URI `?` and `&` begin something else (RFC 6068, section 2); the @ may stand as it is.
    let address = utf8_percent_encode(address, MAILTO);
    let value = format!("<{}>, <mailto:{address}?subject=unsubscribe>", links.url(Purpose::Unsubscribe));
    vec![("List-Unsubscribe", value), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned())]
}

#[cfg(test)]
mod tests {
    use acequia_core::egress::Egress;
    use acequia_core::event::envelope::Envelope;
    use acequia_core::tenant::{RawTenant, Target};

    use super::*;

    fn render_with(extra: &str, data: &str) -> Result<Mail, Cause> {
        let document = format!(
            r#"{{"tenant":"acme","name":"Acme"{extra},"sinks":[{{
            "id":"thanks","kind":"email","types":["*"],"from":"a@acme.example","to":"{{{{ data.email }}}}",
            "subject":"Thank you, {{{{ data.name }}}}","text":"Dear {{{{ data.name }}}}","html":"<p>{{{{ data.name }}}}</p>"}}]}}"#
        );
        let tenant = Tenant::validate(&RawTenant::from_json(&document).unwrap(), Egress::Public).unwrap();
        let Target::Email(sink) = &tenant.sinks[0].target else { panic!("it is an email sink") };
        let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{data}}}"#);
        let envelope = Envelope::parse(&tenant.summary.id, jiff::Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap();
        let context = Context::new(&tenant.summary, &envelope);
        mail(&tenant, sink, &Delivery::new(tenant.sinks[0].id.clone(), envelope), &context, None)
    }

    fn render(data: &str) -> Result<Mail, Cause> {
        render_with("", data)
    }

    #[test]
    fn a_mail_is_filled_from_the_event_and_its_html_escaped() {
        let mail = render(r#"{"email":"ana@example.org","name":"Ana <3"}"#).unwrap();
        assert_eq!((mail.to.as_str(), mail.subject.as_str()), ("ana@example.org", "Thank you, Ana <3"));
        assert_eq!(mail.html.unwrap(), "<p>Ana &lt;3</p>");
        assert!(mail.headers.is_empty() && mail.about.is_none());
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
            assert!(matches!(error, Cause::AddressUnusable(_)), "{to}");
            assert!(!error.to_string().contains("ana"), "the error repeats the address");
        }
    }

    #[test]
    fn an_address_is_sent_in_the_form_that_ses_takes_or_not_at_all() {
        let mail = render(r#"{"email":" ana@münchen.example ","name":"x"}"#).unwrap();
        assert_eq!((mail.to.as_str(), mail.written.as_str()), ("ana@xn--mnchen-3ya.example", "ana@münchen.example"));
        for (to, words) in [
            ("jesús@example.org", "SMTPUTF8"),
            (".ana@example.org", "before the @"),
            ("ana@example..org", "behind the @"),
            ("ana@example.org\u{200b}", "not seen"),
            ("=?x?q?=41=3e=00?=foo@example.org", "encoded words"),
        ] {
            let error = render(&format!(r#"{{"email":"{to}","name":"x"}}"#)).unwrap_err();
            assert!(matches!(error, Cause::AddressUnusable(_)) && error.to_string().contains(words), "{error}");
            assert!(!error.to_string().contains("example"), "the error repeats the address");
        }
    }

    #[test]
    fn where_answers_go_stands_in_the_uri_of_unsubscribing_with_its_signs_escaped() {
        let tenant = "acme".parse().unwrap();
        let secret = acequia_core::secret::Secret::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        let key = acequia_core::consent::token::LinkKey::new("links".parse().unwrap(), &secret).unwrap();
        let consent = acequia_core::consent::ConsentKey {
            subject: acequia_core::consent::SubjectId::derive(&tenant, "ana"),
            list: acequia_core::consent::ListId::derive(&tenant, "all"),
        };
        let action = acequia_core::consent::ActionId::derive(&tenant, &"/a|1".parse().unwrap());
        let expires_at = jiff::Timestamp::UNIX_EPOCH;
        let links = Links { base: "https://c.example", tenant: &tenant, key: &key, consent, action, expires_at };
        let document = r#"{"tenant":"acme","name":"Acme","sinks":[{"id":"thanks","kind":"email","types":["*"],"from":"Acme <a?b&c=d%e+f@x.example>",
            "to":"x@y.example","subject":"x","text":"x"}]}"#;
        let acme = Tenant::validate(&RawTenant::from_json(document).unwrap(), Egress::Public).unwrap();
        let Target::Email(sink) = &acme.sinks[0].target else { panic!("it is an email sink") };
        let headers = unsubscribe_headers(&links, sink);
        let (_, uris) = headers.iter().find(|(name, _)| *name == "List-Unsubscribe").unwrap();
        assert!(uris.ends_with("<mailto:a%3Fb%26c%3Dd%25e%2Bf@x.example?subject=unsubscribe>"), "{uris}");
        assert!(uris.starts_with("<https://c.example/c/acme/links."), "{uris}");
    }

    #[test]
    fn a_test_is_marked_and_goes_to_allowed_recipients_only() {
        let extra = r#","mail":{"from":"a@acme.example","to":"x@y.example","default_locale":"en","testing":"{{ data.test }}",
            "test_recipients":["*@acme.example"]}"#;
        let mail = render_with(extra, r#"{"email":"ana@acme.example","name":"Ana","test":true}"#).unwrap();
        assert_eq!(mail.subject, "[TEST] Thank you, Ana");
        let other = render_with(extra, r#"{"email":"ana@example.org","name":"Ana","test":true}"#);
        assert!(matches!(other, Err(Cause::NotWanted(_))), "{other:?}");
        let real = render_with(extra, r#"{"email":"ana@example.org","name":"Ana","test":false}"#).unwrap();
        assert_eq!(real.subject, "Thank you, Ana");
        let unsure = render_with(extra, r#"{"email":"ana@example.org","name":"Ana"}"#);
        assert!(matches!(unsure, Err(Cause::NotWanted(_))), "{unsure:?}");
    }
}
