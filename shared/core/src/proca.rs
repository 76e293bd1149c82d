//! Proca's messages, taken and passed on as they are: `proca:action:1`, `proca:action:2` and `proca:event:2`.
//!
//! They are no cloud events, so their identity, type and order are read from what they have. Of one action there is a message per
//! stage, and each organisation that it is shared with gets one: these are different events. Nothing in here writes a message.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::envelope::EnvelopeError;
use crate::id::{EventId, digest};

/// The source of all events made of Proca's messages.
pub const SOURCE: &str = "/proca";
/// What every schema of theirs begins with.
const SCHEMAS: &str = "proca:";
/// The longest word that names a stage or a kind of event, in bytes.
const MAX_WORD: usize = 64;

/// The parts of a message that say what it is. Everything else is left unread.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    schema: Cow<'a, str>,
    #[serde(borrow, default)]
    stage: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event_type: Option<Cow<'a, str>>,
    #[serde(default)]
    timestamp: Option<Json>,
    #[serde(default)]
    action_id: Option<u64>,
    #[serde(default)]
    org_id: Option<u64>,
    #[serde(default)]
    campaign: Option<Named>,
    #[serde(default)]
    action: Option<Action>,
    #[serde(default)]
    contact: Option<Contact>,
    #[serde(default)]
    supporter: Option<Supporter>,
}

#[derive(Debug, Deserialize)]
struct Named {
    #[serde(default)]
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action {
    #[serde(default)]
    action_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contact {
    #[serde(default)]
    contact_ref: Option<String>,
    #[serde(default, rename = "ref")]
    first_version_ref: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Supporter {
    #[serde(default)]
    contact: Option<Contact>,
}

/// What a message is, in the words of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Its identity: what it is about, its stage, and whose.
    pub(crate) event: EventId,
    /// `proca.action.<stage>` or `proca.event.<kind>`.
    pub(crate) kind: String,
    /// Messages about one contact stay in order.
    pub(crate) partition_key: Option<String>,
}

/// Whether a schema is one of Proca's.
pub(crate) fn is_schema(schema: &str) -> bool {
    schema.starts_with(SCHEMAS)
}

/// Reads what a message is.
///
/// # Errors
/// Names the member that is missing, or not of its form.
pub(crate) fn identify(text: &str) -> Result<Identity, EnvelopeError> {
    let unreadable =
        EnvelopeError::NotCloudEvents("its schema is Proca's, and a member is not of the form that it must have");
    let wire: Wire<'_> = serde_json::from_str(text).map_err(|_| unreadable)?;
    let contact = wire.contact.or_else(|| wire.supporter.and_then(|supporter| supporter.contact));
    let partition_key = contact.and_then(|contact| contact.contact_ref.or(contact.first_version_ref));
    let partition_key = partition_key.filter(|key| (1..=512).contains(&key.len()));
    let org = wire.org_id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let action = wire.action_id.map(|id| id.to_string());
    let (kind, id) = match &*wire.schema {
        "proca:action:1" | "proca:action:2" => {
            let stage = word(wire.stage.as_deref(), "stage")?;
            let action = action.ok_or(EnvelopeError::Missing("actionId"))?;
            (format!("proca.action.{stage}"), format!("{action}:{stage}:{org}"))
        }
        "proca:event:2" => {
            let name = word(wire.event_type.as_deref(), "eventType")?;
            // The same thing may happen to one action twice: the time tells the two apart, or else the content.
            let when =
                wire.timestamp.map_or_else(|| digest(text.as_bytes()), |time| digest(time.to_string().as_bytes()));
            let action = action.unwrap_or_else(|| "-".to_owned());
            (format!("proca.event.{name}"), format!("{action}:{name}:{org}:{when}"))
        }
        _ => {
            let wants = "proca:action:1, proca:action:2 or proca:event:2";
            return Err(EnvelopeError::Malformed { attribute: "schema", wants });
        }
    };
    // Numbers, words of letters, and digests: always an identity.
    let event =
        EventId::new(SOURCE, &id).map_err(|_| EnvelopeError::Malformed { attribute: "actionId", wants: "a number" })?;
    Ok(Identity { event, kind, partition_key })
}

fn word<'a>(text: Option<&'a str>, attribute: &'static str) -> Result<&'a str, EnvelopeError> {
    let text = text.ok_or(EnvelopeError::Missing(attribute))?;
    let fits = (1..=MAX_WORD).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if fits {
        Ok(text)
    } else {
        Err(EnvelopeError::Malformed { attribute, wants: "a word of lower-case letters and _" })
    }
}

/// The attributes that Proca's own push to SQS gives a message, by name. What it lacks, or is empty, is left out: SQS takes no
/// empty attribute.
pub fn attributes(body: &str) -> Vec<(&'static str, String)> {
    let Ok(wire) = serde_json::from_str::<Wire<'_>>(body) else { return Vec::new() };
    if !is_schema(&wire.schema) {
        return Vec::new();
    }
    let all = [
        ("Schema", Some(wire.schema.into_owned())),
        ("Stage", wire.stage.map(Cow::into_owned)),
        ("CampaignName", wire.campaign.and_then(|campaign| campaign.name)),
        ("ActionType", wire.action.and_then(|action| action.action_type)),
    ];
    let usable = |text: String| text.chars().filter(|c| !c.is_control()).take(256).collect::<String>();
    all.into_iter()
        .filter_map(|(name, value)| value.map(|value| (name, usable(value))))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// Brings the members that version 1 has under other names, or in a text, to where version 2 has them; for templates alone.
pub(crate) fn normalise(message: &mut Json) {
    let Some(contact) = message.get_mut("contact").and_then(Json::as_object_mut) else { return };
    if let Some(reference) = contact.get("ref").cloned() {
        contact.entry("contactRef").or_insert(reference);
    }
    // Where it is a ciphertext it is no JSON, and stays as it is.
    let open = contact.get("payload").and_then(Json::as_str).and_then(|text| serde_json::from_str::<Json>(text).ok());
    if let Some(Json::Object(personal)) = open {
        for (name, value) in personal {
            contact.entry(name).or_insert(value);
        }
    }
    if let Some(action) = message.get_mut("action").and_then(Json::as_object_mut)
        && let Some(fields) = action.get("fields").cloned()
    {
        action.entry("customFields").or_insert(fields);
    }
}

/// A sealed box of personal data: `NaCl`'s `crypto_box`, each part in base64url without padding.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    /// The ciphertext.
    pub payload: String,
    /// The nonce.
    pub nonce: String,
    /// The key that it was sealed for.
    pub encrypt_key: SealedKey,
    /// The key that it was sealed with.
    pub sign_key: SealedKey,
}

/// One of the two public keys of a sealed box.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SealedKey {
    /// The key itself.
    pub public: String,
}

/// The sealed personal data of a message, where it has any.
pub fn sealed(body: &str) -> Option<Sealed> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Outer {
        #[serde(default)]
        personal_info: Option<Sealed>,
    }
    serde_json::from_str::<Outer>(body).ok()?.personal_info
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Envelope;

    fn parse(body: &str) -> Result<Envelope, EnvelopeError> {
        Envelope::parse(&"acme".parse().unwrap(), jiff::Timestamp::UNIX_EPOCH, body.as_bytes())
    }

    const ACTION: &str = r#"{"schema":"proca:action:2","stage":"deliver","actionId":17,"actionPageId":3,"campaignId":2,"orgId":5,
        "action":{"actionType":"petition","createdAt":"2026-01-01T00:00:00Z","customFields":{"age":30.50}},
        "campaign":{"name":"no-coal","title":"No coal"},"contact":{"contactRef":"c-1","email":"ana@example.org"},"personalInfo":null}"#;

    #[test]
    fn an_action_is_known_by_its_number_its_stage_and_its_organisation() {
        let envelope = parse(ACTION).unwrap();
        assert_eq!(envelope.event.to_string(), "/proca|17:deliver:5");
        assert_eq!((&*envelope.kind, envelope.partition_key.as_deref()), ("proca.action.deliver", Some("c-1")));
        assert_eq!(envelope.body, ACTION, "its bytes are kept");
        let first = r#"{"schema":"proca:action:1","stage":"supporter_confirm","actionId":17,"contact":{"ref":"c-1"}}"#;
        let envelope = parse(first).unwrap();
        assert_eq!(envelope.event.to_string(), "/proca|17:supporter_confirm:-");
        assert_eq!(envelope.partition_key.as_deref(), Some("c-1"));
    }

    #[test]
    fn an_event_needs_no_organisation_and_two_of_one_action_are_two() {
        let event = |time: &str| {
            format!(
                r#"{{"schema":"proca:event:2","eventType":"email_status","timestamp":"{time}","actionId":17,"supporter":{{"contact":{{"contactRef":"c-1"}}}}}}"#
            )
        };
        let (one, two) =
            (parse(&event("2026-01-01T00:00:00Z")).unwrap(), parse(&event("2026-01-02T00:00:00Z")).unwrap());
        assert_eq!((&*one.kind, one.partition_key.as_deref()), ("proca.event.email_status", Some("c-1")));
        assert_ne!(one.event, two.event);
        assert_eq!(one.event, parse(&event("2026-01-01T00:00:00Z")).unwrap().event);
        assert!(parse(r#"{"schema":"proca:event:2","eventType":"campaign_updated","campaign":{"name":"x"}}"#).is_ok());
    }

    #[test]
    fn a_message_without_what_makes_it_one_says_what_is_missing() {
        use EnvelopeError::{Malformed, Missing, NotCloudEvents};
        let is_malformed =
            |body: &str, name: &str| matches!(parse(body), Err(Malformed { attribute, .. }) if attribute == name);
        assert_eq!(parse(r#"{"schema":"proca:action:2","stage":"deliver"}"#).unwrap_err(), Missing("actionId"));
        assert_eq!(parse(r#"{"schema":"proca:action:2","actionId":1}"#).unwrap_err(), Missing("stage"));
        assert_eq!(parse(r#"{"schema":"proca:event:2"}"#).unwrap_err(), Missing("eventType"));
        assert!(is_malformed(r#"{"schema":"proca:action:3","stage":"deliver","actionId":1}"#, "schema"));
        assert!(is_malformed(r#"{"schema":"proca:action:2","stage":"Deliver!","actionId":1}"#, "stage"));
        let odd = parse(r#"{"schema":"proca:action:2","stage":"deliver","actionId":"1"}"#).unwrap_err();
        assert!(matches!(odd, NotCloudEvents(_)), "{odd}");
        assert_eq!(parse(r#"{"schema":"other:1"}"#).unwrap_err(), Missing("specversion"));
        assert_eq!(parse(r#"{"schema":1}"#).unwrap_err(), Missing("specversion"));
    }

    #[test]
    fn the_attributes_are_those_of_procas_own_push_without_empty_ones() {
        let names = |body: &str| {
            attributes(body).into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        assert_eq!(
            names(ACTION),
            ["Schema=proca:action:2", "Stage=deliver", "CampaignName=no-coal", "ActionType=petition"]
        );
        let event = r#"{"schema":"proca:event:2","eventType":"email_status","campaign":{"name":""}}"#;
        assert_eq!(names(event), ["Schema=proca:event:2"]);
        assert!(names(r#"{"specversion":"1.0"}"#).is_empty());
    }

    #[test]
    fn version_1_reads_like_version_2_to_a_template() {
        let mut message = serde_json::json!({"schema": "proca:action:1", "action": {"fields": {"age": 3}},
            "contact": {"ref": "c-1", "payload": "{\"firstName\":\"Ana\",\"email\":\"ana@example.org\"}"}});
        normalise(&mut message);
        assert_eq!(message["contact"]["firstName"], "Ana");
        assert_eq!(
            (&message["contact"]["contactRef"], &message["action"]["customFields"]["age"]),
            (&"c-1".into(), &3.into())
        );
        let mut cipher = serde_json::json!({"contact": {"payload": "c2VjcmV0"}});
        normalise(&mut cipher);
        assert_eq!(cipher, serde_json::json!({"contact": {"payload": "c2VjcmV0"}}));
    }

    #[test]
    fn sealed_personal_data_is_found_where_there_is_any() {
        let body = r#"{"personalInfo":{"payload":"p","nonce":"n","encryptKey":{"id":1,"public":"e"},"signKey":{"id":2,"public":"s"}}}"#;
        let found = sealed(body).unwrap();
        assert_eq!((&*found.payload, &*found.encrypt_key.public, &*found.sign_key.public), ("p", "e", "s"));
        assert_eq!(sealed(r#"{"personalInfo":null}"#), None);
        assert_eq!(sealed("{}"), None);
    }
}
