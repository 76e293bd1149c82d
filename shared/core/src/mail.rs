//! Mails that the platform itself knows of: their kinds, the sinks that carry them, their texts by language, and who
//! may get a test.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::id::{EventId, SinkId};
use crate::outcome::Cause;
use crate::template::{Context, Template};

/// The longest subject, in characters: longer ones are cut by mail programs anyway.
const MAX_SUBJECT_CHARS: usize = 500;

/// What the ids of the platform's own sinks begin with. A tenant that uses mails cannot have a sink of such an id.
pub const OWN_SINKS: &str = "acequia-";

/// The mails of consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MailKind {
    /// Asks the subject.
    Confirm,
    /// Asks again who has not answered.
    Reminder,
    /// Tells who signed again.
    Duplicate,
    /// Thanks.
    Thanks,
}

impl MailKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Confirm, Self::Reminder, Self::Duplicate, Self::Thanks];

    /// The name of its template.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Reminder => "reminder",
            Self::Duplicate => "duplicate",
            Self::Thanks => "thanks",
        }
    }

    /// The templates that serve it, the first that exists: who signs again gets the question again, or else thanks.
    pub fn templates(self) -> &'static [&'static str] {
        match self {
            Self::Confirm => &["confirm"],
            Self::Reminder => &["reminder", "confirm"],
            Self::Duplicate => &["duplicate", "confirm", "thanks"],
            Self::Thanks => &["thanks"],
        }
    }

    /// Whether it asks for something, so that it is void once there is an answer.
    pub fn asks(self) -> bool {
        matches!(self, Self::Confirm | Self::Reminder)
    }
}

/// One mail about one action: its kind, and which of that kind it is, 1-based. It is written as the id of a sink,
/// because a delivery is an event and a sink: so each has claims, attempts and a record of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailRef {
    /// Its kind.
    pub kind: MailKind,
    /// Its number.
    pub number: u32,
}

impl MailRef {
    /// Reads the id of a sink; `None` for a tenant's own sinks.
    pub fn of(sink: &SinkId) -> Option<Self> {
        let (kind, number) = sink.as_str().strip_prefix(OWN_SINKS)?.rsplit_once('-')?;
        let kind = MailKind::ALL.into_iter().find(|known| known.as_str() == kind)?;
        // One spelling for one number.
        let number = number.parse::<u32>().ok().filter(|value| value.to_string() == number && *value > 0)?;
        Some(Self { kind, number })
    }

    /// Whether it tells who signed again while being asked; the second of its kind thanks who has agreed.
    pub fn answers_a_repeat(self) -> bool {
        self.kind == MailKind::Duplicate && self.number == 1
    }

    /// The id of its sink, such as `acequia-confirm-1`.
    pub fn sink(self) -> Option<SinkId> {
        self.to_string().parse().ok()
    }
}

impl fmt::Display for MailRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OWN_SINKS}{}-{}", self.kind.as_str(), self.number)
    }
}

/// An event's identity in the letters that a tag of SES may have.
pub fn event_tag(event: &EventId) -> String {
    URL_SAFE_NO_PAD.encode(event.to_string())
}

/// The identity that [`event_tag`] wrote; `None` for what it did not write.
pub fn read_event_tag(tag: &str) -> Option<EventId> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(tag).ok()?).ok()?.parse().ok()
}

/// A language, such as `fr` or `fr-ca`: a BCP 47 tag in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locale(String);

/// A text that is no tag of a language.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no language tag such as \"fr\" or \"fr-CA\"")]
pub struct InvalidLocale;

impl Locale {
    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This language, then what it is a variety of: `fr-ca`, `fr`.
    pub fn chain(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.0.as_str()), |tag| tag.rsplit_once('-').map(|(wider, _)| wider))
    }
}

impl FromStr for Locale {
    type Err = InvalidLocale;

    /// Case does not count, and `fr_CA` is taken for `fr-CA`.
    fn from_str(text: &str) -> Result<Self, InvalidLocale> {
        let tag = text.trim().replace('_', "-").to_ascii_lowercase();
        let mut parts = tag.split('-');
        let language = parts
            .next()
            .is_some_and(|part| (2..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_lowercase()));
        let rest = parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
        if language && rest && tag.len() <= 35 { Ok(Self(tag)) } else { Err(InvalidLocale) }
    }
}

/// The texts of one mail in one language.
#[derive(Debug, Clone, PartialEq)]
pub struct MailText {
    /// Gives the subject.
    pub subject: Template,
    /// Gives the plain text.
    pub text: Template,
    /// Gives the HTML.
    pub html: Option<Template>,
}

/// What a reader gets.
#[derive(Clone, PartialEq, Eq)]
pub struct Composed {
    /// The subject, one line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML.
    pub html: Option<String>,
}

impl MailText {
    /// Fills the templates; the subject of a test is marked as one.
    ///
    /// # Errors
    /// [`Cause::TemplateVariable`] or [`Cause::TemplateFailed`]; nothing is composed with a hole in it.
    pub fn compose(&self, context: &Context, testing: bool) -> Result<Composed, Cause> {
        // A subject is one line: what an event brings in must not end it.
        let rendered = self.subject.render(context)?;
        let mark = testing.then_some("[TEST]");
        let words: Vec<&str> = mark.into_iter().chain(rendered.split_whitespace()).collect();
        Ok(Composed {
            subject: words.join(" ").chars().take(MAX_SUBJECT_CHARS).collect(),
            text: self.text.render(context)?,
            html: self.html.as_ref().map(|html| html.render(context)).transpose()?,
        })
    }

    /// Whether one of its templates names this variable.
    pub fn uses(&self, variable: &str) -> bool {
        [Some(&self.subject), Some(&self.text), self.html.as_ref()].into_iter().flatten().any(|it| it.uses(variable))
    }
}

/// The texts of one mail: one in the tenant's default language, and any number in others.
#[derive(Debug, Clone, PartialEq)]
pub struct MailTexts {
    default: MailText,
    others: BTreeMap<Locale, MailText>,
}

impl MailTexts {
    /// Texts of which the first is the default language's.
    pub fn new(default: MailText, others: BTreeMap<Locale, MailText>) -> Self {
        Self { default, others }
    }

    /// The text for who reads `wanted`: that language, what it is a variety of, or else the default.
    pub fn in_language(&self, wanted: Option<&Locale>) -> &MailText {
        let known = |tag: &str| self.others.iter().find(|(locale, _)| locale.as_str() == tag).map(|(_, text)| text);
        wanted.into_iter().flat_map(Locale::chain).find_map(known).unwrap_or(&self.default)
    }

    /// Whether one of the templates names this variable.
    pub fn uses(&self, variable: &str) -> bool {
        std::iter::once(&self.default).chain(self.others.values()).any(|text| text.uses(variable))
    }
}

/// Who may get the mails of test events: one address, or all of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestRecipient {
    /// This address.
    Address(String),
    /// Every address of this domain, written `*@example.org`.
    Domain(String),
}

impl TestRecipient {
    /// Whether this address is meant.
    pub fn takes(&self, address: &str) -> bool {
        let address = address.to_ascii_lowercase();
        match self {
            Self::Address(allowed) => *allowed == address,
            Self::Domain(allowed) => address.rsplit_once('@').is_some_and(|(_, domain)| domain == allowed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> MailTexts {
        let text = |words: &str| {
            let template = |field| Template::compile(field, words, false).unwrap();
            MailText { subject: template("subject"), text: template("text"), html: None }
        };
        let others = [("fr", "merci"), ("pt-br", "obrigado")];
        let others = others.map(|(tag, words)| (tag.parse().unwrap(), text(words)));
        MailTexts::new(text("thanks"), others.into())
    }

    #[test]
    fn an_events_identity_goes_through_a_tag_and_comes_back() {
        let event: EventId = "https://actions.example.org/a?b|id 1".parse().unwrap();
        let tag = event_tag(&event);
        assert!(tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{tag}");
        assert_eq!(read_event_tag(&tag), Some(event));
        assert_eq!(read_event_tag("no tag!"), None);
    }

    #[test]
    fn a_language_without_a_text_falls_back_to_what_it_is_a_variety_of_and_then_to_the_default() {
        let texts = texts();
        for (wanted, found) in [
            (Some("fr"), "merci"),
            (Some("fr-CA"), "merci"),
            (Some("fr_CA"), "merci"),
            (Some("fr-Latn-CA"), "merci"),
            (Some("pt-BR"), "obrigado"),
            (Some("pt"), "thanks"),
            (Some("de"), "thanks"),
            (None, "thanks"),
        ] {
            let locale: Option<Locale> = wanted.map(|tag| tag.parse().unwrap());
            let text = texts.in_language(locale.as_ref()).text.source();
            assert_eq!(text, found, "{wanted:?}");
        }
    }

    #[test]
    fn only_tags_of_languages_are_locales() {
        for bad in [
            "",
            "f",
            "french",
            "fr-",
            "fr--ca",
            "-fr",
            "fr/ca",
            "fr-äö",
            "../fr",
            &format!("fr{}", "-aaaaaaaa".repeat(5)),
        ] {
            assert!(bad.parse::<Locale>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_mail_is_written_as_a_sinks_id_and_read_back() {
        for kind in MailKind::ALL {
            let mail = MailRef { kind, number: 12 };
            assert_eq!(MailRef::of(&mail.sink().unwrap()), Some(mail));
        }
        for other in
            ["acequia-confirm", "acequia-confirm-0", "acequia-confirm-01", "acequia-pigeon-1", "crm", "confirm-1"]
        {
            assert_eq!(MailRef::of(&other.parse().unwrap()), None, "{other}");
        }
    }

    #[test]
    fn a_test_goes_to_the_address_or_the_domain_that_is_named_and_to_no_other() {
        let (one, all) =
            (TestRecipient::Address("ana@acme.example".to_owned()), TestRecipient::Domain("acme.example".to_owned()));
        assert!(one.takes("Ana@Acme.example") && !one.takes("ben@acme.example"));
        assert!(all.takes("ben@ACME.example"));
        assert!(!all.takes("ben@not-acme.example") && !all.takes("ben@acme.example.org"));
    }
}
