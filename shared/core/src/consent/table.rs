//! The table of the state machine, written out: every input in every pair of states. It is the specification and the
//! test.

use super::decide::{Answer, Decision, Emit, Input, decide};
use super::state::{ActionState, EmailStatus, Standing, SubjectState};
use crate::tenant::Confirmations;

/// Processing. Columns: action, subject, who is asked (`s`ubject, `m`oderator, `-` nobody, `*` whatever; `!` is without
/// consent of its own), then what it becomes, what is emitted, and the answer. The first row that fits counts.
const PROCESS: &str = "
    new        new        s*   -> new        confirming  subject-confirm  done
    new        new        m*   -> confirming accepted    action-confirm   done
    new        new        -*   -> delivered  accepted    deliver          done
    new        confirming *    -> new        confirming  .                waits
    new        accepted   m!   -> delivered  accepted    deliver          done
    new        accepted   sm!  -> delivered  accepted    deliver          done
    new        accepted   m    -> confirming accepted    action-confirm   done
    new        accepted   sm   -> confirming accepted    action-confirm   done
    new        accepted   *    -> delivered  accepted    deliver          done
    new        rejected   *    -> rejected   rejected    .                declined
    confirming new        *    -> confirming new         .                waits
    confirming confirming *    -> confirming confirming  .                waits
    confirming accepted   *    -> confirming accepted    .                waits
    confirming rejected   *    -> rejected   rejected    .                declined
    accepted   new        s*   -> accepted   confirming  subject-confirm  done
    accepted   new        *    -> delivered  accepted    deliver          done
    accepted   confirming *    -> accepted   confirming  .                waits
    accepted   accepted   *    -> delivered  accepted    deliver          done
    accepted   rejected   *    -> rejected   rejected    .                declined
    rejected   *          *    -> rejected   =           .                declined
    delivered  *          *    -> delivered  =           .                already
    repeat     *          *    -> repeat     =           .                already
";

/// The accept link's button.
const ACCEPT: &str = "
    new        new        m*   -> confirming accepted    action-confirm   done
    new        new        sm*  -> confirming accepted    action-confirm   done
    new        new        *    -> delivered  accepted    deliver          done
    new        confirming m*   -> confirming accepted    action-confirm   done
    new        confirming sm*  -> confirming accepted    action-confirm   done
    new        confirming *    -> delivered  accepted    deliver          done
    new        accepted   m*   -> confirming accepted    action-confirm   done
    new        accepted   sm*  -> confirming accepted    action-confirm   done
    new        accepted   *    -> delivered  accepted    deliver          done
    accepted   new        *    -> delivered  accepted    deliver          done
    accepted   confirming *    -> delivered  accepted    deliver          done
    accepted   accepted   *    -> delivered  accepted    deliver          done
    *          rejected   *    -> =          rejected    .                declined
    *          accepted   *    -> =          accepted    .                already
    *          *          *    -> =          accepted    .                done
";

/// The reject link's button.
const REJECT: &str = "
    rejected   rejected   *    -> rejected   rejected    .                already
    *          *          *    -> rejected   rejected    rejected         done
";

/// One-click unsubscribing, of an address of which nothing was known.
const UNSUBSCRIBE: &str = "
    *          new        *    -> rejected   rejected    rejected         done
    *          confirming *    -> rejected   rejected    rejected         done
    *          *          *    -> =          =           email-status     done
";

/// A moderator's yes.
const APPROVE: &str = "
    new        new        s*   -> accepted   confirming  subject-confirm  done
    new        new        *    -> delivered  accepted    deliver          done
    confirming new        s*   -> accepted   confirming  subject-confirm  done
    confirming new        *    -> delivered  accepted    deliver          done
    new        confirming *    -> accepted   confirming  .                done
    confirming confirming *    -> accepted   confirming  .                done
    new        accepted   *    -> delivered  accepted    deliver          done
    confirming accepted   *    -> delivered  accepted    deliver          done
    new        rejected   *    -> rejected   rejected    .                declined
    confirming rejected   *    -> rejected   rejected    .                declined
    rejected   *          *    -> rejected   =           .                declined
    *          *          *    -> =          =           .                already
";

/// A moderator's no.
const DECLINE: &str = "
    delivered  *          *    -> delivered  =           .                too-late
    repeat     *          *    -> repeat     =           .                too-late
    rejected   *          *    -> rejected   =           .                already
    *          *          *    -> rejected   =           .                done
";

/// A bounce or a complaint, of an address of which nothing was known.
const UNREACHABLE: &str = "
    delivered  new        *    -> delivered  rejected    email-status     done
    delivered  confirming *    -> delivered  rejected    email-status     done
    repeat     new        *    -> repeat     rejected    email-status     done
    repeat     confirming *    -> repeat     rejected    email-status     done
    *          new        *    -> rejected   rejected    email-status     done
    *          confirming *    -> rejected   rejected    email-status     done
    *          *          *    -> =          =           email-status     done
";

const SETTINGS: [(Confirmations, &str); 4] = [
    (Confirmations { subject: false, moderator: false }, "-"),
    (Confirmations { subject: true, moderator: false }, "s"),
    (Confirmations { subject: false, moderator: true }, "m"),
    (Confirmations { subject: true, moderator: true }, "sm"),
];

const INPUTS: [Input; 11] = [
    Input::Process { with_consent: true, repeat: false },
    Input::Process { with_consent: false, repeat: false },
    Input::Process { with_consent: true, repeat: true },
    Input::Accept { opt_in: false, repeat: false },
    Input::Accept { opt_in: true, repeat: false },
    Input::Reject,
    Input::Unsubscribe,
    Input::Approve { repeat: false },
    Input::Decline,
    Input::Bounce,
    Input::Complaint,
];

fn pairs() -> impl Iterator<Item = (ActionState, SubjectState)> {
    ActionState::ALL.into_iter().flat_map(|action| SubjectState::ALL.into_iter().map(move |subject| (action, subject)))
}

fn standings() -> impl Iterator<Item = Standing> {
    pairs().flat_map(|(action, subject)| EmailStatus::ALL.map(|email| Standing { action, subject, email }))
}

fn emit(emit: Emit) -> &'static str {
    match emit {
        Emit::SubjectConfirm => "subject-confirm",
        Emit::ActionConfirm => "action-confirm",
        Emit::Deliver => "deliver",
        Emit::Rejected => "rejected",
        Emit::EmailStatus => "email-status",
    }
}

fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::Done => "done",
        Answer::Already => "already",
        Answer::Waits => "waits",
        Answer::Declined => "declined",
        Answer::TooLate => "too-late",
    }
}

/// Whether a row's settings fit: `s*` is all that begin with `s`, and `*` all there are.
fn fits(wanted: &str, asked: &str) -> bool {
    wanted.strip_suffix('*').map_or(wanted == asked, |start| asked.starts_with(start))
}

/// The row of a table that fits, as (action, subject, emits, answer).
fn row(table: &str, action: ActionState, subject: SubjectState, asked: &str) -> [String; 4] {
    let found = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find(|row| {
        row.len() == 8
            && ["*", action.as_str()].contains(&row[0])
            && ["*", subject.as_str()].contains(&row[1])
            && fits(row[2], asked)
    });
    let row = found.unwrap_or_else(|| panic!("no row for {action:?}, {subject:?}, {asked}"));
    let or_same = |word: &str, same: &str| if word == "=" { same.to_owned() } else { word.to_owned() };
    [or_same(row[4], action.as_str()), or_same(row[5], subject.as_str()), row[6].to_owned(), row[7].to_owned()]
}

fn check(table: &str, input: Input, mark: &str) {
    for (action, subject) in pairs() {
        for (asks, asked) in SETTINGS {
            let before = Standing { action, subject, email: EmailStatus::None };
            let Decision { after, emits, answer: given, .. } = decide(input, before, asks);
            let emitted: Vec<&str> = emits.into_iter().map(emit).collect();
            let emitted = if emitted.is_empty() { ".".to_owned() } else { emitted.join("+") };
            let found = [
                after.action.as_str().to_owned(),
                after.subject.as_str().to_owned(),
                emitted,
                answer(given).to_owned(),
            ];
            assert_eq!(
                found,
                row(table, action, subject, &format!("{asked}{mark}")),
                "{input:?} in {before:?}, {asked}"
            );
        }
    }
}

#[test]
fn every_pair_of_states_has_the_answer_of_the_table() {
    check(PROCESS, Input::Process { with_consent: true, repeat: false }, "");
    check(PROCESS, Input::Process { with_consent: false, repeat: false }, "!");
    check(ACCEPT, Input::Accept { opt_in: false, repeat: false }, "");
    check(REJECT, Input::Reject, "");
    check(UNSUBSCRIBE, Input::Unsubscribe, "");
    check(APPROVE, Input::Approve { repeat: false }, "");
    check(DECLINE, Input::Decline, "");
    check(UNREACHABLE, Input::Bounce, "");
    check(UNREACHABLE, Input::Complaint, "");
}

#[test]
fn the_same_input_again_changes_nothing_and_emits_nothing() {
    for (input, before) in INPUTS.into_iter().flat_map(|input| standings().map(move |before| (input, before))) {
        for (asks, _) in SETTINGS {
            let first = decide(input, before, asks);
            let second = decide(input, first.after, asks);
            let stays = second.after == first.after && second.emits.is_empty() && !second.resume_waiting;
            assert!(stays, "{input:?} in {before:?}: {first:?}, then {second:?}");
            assert_ne!(second.answer, Answer::Done, "{input:?} in {before:?}, {asks:?}");
        }
    }
}

#[test]
fn an_action_is_released_once_and_only_with_its_subject_accepted() {
    for (input, before) in INPUTS.into_iter().flat_map(|input| standings().map(move |before| (input, before))) {
        for (asks, _) in SETTINGS {
            let Decision { after, emits, .. } = decide(input, before, asks);
            if emits.contains(&Emit::Deliver) {
                assert!(!before.action.is_released() && after.action.is_released(), "{input:?} in {before:?}");
                assert_eq!(after.subject, SubjectState::Accepted, "{input:?} in {before:?}");
            }
            assert_eq!(!before.action.is_released() && after.action.is_released(), emits.contains(&Emit::Deliver));
        }
    }
}

#[test]
fn rejected_is_final_for_the_subject_and_for_the_action() {
    for (input, before) in INPUTS.into_iter().flat_map(|input| standings().map(move |before| (input, before))) {
        for (asks, _) in SETTINGS {
            let after = decide(input, before, asks).after;
            assert!(before.subject != SubjectState::Rejected || after.subject == SubjectState::Rejected);
            assert!(before.action != ActionState::Rejected || after.action == ActionState::Rejected);
        }
    }
}

#[test]
fn what_changes_the_sinks_view_is_emitted() {
    for (input, before) in INPUTS.into_iter().flat_map(|input| standings().map(move |before| (input, before))) {
        let Decision { after, emits, .. } = decide(input, before, Confirmations::default());
        if after.email != before.email {
            assert!(emits.contains(&Emit::EmailStatus) || emits.contains(&Emit::Rejected), "{input:?} in {before:?}");
        }
    }
}

#[test]
fn reject_after_delivery_rejects_both_ends_the_opt_in_and_notifies_once() {
    let delivered =
        Standing { action: ActionState::Delivered, subject: SubjectState::Accepted, email: EmailStatus::DoubleOptIn };
    let first = decide(Input::Reject, delivered, Confirmations::default());
    let rejected =
        Standing { action: ActionState::Rejected, subject: SubjectState::Rejected, email: EmailStatus::Unsub };
    assert_eq!((first.after, first.emits, first.answer), (rejected, vec![Emit::Rejected], Answer::Done));
    let second = decide(Input::Reject, rejected, Confirmations::default());
    assert_eq!((second.after, second.emits, second.answer), (rejected, vec![], Answer::Already));
}

#[test]
fn the_opt_in_on_the_accept_link_sets_the_status_and_gates_nothing() {
    for (before, asks) in standings().flat_map(|before| SETTINGS.map(|(asks, _)| (before, asks))) {
        let with = decide(Input::Accept { opt_in: true, repeat: false }, before, asks);
        let without = decide(Input::Accept { opt_in: false, repeat: false }, before, asks);
        let gates = |decision: &Decision| (decision.after.action, decision.after.subject, decision.resume_waiting);
        assert_eq!(gates(&with), gates(&without), "{before:?}");
        let reachable = matches!(before.email, EmailStatus::None | EmailStatus::Unsub);
        let set = before.subject != SubjectState::Rejected && reachable;
        assert_eq!(with.after.email == EmailStatus::DoubleOptIn, set || before.email == EmailStatus::DoubleOptIn);
        assert_eq!(with.emits.contains(&Emit::EmailStatus), set, "{before:?}");
    }
}

#[test]
fn a_change_of_the_subject_takes_up_the_waiting_actions() {
    for (input, before) in INPUTS.into_iter().flat_map(|input| standings().map(move |before| (input, before))) {
        for (asks, _) in SETTINGS {
            let Decision { after, resume_waiting, .. } = decide(input, before, asks);
            let answered = matches!(after.subject, SubjectState::Accepted | SubjectState::Rejected);
            // Processing a first action leaves no other one waiting: there was none.
            let asked = !matches!(input, Input::Process { .. } | Input::Approve { .. });
            assert_eq!(resume_waiting, asked && answered && after.subject != before.subject, "{input:?} in {before:?}");
        }
    }
}

#[test]
fn a_complaint_is_not_forgotten_for_a_bounce() {
    let complained = Standing { email: EmailStatus::Spam, subject: SubjectState::Accepted, ..Standing::default() };
    let bounced = decide(Input::Bounce, complained, Confirmations::default());
    assert_eq!((bounced.after, bounced.answer), (complained, Answer::Already));
}

#[test]
fn a_second_action_of_a_subject_is_released_as_a_repeat() {
    let standing = Standing { subject: SubjectState::Accepted, ..Standing::default() };
    let decision = decide(Input::Process { with_consent: true, repeat: true }, standing, Confirmations::default());
    assert_eq!((decision.after.action, decision.emits), (ActionState::Repeat, vec![Emit::Deliver]));
}
