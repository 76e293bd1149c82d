//! What has arrived where: at the tenant's endpoint, by type, and in the mailboxes.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::Value as Json;

use super::mailbox::{self, Mail};
use super::people::{self, Answer, Person};
use super::{ENDPOINT, TENANT};
use crate::local::Local;
use crate::report::Check;

/// The subjects of the mails that ask, as examples/tenants/dalia.toml has them.
const QUESTIONS: [&str; 2] = ["Please confirm that it was you", "Confirma que eras tú"];
const THANKS: &str = "Thank you";

/// Counts of what arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// Events at the endpoint, by type.
    types: BTreeMap<String, usize>,
    /// What the endpoint got more than once under one id.
    duplicates: u64,
    bad_signatures: u64,
    questions: Vec<String>,
    thanks: Vec<String>,
    other_mails: usize,
    /// Mails without a button for unsubscribing.
    no_one_click: usize,
    wrong_links: usize,
}

impl Account {
    /// Counts.
    pub(super) fn take(local: &Local, base: &str) -> Result<Self> {
        let mut types: BTreeMap<String, usize> = BTreeMap::new();
        for body in local.receiver.bodies(ENDPOINT)? {
            let event: Json = serde_json::from_str(&body).context("the endpoint got what is no JSON")?;
            let kind = event.get("type").and_then(Json::as_str).context("the endpoint got an event without a type")?;
            *types.entry(kind.to_owned()).or_default() += 1;
        }
        let stats = local.receiver.stats()?.remove(ENDPOINT).unwrap_or_default();
        let mails: Vec<Mail> = mailbox::read(local, base)?;
        let is_question = |mail: &&Mail| QUESTIONS.iter().any(|subject| mail.subject.starts_with(subject));
        let is_thanks = |mail: &&Mail| mail.subject.starts_with(THANKS);
        let to = |mail: &Mail| mail.to.clone();
        let wrong = |mail: &&Mail| {
            mail.links.len() < 2 || !mail.links.iter().all(|link| link.starts_with(&format!("{base}/c/{TENANT}/")))
        };
        Ok(Self {
            types,
            duplicates: stats.duplicates,
            bad_signatures: stats.bad_signatures,
            questions: mails.iter().filter(is_question).map(to).collect(),
            thanks: mails.iter().filter(is_thanks).map(to).collect(),
            other_mails: mails.iter().filter(|mail| !is_question(mail) && !is_thanks(mail)).count(),
            no_one_click: mails.iter().filter(|mail| !mail.has_one_click).count(),
            wrong_links: mails.iter().filter(is_question).filter(wrong).count(),
        })
    }

    fn of_type(&self, name: &str) -> usize {
        self.types.get(name).copied().unwrap_or_default()
    }

    /// Mails that ask.
    pub(super) fn questions(&self) -> usize {
        self.questions.len()
    }

    /// Mails that thank.
    pub(super) fn thanks(&self) -> usize {
        self.thanks.len()
    }

    /// Actions that were released.
    pub(super) fn released(&self) -> usize {
        self.of_type("action.signed")
    }

    /// Rejections that the sinks were told of.
    pub(super) fn rejected(&self) -> usize {
        self.of_type("acequia.consent.rejected")
    }

    /// Addresses that the sinks were told of.
    pub(super) fn bounced(&self) -> usize {
        self.of_type("acequia.consent.email_status")
    }

    /// Everybody was asked once, and the sinks know of no action.
    pub(super) fn asked(&self, people: &[Person]) -> Check {
        let asked: BTreeSet<&String> = self.questions.iter().collect();
        let sound = self.no_one_click == 0 && self.wrong_links == 0 && self.other_mails == 0;
        Check {
            holds: asked.len() == people.len() && self.questions() == people.len() && self.released() == 0 && sound,
            says: format!(
                "asked: {} mails to {} people, {} of them without one-click unsubscribing, {} with wrong links; {} actions at the sink",
                self.questions(),
                asked.len(),
                self.no_one_click,
                self.wrong_links,
                self.released()
            ),
        }
    }

    /// Nothing was released by looking.
    pub(super) fn silent(&self, links: usize) -> Check {
        Check {
            holds: self.released() == 0 && self.rejected() == 0 && self.thanks() == 0,
            says: format!(
                "scanners: the links of {links} mails were opened by GET and HEAD; {} actions released, {} rejected",
                self.released(),
                self.rejected()
            ),
        }
    }

    /// Checks that the counts are exactly what the answers ask for.
    pub(super) fn delivered(&self, people: &[Person]) -> Vec<Check> {
        let count = |answer| people::count(people, answer);
        let exactly = |what: &str, found: usize, expected: usize| Check {
            holds: found == expected,
            says: format!("{what}: {found} of exactly {expected}"),
        };
        let accepted: BTreeSet<&String> =
            people.iter().filter(|person| person.answer == Answer::Accept).map(|person| &person.address).collect();
        let known = ["action.signed", "acequia.consent.rejected", "acequia.consent.email_status"];
        let unknown: usize =
            self.types.iter().filter(|(name, _)| !known.contains(&name.as_str())).map(|(_, count)| count).sum();
        vec![
            exactly("confirmed, so released to the endpoint", self.released(), count(Answer::Accept)),
            exactly("rejected, so told to the endpoint", self.rejected(), count(Answer::Reject)),
            exactly("bounced, so told to the endpoint", self.bounced(), count(Answer::Bounce)),
            exactly("asked by mail", self.questions(), people.len()),
            exactly("thanked by mail", self.thanks(), count(Answer::Accept)),
            Check {
                holds: self.thanks.iter().collect::<BTreeSet<_>>() == accepted,
                says: "those who are thanked are those who confirmed".to_owned(),
            },
            Check {
                holds: unknown == 0 && self.other_mails == 0 && self.duplicates == 0 && self.bad_signatures == 0,
                says: format!(
                    "beside: {unknown} other events, {} other mails, {} duplicates, {} bad signatures",
                    self.other_mails, self.duplicates, self.bad_signatures
                ),
            },
        ]
    }
}
