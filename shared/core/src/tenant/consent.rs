//! A tenant's consent settings: which events need whose consent for what, who is asked, and where people are led
//! afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::issue::Findings;
use super::mail::MailSettings;
#[cfg(feature = "schema")]
use super::schema::{DurationText, EventType, SecretNameText, TemplateText, UrlText, between, span};
use crate::egress::Egress;
use crate::id::SecretName;
use crate::mail::MailKind;
use crate::outcome::Cause;
use crate::routing::TypeRule;
use crate::template::{Context, Template};

/// How long a link works: 30 days unless the configuration says otherwise, an hour to a year.
const DEFAULT_VALIDITY: Duration = Duration::from_hours(30 * 24);
const VALIDITIES: std::ops::RangeInclusive<Duration> = Duration::from_hours(1)..=Duration::from_hours(366 * 24);
/// When reminders may be due, and how many there may be.
const REMINDER_WAITS: std::ops::RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(90 * 24);
const MAX_REMINDERS: u32 = 3;
/// The most lists with settings of their own.
const MAX_LISTS: usize = 200;
/// The longest name of a list, in bytes: it is stored and shown.
const MAX_LIST_BYTES: usize = 200;
/// The longest text that stands for a subject, in bytes.
const MAX_SUBJECT_BYTES: usize = 400;
/// The list of a tenant who has but one.
const ONE_LIST: &str = "all";
/// How often one address is asked in a day, over all lists.
const DEFAULT_ASKS: u64 = 10;
const MAX_ASKS: u64 = 1000;
/// The secret that signs links, and those before it.
const MAX_KEYS: usize = 3;

/// Which events need a person's consent before sinks get them, and how it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawConsent {
    /// Which types of events need consent, as in a sink's `types`. They reach no sink before it is given; all others
    /// pass.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<EventType>", extend("minItems" = 1, "examples" = [["action.*"]])))]
    pub types: Vec<String>,
    /// A template that gives whose consent is needed: an address as a rule. It is stored as a digest.
    #[cfg_attr(feature = "schema", schemars(with = "TemplateText", extend("x-bounds" = format!("it must give 1 to {MAX_SUBJECT_BYTES} bytes"), "examples" = ["{{ data.email }}"])))]
    pub subject: String,
    /// A template that gives what the consent is for, such as a campaign. Without it, there is one list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "TemplateText", extend("x-bounds" = format!("it must give 1 to {MAX_LIST_BYTES} bytes"), "examples" = ["{{ data.campaign }}"])))]
    pub list: Option<String>,
    /// A template that gives `false` for actions that carry no consent of their own. Without it, all carry one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "TemplateText", extend("examples" = ["{{ data.opt_in }}"])))]
    pub with_consent: Option<String>,
    /// `true` asks the subject by mail (double opt-in).
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("examples" = [true])))]
    pub supporter_confirm: bool,
    /// `true` asks a moderator, by an event with two links.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(extend("examples" = [true])))]
    pub action_confirm: bool,
    /// The names of the secrets that sign links: the first signs, links of all are accepted.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<SecretNameText>", extend("minItems" = 1, "maxItems" = MAX_KEYS, "examples" = [["links"]])))]
    pub keys: Vec<String>,
    /// How long a link works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "DurationText", extend("default" = span(DEFAULT_VALIDITY), "x-bounds" = between(&VALIDITIES), "examples" = ["14days"])))]
    pub valid_for: Option<String>,
    /// Reminders for those who do not answer. Without it, there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "RawReminders"))]
    pub reminders: Option<RawReminders>,
    /// The hosts that people may be led to from the pages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("default" = [], "examples" = [["dalia.example"]])))]
    pub redirect_hosts: Vec<String>,
    /// Where a page leads people who agreed: an address at one of `redirect_hosts`. Without it, they stay on the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "UrlText", extend("examples" = ["https://dalia.example/gracias"])))]
    pub accepted_url: Option<String>,
    /// Where a page leads people who declined: an address at one of `redirect_hosts`. Without it, they stay on the
    /// page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "UrlText", extend("examples" = ["https://dalia.example/hasta-luego"])))]
    pub rejected_url: Option<String>,
    /// How often one mailbox is asked in a day (UTC), over all lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "u64", range(min = 1, max = MAX_ASKS), extend("default" = DEFAULT_ASKS, "examples" = [3])))]
    pub asks_per_day: Option<u64>,
    /// `true` lets no lists be but those below: events of others are quarantined.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "schema", schemars(extend("default" = false, "examples" = [true])))]
    pub lists_closed: bool,
    /// Settings of single lists, by their names, over those above.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schemars(extend("default" = {}, "maxProperties" = MAX_LISTS)))]
    pub lists: BTreeMap<String, RawList>,
}

/// Reminders for those who do not answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawReminders {
    /// How long after the last mail a reminder is due.
    #[cfg_attr(feature = "schema", schemars(with = "DurationText", extend("x-bounds" = between(&REMINDER_WAITS), "examples" = ["2days"])))]
    pub after: String,
    /// How many reminders there are at most.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = MAX_REMINDERS), extend("examples" = [3])))]
    pub most: u32,
}

/// What one list has of its own; what it leaves out is the tenant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawList {
    /// Whether the subject is asked: `true` and `false` force, without it the tenant's setting counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "bool", extend("examples" = [true])))]
    pub supporter_confirm: Option<bool>,
    /// Whether a moderator is asked: `true` and `false` force, without it the tenant's setting counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "bool", extend("examples" = [true])))]
    pub action_confirm: Option<bool>,
}

/// Who is asked before an action is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Confirmations {
    /// The subject (double opt-in).
    pub subject: bool,
    /// A moderator.
    pub moderator: bool,
}

impl Confirmations {
    /// The tenant's settings with a list's over them: what the list leaves out is the tenant's.
    #[must_use]
    pub fn with(self, subject: Option<bool>, moderator: Option<bool>) -> Self {
        Self { subject: subject.unwrap_or(self.subject), moderator: moderator.unwrap_or(self.moderator) }
    }
}

/// A tenant's consent settings.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsentSettings {
    types: Vec<TypeRule>,
    subject: Template,
    list: Option<Template>,
    with_consent: Option<Template>,
    asks: Confirmations,
    lists: BTreeMap<String, RawList>,
    lists_closed: bool,
    /// How often one address is asked in a day (UTC), over all lists.
    pub asks_per_day: u64,
    /// The names of the secrets that sign links, the current one first.
    pub keys: Vec<SecretName>,
    /// How long a link works.
    pub valid_for: Duration,
    /// Reminders for who does not answer.
    pub reminders: Option<Reminders>,
    /// Where a page leads who agreed.
    pub accepted_url: Option<Url>,
    /// Where a page leads who declined.
    pub rejected_url: Option<Url>,
}

/// When who does not answer is reminded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reminders {
    /// How long after the last mail.
    pub after: Duration,
    /// How many at most.
    pub most: u32,
}

/// What an event says of the consent that it needs.
#[derive(Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Who: personal, so it is never printed.
    pub subject: String,
    /// The name of the list.
    pub list: String,
    /// Whether it carries consent of its own.
    pub with_consent: bool,
    /// Who is asked.
    pub asks: Confirmations,
}

impl std::fmt::Debug for Requirement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Need").field("list", &self.list).field("asks", &self.asks).finish_non_exhaustive()
    }
}

impl ConsentSettings {
    /// Whether events of this type need consent.
    pub fn governs(&self, kind: &str) -> bool {
        self.types.iter().any(|rule| rule.takes(kind))
    }

    /// Whether consents are for different lists, by a name that the tenant gives them.
    pub fn names_lists(&self) -> bool {
        self.list.is_some()
    }

    /// Whether there is such a list.
    pub fn has_list(&self, list: &str) -> bool {
        !self.lists_closed || self.lists.contains_key(list)
    }

    /// Who is asked on a list.
    pub fn asks(&self, list: &str) -> Confirmations {
        let own = self.lists.get(list).copied().unwrap_or_default();
        self.asks.with(own.supporter_confirm, own.action_confirm)
    }

    /// Who an event is of. `context` is that of the event as it came, without what was sealed in it: so it is the same
    /// for whoever asks.
    ///
    /// # Errors
    /// The causes of templates, where the event does not say.
    pub fn subject(&self, context: &Context) -> Result<String, Cause> {
        bounded("consent.subject", &self.subject.render(context)?, MAX_SUBJECT_BYTES)
    }

    /// What an event needs, by the context of the event as it came ([`ConsentSettings::subject`]).
    ///
    /// # Errors
    /// The causes of templates, where the event does not say who, or for what.
    pub fn need(&self, context: &Context) -> Result<Requirement, Cause> {
        let subject = self.subject(context)?;
        let list = self.list.as_ref().map_or_else(|| Ok(ONE_LIST.to_owned()), |list| list.render(context))?;
        let list = bounded("consent.list", &list, MAX_LIST_BYTES)?;
        let with_consent = self.with_consent.as_ref().map(|template| template.render(context)).transpose()?;
        let with_consent = with_consent.is_none_or(|text| !text.trim().eq_ignore_ascii_case("false"));
        let asks = self.asks(&list);
        Ok(Requirement { subject, list, with_consent, asks })
    }

    fn may_ask(&self) -> bool {
        self.asks.subject || self.lists.values().any(|list| list.supporter_confirm == Some(true))
    }
}

fn bounded(field: &'static str, text: &str, most: usize) -> Result<String, Cause> {
    let text = text.trim();
    if text.is_empty() || text.len() > most || text.chars().any(char::is_control) {
        let problem = format!("it gives no text of 1 to {most} bytes");
        return Err(Cause::TemplateFailed { field, problem, line: 1 });
    }
    Ok(text.to_owned())
}

/// Validates the section `[consent]`.
pub(super) fn validate_consent(
    raw: &RawConsent,
    mail: Option<&MailSettings>,
    egress: Egress,
    findings: &mut Findings,
) -> Option<ConsentSettings> {
    if raw.types.is_empty() {
        findings.report("consent.types", "there is none: name one at least, or \"*\" for all");
    }
    let mut types = Vec::with_capacity(raw.types.len());
    for (index, text) in raw.types.iter().enumerate() {
        match text.parse::<TypeRule>() {
            Ok(rule) => types.push(rule),
            Err(wants) => findings.report(format!("consent.types[{index}]"), format!("{text:?} is not {wants}")),
        }
    }
    let mut template = |field: &'static str, source: Option<&String>| {
        Template::compile(field, source?, false)
            .map_err(|found| findings.report_line(field, found.problem, found.line))
            .ok()
    };
    let subject = template("consent.subject", Some(&raw.subject));
    let list = template("consent.list", raw.list.as_ref());
    let with_consent = template("consent.with_consent", raw.with_consent.as_ref());
    let keys = validate_keys(&raw.keys, findings);
    let valid_for =
        duration("consent.valid_for", raw.valid_for.as_deref(), &VALIDITIES, "an hour to 366 days", findings);
    let reminders = raw.reminders.as_ref().and_then(|raw| validate_reminders(raw, findings));
    if raw.lists.len() > MAX_LISTS {
        findings.report("consent.lists", format!("there are {}; at most {MAX_LISTS} are taken", raw.lists.len()));
    }
    if raw.lists_closed && raw.lists.is_empty() {
        findings
            .report("consent.lists", "there is none, and lists_closed lets no other be: name lists, or leave it out");
    }
    if raw.asks_per_day.is_some_and(|asks| !(1..=MAX_ASKS).contains(&asks)) {
        findings.report("consent.asks_per_day", format!("it must be 1 to {MAX_ASKS}"));
    }
    let mut redirect = |field: &str, text: Option<&String>| validate_redirect(field, text?, raw, egress, findings);
    let accepted_url = redirect("consent.accepted_url", raw.accepted_url.as_ref());
    let rejected_url = redirect("consent.rejected_url", raw.rejected_url.as_ref());
    let settings = ConsentSettings {
        types,
        subject: subject?,
        list,
        with_consent,
        asks: Confirmations { subject: raw.supporter_confirm, moderator: raw.action_confirm },
        lists: raw.lists.clone(),
        lists_closed: raw.lists_closed,
        asks_per_day: raw.asks_per_day.unwrap_or(DEFAULT_ASKS),
        keys,
        valid_for: valid_for.unwrap_or(DEFAULT_VALIDITY),
        reminders,
        accepted_url,
        rejected_url,
    };
    match mail {
        None => findings.report("mail", "it is missing: consent is asked for by mail"),
        Some(mail) if settings.may_ask() && mail.template(MailKind::Confirm.as_str()).is_none() => findings.report(
            "templates.confirm",
            "it is missing: subjects are asked (supporter_confirm), and this is the mail that asks them",
        ),
        Some(_) => {}
    }
    Some(settings)
}

fn validate_keys(raw: &[String], findings: &mut Findings) -> Vec<SecretName> {
    if !(1..=MAX_KEYS).contains(&raw.len()) {
        findings
            .report("consent.keys", "name one to three secrets: the one that signs, then those whose links still work");
    }
    let mut keys: Vec<SecretName> = Vec::with_capacity(raw.len());
    for (index, name) in raw.iter().enumerate() {
        match name.parse::<SecretName>() {
            Ok(name) if keys.contains(&name) => {
                findings.report(format!("consent.keys[{index}]"), "this secret stands here twice");
            }
            Ok(name) => keys.push(name),
            Err(error) => findings.report(format!("consent.keys[{index}]"), error.to_string()),
        }
    }
    keys
}

fn duration(
    field: &str,
    text: Option<&str>,
    bounds: &std::ops::RangeInclusive<Duration>,
    wants: &str,
    findings: &mut Findings,
) -> Option<Duration> {
    match humantime::parse_duration(text?) {
        Ok(time) if bounds.contains(&time) => Some(time),
        _ => {
            findings.report(field, format!("it must be a duration of {wants}, such as \"2days\""));
            None
        }
    }
}

fn validate_reminders(raw: &RawReminders, findings: &mut Findings) -> Option<Reminders> {
    if !(1..=MAX_REMINDERS).contains(&raw.most) {
        findings.report(
            "consent.reminders.most",
            format!("it must be 1 to {MAX_REMINDERS}; leave the section out for none"),
        );
    }
    let wants = "a minute to 90 days";
    let after = duration("consent.reminders.after", Some(&raw.after), &REMINDER_WAITS, wants, findings);
    Some(Reminders { after: after?, most: raw.most })
}

/// People are led to hosts only that the tenant names in one place.
fn validate_redirect(
    field: &str,
    text: &str,
    raw: &RawConsent,
    egress: Egress,
    findings: &mut Findings,
) -> Option<Url> {
    let scheme = |url: &Url| url.scheme() == "https" || (egress == Egress::Local && url.scheme() == "http");
    let Some(url) = Url::parse(text).ok().filter(|url| scheme(url) && url.username().is_empty()) else {
        findings.report(field, "it must be an https URL without a user's name");
        return None;
    };
    let host = url.host_str().unwrap_or_default();
    if !raw.redirect_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
        findings.report(field, format!("its host {host:?} is not one of consent.redirect_hosts"));
        return None;
    }
    Some(url)
}
