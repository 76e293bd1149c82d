//! The suite of the store of consents: one change is one transaction, the outbox row with it, and a tenant's rows are
//! its own.

use acequia_core::consent::agenda::SHARDS;
use acequia_core::consent::{
    Action, ActionId, ActionState, Change, Consent, ConsentKey, Due, ListId, MAX_HELD_BYTES, MAX_WAITING, OutboxRow,
    OutboxTask, RowKey, Snapshot, SubjectId, SubjectState, Waiting,
};
use acequia_core::event::trace::TraceContext;
use acequia_core::id::TenantId;
use acequia_core::mail::{MailKind, MailRef};
use acequia_core::port::{Agenda, CommitError, Consents};

use crate::build::{at, event_id, start, tenant_id};

fn key(tenant: &TenantId, subject: &str) -> ConsentKey {
    ConsentKey { subject: SubjectId::derive(tenant, subject), list: ListId::derive(tenant, "no-coal") }
}

fn action(tenant: &TenantId, event: &str, body: &str) -> Action {
    Action {
        id: ActionId::derive(tenant, &event_id(event)),
        event: event_id(event),
        state: ActionState::New,
        rank: 0,
        with_consent: true,
        body: Some(body.to_owned()),
        accepted_at: start(),
        trace: trace(),
    }
}

fn trace() -> Option<TraceContext> {
    TraceContext::read("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some("a=1"))
}

/// A change that makes version `version`, with one action and one outbox row.
fn change(tenant: &TenantId, subject: &str, version: u64) -> Change {
    let key = key(tenant, subject);
    let action = action(tenant, &format!("{subject}-{version}"), r#"{"é":1}"#);
    let row = OutboxRow {
        id: format!("row-{version}"),
        key,
        action: action.id,
        task: OutboxTask::Mail { mail: MailRef { kind: MailKind::Confirm, number: 1 } },
        body: r#"{"é":1}"#.to_owned(),
        accepted_at: start(),
        trace: trace(),
        at: start(),
    };
    let consent = Consent {
        version,
        state: SubjectState::Confirming,
        actions: 1,
        waiting: vec![action.id],
        ..Consent::new("no-coal", start())
    };
    Change { key, consent, actions: vec![action], outbox: vec![row] }
}

/// The tenant's outbox rows that are due after so many seconds, page by page of `limit`, as they stand in the store.
async fn due_rows(consents: &impl Agenda, tenant: &TenantId, seconds: u64, limit: usize) -> Vec<Waiting> {
    let mut found: Vec<Due<RowKey>> = Vec::new();
    for shard in 0..SHARDS {
        let mut from = None;
        loop {
            let page = consents.overdue(shard, at(seconds), from, limit).await.unwrap();
            found.extend(page.found.into_iter().filter(|due| due.tenant == *tenant));
            from = page.next;
            if from.is_none() {
                break;
            }
        }
    }
    found.sort();
    let keys: Vec<_> = found.into_iter().map(|due| (due.tenant, due.key)).collect();
    consents.waiting(&keys).await.into_iter().map(|row| row.unwrap().unwrap()).collect()
}

async fn rows_of(consents: &impl Agenda, tenant: &TenantId) -> Vec<OutboxRow> {
    due_rows(consents, tenant, 1_000_000, 1000).await.into_iter().map(|waiting| waiting.row).collect()
}

/// The tenant's reminders that are due after so many seconds.
async fn due_reminders(consents: &impl Agenda, tenant: &TenantId, seconds: u64) -> Vec<Due<ConsentKey>> {
    let mut found = Vec::new();
    for shard in 0..SHARDS {
        let mut from = None;
        loop {
            let page = consents.to_remind(shard, at(seconds), from, 2).await.unwrap();
            found.extend(page.found.into_iter().filter(|due| due.tenant == *tenant));
            from = page.next;
            if from.is_none() {
                break;
            }
        }
    }
    found
}

/// Neither a consent nor an action, an outbox row or a reminder.
pub async fn nothing_is_known_of_a_subject_that_never_came(consents: &impl Consents) {
    let tenant = tenant_id("c-none");
    let key = key(&tenant, "ana");
    let id = ActionId::derive(&tenant, &event_id("1"));
    assert_eq!(consents.load(&tenant, &key, &[id]).await.unwrap(), Snapshot::default());
    assert_eq!(consents.dossier(&tenant, &key.subject).await.unwrap(), acequia_core::consent::Dossier::default());
    assert_eq!(consents.erase(&tenant, &key.subject).await.unwrap(), 0);
}

/// To the byte, and only the actions that were asked for.
pub async fn a_change_is_read_back_with_its_actions(consents: &impl Consents) {
    let tenant = tenant_id("c-back");
    let first = change(&tenant, "ana", 1);
    consents.commit(&tenant, &first).await.unwrap();
    let second = change(&tenant, "ana", 2);
    consents.commit(&tenant, &second).await.unwrap();
    let none = consents.load(&tenant, &first.key, &[]).await.unwrap();
    assert_eq!((none.consent, none.actions.len()), (Some(second.consent.clone()), 0));
    let ids = [first.actions[0].id, second.actions[0].id, ActionId::derive(&tenant, &event_id("never"))];
    let all = consents.load(&tenant, &first.key, &ids).await.unwrap();
    assert_eq!(all.actions.len(), 2);
    let one = consents.load(&tenant, &first.key, &ids[..1]).await.unwrap();
    assert_eq!(one.actions[&ids[0]], first.actions[0]);
}

/// Not the consent, not an action, not an outbox row.
pub async fn a_change_of_an_old_version_is_a_conflict_and_writes_nothing(consents: &(impl Consents + Agenda)) {
    let tenant = tenant_id("c-conflict");
    let first = change(&tenant, "ana", 1);
    consents.commit(&tenant, &first).await.unwrap();
    for version in [1, 3] {
        let mut late = change(&tenant, "ana", version);
        late.actions = vec![action(&tenant, "late", "{}")];
        "late".clone_into(&mut late.outbox[0].id);
        let answer = consents.commit(&tenant, &late).await;
        assert!(matches!(answer, Err(CommitError::Conflict)), "{version}: {answer:?}");
    }
    let late = ActionId::derive(&tenant, &event_id("late"));
    let found = consents.load(&tenant, &first.key, &[late]).await.unwrap();
    assert_eq!((found.consent, found.actions.len()), (Some(first.consent), 0));
    assert_eq!(rows_of(consents, &tenant).await.len(), 1);
}

/// Eight writers that all know version 0.
pub async fn of_many_changes_at_once_exactly_one_is_written(consents: &impl Consents) {
    let tenant = tenant_id("c-race");
    let changes: Vec<Change> = (0..8)
        .map(|n| {
            let mut change = change(&tenant, "ana", 1);
            change.actions = vec![action(&tenant, &n.to_string(), "{}")];
            change.outbox[0].id = format!("row-{n}");
            change
        })
        .collect();
    let answers = futures::future::join_all(changes.iter().map(|change| consents.commit(&tenant, change))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer, Ok(()) | Err(CommitError::Conflict))), "{answers:?}");
    let dossier = consents.dossier(&tenant, &changes[0].key.subject).await.unwrap();
    assert_eq!((dossier.consents.len(), dossier.actions.len(), dossier.outbox.len()), (1, 1, 1));
}

/// As many actions as can wait, each of the largest size, all released at once.
pub async fn the_largest_change_is_written_as_a_whole(consents: &(impl Consents + Agenda)) {
    let tenant = tenant_id("c-large");
    let mut change = change(&tenant, "ana", 1);
    let body = "x".repeat(MAX_HELD_BYTES);
    change.actions = (0..MAX_WAITING).map(|n| action(&tenant, &n.to_string(), &body)).collect();
    let row = change.outbox[0].clone();
    change.outbox =
        (0..MAX_WAITING).map(|n| OutboxRow { id: n.to_string(), body: body.clone(), ..row.clone() }).collect();
    consents.commit(&tenant, &change).await.unwrap();
    let ids: Vec<ActionId> = change.actions.iter().map(|action| action.id).collect();
    let found = consents.load(&tenant, &change.key, &ids).await.unwrap();
    assert_eq!(found.actions.len(), MAX_WAITING);
    assert!(found.actions.values().all(|action| action.body.as_ref() == Some(&body)));
    assert_eq!(rows_of(consents, &tenant).await.len(), MAX_WAITING);
}

/// Two minutes after it was written, older ones first; settling twice is no error.
pub async fn an_outbox_row_is_overdue_until_it_is_settled(consents: &(impl Consents + Agenda)) {
    let tenant = tenant_id("c-outbox");
    for (subject, seconds) in [("ben", 20), ("ana", 10)] {
        let mut change = change(&tenant, subject, 1);
        change.outbox[0].at = at(seconds);
        consents.commit(&tenant, &change).await.unwrap();
    }
    let early = due_rows(consents, &tenant, 135, 1000).await;
    assert_eq!((early.len(), early[0].row.at, early[0].due_at), (1, at(10), at(130)));
    assert!(due_rows(consents, &tenant, 129, 1000).await.is_empty());
    let both = due_rows(consents, &tenant, 140, 1000).await;
    assert_eq!(both.iter().map(|waiting| waiting.row.at).collect::<Vec<_>>(), [at(10), at(20)]);
    assert_eq!((&*both[0].row.body, both[0].tries, both[0].taken), (r#"{"é":1}"#, 0, false));
    for _ in 0..2 {
        consents.settle(&tenant, &both[0].row).await.unwrap();
    }
    assert_eq!(due_rows(consents, &tenant, 140, 1000).await.len(), 1);
    let gone = [(tenant.clone(), both[0].row.name()), (tenant.clone(), both[1].row.name())];
    let answers: Vec<_> = consents.waiting(&gone).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, [None, Some(both[1].clone())]);
}

/// More of them than a page holds, each once.
pub async fn every_overdue_row_is_found_page_by_page(consents: &(impl Consents + Agenda)) {
    let tenant = tenant_id("c-pages");
    for subject in 0..3 {
        let mut change = change(&tenant, &subject.to_string(), 1);
        let row = change.outbox[0].clone();
        // Some at the same moment, some not.
        change.outbox =
            (0..20).map(|n| OutboxRow { id: format!("row-{n:02}"), at: at(n / 3), ..row.clone() }).collect();
        consents.commit(&tenant, &change).await.unwrap();
    }
    let mut names: Vec<RowKey> = due_rows(consents, &tenant, 1000, 3).await.iter().map(|it| it.row.name()).collect();
    assert_eq!(names.len(), 60);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 60);
}

/// And it is due again at the time that the sweep that took it said.
pub async fn a_row_is_taken_by_one_and_due_again_later(consents: &(impl Consents + Agenda)) {
    let tenant = tenant_id("c-take");
    consents.commit(&tenant, &change(&tenant, "ana", 1)).await.unwrap();
    let seen = due_rows(consents, &tenant, 200, 10).await.remove(0);
    let answers = futures::future::join_all((0..8).map(|_| consents.take(&tenant, &seen, at(500)))).await;
    assert_eq!(answers.iter().filter(|answer| *answer.as_ref().unwrap()).count(), 1, "{answers:?}");
    assert!(due_rows(consents, &tenant, 499, 10).await.is_empty());
    let again = due_rows(consents, &tenant, 500, 10).await.remove(0);
    assert_eq!((again.tries, again.taken, again.due_at, &again.row), (1, true, at(500), &seen.row));
    assert!(!consents.take(&tenant, &seen, at(900)).await.unwrap(), "it is not as it was seen");
}

/// Its mark is gone; of a row that is gone nothing comes.
pub async fn a_row_is_put_off_unless_it_is_gone(consents: &(impl Consents + Agenda)) {
    let tenant = tenant_id("c-off");
    consents.commit(&tenant, &change(&tenant, "ana", 1)).await.unwrap();
    let seen = due_rows(consents, &tenant, 200, 10).await.remove(0);
    assert!(consents.take(&tenant, &seen, at(500)).await.unwrap());
    consents.put_off(&tenant, &seen.row.name(), 3, at(900)).await.unwrap();
    assert!(due_rows(consents, &tenant, 899, 10).await.is_empty());
    let again = due_rows(consents, &tenant, 900, 10).await.remove(0);
    assert_eq!((again.tries, again.taken, again.due_at), (3, false, at(900)));
    consents.settle(&tenant, &seen.row).await.unwrap();
    consents.put_off(&tenant, &seen.row.name(), 4, at(100)).await.unwrap();
    assert!(!consents.take(&tenant, &again, at(1000)).await.unwrap());
    assert!(rows_of(consents, &tenant).await.is_empty());
}

/// And no more once the consent says so.
pub async fn a_reminder_is_due_at_its_time_and_not_before(consents: &(impl Consents + Agenda)) {
    let tenant = tenant_id("c-remind");
    let mut first = change(&tenant, "ana", 1);
    first.consent.remind_at = Some(at(100));
    consents.commit(&tenant, &first).await.unwrap();
    assert!(due_reminders(consents, &tenant, 99).await.is_empty());
    let due = Due { at: at(100), tenant: tenant.clone(), key: first.key };
    for seconds in [100, 200] {
        assert_eq!(due_reminders(consents, &tenant, seconds).await, std::slice::from_ref(&due));
    }
    consents.commit(&tenant, &change(&tenant, "ana", 2)).await.unwrap();
    assert!(due_reminders(consents, &tenant, 200).await.is_empty());
}

/// Until the consent is changed: then it is due as that says.
pub async fn a_reminder_is_put_off_or_taken_away_unless_the_consent_was_changed(consents: &(impl Consents + Agenda)) {
    let tenant = tenant_id("c-later");
    for (version, remind_at) in [(1, 100), (2, 300)] {
        let mut change = change(&tenant, "ana", version);
        change.consent.remind_at = Some(at(remind_at));
        consents.commit(&tenant, &change).await.unwrap();
        let due = due_reminders(consents, &tenant, 10_000).await.remove(0);
        assert_eq!(due.at, at(remind_at));
        consents.put_off_reminder(&due, Some(at(5000))).await.unwrap();
        assert!(due_reminders(consents, &tenant, 4999).await.is_empty());
        let later = due_reminders(consents, &tenant, 5000).await.remove(0);
        // What was seen before stands no more.
        consents.put_off_reminder(&due, None).await.unwrap();
        assert_eq!(due_reminders(consents, &tenant, 5000).await, std::slice::from_ref(&later));
        consents.put_off_reminder(&later, None).await.unwrap();
        assert!(due_reminders(consents, &tenant, 10_000).await.is_empty());
    }
    let consent = consents.load(&tenant, &key(&tenant, "ana"), &[]).await.unwrap().consent.unwrap();
    assert_eq!(consent.version, 2, "the consent itself is as it was");
    // One that is gone is not brought back.
    consents.erase(&tenant, &key(&tenant, "ana").subject).await.unwrap();
    let due = Due { at: at(300), tenant: tenant.clone(), key: key(&tenant, "ana") };
    consents.put_off_reminder(&due, Some(at(400))).await.unwrap();
    assert!(due_reminders(consents, &tenant, 10_000).await.is_empty());
}

/// More rows than one call deletes.
pub async fn a_dossier_holds_all_of_a_subject_and_erasing_leaves_nothing(consents: &(impl Consents + Agenda)) {
    let tenant = tenant_id("c-erase");
    let mut first = change(&tenant, "ana", 1);
    first.actions = (0..30).map(|n| action(&tenant, &n.to_string(), "{}")).collect();
    consents.commit(&tenant, &first).await.unwrap();
    consents.commit(&tenant, &change(&tenant, "ben", 1)).await.unwrap();
    let dossier = consents.dossier(&tenant, &first.key.subject).await.unwrap();
    assert_eq!((dossier.consents.len(), dossier.actions.len(), dossier.outbox.len()), (1, 30, 1));
    assert_eq!(dossier.consents[0], (first.key, first.consent.clone()));
    assert_eq!(consents.erase(&tenant, &first.key.subject).await.unwrap(), 32);
    assert_eq!(consents.load(&tenant, &first.key, &[]).await.unwrap(), Snapshot::default());
    assert_eq!(rows_of(consents, &tenant).await.len(), 1, "another subject's row is left");
}

/// Even where one name begins with the other.
pub async fn no_tenant_and_no_subject_sees_the_rows_of_another(consents: &(impl Consents + Agenda)) {
    let (one, two) = (tenant_id("c-iso"), tenant_id("c-iso-b"));
    let change = change(&one, "ana", 1);
    consents.commit(&one, &change).await.unwrap();
    let id = change.actions[0].id;
    assert_eq!(consents.load(&two, &change.key, &[id]).await.unwrap(), Snapshot::default());
    assert!(consents.dossier(&two, &change.key.subject).await.unwrap().consents.is_empty());
    assert_eq!(consents.erase(&two, &change.key.subject).await.unwrap(), 0);
    consents.settle(&two, &change.outbox[0]).await.unwrap();
    assert_eq!(rows_of(consents, &one).await.len(), 1);
    let other = ConsentKey { subject: key(&one, "ben").subject, ..change.key };
    assert_eq!(consents.load(&one, &other, &[id]).await.unwrap(), Snapshot::default());
}
