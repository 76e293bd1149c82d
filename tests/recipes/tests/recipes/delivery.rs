//! Deliveries as the webhook function makes them, and the same spoilt in each way that a receiver must notice.

use std::collections::BTreeMap;

use acequia_core::delivery::Delivery;
use acequia_core::egress::Egress;
use acequia_core::secret::SecretPurpose;
use acequia_core::tenant::{RawTenant, Target, Tenant};
use acequia_testkit::{InMemorySecrets, build};
use jiff::{Span, Timestamp};
use serde_json::{Value as Json, json};
use webhook::request::Sender;

/// The secret that the receiver knows.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The one that takes its place, and that an impostor may have.
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A request, and what a receiver with [`SECRET`] must answer.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) what: &'static str,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    pub(crate) status: u16,
}

impl Case {
    /// The case for a program in another language.
    pub(crate) fn to_json(&self) -> Json {
        json!({"secret": SECRET, "headers": self.headers, "body": self.body})
    }

    fn with(&self, what: &'static str, change: impl FnOnce(&mut Self)) -> Self {
        let mut case = Self { what, ..self.clone() };
        change(&mut case);
        case
    }
}

#[expect(clippy::disallowed_methods, reason = "the libraries compare a signature's time with the machine's own")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// A delivery that Acequia signs by these secrets, so many minutes from now.
async fn delivery(secrets: &[&str], minutes: i64) -> Case {
    let names: Vec<String> = (0..secrets.len()).map(|index| format!("key-{index}")).collect();
    let document = json!({"tenant": "acme", "name": "Acme", "sinks": [{
        "id": "crm", "kind": "webhook", "types": ["*"], "url": "https://crm.acme.example/", "secrets": names,
    }]});
    let raw = RawTenant::from_json(&document.to_string()).unwrap();
    let tenant = Tenant::validate(&raw, Egress::Public).unwrap();
    let Target::Webhook(sink) = &tenant.sinks[0].target else { panic!("the sink is a webhook") };
    let stored = names.iter().zip(secrets).fold(InMemorySecrets::new(), |stored, (name, secret)| {
        stored.with(&tenant.summary.id, SecretPurpose::Webhook, &build::secret_name(name), *secret)
    });
    let sender = Sender::of(&stored, &tenant.summary.id, sink).await.unwrap();
    let envelope = build::envelope("acme", "1", "action.signed", r#"{ "z": 1.50, "a": "é" }"#);
    let delivery = Delivery::new(build::sink_id("crm"), envelope);
    let headers = sender.headers(&delivery, now() + Span::new().minutes(minutes)).unwrap();
    let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    Case { what: "a delivery", headers, body: delivery.envelope.body.clone(), status: 204 }
}

/// Returns all cases, the ones to be accepted first.
pub(crate) async fn cases() -> Vec<Case> {
    let good = delivery(&[SECRET], 0).await;
    let set = |name: &'static str, value: String| {
        move |case: &mut Case| {
            assert!(case.headers.insert(name.to_owned(), value).is_some(), "we send {name}");
            case.status = 401;
        }
    };
    let signature = good.headers["webhook-signature"].clone();
    let id = good.headers["webhook-id"].replace("dlv_", "dlv_0");
    let another_second = (now().as_second() - 1).to_string();
    vec![
        good.clone(),
        delivery(&[OTHER, SECRET], 0).await.with("a rotation: the receiver has the old secret", |_| ()),
        delivery(&[SECRET, OTHER], 0).await.with("a rotation: the receiver has the new secret", |_| ()),
        delivery(&[SECRET], -4).await.with("four minutes old", |_| ()),
        good.with("a changed body", |case| {
            case.body = case.body.replace("1.50", "1.51");
            case.status = 401;
        }),
        good.with("a body that was parsed and written again", |case| {
            case.body = serde_json::from_str::<Json>(&case.body).unwrap().to_string();
            case.status = 401;
        }),
        good.with("another id", set("webhook-id", id)),
        good.with("another timestamp", set("webhook-timestamp", another_second)),
        good.with("another version", set("webhook-signature", signature.replace("v1,", "v2,"))),
        good.with("no signature at all", |case| {
            case.headers.remove("webhook-signature");
            case.status = 401;
        }),
        good.with("nonsense for a signature", set("webhook-signature", "nonsense".to_owned())),
        good.with("nonsense for a timestamp", set("webhook-timestamp", "yesterday".to_owned())),
        delivery(&[OTHER], 0).await.with("a wrong key", |case| case.status = 401),
        delivery(&[SECRET], -6).await.with("six minutes old", |case| case.status = 401),
        delivery(&[SECRET], 6).await.with("six minutes ahead", |case| case.status = 401),
    ]
}
