//! The suite of the store of consents: one change is one transaction, the outbox row with it, and a tenant's rows are its own.

use acequia_core::consent::{
    Action, ActionId, ActionState, Change, CommitError, Consent, ConsentKey, Consents, Errand, ListId, MAX_HELD_BYTES,
    MAX_WAITING, OutboxRow, Snapshot, SubjectId, SubjectState,
};
use acequia_core::id::TenantId;
use acequia_core::mail::{MailKind, MailRef};

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
    }
}

/// A change that makes version `version`, with one action and one outbox row.
fn change(tenant: &TenantId, subject: &str, version: u64) -> Change {
    let key = key(tenant, subject);
    let action = action(tenant, &format!("{subject}-{version}"), r#"{"é":1}"#);
    let row = OutboxRow {
        id: format!("row-{version}"),
        key,
        action: action.id,
        errand: Errand::Mail { mail: MailRef { kind: MailKind::Confirm, number: 1 } },
        body: r#"{"é":1}"#.to_owned(),
        accepted_at: start(),
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

async fn rows_of(consents: &impl Consents, tenant: &TenantId) -> Vec<OutboxRow> {
    let all = consents.overdue(at(1_000_000), 10_000).await.unwrap();
    all.into_iter().filter(|(owner, _)| owner == tenant).map(|(_, row)| row).collect()
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

/// To the byte, and only those actions that were asked for.
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
pub async fn a_change_of_an_old_version_is_a_conflict_and_writes_nothing(consents: &impl Consents) {
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

/// Eight who all know version 0.
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
pub async fn the_largest_change_is_written_as_a_whole(consents: &impl Consents) {
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

/// Older ones first; settling twice is no error.
pub async fn an_outbox_row_is_overdue_until_it_is_settled(consents: &impl Consents) {
    let tenant = tenant_id("c-outbox");
    for (subject, seconds) in [("ben", 20), ("ana", 10)] {
        let mut change = change(&tenant, subject, 1);
        change.outbox[0].at = at(seconds);
        consents.commit(&tenant, &change).await.unwrap();
    }
    let of = |found: Vec<(TenantId, OutboxRow)>| -> Vec<OutboxRow> {
        found.into_iter().filter(|(owner, _)| *owner == tenant).map(|(_, row)| row).collect()
    };
    let early = of(consents.overdue(at(15), 1000).await.unwrap());
    assert_eq!((early.len(), early[0].at), (1, at(10)));
    let both = of(consents.overdue(at(21), 1000).await.unwrap());
    assert_eq!(both.iter().map(|row| row.at).collect::<Vec<_>>(), [at(10), at(20)]);
    assert_eq!(both[0].body, r#"{"é":1}"#);
    for _ in 0..2 {
        consents.settle(&tenant, &both[0]).await.unwrap();
    }
    assert_eq!(of(consents.overdue(at(21), 1000).await.unwrap()).len(), 1);
}

/// And no more once the consent says so.
pub async fn a_reminder_is_due_at_its_time_and_not_before(consents: &impl Consents) {
    let tenant = tenant_id("c-remind");
    let mut first = change(&tenant, "ana", 1);
    first.consent.remind_at = Some(at(100));
    consents.commit(&tenant, &first).await.unwrap();
    let is_due = async |seconds: u64| {
        let found = consents.to_remind(at(seconds), 1000).await.unwrap();
        found.contains(&(tenant.clone(), first.key))
    };
    assert!(!is_due(99).await);
    assert!(is_due(100).await && is_due(200).await);
    let second = change(&tenant, "ana", 2);
    consents.commit(&tenant, &second).await.unwrap();
    assert!(!is_due(200).await);
}

/// More rows than one call deletes.
pub async fn a_dossier_holds_all_of_a_subject_and_erasing_leaves_nothing(consents: &impl Consents) {
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
pub async fn no_tenant_and_no_subject_sees_the_rows_of_another(consents: &impl Consents) {
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
