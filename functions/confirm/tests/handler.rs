//! The confirm function over the in-memory ports: requests as an HTTP API hands them over, pages as browsers get them.
//!
//! It is long because each test takes one world, with a person who was asked, a few steps further.
#![expect(clippy::unwrap_used, reason = "a test's own mistake should stop the test where it was made")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::consent::link::Links;
use acequia_core::consent::token::{LinkKey, Purpose};
use acequia_core::consent::{ActionId, ConsentKey, ListId, SubjectId, SubjectState};
use acequia_core::egress::Egress;
use acequia_core::flow::consent::ConsentCommands;
use acequia_core::port::{Clock as _, SuppressionList as _};
use acequia_core::secret::{Secret, SecretPurpose};
use acequia_core::template::Context;
use acequia_core::tenant::{RawTenant, Tenant};
use acequia_core::time::after;
use acequia_lambda::{CachedTenants, Reporting, Telemetry};
use acequia_testkit::{
    FixedClock, InMemoryConsents, InMemoryLines, InMemoryMailStore, InMemorySecrets, InMemoryTenants, build,
};
use confirm::{Confirm, Request, Response};

const DOCUMENT: &str = r##"{"tenant":"acme","name":"Acme <Action>",
    "consent":{"types":["action.*"],"subject":"{{ data.email }}","supporter_confirm":true,"keys":["links","links-old"],"valid_for":"2days",
        "redirect_hosts":["acme.example"],"accepted_url":"https://acme.example/thanks"},
    "mail":{"from":"a@acme.example","to":"{{ data.email }}","default_locale":"fr","logo":"https://cdn.acme.example/logo.png","colour":"#ffee00"},
    "templates":{"confirm":{"fr":{"subject":"x","text":"{{ links.accept }}"}}},
    "sinks":[{"id":"out","kind":"forward","types":["*"],"queue":"out"}]}"##;
const KEY: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const OLD_KEY: &str = "whsec_AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

struct World {
    settings: Tenant,
    clock: FixedClock,
    consents: InMemoryConsents,
    mail_store: InMemoryMailStore,
    secrets: InMemorySecrets,
    lines: InMemoryLines,
    confirm: Confirm<InMemoryTenants, InMemoryConsents, InMemoryMailStore, InMemorySecrets>,
}

/// Acme, where ana has signed (event `1`) and is asked; and bona, with the same configuration and the same keys.
async fn world() -> World {
    let (acme, bona) = (build::tenant_id("acme"), build::tenant_id("bona"));
    let clock = FixedClock::default();
    let tenants =
        InMemoryTenants::new().with(&acme, DOCUMENT).with(&bona, DOCUMENT.replace(r#""acme","#, r#""bona","#));
    let mut secrets = InMemorySecrets::new();
    for tenant in [&acme, &bona] {
        secrets = secrets.with(tenant, SecretPurpose::Link, &build::secret_name("links"), KEY).with(
            tenant,
            SecretPurpose::Link,
            &build::secret_name("links-old"),
            OLD_KEY,
        );
    }
    let (consents, mail_store) = (InMemoryConsents::new(), InMemoryMailStore::new());
    let lines = InMemoryLines::new();
    let confirm = Confirm {
        tenants: CachedTenants::new(tenants, Arc::new(clock.clone())),
        consents: consents.clone(),
        mail_store: mail_store.clone(),
        secrets: secrets.clone(),
        clock: Arc::new(clock.clone()),
        stage: build::stage(),
        telemetry: Telemetry::new(Reporting::default(), lines.clone()),
    };
    let settings = Tenant::validate(&RawTenant::from_json(DOCUMENT).unwrap(), Egress::Public).unwrap();
    let world = World { settings, clock, consents, mail_store, secrets, lines, confirm };
    world.sign().await;
    world
}

impl World {
    async fn sign(&self) {
        let envelope = build::envelope("acme", "1", "action.signed", r#"{"email":"ana@example.org"}"#);
        let settings = self.settings.consent.as_ref().unwrap();
        let need = settings.need(&Context::new(&self.settings.summary, &envelope)).unwrap();
        let tenant = &self.settings.summary.id;
        let commands =
            ConsentCommands { consents: &self.consents, tenant, settings, config_version: 1, now: self.clock.now() };
        commands.submit(&need, &envelope).await.unwrap();
    }

    fn key(&self) -> ConsentKey {
        let tenant = &self.settings.summary.id;
        ConsentKey { subject: SubjectId::derive(tenant, "ana@example.org"), list: ListId::derive(tenant, "all") }
    }

    fn link_with(&self, purpose: Purpose, name: &str, secret: &str) -> String {
        let tenant = &self.settings.summary.id;
        let key = LinkKey::new(build::secret_name(name), &Secret::new(secret)).unwrap();
        let action = ActionId::derive(tenant, &build::event_id("1"));
        let expires_at = after(build::start(), Duration::from_hours(48));
        Links { base: "", tenant, key: &key, consent: self.key(), action, expires_at }.url(purpose)
    }

    fn link(&self, purpose: Purpose) -> String {
        self.link_with(purpose, "links", KEY)
    }

    async fn request(&self, method: &str, path: &str, body: &str) -> Response {
        let event = serde_json::json!({"rawPath": path, "requestContext": {"stage": "$default", "http": {"method": method}},
            "headers": {"accept-language": "en"}, "body": body, "isBase64Encoded": false});
        self.confirm.answer(&Request::read(event).unwrap()).await
    }

    async fn press(&self, purpose: Purpose) -> Response {
        self.request("POST", &self.link(purpose), "do=act").await
    }

    fn state(&self) -> SubjectState {
        self.consents.consent(&self.settings.summary.id, &self.key()).unwrap().state
    }

    /// How many outbox rows there ever were: one is the question.
    fn followed(&self) -> usize {
        self.consents.stream().len() - 1
    }
}

#[tokio::test]
async fn looking_at_a_link_changes_nothing_however_often_and_by_whomever() {
    let world = world().await;
    for purpose in Purpose::ALL {
        for method in ["GET", "HEAD", "GET", "HEAD", "OPTIONS", "PUT"] {
            world.request(method, &world.link(purpose), "do=act").await;
        }
    }
    assert_eq!((world.state(), world.followed()), (SubjectState::Confirming, 0));
    assert_eq!(world.consents.writes.calls(), 1, "the signature alone was written");
    let head = world.request("HEAD", &world.link(Purpose::Accept), "").await;
    assert_eq!((head.status_code, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn the_button_acts_once_and_says_so_the_second_time() {
    let world = world().await;
    let page = world.request("GET", &world.link(Purpose::Accept), "").await;
    assert!(page.body.contains("<button") && page.body.contains("Please confirm"), "{}", page.body);
    let page = world.press(Purpose::Accept).await;
    assert!(page.body.contains("Thank you!") && !page.body.contains("<button"), "{}", page.body);
    assert_eq!((page.status_code, page.headers["location"].as_str()), (303, "https://acme.example/thanks"));
    assert!(page.body.contains("https:&#x2f;&#x2f;acme.example&#x2f;thanks"), "for who is not led there");
    assert_eq!((world.state(), world.followed()), (SubjectState::Accepted, 1));
    for method in ["GET", "POST"] {
        let page = world.request(method, &world.link(Purpose::Accept), "do=act").await;
        assert!(page.status_code == 200 && page.body.contains("You have confirmed before"), "{}", page.body);
    }
    let page = world.press(Purpose::Accept).await;
    assert!(page.body.contains("You have confirmed before"), "{}", page.body);
    assert_eq!(world.followed(), 1);
}

#[tokio::test]
async fn rejecting_works_after_accepting_and_is_final() {
    let world = world().await;
    world.press(Purpose::Accept).await;
    assert!(world.press(Purpose::Reject).await.body.contains("was taken back. You will not hear"));
    assert!(world.press(Purpose::Reject).await.body.contains("taken back before"));
    assert!(world.press(Purpose::Accept).await.body.contains("that stays so"));
    assert_eq!((world.state(), world.followed()), (SubjectState::Rejected, 2));
}

#[tokio::test]
async fn who_looks_at_a_link_that_was_answered_is_told_so_without_a_button() {
    let world = world().await;
    world.press(Purpose::Reject).await;
    for (purpose, words) in [(Purpose::Reject, "taken back before"), (Purpose::Accept, "that stays so")] {
        let page = world.request("GET", &world.link(purpose), "").await;
        assert!(
            page.status_code == 200 && page.body.contains(words) && !page.body.contains("<button"),
            "{}",
            page.body
        );
    }
    world.clock.advance(Duration::from_hours(49));
    let page = world.request("GET", &world.link(Purpose::Accept), "").await;
    assert!(page.body.contains("that stays so"), "no new mail is offered: {}", page.body);
    world.consents.reads.go_down();
    let page = world.request("GET", &world.link(Purpose::Accept), "").await;
    assert!(page.status_code == 410 && page.body.contains("<button"), "{}", page.body);
}

#[tokio::test]
async fn a_post_without_the_buttons_field_changes_nothing() {
    let world = world().await;
    for body in ["", "do=", "do=renew", "x=act", "List-Unsubscribe=One-Click"] {
        let page = world.request("POST", &world.link(Purpose::Accept), body).await;
        assert_eq!((page.status_code, world.state()), (400, SubjectState::Confirming), "{body}");
    }
}

#[tokio::test]
async fn a_link_of_one_tenant_opened_at_another_is_not_found() {
    let world = world().await;
    let link = world.link(Purpose::Accept).replace("/acme/", "/bona/");
    for method in ["GET", "POST"] {
        let page = world.request(method, &link, "do=act").await;
        assert_eq!(page.status_code, 404);
        assert!(!page.body.contains("Acme"), "a link that is not believed shows no tenant");
    }
    assert_eq!(world.state(), SubjectState::Confirming);
}

#[tokio::test]
async fn wrong_links_are_answered_in_human_words_and_do_nothing() {
    let world = world().await;
    let link = world.link(Purpose::Accept);
    let cut: String = link.chars().take(link.len() - 5).collect();
    let flipped = if link.ends_with('A') { format!("{cut}B") } else { link.replace("links.", "linkt.") };
    let foreign = world.link_with(Purpose::Accept, "links", OLD_KEY);
    for path in [
        cut.as_str(),
        &flipped,
        &foreign,
        "/",
        "/c",
        "/c/acme",
        "/c/acme/x/y",
        "/c/nobody/links.a.b",
        "/c/Not%20one/x",
        "/x/acme/links.a.b",
    ] {
        let page = world.request("POST", path, "do=act").await;
        assert_eq!(page.status_code, 404, "{path}");
        assert!(page.body.contains("Maybe it was cut in two"), "{path}");
    }
    assert_eq!(world.state(), SubjectState::Confirming);
}

#[tokio::test]
async fn every_flipped_bit_of_a_links_token_is_refused() {
    let world = world().await;
    let link = world.link(Purpose::Accept);
    let start = link.rfind('/').unwrap() + 1;
    for position in (start..link.len()).step_by(3) {
        for bit in 0..7 {
            let mut bytes = link.clone().into_bytes();
            bytes[position] ^= 1 << bit;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert_eq!(world.request("POST", &text, "do=act").await.status_code, 404, "{text}");
        }
    }
    assert_eq!(world.state(), SubjectState::Confirming);
}

#[tokio::test]
async fn an_expired_link_offers_a_new_mail_and_sends_it_once_in_a_while() {
    let world = world().await;
    world.clock.advance(Duration::from_hours(49));
    let page = world.request("GET", &world.link(Purpose::Accept), "").await;
    assert!(
        page.status_code == 410 && page.body.contains("Send me a new mail") && page.body.contains("value=\"renew\"")
    );
    assert_eq!(world.press(Purpose::Accept).await.status_code, 410);
    assert_eq!((world.state(), world.followed()), (SubjectState::Confirming, 0));
    let page = world.request("POST", &world.link(Purpose::Accept), "do=renew").await;
    assert!(page.body.contains("A new mail is on its way"), "{}", page.body);
    let page = world.request("POST", &world.link(Purpose::Accept), "do=renew").await;
    assert!(page.body.contains("Nothing new to send"), "{}", page.body);
    assert_eq!(world.followed(), 1);
}

#[tokio::test]
async fn a_mail_programs_one_click_ends_the_mails_even_when_the_link_is_old() {
    let world = world().await;
    world.press(Purpose::Accept).await;
    world.clock.advance(Duration::from_hours(24 * 400));
    assert_eq!(world.request("GET", &world.link(Purpose::Unsubscribe), "").await.status_code, 200);
    let page = world.request("POST", &world.link(Purpose::Unsubscribe), "List-Unsubscribe=One-Click").await;
    assert_eq!(page.status_code, 200);
    let found = world.mail_store.suppressed(&world.settings.summary.id, &[world.key().subject]).await.unwrap();
    assert!(found[0].is_some());
    let consent = world.consents.consent(&world.settings.summary.id, &world.key()).unwrap();
    assert_eq!((consent.state, consent.email.as_str()), (SubjectState::Accepted, "unsub"));
    assert_eq!(consent.proofs.last().unwrap().by, "mail-program");
}

#[tokio::test]
async fn one_click_works_in_every_form_that_mail_programs_write() {
    let multipart = "multipart/form-data; boundary=x";
    let part = |head: &str| format!("--x\r\n{head}\r\n\r\nOne-Click\r\n--x--\r\n");
    for (kind, body) in [
        ("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click".to_owned()),
        ("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click\r\n".to_owned()),
        ("application/x-www-form-urlencoded; charset=UTF-8", "list-unsubscribe=one-click".to_owned()),
        (multipart, part("Content-Disposition: form-data; name=\"List-Unsubscribe\"")),
        (multipart, part("Content-Disposition: form-data; name=List-Unsubscribe")),
        (multipart, part("Content-Disposition: form-data;name=\"List-Unsubscribe\"")),
        (multipart, part("Content-Disposition: form-data; NAME=\"List-Unsubscribe\"")),
        (multipart, part("Content-Disposition: form-data; name=\"List-Unsubscribe\"").replace("\r\n", "\n")),
    ] {
        let world = world().await;
        let event = serde_json::json!({"rawPath": world.link(Purpose::Unsubscribe), "requestContext": {"http": {"method": "POST"}},
            "headers": {"content-type": kind}, "body": body, "isBase64Encoded": false});
        let page = world.confirm.answer(&Request::read(event).unwrap()).await;
        assert_eq!(page.status_code, 200, "{body:?}");
        let found = world.mail_store.suppressed(&world.settings.summary.id, &[world.key().subject]).await.unwrap();
        assert!(found[0].is_some(), "{body:?}");
    }
}

#[tokio::test]
async fn a_link_with_what_a_mail_program_took_along_works_and_with_more_leads_to_a_page() {
    let world = world().await;
    let link = world.link(Purpose::Accept);
    for tail in [".", ",", ">", ")", ";", "\"", "'", "/", "%22", "%3E", "%2F", "/.", "_"] {
        let page = world.request("GET", &format!("{link}{tail}"), "").await;
        assert!(page.status_code == 200 && page.body.contains("<button"), "{tail}: {}", page.body);
    }
    for wrong in
        [format!("{link}x"), format!("{link}/more"), link.split_at(link.len() - 1).0.to_owned(), "/c/acme".to_owned()]
    {
        let page = world.request("GET", &wrong, "").await;
        assert!(page.status_code == 404 && page.body.contains("This link does not work"), "{wrong}");
    }
    assert_eq!((world.state(), world.followed()), (SubjectState::Confirming, 0));
    let page = world.request("POST", &format!("{link}%22"), "do=act").await;
    assert!(page.body.contains("Thank you!"), "{}", page.body);
    assert_eq!((world.state(), world.followed()), (SubjectState::Accepted, 1));
}

#[tokio::test]
async fn both_keys_of_a_rotation_open_links() {
    let world = world().await;
    let page = world.request("GET", &world.link_with(Purpose::Accept, "links-old", OLD_KEY), "").await;
    assert_eq!(page.status_code, 200);
}

#[tokio::test]
async fn a_page_loads_and_runs_nothing_and_is_kept_nowhere() {
    let world = world().await;
    let page = world.request("GET", &world.link(Purpose::Accept), "").await;
    let policy = &page.headers["content-security-policy"];
    assert!(
        policy.starts_with("default-src 'none';") && policy.contains("img-src https://cdn.acme.example;"),
        "{policy}"
    );
    assert!(
        policy.contains("form-action 'self' https://acme.example;")
            && !policy.contains("unsafe")
            && policy.contains("frame-ancestors 'none'")
            && !policy.contains("script"),
        "{policy}"
    );
    assert_eq!(
        (page.headers["cache-control"].as_str(), page.headers["referrer-policy"].as_str()),
        ("no-store", "no-referrer")
    );
    assert!(!page.body.contains("<script") && !page.body.contains("onclick"));
}

#[tokio::test]
async fn a_page_is_accessible_and_wears_the_tenants_name_logo_and_colour() {
    let world = world().await;
    let page = world.request("GET", &world.link(Purpose::Accept), "").await;
    for part in [
        "<html lang=\"en\">",
        "<title>Please confirm your signature – Acme &lt;Action&gt;</title>",
        "alt=\"Acme &lt;Action&gt;\"",
        "name=\"viewport\"",
        "<h1>",
        "<main>",
        "background: #ffee00; color: #000000",
        "button:focus-visible",
    ] {
        assert!(page.body.contains(part), "{part} is not in {}", page.body);
    }
    let done = world.press(Purpose::Accept).await;
    assert!(done.body.contains("role=\"status\""));
}

#[tokio::test]
async fn with_a_store_down_nothing_is_lost_and_the_page_says_to_try_again() {
    let world = world().await;
    world.consents.writes.go_down();
    let page = world.press(Purpose::Accept).await;
    assert!(page.status_code == 503 && page.body.contains("try again in a minute"), "{}", page.body);
    assert!(!page.body.contains("<button"), "trying again must not act");
    world.consents.writes.mend();
    world.secrets.reads.go_down();
    assert_eq!(world.request("GET", &world.link(Purpose::Accept), "").await.status_code, 503);
    world.secrets.reads.mend();
    assert!(world.press(Purpose::Accept).await.body.contains("Thank you!"));
    let stalled = [("consents at confirm".to_owned(), 1), ("secrets at confirm".to_owned(), 1)];
    assert_eq!(world.lines.stalled(), BTreeMap::from(stalled));
}
