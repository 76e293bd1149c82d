//! The events of our own that tell a tenant's sinks of changes: cloud events from `/acequia/consent`.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::id::ConsentKey;
use super::record::{Action, Consent, OutboxRow};

/// The source of these events.
pub const SOURCE: &str = "/acequia/consent";
/// A subject declined, or was declined for.
pub const REJECTED: &str = "acequia.consent.rejected";
/// What is known of a subject's address changed.
pub const EMAIL_STATUS: &str = "acequia.consent.email_status";
/// An action waits for a moderator.
pub const CONFIRMING: &str = "acequia.action.confirming";

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

/// The event that asks a moderator: the action itself, and the links of the two answers.
pub fn moderation(row: &OutboxRow, approve: &str, decline: &str) -> String {
    // A body that came in was parsed then.
    let event_itself: Json = serde_json::from_str(&row.body).unwrap_or_default();
    let data = json!({
        "subject": row.key.subject,
        "event": event_itself,
        "links": { "approve": approve, "decline": decline },
    });
    event(&row.key, CONFIRMING, &format!("{}-confirming", row.action), row.at, &data)
}

fn event(key: &ConsentKey, kind: &str, id: &str, now: Timestamp, data: &Json) -> String {
    let id = format!("{}-{}-{id}", key.subject, key.list);
    json!({ "specversion": "1.0", "id": id, "source": SOURCE, "type": kind, "time": now.to_string(), "subject": key.subject,
        "datacontenttype": "application/json", "data": data })
    .to_string()
}
