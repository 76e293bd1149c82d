//! The state machine: what something that happened makes of an action and its subject, and what follows.
//!
//! Invariants, each checked over every input and state by the tests:
//! - The same input again changes nothing and emits nothing.
//! - An action is released once, and never while its subject is not accepted.
//! - Rejected is final; rejecting, bounces and complaints work from every state.

use super::state::{ActionState, EmailStatus, Standing, SubjectState};
use crate::tenant::Confirmations;

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Input {
    /// The action came in, or is taken up again because its subject's state changed.
    Process {
        /// Whether it carries the subject's consent of its own: only then does a moderator look at an accepted
        /// subject's action.
        with_consent: bool,
        /// Whether it is not the subject's first on this list.
        repeat: bool,
    },
    /// The subject followed the accept link and pressed the button.
    Accept {
        /// Whether the subject also wants the newsletter. It gates nothing.
        opt_in: bool,
        /// As in [`Input::Process`].
        repeat: bool,
    },
    /// The subject pressed the reject link's button.
    Reject,
    /// The subject's mail program asked for no more mails (RFC 8058).
    Unsubscribe,
    /// A moderator takes the action.
    Approve {
        /// As in [`Input::Process`].
        repeat: bool,
    },
    /// A moderator declines the action.
    Decline,
    /// The subject's address does not exist.
    Bounce,
    /// The subject called a mail spam.
    Complaint,
}

/// What follows from a change, to be written to the outbox with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Emit {
    /// The subject is asked.
    SubjectConfirm,
    /// A moderator is asked.
    ActionConfirm,
    /// The action goes to the sinks.
    Deliver,
    /// The sinks are told that the subject declined.
    Rejected,
    /// The sinks are told that the status of the address changed.
    EmailStatus,
}

/// What came of an input, for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It was done now.
    Done,
    /// It was so before: nothing changed.
    Already,
    /// The action waits for its subject or for a moderator.
    Waits,
    /// It cannot be done, because the subject or a moderator declined before.
    Declined,
    /// It cannot be done, because the action was released before.
    TooLate,
}

/// The outcome of [`decide`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The new states.
    pub after: Standing,
    /// What follows, in order.
    pub emits: Vec<Emit>,
    /// Whether the subject's other waiting actions are to be processed now.
    pub resume_waiting: bool,
    /// What to tell whoever asked.
    pub answer: Answer,
}

impl Decision {
    fn stay(before: Standing, answer: Answer) -> Self {
        Self { after: before, emits: Vec::new(), resume_waiting: false, answer }
    }

    /// Says that what the input wanted was so before, unless something changed all the same.
    fn settle(before: Standing, after: Standing, emits: Vec<Emit>, resume_waiting: bool, unchanged: Answer) -> Self {
        let answer = if before == after && emits.is_empty() { unchanged } else { Answer::Done };
        Self { after, emits, resume_waiting, answer }
    }
}

/// Decides. Total: every input in every state under every setting has an answer.
pub fn decide(input: Input, before: Standing, asks: Confirmations) -> Decision {
    match input {
        Input::Process { with_consent, repeat } => process(before, asks, with_consent, repeat),
        Input::Accept { opt_in, repeat } => accept(before, asks, opt_in, repeat),
        Input::Reject => reject(before),
        Input::Unsubscribe => unsubscribe(before),
        Input::Approve { repeat } => approve(before, asks, repeat),
        Input::Decline => decline(before),
        Input::Bounce => unreachable_by_mail(before, EmailStatus::Bounce),
        Input::Complaint => unreachable_by_mail(before, EmailStatus::Spam),
    }
}

fn process(before: Standing, asks: Confirmations, with_consent: bool, repeat: bool) -> Decision {
    use ActionState as A;
    use SubjectState as S;
    let emit = |action, subject, emit| Decision {
        after: Standing { action, subject, ..before },
        emits: vec![emit],
        resume_waiting: false,
        answer: Answer::Done,
    };
    let released = if repeat { A::Repeat } else { A::Delivered };
    match (before.action, before.subject) {
        // What is released, or declined by a moderator, stays so.
        (A::Delivered | A::Repeat, _) => Decision::stay(before, Answer::Already),
        (A::Rejected, _) => Decision::stay(before, Answer::Declined),
        (A::New | A::Confirming | A::Accepted, S::Rejected) => Decision {
            after: Standing { action: A::Rejected, ..before },
            emits: Vec::new(),
            resume_waiting: false,
            answer: Answer::Declined,
        },
        // A moderator has it.
        (A::Confirming, _) => Decision::stay(before, Answer::Waits),
        (A::New | A::Accepted, S::New) if asks.subject => emit(before.action, S::Confirming, Emit::SubjectConfirm),
        (A::New, S::New) if asks.moderator => emit(A::Confirming, S::Accepted, Emit::ActionConfirm),
        (A::New | A::Accepted, S::New) => emit(released, S::Accepted, Emit::Deliver),
        (A::New | A::Accepted, S::Confirming) => Decision::stay(before, Answer::Waits),
        (A::New, S::Accepted) if asks.moderator && with_consent => {
            emit(A::Confirming, S::Accepted, Emit::ActionConfirm)
        }
        (A::New | A::Accepted, S::Accepted) => emit(released, S::Accepted, Emit::Deliver),
    }
}

fn accept(before: Standing, asks: Confirmations, opt_in: bool, repeat: bool) -> Decision {
    if before.subject == SubjectState::Rejected {
        return Decision::stay(before, Answer::Declined);
    }
    // Who opts in from the mailbox itself undoes an earlier "no more", but not what the mailbox's provider told us.
    let wants = opt_in && matches!(before.email, EmailStatus::None | EmailStatus::Unsub);
    let email = if wants { EmailStatus::DoubleOptIn } else { before.email };
    let accepted = Standing { subject: SubjectState::Accepted, email, ..before };
    let next = process(accepted, asks, true, repeat);
    let mut emits = next.emits;
    if email != before.email {
        emits.push(Emit::EmailStatus);
    }
    let resume_waiting = before.subject != SubjectState::Accepted;
    Decision::settle(before, next.after, emits, resume_waiting, Answer::Already)
}

fn reject(before: Standing) -> Decision {
    let email = if before.email == EmailStatus::DoubleOptIn { EmailStatus::Unsub } else { before.email };
    let after = Standing { action: ActionState::Rejected, subject: SubjectState::Rejected, email };
    // One notice says all of it, the new status of the address too.
    let emits = if after == before { Vec::new() } else { vec![Emit::Rejected] };
    Decision::settle(before, after, emits, before.subject != SubjectState::Rejected, Answer::Already)
}

fn unsubscribe(before: Standing) -> Decision {
    // A mail program's button under the question itself is a no.
    if matches!(before.subject, SubjectState::New | SubjectState::Confirming) {
        let rejected = reject(before);
        let email = no_more(before.email);
        return Decision { after: Standing { email, ..rejected.after }, ..rejected };
    }
    // After an answer it only means: no more mails. What was agreed to stands.
    let after = Standing { email: no_more(before.email), ..before };
    let emits = if after == before { Vec::new() } else { vec![Emit::EmailStatus] };
    Decision::settle(before, after, emits, false, Answer::Already)
}

fn no_more(email: EmailStatus) -> EmailStatus {
    match email {
        EmailStatus::None | EmailStatus::DoubleOptIn | EmailStatus::Unsub => EmailStatus::Unsub,
        // Worse is known already.
        EmailStatus::Bounce | EmailStatus::Spam => email,
    }
}

fn approve(before: Standing, asks: Confirmations, repeat: bool) -> Decision {
    match before.action {
        ActionState::New | ActionState::Confirming => {
            let taken = Standing { action: ActionState::Accepted, ..before };
            let next = process(taken, asks, false, repeat);
            Decision { answer: if next.answer == Answer::Declined { Answer::Declined } else { Answer::Done }, ..next }
        }
        ActionState::Accepted | ActionState::Delivered | ActionState::Repeat => Decision::stay(before, Answer::Already),
        ActionState::Rejected => Decision::stay(before, Answer::Declined),
    }
}

fn decline(before: Standing) -> Decision {
    if before.action.is_released() {
        return Decision::stay(before, Answer::TooLate);
    }
    Decision::settle(before, Standing { action: ActionState::Rejected, ..before }, Vec::new(), false, Answer::Already)
}

/// A bounce or a complaint: what was agreed to stands, what was only asked for is off.
fn unreachable_by_mail(before: Standing, email: EmailStatus) -> Decision {
    // A complaint says more than a bounce, and is not forgotten for one.
    let email = if before.email == EmailStatus::Spam { EmailStatus::Spam } else { email };
    let pending = matches!(before.subject, SubjectState::New | SubjectState::Confirming);
    let subject = if pending { SubjectState::Rejected } else { before.subject };
    let action = if pending && before.action.is_open() { ActionState::Rejected } else { before.action };
    let after = Standing { action, subject, email };
    let emits = if email == before.email && !pending { Vec::new() } else { vec![Emit::EmailStatus] };
    Decision::settle(before, after, emits, pending, Answer::Already)
}
