//! What templates see: values that are looked up when a template names them, and made once.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object};

use super::number::{SPELLINGS, Spellings};
use super::{MAIL_VARIABLES, PROCA_VARIABLES, VARIABLES};
use crate::event::envelope::{Envelope, Format};
use crate::event::proca::{self, Personal};
use crate::event::reading::{self, Members, Part};
use crate::id::TenantSummary;

/// What the templates of one delivery see: `data` (the event's data), `event` (its other attributes) and `tenant`
/// (`id`, `name`).
#[derive(Debug, Clone)]
pub struct Context(Arc<Scope>);

/// What the templates of a mail see besides: `mail` (`kind`, `number`, `locale`, `testing`), and `links` where the mail
/// is about consent.
#[derive(Debug, Clone, Default)]
pub struct MailContext {
    /// The kind of the mail, or the id of the sink.
    pub kind: String,
    /// Which of its kind it is about this action, 1-based.
    pub number: u32,
    /// The language that was asked for, or the tenant's.
    pub locale: String,
    /// Whether the event is a test.
    pub testing: bool,
    /// The links, by name.
    pub links: Option<BTreeMap<&'static str, String>>,
}

impl Context {
    /// Builds the context of one event.
    pub fn new(tenant: &TenantSummary, envelope: &Envelope) -> Self {
        Self::with_personal(tenant, envelope, None)
    }

    /// The same, with the personal data of one of Proca's messages that came sealed.
    pub fn with_personal(tenant: &TenantSummary, envelope: &Envelope, personal: Option<Personal>) -> Self {
        let mut spellings = Spellings::default();
        let Event { data, rest } = match envelope.format {
            Format::CloudEvents => Event::of(reading::members(&envelope.body), &mut spellings),
            Format::Proca => Event::of_proca(envelope, personal, &mut spellings),
        };
        let tenant: BTreeMap<&'static str, Value> =
            [("id", Value::from(tenant.id.as_str())), ("name", Value::from(tenant.name.as_str()))].into();
        let (event, tenant, spellings) =
            (Value::from_object(rest), Value::from_object(tenant), Value::from_object(spellings));
        Self(Arc::new(Scope { data, event, tenant, spellings, mail: None }))
    }

    /// The context of one mail.
    #[must_use]
    pub fn with_mail(self, mail: MailContext) -> Self {
        let links = mail.links.as_ref().map_or(Value::UNDEFINED, |links| {
            // Links are made of characters that need no escaping, and every slash of one that is escaped looks like a
            // trick to filters.
            let safe = links.iter().map(|(name, link)| (*name, Value::from_safe_string(link.clone())));
            Value::from_object(safe.collect::<BTreeMap<_, _>>())
        });
        let mail = Some(OfMail { mail: Value::from_object(mail), links });
        Self(Arc::new(Scope { mail, ..Scope::clone(&self.0) }))
    }

    /// It, as a template takes it.
    pub(super) fn value(&self) -> Value {
        Value::from_dyn_object(Arc::clone(&self.0))
    }
}

/// The variables.
#[derive(Debug, Clone)]
struct Scope {
    data: Value,
    event: Value,
    tenant: Value,
    spellings: Value,
    mail: Option<OfMail>,
}

#[derive(Debug, Clone)]
struct OfMail {
    mail: Value,
    links: Value,
}

impl Scope {
    fn named(&self, name: &str) -> Option<Value> {
        match (name, &self.mail) {
            ("data", _) => Some(self.data.clone()),
            ("event", _) => Some(self.event.clone()),
            ("tenant", _) => Some(self.tenant.clone()),
            (SPELLINGS, _) => Some(self.spellings.clone()),
            ("mail", Some(of)) => Some(of.mail.clone()),
            ("links", Some(of)) => Some(of.links.clone()),
            (_, Some(of)) => self.of_proca(name, &of.links),
            (_, None) => None,
        }
    }

    /// Proca's names for what its messages have ([`PROCA_VARIABLES`]).
    fn of_proca(&self, name: &str, links: &Value) -> Option<Value> {
        let of = |value: &Value, name: &str| value.get_attr(name).unwrap_or_default();
        let value = match name {
            "firstName" | "lastName" | "email" => of(&of(&self.data, "contact"), name),
            "contact" | "org" | "campaign" | "actionPage" | "tracking" | "privacy" => of(&self.data, name),
            "fields" => of(&of(&self.data, "action"), "customFields"),
            "confirmLink" => of(links, "accept"),
            "rejectLink" => of(links, "reject"),
            "doiLink" => of(links, "accept_opt_in"),
            _ => return None,
        };
        Some(value)
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.named(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.named(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let of_mail = MAIL_VARIABLES.into_iter().chain(PROCA_VARIABLES).filter(|_| self.mail.is_some());
        Enumerator::Values(VARIABLES.into_iter().chain(of_mail).map(Value::from).collect())
    }
}

impl Object for MailContext {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "kind" => Value::from(self.kind.as_str()),
            "number" => Value::from(self.number),
            "locale" => Value::from(self.locale.as_str()),
            "testing" => Value::from(self.testing),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["kind", "locale", "number", "testing"])
    }
}

/// An event as templates see it: members that are null are missing, like those that are not there.
#[derive(Debug, Default)]
struct Event {
    data: Value,
    rest: BTreeMap<String, Value>,
}

impl Event {
    fn of(members: Members<'_>, spellings: &mut Spellings) -> Self {
        let mut rest = seen_members(members, spellings);
        Self { data: rest.remove("data").unwrap_or_default(), rest }
    }

    fn of_proca(envelope: &Envelope, personal: Option<Personal>, spellings: &mut Spellings) -> Self {
        let mut message = reading::members(&envelope.body);
        proca::normalise(&mut message);
        if let Some(personal) = personal {
            personal.add_to(&mut message);
        }
        let of_event =
            [("id", envelope.event.id()), ("source", envelope.event.source()), ("type", &envelope.event_type)];
        Self {
            // The whole message is what a cloud event has as data.
            data: Value::from_object(seen_members(message, spellings)),
            rest: of_event.map(|(name, text)| (name.to_owned(), Value::from(text))).into(),
        }
    }
}

fn seen_members(members: Members<'_>, spellings: &mut Spellings) -> BTreeMap<String, Value> {
    let present = members.into_iter().filter(|(_, part)| *part != Part::Null);
    present.map(|(name, part)| (name.into_owned(), seen(part, spellings))).collect()
}

/// A part of the event, as what templates work with.
fn seen(part: Part<'_>, spellings: &mut Spellings) -> Value {
    match part {
        Part::Null => Value::from(()),
        Part::Bool(value) => Value::from(value),
        Part::Number(text) => spellings.number(&text),
        Part::Text(text) => Value::from(&*text),
        Part::List(items) => {
            Value::from_object(items.into_iter().map(|item| seen(item, spellings)).collect::<Vec<_>>())
        }
        Part::Object(members) => Value::from_object(seen_members(members, spellings)),
    }
}

#[cfg(test)]
mod tests {
    use minijinja::context;
    use minijinja::value::Serde;
    use serde_json::Value as Json;

    use super::*;

    fn strip(value: &mut Json) {
        match value {
            Json::Object(members) => {
                members.retain(|_, member| !member.is_null());
                members.values_mut().for_each(strip);
            }
            Json::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }

    fn event(body: &str) -> Event {
        Event::of(reading::members(body), &mut Spellings::default())
    }

    #[test]
    fn what_is_read_at_once_is_what_would_be_made_of_the_json() {
        let body = r#"{"id":"1","data":{"b":[1,-2,3.5,true,null,"x",{"n":null,"m":{}}],"a":"\u00e9\n","n":null,"u":18446744073709551615},"n":null}"#;
        let event = event(body);
        let mut json: Json = serde_json::from_str(body).unwrap();
        strip(&mut json);
        let whole = context! { data => event.data, ..Value::from_object(event.rest) };
        assert_eq!(serde_json::to_value(&whole).unwrap(), json);
        assert_eq!(whole.get_attr("data").unwrap(), Value::from(Serde(&json["data"])));
    }

    #[test]
    fn data_that_is_null_or_not_there_is_missing() {
        for body in [r#"{"id":"1","data":null}"#, r#"{"id":"1"}"#] {
            assert!(event(body).data.is_undefined(), "{body}");
        }
    }

    #[test]
    fn the_variables_are_all_that_there_is_and_each_is_found() {
        let tenant = TenantSummary { id: "acme".parse().unwrap(), name: "Acme".to_owned() };
        let body = br#"{"specversion":"1.0","id":"1","source":"/a","type":"t","data":{"x":1}}"#;
        let envelope = Envelope::parse(&tenant.id, jiff::Timestamp::UNIX_EPOCH, body).unwrap();
        let context = Context::new(&tenant, &envelope);
        let names = |context: &Context| context.value().try_iter().unwrap().map(|name| name.to_string()).collect();
        let plain: Vec<String> = names(&context);
        assert_eq!(plain, VARIABLES);
        let context = context.with_mail(MailContext::default());
        let of_mail: Vec<String> = names(&context);
        assert_eq!(of_mail.len(), VARIABLES.len() + MAIL_VARIABLES.len() + PROCA_VARIABLES.len());
        for name in &of_mail {
            assert!(context.0.named(name).is_some(), "{name}");
        }
        let kind = context.value().get_attr("mail").unwrap().get_attr("testing").unwrap();
        assert_eq!(kind, Value::from(false));
    }
}
