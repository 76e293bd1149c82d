//! Proca's messages, taken and passed on as they are: `proca:action:1`, `proca:action:2` and `proca:event:2`.
//!
//! They are no cloud events, so their identity, type and order are read from what they have. Of one action there is a
//! message per stage, and each organisation that it is shared with gets one: these are different events. Nothing in
//! here writes a message.

use std::borrow::Cow;

use crate::event::EnvelopeError;
use crate::event::reading::{self, Members, Part};
use crate::id::{EventId, digest};

/// The source of all events made of Proca's messages.
pub const SOURCE: &str = "/proca";
/// What every schema of theirs begins with.
const SCHEMAS: &str = "proca:";
/// The longest word that names a stage or a kind of event, in bytes.
const MAX_WORD: usize = 64;

/// The longest name of a contact that orders messages, in bytes.
const MAX_KEY: usize = 1024;

/// A member of a message, or of an object in it; of another kind than it must have it is refused by its name.
struct Reader<'m, 't>(&'m Members<'t>);

impl<'m> Reader<'m, '_> {
    fn text(&self, name: &'static str) -> Result<Option<&'m str>, EnvelopeError> {
        match self.0.get(name) {
            None | Some(Part::Null) => Ok(None),
            Some(Part::Text(text)) => Ok(Some(text)),
            Some(_) => Err(EnvelopeError::Malformed { attribute: name, wants: "a text" }),
        }
    }

    fn number(&self, name: &'static str) -> Result<Option<u64>, EnvelopeError> {
        let malformed = EnvelopeError::Malformed { attribute: name, wants: "a whole number" };
        match self.0.get(name) {
            None | Some(Part::Null) => Ok(None),
            Some(Part::Number(text)) => text.parse().map(Some).map_err(|_| malformed),
            Some(_) => Err(malformed),
        }
    }

    fn object(&self, name: &'static str) -> Result<Option<Self>, EnvelopeError> {
        match self.0.get(name) {
            None | Some(Part::Null) => Ok(None),
            Some(Part::Object(members)) => Ok(Some(Reader(members))),
            Some(_) => Err(EnvelopeError::Malformed { attribute: name, wants: "an object" }),
        }
    }
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
    let members = reading::members(text);
    let message = Reader(&members);
    let contact = match message.object("contact")? {
        Some(contact) => Some(contact),
        None => message.object("supporter")?.map(|supporter| supporter.object("contact")).transpose()?.flatten(),
    };
    // Version 1 calls it by another name.
    let partition_key = contact.map(|contact| Ok(contact.text("contactRef")?.or(contact.text("ref")?))).transpose()?;
    let partition_key = partition_key.flatten().filter(|key| (1..=MAX_KEY).contains(&key.len())).map(str::to_owned);
    let org = message.number("orgId")?.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let action = message.number("actionId")?.map(|id| id.to_string());
    let (kind, id) = match message.text("schema")?.unwrap_or_default() {
        "proca:action:1" | "proca:action:2" => {
            let stage = word(message.text("stage")?, "stage")?;
            let action = action.ok_or(EnvelopeError::Missing("actionId"))?;
            (format!("proca.action.{stage}"), format!("{action}:{stage}:{org}"))
        }
        "proca:event:2" => {
            let name = word(message.text("eventType")?, "eventType")?;
            // The same thing may happen to one action twice: the time tells the two apart, or else the content.
            let when = match members.get("timestamp") {
                Some(Part::Text(time) | Part::Number(time)) => digest(time.as_bytes()),
                _ => digest(text.as_bytes()),
            };
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

/// The attributes that Proca's own push to SQS gives a message, by name. What it lacks, or is empty, is left out: SQS
/// takes no empty attribute.
pub fn attributes(body: &str) -> Vec<(&'static str, String)> {
    let members = reading::members(body);
    let message = Reader(&members);
    let text = |reader: &Reader<'_, '_>, name| reader.text(name).ok().flatten().map(str::to_owned);
    let inner = |object, name| message.object(object).ok().flatten().and_then(|object| text(&object, name));
    let Some(schema) = text(&message, "schema").filter(|schema| is_schema(schema)) else { return Vec::new() };
    let all = [
        ("Schema", Some(schema)),
        ("Stage", text(&message, "stage")),
        ("CampaignName", inner("campaign", "name")),
        ("ActionType", inner("action", "actionType")),
    ];
    // SQS takes neither control characters nor these two.
    let usable = |text: String| {
        text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')).take(256).collect::<String>()
    };
    all.into_iter()
        .filter_map(|(name, value)| value.map(|value| (name, usable(value))))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// Brings the members that version 1 has under other names, or in a text, to where version 2 has them; for templates
/// alone.
pub(crate) fn normalise(message: &mut Members<'_>) {
    if let Some(Part::Object(contact)) = message.get_mut("contact") {
        if let Some(reference) = contact.get("ref").cloned() {
            contact.entry(Cow::Borrowed("contactRef")).or_insert(reference);
        }
        // Where it is a ciphertext it is no JSON, and stays as it is.
        let payload = contact.get("payload").and_then(Part::as_text).and_then(reading::read_foreign);
        if let Some(Part::Object(personal)) = payload.map(Part::into_owned) {
            for (name, value) in personal {
                contact.entry(name).or_insert(value);
            }
        }
    }
    if let Some(Part::Object(action)) = message.get_mut("action")
        && let Some(fields) = action.get("fields").cloned()
    {
        action.entry(Cow::Borrowed("customFields")).or_insert(fields);
    }
}

/// What was sealed in a message, once it is open: an object with personal data, of which nothing is printed.
#[derive(Clone)]
pub struct Personal(Members<'static>);

impl Personal {
    /// Reads it; `None` where the text is no JSON object.
    pub fn read(text: &str) -> Option<Self> {
        match reading::read_foreign(text)?.into_owned() {
            Part::Object(members) => Some(Self(members)),
            _ => None,
        }
    }

    /// Adds it to the contact of a message, over what stands there.
    pub(crate) fn add_to(self, message: &mut Members<'_>) {
        if let Some(Part::Object(contact)) = message.get_mut("contact") {
            contact.extend(self.0);
        }
    }
}

impl std::fmt::Debug for Personal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Personal").finish_non_exhaustive()
    }
}

/// A sealed box of personal data: `NaCl`'s `crypto_box`, each part in base64url without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKey {
    /// The key itself.
    pub public: String,
}

/// The sealed personal data of a message, where it has any.
pub fn sealed(body: &str) -> Option<Sealed> {
    let members = reading::members(body);
    let sealed = Reader(&members).object("personalInfo").ok()??;
    let text = |reader: &Reader<'_, '_>, name| Some(reader.text(name).ok()??.to_owned());
    let key = |name| Some(SealedKey { public: text(&sealed.object(name).ok()??, "public")? });
    Some(Sealed {
        payload: text(&sealed, "payload")?,
        nonce: text(&sealed, "nonce")?,
        encrypt_key: key("encryptKey")?,
        sign_key: key("signKey")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::envelope::Envelope;

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
        assert_eq!((&*envelope.event_type, envelope.partition_key.as_deref()), ("proca.action.deliver", Some("c-1")));
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
        assert_eq!((&*one.event_type, one.partition_key.as_deref()), ("proca.event.email_status", Some("c-1")));
        assert_ne!(one.event, two.event);
        assert_eq!(one.event, parse(&event("2026-01-01T00:00:00Z")).unwrap().event);
        assert!(parse(r#"{"schema":"proca:event:2","eventType":"campaign_updated","campaign":{"name":"x"}}"#).is_ok());
    }

    #[test]
    fn a_message_without_what_makes_it_one_says_what_is_missing() {
        use EnvelopeError::{Malformed, Missing};
        let is_malformed =
            |body: &str, name: &str| matches!(parse(body), Err(Malformed { attribute, .. }) if attribute == name);
        assert_eq!(parse(r#"{"schema":"proca:action:2","stage":"deliver"}"#).unwrap_err(), Missing("actionId"));
        assert_eq!(parse(r#"{"schema":"proca:action:2","actionId":1}"#).unwrap_err(), Missing("stage"));
        assert_eq!(parse(r#"{"schema":"proca:event:2"}"#).unwrap_err(), Missing("eventType"));
        assert!(is_malformed(r#"{"schema":"proca:action:3","stage":"deliver","actionId":1}"#, "schema"));
        assert!(is_malformed(r#"{"schema":"proca:action:2","stage":"Deliver!","actionId":1}"#, "stage"));
        assert!(is_malformed(r#"{"schema":"proca:action:2","stage":"deliver","actionId":"1"}"#, "actionId"));
        assert!(is_malformed(r#"{"schema":"proca:action:2","stage":"deliver","actionId":1,"contact":1}"#, "contact"));
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
        let text = r#"{"schema":"proca:action:1","action":{"fields":{"age":3}},
            "contact":{"ref":"c-1","payload":"{\"firstName\":\"Ana\",\"big\":1e400,\"email\":\"ana@example.org\"}"}}"#;
        let mut message = reading::members(text);
        normalise(&mut message);
        let of = |object: &str, name: &str| match &message[object] {
            Part::Object(members) => members[name].clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(of("contact", "firstName").as_text(), Some("Ana"));
        assert_eq!(of("contact", "big"), Part::Number("1e400".into()));
        assert_eq!(of("contact", "contactRef").as_text(), Some("c-1"));
        assert_eq!(of("action", "customFields"), of("action", "fields"));
        let cipher = reading::members(r#"{"contact":{"payload":"c2VjcmV0"}}"#);
        let mut same = cipher.clone();
        normalise(&mut same);
        assert_eq!(same, cipher);
    }

    #[test]
    fn a_message_is_taken_whatever_else_it_holds_and_of_a_repeated_name_the_last_counts() {
        let odd = r#"{"schema":"proca:action:2","stage":"deliver","actionId":17,"timestamp":1e400,
            "contact":{"contactRef":"c-1","contactRef":"c-2","name":"cut \ud83d"},"campaign":{"name":"a","name":"b"}}"#;
        let envelope = parse(odd).unwrap();
        assert_eq!(envelope.partition_key.as_deref(), Some("c-2"));
        assert!(attributes(odd).contains(&("CampaignName", "b".to_owned())));
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
