//! The suite of copies of audit rows.

use acequia_core::audit::{AuditAction, AuditNote, AuditRow};
use acequia_core::id::TenantId;
use acequia_core::port::AuditCopies;

use crate::build::{at, tenant_id};

/// Copies into which a test can look.
pub trait AuditCopiesInTest: AuditCopies {
    /// The copy of a row, as it was kept; nothing where there is none.
    fn copy(&self, tenant: &TenantId, row: &AuditRow) -> impl Future<Output = Option<AuditRow>>;
}

impl AuditCopiesInTest for crate::InMemoryAuditCopies {
    async fn copy(&self, tenant: &TenantId, row: &AuditRow) -> Option<AuditRow> {
        self.rows().into_iter().find(|(of, kept)| of == tenant && kept.hash == row.hash).map(|(_, kept)| kept)
    }
}

fn row(summary: &str) -> AuditRow {
    let (action, actor) = (AuditAction::Redrive, "ana (role Operator of 000000000000)".to_owned());
    AuditRow::of(&AuditNote { action, actor, at: at(7), summary: summary.to_owned() }, 3, "before")
}

/// Whole, and under its tenant alone.
pub async fn a_row_is_kept_whole_and_for_its_tenant(copies: &impl AuditCopiesInTest) {
    let (acme, bona, row) = (tenant_id("acme"), tenant_id("bona"), row("é \" 1"));
    assert!(copies.keep(&acme, &row).await.unwrap());
    assert_eq!(copies.copy(&acme, &row).await, Some(row.clone()));
    assert_eq!(copies.copy(&bona, &row).await, None);
}

/// Also a bent one under its hash.
pub async fn a_copy_that_is_there_stays(copies: &impl AuditCopiesInTest) {
    let (acme, row) = (tenant_id("acme"), row("2"));
    assert!(copies.keep(&acme, &row).await.unwrap());
    let bent = AuditRow { summary: "nothing happened".to_owned(), ..row.clone() };
    assert!(!copies.keep(&acme, &bent).await.unwrap());
    assert_eq!(copies.copy(&acme, &row).await, Some(row));
}
