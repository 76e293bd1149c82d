//! A tenant that asks, its commands, and short ways to let people do things.

use std::time::Duration;

use acequia_core::consent::{
    ActionId, ActionState, Answer, Consent, ConsentKey, EmailStatus, ListId, Origin, OutboxRow, OutboxTask,
    SubjectAction, SubjectId, SubjectState,
};
use acequia_core::egress::Egress;
use acequia_core::event::envelope::Envelope;
use acequia_core::flow::consent::{ConsentCommands, ConsentError};
use acequia_core::id::TenantId;
use acequia_core::port::Clock as _;
use acequia_core::template::Context;
use acequia_core::tenant::{ConsentSettings, RawTenant, Tenant};
use acequia_testkit::{FixedClock, InMemoryConsents, build};

const DOCUMENT: &str = r#"{"tenant":"acme","name":"Acme",
    "consent":{"types":["action.*"],"subject":"{{ data.email }}","list":"{{ data.campaign }}","supporter_confirm":true,
        "keys":["links"],"reminders":{"after":"2days","most":3},
        "lists":{"open":{"supporter_confirm":false},"moderated":{"action_confirm":true}}},
    "mail":{"from":"a@acme.example","to":"{{ data.email }}","default_locale":"en"},
    "templates":{"confirm":{"en":{"subject":"x","text":"{{ links.accept }}"}}},
    "sinks":[{"id":"out","kind":"forward","types":["*"],"queue":"out"}]}"#;

pub(crate) struct World {
    pub(crate) tenant: TenantId,
    pub(crate) consents: InMemoryConsents,
    pub(crate) clock: FixedClock,
    settings: Tenant,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(DOCUMENT)
    }

    /// The same, with one text of the configuration replaced.
    pub(crate) fn but(from: &str, to: &str) -> Self {
        assert!(DOCUMENT.contains(from), "{from} is not in the document");
        Self::with(&DOCUMENT.replace(from, to))
    }

    fn with(document: &str) -> Self {
        let settings = Tenant::validate(&RawTenant::from_json(document).unwrap(), Egress::Public).unwrap();
        let clock = FixedClock::default();
        Self { tenant: settings.summary.id.clone(), consents: InMemoryConsents::new(), clock, settings }
    }

    fn commands(&self) -> ConsentCommands<'_, InMemoryConsents> {
        ConsentCommands {
            consents: &self.consents,
            tenant: &self.tenant,
            settings: self.settings.consent.as_ref().unwrap(),
            config_version: 7,
            now: self.clock.now(),
        }
    }

    pub(crate) fn consent_settings(&self) -> &ConsentSettings {
        self.settings.consent.as_ref().unwrap()
    }

    pub(crate) fn days(&self, days: u64) {
        self.clock.advance(Duration::from_hours(24 * days));
    }

    pub(crate) fn key(&self, who: &str, list: &str) -> ConsentKey {
        let subject = SubjectId::derive(&self.tenant, &format!("{who}@example.org"));
        ConsentKey { subject, list: ListId::derive(&self.tenant, list) }
    }

    pub(crate) fn id(&self, event: &str) -> ActionId {
        ActionId::derive(&self.tenant, &build::event_id(event))
    }

    pub(crate) async fn try_sign(
        &self,
        event: &str,
        who: &str,
        list: &str,
        pad: usize,
    ) -> Result<Answer, ConsentError> {
        let data = format!(r#"{{"email":"{who}@example.org","campaign":"{list}","pad":"{}"}}"#, "x".repeat(pad));
        let envelope: Envelope = build::envelope("acme", event, "action.signed", &data);
        let context = Context::new(&self.settings.summary, &envelope);
        let need = self.settings.consent.as_ref().unwrap().need(&context).unwrap();
        self.commands().submit(&need, &envelope).await
    }

    /// `who` signs on `list`; the event is `event`.
    pub(crate) async fn sign(&self, event: &str, who: &str, list: &str) -> Answer {
        self.try_sign(event, who, list, 0).await.unwrap()
    }

    pub(crate) async fn act(
        &self,
        event: &str,
        who: &str,
        list: &str,
        subject_action: SubjectAction,
    ) -> Option<Answer> {
        let origin = Origin { by: "link", key: Some("links".to_owned()) };
        self.commands().act(self.key(who, list), self.id(event), &subject_action, &origin).await.unwrap()
    }

    pub(crate) async fn try_act(
        &self,
        event: &str,
        who: &str,
        list: &str,
        subject_action: SubjectAction,
    ) -> Result<Option<Answer>, ConsentError> {
        let origin = Origin { by: "link", key: None };
        self.commands().act(self.key(who, list), self.id(event), &subject_action, &origin).await
    }

    pub(crate) async fn ask_again(&self, event: &str, who: &str, list: &str) -> Option<Answer> {
        self.commands().ask_again(self.key(who, list), self.id(event)).await.unwrap()
    }

    pub(crate) async fn remind(&self, who: &str, list: &str) -> Option<Answer> {
        self.commands().remind(self.key(who, list)).await.unwrap()
    }

    pub(crate) fn consent(&self, who: &str, list: &str) -> Consent {
        self.consents.consent(&self.tenant, &self.key(who, list)).unwrap()
    }

    /// Where an action, its subject and the address stand.
    pub(crate) fn standing(&self, event: &str, who: &str, list: &str) -> (ActionState, SubjectState, EmailStatus) {
        let action = self.consents.action(&self.tenant, &self.key(who, list), &self.id(event)).unwrap();
        let consent = self.consent(who, list);
        (action.state, consent.state, consent.email)
    }

    /// All that the outbox ever held, in words: `confirm-1 of 1`, `deliver 2`, the kind of a notice.
    pub(crate) fn outbox(&self) -> Vec<String> {
        self.consents.stream().iter().map(|(_, row)| Self::describe(row)).collect()
    }

    fn describe(row: &OutboxRow) -> String {
        let body: serde_json::Value = serde_json::from_str(&row.body).unwrap();
        let id = body["id"].as_str().unwrap().to_owned();
        match row.task {
            OutboxTask::Deliver { repeat: false } => format!("deliver {id}"),
            OutboxTask::Deliver { repeat: true } => format!("repeat {id}"),
            OutboxTask::Mail { mail } => format!("{} of {id}", mail.to_string().trim_start_matches("acequia-")),
            OutboxTask::Moderate => format!("moderate {id}"),
            OutboxTask::Notify => {
                format!("{} {}", body["type"].as_str().unwrap(), body["data"]["reason"].as_str().unwrap())
            }
        }
    }
}
