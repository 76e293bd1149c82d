//! The suite of the store of tenants: immutable versions, a pointer, an audit log that cannot be bent.

use acequia_core::audit::{AuditAction, AuditNote, first_break};
use acequia_core::port::{Change, PublishError, TenantStore};

use crate::build::{at, start, tenant_id};

fn change(expected: u64, document: &str) -> Change {
    Change {
        document: document.to_owned(),
        expected,
        actor: "ana".to_owned(),
        at: start(),
        summary: format!("version {}", expected + 1),
    }
}

/// Neither a version nor a log.
pub async fn a_tenant_without_configuration_has_nothing(tenants: &impl TenantStore) {
    let tenant = tenant_id("t-none");
    assert_eq!(tenants.current(&tenant).await.unwrap(), None);
    assert_eq!(tenants.current_version(&tenant).await.unwrap(), None);
    assert_eq!(tenants.version(&tenant, 1).await.unwrap(), None);
    assert_eq!(tenants.version(&tenant, 0).await.unwrap(), None);
    assert_eq!(tenants.audit(&tenant).await.unwrap(), []);
}

/// Twelve versions, so that the tenth does not sort before the second.
pub async fn every_version_stays_readable_and_the_last_is_current(tenants: &impl TenantStore) {
    let tenant = tenant_id("t-versions");
    for n in 0..12 {
        assert_eq!(tenants.publish(&tenant, change(n, &format!("{{\"n\":{n}}}"))).await.unwrap(), n + 1);
    }
    let current = tenants.current(&tenant).await.unwrap().unwrap();
    assert_eq!((current.version, &*current.document), (12, "{\"n\":11}"));
    assert_eq!(tenants.current_version(&tenant).await.unwrap(), Some(12));
    let second = tenants.version(&tenant, 2).await.unwrap().unwrap();
    assert_eq!((second.version, &*second.document), (2, "{\"n\":1}"));
    assert_eq!(tenants.version(&tenant, 13).await.unwrap(), None);
}

/// An author that knew an older version, or none, is told which one is current.
pub async fn a_change_of_an_old_version_is_a_conflict_and_writes_nothing(tenants: &impl TenantStore) {
    let tenant = tenant_id("t-conflict");
    for n in 0..2 {
        tenants.publish(&tenant, change(n, "{}")).await.unwrap();
    }
    for expected in [0, 1, 3] {
        match tenants.publish(&tenant, change(expected, "{\"late\":1}")).await {
            Err(PublishError::Conflict { current, expected: known }) => assert_eq!((current, known), (2, expected)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(tenants.current(&tenant).await.unwrap().unwrap().document, "{}");
    assert_eq!(tenants.version(&tenant, 3).await.unwrap(), None);
    assert_eq!(tenants.audit(&tenant).await.unwrap().len(), 2);
}

/// Eight authors that all know version 1: one makes version 2, seven are told of the conflict.
pub async fn of_many_publishers_at_once_exactly_one_wins(tenants: &impl TenantStore) {
    let tenant = tenant_id("t-race");
    tenants.publish(&tenant, change(0, "{}")).await.unwrap();
    let authors = (0..8).map(|n| tenants.publish(&tenant, Change { actor: format!("author {n}"), ..change(1, "{}") }));
    let answers = futures::future::join_all(authors).await;
    let conflicts = answers.iter().filter(|a| matches!(a, Err(PublishError::Conflict { current: 2, expected: 1 })));
    assert_eq!(conflicts.count(), 7, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Ok(2))).count(), 1);
    assert_eq!(tenants.audit(&tenant).await.unwrap().len(), 2);
}

/// Also where two changes bear the same time, or a clock went back.
pub async fn the_audit_log_is_linked_from_the_first_row_to_the_last(tenants: &impl TenantStore) {
    let tenant = tenant_id("t-audit");
    for (n, seconds) in [100, 100, 50, 200].into_iter().enumerate() {
        tenants.publish(&tenant, Change { at: at(seconds), ..change(n as u64, "{}") }).await.unwrap();
    }
    let rows = tenants.audit(&tenant).await.unwrap();
    let mut previous = String::new();
    for (row, n) in rows.iter().zip(0_u64..) {
        assert_eq!((row.from, row.to, &*row.actor), (n, n + 1, "ana"));
        assert_eq!((&row.previous, &row.hash), (&previous, &row.compute_hash()));
        previous.clone_from(&row.hash);
    }
    assert_eq!(rows.len(), 4);
}

/// Before the first version, between two, and at the time of another row.
pub async fn what_is_noted_is_a_row_of_the_one_log_and_changes_no_version(tenants: &impl TenantStore) {
    let tenant = tenant_id("t-note");
    let note = |action, seconds| {
        let summary = format!("at {seconds}");
        AuditNote { action, actor: "bo".to_owned(), at: at(seconds), summary }
    };
    tenants.note(&tenant, &note(AuditAction::Secret, 100)).await.unwrap();
    assert_eq!(tenants.current_version(&tenant).await.unwrap(), None);
    assert_eq!(tenants.current(&tenant).await.unwrap(), None);
    tenants.publish(&tenant, Change { at: at(100), ..change(0, "{}") }).await.unwrap();
    for seconds in [100, 100, 50] {
        tenants.note(&tenant, &note(AuditAction::Redrive, seconds)).await.unwrap();
    }
    tenants.publish(&tenant, change(1, "{}")).await.unwrap();
    let rows = tenants.audit(&tenant).await.unwrap();
    let told: Vec<_> = rows.iter().map(|row| (row.action.as_str(), row.from, row.to)).collect();
    let (redrive, configuration) = (("redrive", 1, 1), |from| ("configuration", from, from + 1));
    assert_eq!(told, [("secret", 0, 0), configuration(0), redrive, redrive, redrive, configuration(1)]);
    let head = tenants.audit_head(&tenant).await.unwrap();
    assert_eq!(first_break(&rows, 2, head.as_deref()), None);
    assert_eq!(tenants.list().await.unwrap().iter().filter(|(listed, _)| *listed == tenant).count(), 1);
}

/// None is lost, and each stands in the chain.
pub async fn of_many_notes_at_once_each_is_a_row(tenants: &impl TenantStore) {
    let tenant = tenant_id("t-notes");
    tenants.publish(&tenant, change(0, "{}")).await.unwrap();
    let note = |n: u64| AuditNote {
        action: AuditAction::Redrive,
        actor: format!("author {n}"),
        at: at(n),
        summary: String::new(),
    };
    for round in 0..4 {
        let notes = [note(2 * round), note(2 * round + 1)];
        let answers = futures::future::join_all(notes.iter().map(|note| tenants.note(&tenant, note))).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }
    let rows = tenants.audit(&tenant).await.unwrap();
    assert_eq!(rows.len(), 9);
    assert_eq!(first_break(&rows, 1, tenants.audit_head(&tenant).await.unwrap().as_deref()), None);
}

/// Not the configuration, and not the log, even where one name begins with the other.
pub async fn no_tenant_sees_the_configuration_of_another(tenants: &impl TenantStore) {
    let (one, two) = (tenant_id("t-iso"), tenant_id("t-iso-b"));
    tenants.publish(&one, change(0, "{\"of\":\"one\"}")).await.unwrap();
    assert_eq!(tenants.current(&two).await.unwrap(), None);
    assert_eq!(tenants.audit(&two).await.unwrap(), []);
    tenants.publish(&two, change(0, "{\"of\":\"two\"}")).await.unwrap();
    assert_eq!(tenants.current(&one).await.unwrap().unwrap().document, "{\"of\":\"one\"}");
}

/// In the order of their ids, each once.
pub async fn the_list_has_every_tenant_with_its_version(tenants: &impl TenantStore) {
    for (tenant, versions) in [("t-list-b", 1), ("t-list-a", 2)] {
        for n in 0..versions {
            tenants.publish(&tenant_id(tenant), change(n, "{}")).await.unwrap();
        }
    }
    let list = tenants.list().await.unwrap();
    let ours: Vec<_> = list.iter().filter(|(tenant, _)| tenant.as_str().starts_with("t-list")).collect();
    assert_eq!(ours, [&(tenant_id("t-list-a"), 2), &(tenant_id("t-list-b"), 1)]);
    assert!(list.is_sorted());
}

/// Each with what its last version says, page by page; who does not want it any more is gone.
pub async fn the_list_of_automatic_redrive_has_who_wants_it_now_in_pages(tenants: &impl TenantStore) {
    let wants = |times: u32| format!("{{\"auto_redrive\":{{\"times\":{times}}}}}");
    for (tenant, documents) in [
        ("t-again-a", vec![wants(1), wants(2)]),
        ("t-again-b", vec![wants(1), "{}".to_owned()]),
        ("t-again-c", vec!["{}".to_owned(), wants(3)]),
        ("t-again-d", vec![wants(4)]),
        ("t-again-e", vec!["{\"auto_redrive\":null}".to_owned()]),
    ] {
        for (n, document) in (0..).zip(documents) {
            tenants.publish(&tenant_id(tenant), change(n, &document)).await.unwrap();
        }
    }
    let (mut found, mut after) = (Vec::new(), Some(tenant_id("t-again")));
    loop {
        let page = tenants.auto_redriven(after.as_ref(), 2).await.unwrap();
        after = page.last().map(|row| row.tenant.clone());
        let is_last = page.len() < 2;
        found.extend(page.into_iter().filter(|row| row.tenant.as_str().starts_with("t-again")));
        if is_last {
            break;
        }
    }
    let found: Vec<_> = found.iter().map(|row| (row.tenant.as_str(), row.settings.as_str())).collect();
    let expected = [("t-again-a", "{\"times\":2}"), ("t-again-c", "{\"times\":3}"), ("t-again-d", "{\"times\":4}")];
    assert_eq!(found, expected);
}
