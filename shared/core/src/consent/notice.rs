//! The events of our own that tell a tenant's sinks of changes: cloud events from `/acequia/consent`.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::id::{ConsentKey, SubjectId};
use super::record::{Action, Consent, OutboxRow};
use crate::event::own_type::{CONFIRMING, SOURCE};

/// The event of a change. It holds digests and states, no address.
pub(super) fn body(
    key: &ConsentKey,
    consent: &Consent,
    action: &Action,
    kind: &str,
    why: &str,
    version: u64,
    now: Timestamp,
) -> String {
    let data = json!({
        "list": consent.list,
        "subject": key.subject,
        "state": consent.state,
        "email_status": consent.email,
        "reason": why,
        "action": { "event": action.event, "state": action.state },
    });
    let short = kind.rsplit('.').next().unwrap_or_default();
    event(key, kind, &format!("{version}-{short}"), now, &data)
}

/// The event that asks a moderator: the action itself, to the byte, and the links of the two answers.
pub fn moderation(row: &OutboxRow, approve: &str, decline: &str) -> String {
    #[derive(Serialize)]
    struct Moderation<'a> {
        subject: SubjectId,
        /// It was parsed when it came in, so it is JSON.
        event: Option<&'a RawValue>,
        links: Links<'a>,
    }
    #[derive(Serialize)]
    struct Links<'a> {
        approve: &'a str,
        decline: &'a str,
    }
    let event_itself = serde_json::from_str(&row.body).ok();
    let data = Moderation { subject: row.key.subject, event: event_itself, links: Links { approve, decline } };
    event(&row.key, CONFIRMING, &format!("{}-confirming", row.action), row.at, &data)
}

fn event(key: &ConsentKey, kind: &str, id: &str, now: Timestamp, data: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Event<'a, D> {
        specversion: &'a str,
        id: String,
        source: &'a str,
        r#type: &'a str,
        time: String,
        subject: SubjectId,
        datacontenttype: &'a str,
        data: &'a D,
    }
    let event = Event {
        specversion: "1.0",
        id: format!("{}-{}-{id}", key.subject, key.list),
        source: SOURCE,
        r#type: kind,
        time: now.to_string(),
        subject: key.subject,
        datacontenttype: "application/json",
        data,
    };
    // Texts, digests, and JSON that was read: it always has a form.
    serde_json::to_string(&event).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::ActionState;
    use crate::consent::record::OutboxTask;
    use crate::event::envelope::Envelope;
    use crate::event::own_type::{EMAIL_STATUS, REJECTED};
    use crate::id::EventId;

    const KEY: ([u8; 16], [u8; 16]) = ([1; 16], [2; 16]);

    fn row(body: &str) -> OutboxRow {
        OutboxRow {
            id: "1".to_owned(),
            key: ConsentKey { subject: KEY.0.into(), list: KEY.1.into() },
            action: [3; 16].into(),
            task: OutboxTask::Moderate,
            body: body.to_owned(),
            accepted_at: Timestamp::UNIX_EPOCH,
            trace: None,
            at: Timestamp::UNIX_EPOCH,
        }
    }

    /// Each event that is made here, about an event with this body.
    fn all(about: &str) -> Vec<String> {
        let row = row(about);
        let action = Action {
            id: row.action,
            event: EventId::new("/a", &"x".repeat(1024)).unwrap(),
            state: ActionState::New,
            rank: 0,
            with_consent: true,
            body: None,
            accepted_at: Timestamp::UNIX_EPOCH,
            trace: None,
        };
        let consent = Consent::new("Zoë's \"list\"", Timestamp::UNIX_EPOCH);
        let notice = |kind| body(&row.key, &consent, &action, kind, "unsubscribe", 7, Timestamp::UNIX_EPOCH);
        vec![notice(REJECTED), notice(EMAIL_STATUS), moderation(&row, "https://a.example/1", "https://a.example/2")]
    }

    #[test]
    fn our_own_events_keep_every_rule_of_cloud_events() {
        let tenant = "acme".parse().unwrap();
        for event in all(r#"{"specversion":"1.0","id":"1","source":"/a","type":"t"}"#) {
            assert!(Envelope::parse(&tenant, Timestamp::UNIX_EPOCH, event.as_bytes()).is_ok());
            // A producer's, but for what no producer may call its own.
            let renamed = event.replace("\"/acequia/", "\"/x/").replace("\"acequia.", "\"x.");
            assert_ne!(renamed, event);
            let received = Envelope::receive(&tenant, Timestamp::UNIX_EPOCH, &renamed).unwrap();
            assert_eq!(received.irregularity, None, "{event}");
        }
    }

    #[test]
    fn a_moderator_sees_the_action_to_the_byte_whatever_it_holds() {
        let odd = "{\"schema\":\"proca:action:2\", \"n\":1e400,\"m\":1.10,\n\"a\":\"\\ud83d\",\"a\":1}";
        let event = moderation(&row(odd), "https://a.example/1", "https://a.example/2");
        assert!(event.contains(odd), "{event}");
    }
}
