//! Two tenants, ana who has signed at both and is asked, her links, and the site that answers them.

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
use acequia_lambda::{CachedTenants, Telemetry};
use acequia_testkit::{FixedClock, InMemoryConsents, InMemoryMailStore, InMemorySecrets, InMemoryTenants, build};
use confirm::Confirm;

use crate::driver::{Browser, Reader};
use crate::site::{PAGES, Site};

const KEY: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// Acme has everything; tests replace parts of it.
pub(crate) const ACME: &str = r##"{"tenant":"acme","name":"Acme <Action>",
    "consent":{"types":["action.*"],"subject":"{{ data.email }}","list":"{{ data.campaign }}","supporter_confirm":true,
        "keys":["links"],"valid_for":"2days"},
    "mail":{"from":"a@acme.example","to":"{{ data.email }}","default_locale":"en","logo":"https://cdn.acme.example/logo.svg","colour":"#7a1f5c"},
    "templates":{"confirm":{"en":{"subject":"x","text":"{{ links.accept }}"},"fr":{"subject":"x","text":"{{ links.accept }}"},
        "de":{"subject":"x","text":"{{ links.accept }}"}}},
    "sinks":[{"id":"out","kind":"forward","types":["*"],"queue":"out"}]}"##;

pub(crate) struct World {
    pub(crate) clock: FixedClock,
    pub(crate) consents: InMemoryConsents,
    pub(crate) tenants: InMemoryTenants,
    mail_store: InMemoryMailStore,
    pub(crate) site: Site,
    acme: Tenant,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::of(ACME).await
    }

    /// With a configuration of Acme's; Bona has the same, and the same key.
    pub(crate) async fn of(document: &str) -> Self {
        let (acme, bona) = (build::tenant_id("acme"), build::tenant_id("bona"));
        let clock = FixedClock::default();
        let other = document.replace(r#""acme","name":"Acme <Action>""#, r#""bona","name":"Bona""#);
        let tenants = InMemoryTenants::new().with(&acme, document).with(&bona, other);
        let mut secrets = InMemorySecrets::new();
        for tenant in [&acme, &bona] {
            secrets = secrets.with(tenant, SecretPurpose::Link, &build::secret_name("links"), KEY);
        }
        let (consents, mail_store) = (InMemoryConsents::new(), InMemoryMailStore::new());
        let confirm = Confirm {
            tenants: CachedTenants::new(tenants.clone(), Arc::new(clock.clone())),
            consents: consents.clone(),
            mail_store: mail_store.clone(),
            secrets,
            clock: Arc::new(clock.clone()),
            stage: build::stage(),
            telemetry: Telemetry::silent(),
        };
        let site = Site::open(confirm).await;
        let acme = Tenant::validate(&RawTenant::from_json(document).unwrap(), Egress::Public).unwrap();
        let world = Self { clock, consents, tenants, mail_store, site, acme };
        world.sign().await;
        world
    }

    async fn sign(&self) {
        let data = r#"{"email":"ana@example.org","campaign":"Clean rivers"}"#;
        let envelope = build::envelope("acme", "1", "action.signed", data);
        let settings = self.acme.consent.as_ref().unwrap();
        let need = settings.need(&Context::new(&self.acme.summary, &envelope)).unwrap();
        let tenant = &self.acme.summary.id;
        let commands =
            ConsentCommands { consents: &self.consents, tenant, settings, config_version: 1, now: self.clock.now() };
        commands.submit(&need, &envelope).await.unwrap();
    }

    pub(crate) async fn browser(&self) -> Browser {
        Browser::open(&self.site, Reader::default()).await
    }

    fn key(&self) -> ConsentKey {
        let tenant = &self.acme.summary.id;
        let subject = SubjectId::derive(tenant, "ana@example.org");
        ConsentKey { subject, list: ListId::derive(tenant, "Clean rivers") }
    }

    /// A link as it stands in the mail.
    pub(crate) fn link(&self, purpose: Purpose) -> String {
        let tenant = &self.acme.summary.id;
        let key = LinkKey::new(build::secret_name("links"), &Secret::new(KEY)).unwrap();
        let action = ActionId::derive(tenant, &build::event_id("1"));
        let expires_at = after(build::start(), Duration::from_hours(48));
        let base = &format!("https://{PAGES}");
        Links { base, tenant, key: &key, consent: self.key(), action, expires_at }.url(purpose)
    }

    pub(crate) fn expire_links(&self) {
        self.clock.advance(Duration::from_hours(49));
    }

    pub(crate) fn state(&self) -> SubjectState {
        self.consents.consent(&self.acme.summary.id, &self.key()).unwrap().state
    }

    /// All that is known of ana's consent, to the last byte.
    pub(crate) fn known(&self) -> String {
        let consent = self.consents.consent(&self.acme.summary.id, &self.key()).unwrap();
        format!("{consent:?} {:?}", self.consents.stream())
    }

    /// How many mails were asked for: one is the first question.
    pub(crate) fn mails(&self) -> usize {
        let is_mail =
            |task: &acequia_core::consent::OutboxTask| matches!(task, acequia_core::consent::OutboxTask::Mail { .. });
        self.consents.stream().iter().filter(|(_, row)| is_mail(&row.task)).count()
    }

    pub(crate) async fn gets_no_mail(&self) -> bool {
        self.mail_store.suppressed(&self.acme.summary.id, &[self.key().subject]).await.unwrap()[0].is_some()
    }
}
