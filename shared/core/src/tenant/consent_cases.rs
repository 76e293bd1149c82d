//! Tests of a configuration with consent, mails and templates: what is taken, and what is refused where.

use super::{Issues, RawTenant, Target, Tenant, consent_notes};
use crate::egress::Egress;
use crate::event::envelope::Envelope;
use crate::mail::{MailKind, MailRef};
use crate::template::Context;
use crate::tenant::Confirmations;

const VALID: &str = r##"
    tenant = "acme"
    name = "Acme"
    [consent]
    types = ["action.*"]
    subject = "{{ data.email }}"
    list = "{{ data.campaign }}"
    supporter_confirm = true
    action_confirm = false
    keys = ["links"]
    valid_for = "30days"
    reminders = { after = "2days", most = 3 }
    redirect_hosts = ["acme.example"]
    accepted_url = "https://acme.example/thanks"
    [consent.lists.no-coal]
    supporter_confirm = false
    [mail]
    from = "Acme <hello@acme.example>"
    to = "{{ data.email }}"
    default_locale = "en"
    locale = "{{ data.locale | default('en') }}"
    daily_cap = 1000
    testing = "{{ data.testing | default(false) }}"
    test_recipients = ["*@acme.example", "ana@example.org"]
    logo = "https://acme.example/logo.png"
    colour = "#AA0000"
    [templates.confirm.en]
    subject = "Please confirm, {{ data.name }}"
    text = "Yes: {{ links.accept }} No: {{ links.reject }}"
    [templates.confirm.fr]
    subject = "Confirmez, {{ data.name }}"
    text = "Oui: {{ links.accept }}"
    html = "<a href='{{ links.accept }}'>Oui</a>"
    [templates.news.en]
    subject = "News"
    text = "Dear {{ data.name }}, in {{ mail.locale }}"
    [[sinks]]
    id = "news"
    kind = "email"
    types = ["action.*"]
    template = "news"
"##;

fn validate(toml: &str) -> Result<Tenant, Issues> {
    let value: serde_json::Value = toml::from_str(toml).unwrap();
    Tenant::validate(&RawTenant::from_value(value)?, Egress::Public)
}

fn context(tenant: &Tenant, data: &str) -> Context {
    let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"action.signed","data":{data}}}"#);
    let envelope = Envelope::parse(&tenant.summary.id, jiff::Timestamp::UNIX_EPOCH, body.as_bytes()).unwrap();
    Context::new(&tenant.summary, &envelope)
}

#[test]
fn consent_is_asked_of_whom_templates_write_to_however_oddly_the_event_is_written() {
    let tenant = validate(VALID).unwrap();
    let odd = r#"{"email":"ana@example.org","email":"bo@example.org","campaign":"coal","name":"cut \ud83d","n":1e400}"#;
    let need = tenant.consent.as_ref().unwrap().need(&context(&tenant, odd)).unwrap();
    assert_eq!((&*need.subject, &*need.list), ("bo@example.org", "coal"));
}

#[test]
fn a_document_with_consent_is_valid_and_survives_storing() {
    validate(VALID).unwrap();
    let raw = RawTenant::from_value(toml::from_str(VALID).unwrap()).unwrap();
    assert_eq!(RawTenant::from_json(&raw.to_json()).unwrap(), raw);
}

#[test]
fn a_document_without_consent_is_stored_as_it_ever_was() {
    let raw = RawTenant::from_value(toml::from_str("tenant = \"acme\"\nname = \"Acme\"").unwrap()).unwrap();
    assert_eq!(raw.to_json(), r#"{"tenant":"acme","name":"Acme","record":"all","sinks":[]}"#);
}

#[test]
fn the_mails_of_consent_are_sinks_of_their_own_that_fall_back_to_each_other() {
    let tenant = validate(VALID).unwrap();
    let found = |kind, number| tenant.sink(&MailRef { kind, number }.sink().unwrap());
    for (kind, number) in [(MailKind::Confirm, 1), (MailKind::Reminder, 3), (MailKind::Duplicate, 2)] {
        let sink = found(kind, number).unwrap();
        assert!(sink.claims && sink.types.is_empty(), "{kind:?}");
        let Target::Email(email) = &sink.target else { panic!("it is a mail") };
        assert!(email.texts.in_language(None).text.source().starts_with("Yes"), "{kind:?}");
    }
    assert!(found(MailKind::Thanks, 1).is_none(), "there is no such template, nor one to fall back to");
    assert!(tenant.sends(MailKind::Reminder) && !tenant.sends(MailKind::Thanks));
}

#[test]
fn what_an_event_needs_is_read_from_it() {
    let tenant = validate(VALID).unwrap();
    let consent = tenant.consent.as_ref().unwrap();
    assert!(consent.governs("action.signed") && !consent.governs("supporter.updated"));
    let need = consent.need(&context(&tenant, r#"{"email":" Ana@example.org ","campaign":"no-coal"}"#)).unwrap();
    assert_eq!((&*need.subject, &*need.list, need.with_consent), ("Ana@example.org", "no-coal", true));
    assert_eq!(
        need.asks,
        Confirmations { subject: false, moderator: false },
        "the list's false beats the tenant's true"
    );
    let other = consent.need(&context(&tenant, r#"{"email":"ana@example.org","campaign":"trees"}"#)).unwrap();
    assert!(other.asks.subject);
    assert!(!format!("{need:?}").contains("Ana@"), "a need does not print whose it is");
    for data in [r#"{"campaign":"x"}"#, r#"{"email":"","campaign":"x"}"#, r#"{"email":"a@b.example","campaign":" "}"#] {
        assert!(consent.need(&context(&tenant, data)).is_err(), "{data}");
    }
}

#[test]
fn an_action_without_consent_of_its_own_says_so() {
    let document = VALID
        .replace("supporter_confirm = true", "supporter_confirm = true\n    with_consent = \"{{ data.consent }}\"");
    let tenant = validate(&document).unwrap();
    for (consent, found) in [("true", true), ("false", false), ("\"false\"", false), ("1", true)] {
        let data = format!(r#"{{"email":"a@b.example","campaign":"x","consent":{consent}}}"#);
        let need = tenant.consent.as_ref().unwrap().need(&context(&tenant, &data)).unwrap();
        assert_eq!(need.with_consent, found, "{consent}");
    }
}

#[test]
fn a_lists_true_beats_the_tenants_false() {
    let document = VALID
        .replace("supporter_confirm = true", "supporter_confirm = false")
        .replace("lists.no-coal]\n    supporter_confirm = false", "lists.no-coal]\n    supporter_confirm = true");
    let consent = validate(&document).unwrap().consent.unwrap();
    assert!(consent.asks("no-coal").subject && !consent.asks("trees").subject);
}

/// Each row: what is replaced in the valid document, by what, and the path and words that the issue must have.
#[test]
fn each_mistake_is_refused_with_the_path_of_its_field() {
    let rows = [
        ("types = [\"action.*\"]\n    subject", "types = []\n    subject", "consent.types", "one at least"),
        ("types = [\"action.*\"]\n    subject", "types = [\"a*\"]\n    subject", "consent.types[0]", "prefix"),
        ("subject = \"{{ data.email }}\"", "subject = \"{{ who }}\"", "consent.subject", "no variable"),
        ("keys = [\"links\"]", "keys = []", "consent.keys", "one to three"),
        ("keys = [\"links\"]", "keys = [\"../bona/links\"]", "consent.keys[0]", "secret name"),
        ("keys = [\"links\"]", "keys = [\"links\", \"links\"]", "consent.keys[1]", "twice"),
        ("valid_for = \"30days\"", "valid_for = \"5s\"", "consent.valid_for", "hour"),
        ("most = 3", "most = 4", "consent.reminders.most", "1 to 3"),
        ("after = \"2days\"", "after = \"soon\"", "consent.reminders.after", "duration"),
        ("https://acme.example/thanks", "https://evil.example/", "consent.accepted_url", "redirect_hosts"),
        ("https://acme.example/thanks", "https://acme.example@evil.example/", "consent.accepted_url", "user"),
        ("https://acme.example/thanks", "javascript:alert(1)", "consent.accepted_url", "https"),
        ("https://acme.example/thanks", "http://acme.example/", "consent.accepted_url", "https"),
        ("from = \"Acme <hello@acme.example>\"", "from = \"nobody\"", "mail.from", "address"),
        ("default_locale = \"en\"", "default_locale = \"de\"", "templates.confirm", "default language"),
        ("default_locale = \"en\"", "default_locale = \"english\"", "mail.default_locale", "language tag"),
        ("daily_cap = 1000", "daily_cap = 0", "mail.daily_cap", "1 or more"),
        ("*@acme.example", "*", "mail.test_recipients[0]", "*@"),
        ("https://acme.example/logo.png", "http://acme.example/logo.png", "mail.logo", "https"),
        ("#AA0000", "red; background: url(x)", "mail.colour", "colour"),
        ("[templates.confirm.fr]", "[templates.confirm.EN]", "templates.confirm.en", "twice"),
        ("[templates.confirm.fr]", "[templates.confirm.french]", "templates.confirm.french", "language tag"),
        ("{{ links.reject }}", "{{ links.refuse }}", "templates.confirm.en.text", "links.refuse"),
        ("Confirmez, {{ data.name }}", "{{ data. }}", "templates.confirm.fr.subject", "does not compile"),
        ("{{ mail.locale }}", "{{ lang }}", "templates.news.en.text", "no variable"),
        ("{{ mail.locale }}", "{{ links.accept }}", "sinks[0].template", "only the mails of consent"),
        ("template = \"news\"", "template = \"gnus\"", "sinks[0].template", "no template"),
        ("template = \"news\"", "template = \"news\"\n    text = \"x\"", "sinks[0].text", "leave one"),
        ("id = \"news\"", "id = \"acequia-confirm-1\"", "sinks[0].id", "mails of consent"),
        (
            "types = [\"action.*\"]\n    template",
            "types = [\"*\"]\n    colour = 1\n    template",
            "sinks[0].colour",
            "unknown",
        ),
    ];
    for (from, to, path, words) in rows {
        assert!(VALID.contains(from), "{from} is not in the document");
        let Err(issues) = validate(&VALID.replacen(from, to, 1)) else { panic!("{to} was taken") };
        let found = issues.0.iter().any(|issue| issue.path == path && issue.problem.contains(words));
        assert!(found, "{to}: wanted {path} with {words:?}, found {issues:?}");
    }
}

#[test]
fn who_asks_without_a_mail_that_asks_is_refused() {
    let without = VALID.replace("templates.confirm", "templates.welcome");
    let Err(issues) = validate(&without) else { panic!("it was taken") };
    assert!(issues.0.iter().any(|issue| issue.path == "templates.confirm"), "{issues:?}");
    let unasked = without.replace("supporter_confirm = true", "supporter_confirm = false");
    assert!(validate(&unasked).is_ok());
    let start = VALID.find("[mail]").unwrap();
    let Err(issues) = validate(VALID.get(..start).unwrap()) else { panic!("it was taken") };
    assert!(issues.0.iter().any(|issue| issue.path == "mail"), "{issues:?}");
}

#[test]
fn a_closed_set_of_lists_has_those_that_are_named_and_is_not_empty() {
    let open = validate(VALID).unwrap().consent.unwrap();
    assert!(open.has_list("no-coal") && open.has_list("trees"));
    let document = VALID.replace("valid_for = \"30days\"", "lists_closed = true");
    let closed = validate(&document).unwrap().consent.unwrap();
    assert!(closed.has_list("no-coal") && !closed.has_list("trees"));
    let empty = document.replace("[consent.lists.no-coal]\n    supporter_confirm = false", "");
    let Err(issues) = validate(&empty) else { panic!("it was taken") };
    assert!(issues.0.iter().any(|issue| issue.path == "consent.lists"), "{issues:?}");
}

#[test]
fn what_a_moderator_and_a_sealed_subject_need_is_noted() {
    let noted = |document: &str| {
        let raw = RawTenant::from_value(toml::from_str(document).unwrap()).unwrap();
        consent_notes(&raw).into_iter().map(|issue| issue.path).collect::<Vec<_>>()
    };
    assert!(noted(VALID).is_empty());
    let moderated = VALID.replace("action_confirm = false", "action_confirm = true");
    assert_eq!(noted(&moderated), ["consent.action_confirm"]);
    let list = VALID.replace("lists.no-coal]", "lists.no-coal]\n    action_confirm = true");
    assert_eq!(noted(&list), ["consent.lists.no-coal.action_confirm"]);
    for types in ["acequia.action.confirming", "acequia.action.*", "acequia.*"] {
        let named =
            moderated.replace("types = [\"action.*\"]\n    template", &format!("types = [\"{types}\"]\n    template"));
        assert!(noted(&named).is_empty(), "{types}");
    }
    let every = moderated.replace("types = [\"action.*\"]\n    template", "types = [\"*\"]\n    template");
    assert_eq!(noted(&every), ["consent.action_confirm"], "* does not take them");
    let sealed = VALID.replace("daily_cap = 1000", "daily_cap = 1000\n    personal_key = \"sealed\"");
    assert_eq!(noted(&sealed), ["consent.subject"]);
}

#[test]
fn a_lists_false_beats_the_tenants_true_and_the_reverse_and_nothing_inherits() {
    for tenant in [true, false] {
        let asks = Confirmations { subject: tenant, moderator: tenant };
        assert_eq!(asks.with(Some(!tenant), None), Confirmations { subject: !tenant, moderator: tenant });
        assert_eq!(asks.with(None, Some(!tenant)), Confirmations { subject: tenant, moderator: !tenant });
        assert_eq!(asks.with(None, None), asks);
    }
}
