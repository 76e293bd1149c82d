//! From what happened to what is to be written: the state machine applied to stored consents. Pure, like [`decide`].
//!
//! A plan is made again whenever somebody else wrote in between, so it depends on nothing but its arguments: the same
//! plan has the same ids in it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::decide::{Answer, Emit, Input, decide};
use super::id::{ActionId, ConsentKey};
use super::notice;
use super::record::{Action, Change, Consent, MAX_HELD_BYTES, MAX_WAITING, OutboxRow, OutboxTask, Proof, Snapshot};
use super::state::{ActionState, Standing, SubjectState};
use crate::event::envelope::Envelope;
use crate::event::own_type::{EMAIL_STATUS, REJECTED};
use crate::mail::{MailKind, MailRef};
use crate::outcome::Cause;
use crate::tenant::Confirmations;
use crate::tenant::{Reminders, Requirement};
use crate::time::after;

/// How long after a mail that asks another one may follow, unless it is a reminder.
pub const ASK_AGAIN_AFTER: Duration = Duration::from_mins(10);
/// The most mails that ask one subject for one list, reminders left out: nobody can have an address flooded.
pub const MAX_ASKS: u32 = 10;

/// What a plan obeys.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Who is asked on this list.
    pub asks: Confirmations,
    /// When subjects are reminded.
    pub reminders: Option<Reminders>,
    /// The version of the configuration that says so.
    pub config_version: u64,
    /// Now.
    pub now: Timestamp,
}

/// Something that a person, a mail program or SES did about an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectAction {
    /// Agreed; with the newsletter or without.
    Accept {
        /// Whether the newsletter is wanted.
        opt_in: bool,
    },
    /// Declined.
    Reject,
    /// Wants no more mails.
    Unsubscribe,
    /// A moderator took the action.
    Approve,
    /// A moderator declined the action.
    Decline,
    /// The address does not exist.
    Bounce,
    /// The mail was called spam.
    Complaint,
}

impl SubjectAction {
    fn input(&self, repeat: bool) -> Input {
        match self {
            Self::Accept { opt_in } => Input::Accept { opt_in: *opt_in, repeat },
            Self::Reject => Input::Reject,
            Self::Unsubscribe => Input::Unsubscribe,
            Self::Approve => Input::Approve { repeat },
            Self::Decline => Input::Decline,
            Self::Bounce => Input::Bounce,
            Self::Complaint => Input::Complaint,
        }
    }

    /// The word for it in the proof of consent.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accept { opt_in: false } => "accept",
            Self::Accept { opt_in: true } => "accept-opt-in",
            Self::Reject => "reject",
            Self::Unsubscribe => "unsubscribe",
            Self::Approve => "approve",
            Self::Decline => "decline",
            Self::Bounce => "bounce",
            Self::Complaint => "complaint",
        }
    }
}

/// By what means something was done, for the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `link`, `mail-program`, `operator` or `ses`.
    pub by: &'static str,
    /// The name of the key that signed the link.
    pub key: Option<String>,
}

/// What is to be written, if anything, and what to tell whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What is to be written.
    pub change: Option<Change>,
    /// What came of it.
    pub answer: Answer,
}

/// An action comes in.
///
/// # Errors
/// [`Cause::CannotWait`] where it is too large, or too many of its subject wait.
pub fn submit(
    key: ConsentKey,
    id: ActionId,
    need: &Requirement,
    envelope: &Envelope,
    before: &Snapshot,
    rules: Rules,
) -> Result<Plan, Cause> {
    if envelope.body.len() > MAX_HELD_BYTES {
        return Err(Cause::CannotWait("it is larger than 64 KiB"));
    }
    let mut draft = Draft::new(key, &need.list, before, rules);
    let known = draft.actions.contains_key(&id);
    if !known {
        let rank = draft.consent.actions;
        draft.consent.actions = rank.saturating_add(1);
        let action = Action {
            id,
            event: envelope.event.clone(),
            state: ActionState::New,
            rank,
            with_consent: need.with_consent,
            body: Some(envelope.body.clone()),
            accepted_at: envelope.accepted_at,
            trace: envelope.trace.clone(),
        };
        draft.actions.insert(id, action);
        draft.touched.push(id);
    }
    let answer = draft.process(id);
    let waits = draft.actions.get(&id).is_some_and(|action| action.state.is_open());
    if !known && waits {
        if before.consent.as_ref().is_some_and(|consent| consent.waiting.len() >= MAX_WAITING) {
            return Err(Cause::CannotWait("20 events of its subject wait already"));
        }
        if draft.consent.state == SubjectState::Confirming && answer == Answer::Waits && draft.may_ask_again() {
            draft.ask(id, MailKind::Duplicate, 1);
        }
    }
    Ok(draft.finish(answer))
}

/// Somebody did something about an action. `None` where there is no such consent or action (any more).
pub fn act(
    key: ConsentKey,
    id: ActionId,
    subject_action: &SubjectAction,
    origin: &Origin,
    before: &Snapshot,
    rules: Rules,
) -> Option<Plan> {
    let consent = before.consent.as_ref()?;
    let repeat = before.actions.get(&id)?.rank > 0;
    let mut draft = Draft::new(key, &consent.list, before, rules);
    let (answer, resume_waiting) = draft.apply(subject_action.input(repeat), id, subject_action.as_str());
    if resume_waiting {
        for waiting in consent.waiting.iter().filter(|waiting| **waiting != id) {
            draft.process(*waiting);
        }
    }
    if draft.has_changed() {
        draft.prove(id, subject_action.as_str(), origin.by, origin.key.clone());
    }
    Some(draft.finish(answer))
}

/// Somebody whose link expired asks for a new mail. It is sent only if there is something to answer, and not too often.
pub fn ask_again(key: ConsentKey, id: ActionId, before: &Snapshot, rules: Rules) -> Option<Plan> {
    let consent = before.consent.as_ref()?;
    before.actions.get(&id)?.body.as_ref()?;
    let mut draft = Draft::new(key, &consent.list, before, rules);
    if consent.state != SubjectState::Confirming || !draft.may_ask_again() {
        return Some(Plan { change: None, answer: Answer::Already });
    }
    let number = draft.consent.asked.saturating_add(1);
    draft.ask(id, MailKind::Confirm, number);
    Some(draft.finish(Answer::Done))
}

/// A reminder may be due.
pub fn remind(key: ConsentKey, before: &Snapshot, rules: Rules) -> Option<Plan> {
    let consent = before.consent.as_ref()?;
    let mut draft = Draft::new(key, &consent.list, before, rules);
    let oldest =
        consent.waiting.first().filter(|id| before.actions.get(id).is_some_and(|action| action.body.is_some()));
    let (Some(due), Some(oldest)) = (consent.remind_at, oldest) else {
        draft.consent.remind_at = None;
        return Some(draft.finish(Answer::Already));
    };
    let settings = rules.reminders.filter(|reminders| {
        rules.asks.subject && consent.state == SubjectState::Confirming && consent.reminded < reminders.most
    });
    let Some(reminders) = settings else {
        // Accepted, rejected, or wanted no more: it is not looked at again.
        draft.consent.remind_at = None;
        return Some(draft.finish(Answer::Already));
    };
    // Another mail may have asked meanwhile.
    let earliest = consent.asked_at.map_or(due, |asked| after(asked, reminders.after)).max(due);
    if rules.now < earliest {
        draft.consent.remind_at = Some(earliest);
        return Some(draft.finish(Answer::Waits));
    }
    let number = consent.reminded.saturating_add(1);
    draft.consent.reminded = number;
    draft.consent.asked_at = Some(rules.now);
    draft.consent.remind_at = (number < reminders.most).then(|| after(rules.now, reminders.after));
    draft.mail(*oldest, MailRef { kind: MailKind::Reminder, number });
    draft.prove(*oldest, "asked", "mail", None);
    Some(draft.finish(Answer::Done))
}

/// A change in the making.
struct Draft {
    key: ConsentKey,
    rules: Rules,
    before: Option<Consent>,
    consent: Consent,
    actions: BTreeMap<ActionId, Action>,
    touched: Vec<ActionId>,
    outbox: Vec<OutboxRow>,
}

impl Draft {
    fn new(key: ConsentKey, list: &str, before: &Snapshot, rules: Rules) -> Self {
        let consent = before.consent.clone().unwrap_or_else(|| Consent::new(list, rules.now));
        let (before, actions) = (before.consent.clone(), before.actions.clone());
        Self { key, rules, before, consent, actions, touched: Vec::new(), outbox: Vec::new() }
    }

    fn process(&mut self, id: ActionId) -> Answer {
        let Some(action) = self.actions.get(&id) else { return Answer::Already };
        let input = Input::Process { with_consent: action.with_consent, repeat: action.rank > 0 };
        self.apply(input, id, "process").0
    }

    /// Applies the state machine to one action; answers what to say, and whether the other waiting ones are to be taken
    /// up.
    fn apply(&mut self, input: Input, id: ActionId, why: &str) -> (Answer, bool) {
        let Some(action) = self.actions.get(&id) else { return (Answer::Already, false) };
        let before = Standing { action: action.state, subject: self.consent.state, email: self.consent.email };
        let decision = decide(input, before, self.rules.asks);
        self.consent.state = decision.after.subject;
        self.consent.email = decision.after.email;
        if decision.after.action != before.action {
            if let Some(action) = self.actions.get_mut(&id) {
                action.state = decision.after.action;
            }
            self.touched.push(id);
        }
        if self.consent.state != SubjectState::Confirming {
            self.consent.remind_at = None;
        }
        for emit in decision.emits {
            self.emit(emit, id, why);
        }
        (decision.answer, decision.resume_waiting)
    }

    fn emit(&mut self, emit: Emit, id: ActionId, why: &str) {
        match emit {
            Emit::SubjectConfirm => {
                let number = self.consent.asked.saturating_add(1);
                self.ask(id, MailKind::Confirm, number);
                self.consent.remind_at = self.rules.reminders.map(|reminders| after(self.rules.now, reminders.after));
            }
            Emit::ActionConfirm => self.task(id, OutboxTask::Moderate, None),
            Emit::Deliver => {
                let repeat = self.actions.get(&id).is_some_and(|action| action.rank > 0);
                self.task(id, OutboxTask::Deliver { repeat }, None);
            }
            Emit::Rejected => self.notify(id, REJECTED, why),
            Emit::EmailStatus => self.notify(id, EMAIL_STATUS, why),
        }
    }

    fn may_ask_again(&self) -> bool {
        let recent = self.consent.asked_at.is_some_and(|asked| self.rules.now < after(asked, ASK_AGAIN_AFTER));
        !recent && self.consent.asked < MAX_ASKS
    }

    fn ask(&mut self, id: ActionId, kind: MailKind, number: u32) {
        self.consent.asked = self.consent.asked.saturating_add(1);
        self.consent.asked_at = Some(self.rules.now);
        self.mail(id, MailRef { kind, number });
        self.prove(id, "asked", "mail", None);
    }

    fn mail(&mut self, id: ActionId, mail: MailRef) {
        self.task(id, OutboxTask::Mail { mail }, None);
    }

    fn notify(&mut self, id: ActionId, kind: &'static str, why: &str) {
        let Some(action) = self.actions.get(&id) else { return };
        let version = self.consent.version.saturating_add(1);
        let body = notice::body(&self.key, &self.consent, action, kind, why, version, self.rules.now);
        self.task(id, OutboxTask::Notify, Some(body));
    }

    fn task(&mut self, id: ActionId, task: OutboxTask, body: Option<String>) {
        let Some(action) = self.actions.get(&id) else { return };
        let Some(body) = body.or_else(|| action.body.clone()) else { return };
        let (version, number) = (self.consent.version.saturating_add(1), self.outbox.len());
        // A notice is accepted when it is made; an action was when it came in.
        let accepted_at = if task == OutboxTask::Notify { self.rules.now } else { action.accepted_at };
        self.outbox.push(OutboxRow {
            id: format!("{}-{version:08}-{number:03}", self.key.list),
            key: self.key,
            action: id,
            task,
            body,
            accepted_at,
            trace: action.trace.clone(),
            at: self.rules.now,
        });
    }

    fn prove(&mut self, action: ActionId, what: &str, by: &str, key: Option<String>) {
        let (at, config_version) = (self.rules.now, self.rules.config_version);
        self.consent.note(Proof { at, what: what.to_owned(), by: by.to_owned(), action, config_version, key });
    }

    fn has_changed(&self) -> bool {
        !self.touched.is_empty() || !self.outbox.is_empty() || self.before.as_ref() != Some(&self.consent)
    }

    fn finish(mut self, answer: Answer) -> Plan {
        if !self.has_changed() {
            return Plan { change: None, answer };
        }
        let mut actions = Vec::new();
        self.touched.sort();
        self.touched.dedup();
        for id in &self.touched {
            let Some(mut action) = self.actions.get(id).cloned() else { continue };
            if action.state.is_open() {
                if !self.consent.waiting.contains(id) {
                    self.consent.waiting.push(*id);
                }
            } else {
                self.consent.waiting.retain(|waiting| waiting != id);
                // What is needed yet is in the outbox.
                action.body = None;
            }
            actions.push(action);
        }
        self.consent.version = self.consent.version.saturating_add(1);
        self.consent.updated_at = self.rules.now;
        let change = Change { key: self.key, consent: self.consent, actions, outbox: self.outbox };
        Plan { change: Some(change), answer }
    }
}
