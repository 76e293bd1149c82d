//! What is remembered of a consent: the consent itself, its actions, and the outbox rows of what follows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::{ActionId, ConsentKey, SubjectId};
use super::state::{ActionState, EmailStatus, SubjectState};
use crate::event::trace::TraceContext;
use crate::id::EventId;
use crate::mail::MailRef;

/// The largest event that consent can govern, in bytes: what waits is stored, and the largest transaction must stay
/// below 4 MB.
pub const MAX_HELD_BYTES: usize = 64 * 1024;
/// The most actions of one subject that wait on one list.
pub const MAX_WAITING: usize = 20;
/// How many proofs a consent keeps.
const KEPT_PROOFS: usize = 60;

/// One subject's consent on one list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The list's name.
    pub list: String,
    /// 1, 2, 3 ... with every change: a change is made on the condition that nobody made one in between.
    pub version: u64,
    /// Where the subject stands.
    pub state: SubjectState,
    /// Where the subject's address stands.
    #[serde(default)]
    pub email: EmailStatus,
    /// How many actions came in.
    pub actions: u32,
    /// Those of them that may be released yet, oldest first.
    #[serde(default)]
    pub waiting: Vec<ActionId>,
    /// How many mails asked, reminders left out.
    #[serde(default)]
    pub asked: u32,
    /// How many reminders were sent.
    #[serde(default)]
    pub reminded: u32,
    /// When the last mail was sent that asks.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    pub asked_at: Option<Timestamp>,
    /// When the next reminder is due.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "jiff::fmt::serde::timestamp::millisecond::optional"
    )]
    pub remind_at: Option<Timestamp>,
    /// Who did what when, oldest first.
    #[serde(default)]
    pub proofs: Vec<Proof>,
    /// When the first action came in.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// When it changed last.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
}

impl Consent {
    /// A consent of which nothing is known yet.
    pub fn new(list: &str, now: Timestamp) -> Self {
        Self {
            list: list.to_owned(),
            version: 0,
            state: SubjectState::New,
            email: EmailStatus::None,
            actions: 0,
            waiting: Vec::new(),
            asked: 0,
            reminded: 0,
            asked_at: None,
            remind_at: None,
            proofs: Vec::new(),
            created_at: now,
            updated_at: now,
        }
    }

    /// Adds a proof. Of too many, the oldest go that are neither the first nor an answer.
    pub fn note(&mut self, proof: Proof) {
        self.proofs.push(proof);
        if self.proofs.len() > KEPT_PROOFS {
            let asked = self.proofs.iter().skip(1).position(|proof| proof.what == "asked").map(|at| at + 1);
            self.proofs.remove(asked.unwrap_or(1));
        }
    }
}

/// One line of the proof of consent: who (the consent's key) did what, when, on which mail and by what means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// When.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// What: `asked`, `accept`, `accept-opt-in`, `reject`, `unsubscribe`, `approve`, `decline`, `bounce`, `complaint`.
    pub what: String,
    /// By what means: `mail`, `link`, `mail-program`, `operator` or `ses`.
    pub by: String,
    /// The action that it was about.
    pub action: ActionId,
    /// The version of the tenant's configuration, and with it of the texts, that was current.
    pub config_version: u64,
    /// The name of the key that signed the link, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// One action.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The digest of its event's identity.
    pub id: ActionId,
    /// Its event.
    pub event: EventId,
    /// Where it stands.
    pub state: ActionState,
    /// How many of its subject came before it on this list.
    pub rank: u32,
    /// Whether it carries consent of its own.
    pub with_consent: bool,
    /// The event's bytes, while it may be released yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// When the event was accepted.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub accepted_at: Timestamp,
    /// The trace that what it came in names, or it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
}

/// The body is personal, so it is not printed.
impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Action")
            .field("event", &self.event)
            .field("state", &self.state)
            .field("rank", &self.rank)
            .finish_non_exhaustive()
    }
}

/// What the outbox is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum OutboxTask {
    /// Release an action to the sinks, and thank the subject.
    Deliver {
        /// Whether it is not the subject's first.
        repeat: bool,
    },
    /// Send a mail about an action.
    Mail {
        /// Which.
        #[serde(with = "mail_text")]
        mail: MailRef,
    },
    /// Ask a moderator.
    Moderate,
    /// Tell the sinks of a change: the body is an event of ours.
    Notify,
}

mod mail_text {
    //! A mail is stored as the id of its sink.
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::id::SinkId;
    use crate::mail::MailRef;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    pub(super) fn serialize<S: Serializer>(mail: &MailRef, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(mail)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MailRef, D::Error> {
        let sink = SinkId::deserialize(deserializer)?;
        MailRef::of(&sink).ok_or_else(|| D::Error::custom("it is no mail"))
    }
}

/// A row of the outbox. It is written with the change that it follows from, and deleted when it was carried out.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// Its id, the same whenever the same change is planned.
    pub id: String,
    /// Whose consent.
    pub key: ConsentKey,
    /// The action that it is about.
    pub action: ActionId,
    /// What to do.
    #[serde(flatten)]
    pub task: OutboxTask,
    /// The event's bytes.
    pub body: String,
    /// When the event was accepted.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub accepted_at: Timestamp,
    /// The trace that what it came in names, or it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
    /// When the row was written.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
}

/// The body is personal, so it is not printed.
impl std::fmt::Debug for OutboxRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboxRow").field("id", &self.id).field("task", &self.task).finish_non_exhaustive()
    }
}

/// What was read: a consent, and those of its actions that were asked for and are there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// The consent.
    pub consent: Option<Consent>,
    /// The actions.
    pub actions: BTreeMap<ActionId, Action>,
}

/// What is to be written, all of it or nothing, if the consent still has the version that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Whose consent.
    pub key: ConsentKey,
    /// The consent as it is to be; its version is one more than the one that was read (0 where there was none).
    pub consent: Consent,
    /// The actions that change.
    pub actions: Vec<Action>,
    /// What follows.
    pub outbox: Vec<OutboxRow>,
}

impl Change {
    /// The version that must still be there; 0 for none.
    pub fn expected(&self) -> u64 {
        self.consent.version.saturating_sub(1)
    }
}

/// That an address must not be written to, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// Why.
    pub reason: SuppressionReason,
    /// Since when.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub since: Timestamp,
}

/// Why an address must not be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SuppressionReason {
    /// It does not exist.
    Bounce,
    /// Its owner called a mail spam.
    Complaint,
    /// Its owner wants no more mails.
    Unsubscribed,
}

impl SuppressionReason {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bounce => "the address bounced",
            Self::Complaint => "its owner complained",
            Self::Unsubscribed => "its owner unsubscribed",
        }
    }
}

/// All rows of one subject: what `acequia consent` shows, exports and erases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dossier {
    /// The consents, with their keys.
    pub consents: Vec<(ConsentKey, Consent)>,
    /// The actions, with the keys of their consents.
    pub actions: Vec<(ConsentKey, Action)>,
    /// The outbox rows that are not carried out yet.
    pub outbox: Vec<OutboxRow>,
}

/// The subject that stands for an address, in suppression: the digest of the address itself.
pub type AddressId = SubjectId;

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(what: &str) -> Proof {
        Proof {
            at: Timestamp::UNIX_EPOCH,
            what: what.to_owned(),
            by: "link".to_owned(),
            action: ActionId::from([1; 16]),
            config_version: 1,
            key: None,
        }
    }

    #[test]
    fn of_too_many_proofs_the_first_and_the_answers_stay() {
        let mut consent = Consent::new("x", Timestamp::UNIX_EPOCH);
        consent.note(proof("asked"));
        consent.note(proof("accept"));
        for _ in 0..100 {
            consent.note(proof("asked"));
        }
        assert_eq!(consent.proofs.len(), KEPT_PROOFS);
        assert_eq!([&*consent.proofs[0].what, &*consent.proofs[1].what], ["asked", "accept"]);
    }

    #[test]
    fn an_task_reads_back_from_its_stored_form() {
        let mail = MailRef { kind: crate::mail::MailKind::Reminder, number: 2 };
        for task in
            [OutboxTask::Deliver { repeat: true }, OutboxTask::Mail { mail }, OutboxTask::Moderate, OutboxTask::Notify]
        {
            let text = serde_json::to_string(&task).unwrap();
            assert_eq!(serde_json::from_str::<OutboxTask>(&text).unwrap(), task, "{text}");
        }
    }

    #[test]
    fn what_is_printed_of_an_action_and_of_the_outbox_has_no_body() {
        let action = Action {
            id: ActionId::from([1; 16]),
            event: EventId::new("/a", "1").unwrap(),
            state: ActionState::New,
            rank: 0,
            with_consent: true,
            body: Some("ana@example.org".to_owned()),
            accepted_at: Timestamp::UNIX_EPOCH,
            trace: None,
        };
        let key = ConsentKey { subject: [1; 16].into(), list: [2; 16].into() };
        let row = OutboxRow {
            id: "1".to_owned(),
            key,
            action: action.id,
            task: OutboxTask::Notify,
            body: "ana@example.org".to_owned(),
            accepted_at: Timestamp::UNIX_EPOCH,
            trace: None,
            at: Timestamp::UNIX_EPOCH,
        };
        assert!(!format!("{action:?}{row:?}").contains("ana@"));
    }
}
