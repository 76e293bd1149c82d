//! The audit log of a tenant: written around what an operator does, and read with its chain of hashes checked.
//!
//! What changes a configuration or keys has its row in the same transaction. What does many things, such as a redrive,
//! has two: one before the first of them, without which nothing is done, and one that says what it came to. Where the
//! second is missing, the process died on the way.

use acequia_core::audit::{AuditAction, AuditNote, AuditRow, Break, first_break};
use acequia_core::id::TenantId;
use acequia_core::port::{Clock as _, TenantStore as _, Unavailable};
use jiff::Timestamp;
use serde::Serialize;

use crate::{OperationError, Ports, require_platform, time};

/// The longest line of what was done, in characters.
const MAX_SUMMARY_CHARS: usize = 500;

/// Who did what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditLog {
    /// Whose log.
    pub tenant: TenantId,
    /// Whether every row is as it was written and none is missing.
    pub intact: bool,
    /// The first row that is wrong or missing, from 1, and the version of the configuration there.
    pub broken_at: Option<Break>,
    /// How many rows the log has.
    pub length: usize,
    /// The rows, oldest first; those that were asked for.
    pub rows: Vec<AuditLine>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditLine {
    /// When.
    #[serde(serialize_with = "time::one")]
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What kind of thing was done.
    pub action: AuditAction,
    /// The version of the configuration that it made, or that was current; 0 where there was none.
    pub version: u64,
    /// What was done, in one line without values.
    pub summary: String,
    /// The hash of the row, over the one before it too.
    pub hash: String,
}

/// Reads the log and checks the whole of it; shows the rows since a time.
///
/// # Errors
/// When the store does not answer, or [`OperationError::NoPlatform`] where there is no platform.
pub async fn run(ports: &impl Ports, tenant: &TenantId, since: Option<Timestamp>) -> Result<AuditLog, OperationError> {
    require_platform(ports).await?;
    let tenants = ports.tenants();
    // Before the rows: what is written in between is behind it then, and nothing is missed.
    let (current, head) = (tenants.current_version(tenant).await?, tenants.audit_head(tenant).await?);
    let mut rows = tenants.audit(tenant).await?;
    if let Some(end) = head.as_ref().and_then(|head| rows.iter().position(|row| row.hash == *head)) {
        rows.truncate(end + 1);
    }
    let broken_at = first_break(&rows, current.unwrap_or_default(), head.as_deref());
    let length = rows.len();
    let shown = rows.into_iter().filter(|row| since.is_none_or(|since| row.at >= since)).map(AuditLine::from);
    Ok(AuditLog { tenant: tenant.clone(), intact: broken_at.is_none(), broken_at, length, rows: shown.collect() })
}

impl From<AuditRow> for AuditLine {
    fn from(row: AuditRow) -> Self {
        let AuditRow { at, actor, action, from: _, to, summary, previous: _, hash } = row;
        Self { at, actor, action, version: to, summary, hash }
    }
}

/// Something that is under way, and has its first row.
#[must_use = "its end is a row, too"]
#[derive(Debug)]
pub struct Begun<'a> {
    tenant: &'a TenantId,
    actor: &'a str,
    action: AuditAction,
}

/// Writes that something begins; `what` says it in one line, without values and without personal data.
///
/// # Errors
/// When the row cannot be written: then nothing is to be done.
pub async fn begin<'a>(
    ports: &impl Ports,
    tenant: &'a TenantId,
    actor: &'a str,
    action: AuditAction,
    what: &str,
) -> Result<Begun<'a>, OperationError> {
    let begun = Begun { tenant, actor, action };
    begun.write(ports, format!("begun: {what}")).await?;
    Ok(begun)
}

impl Begun<'_> {
    /// Writes what it came to.
    ///
    /// # Errors
    /// When the row cannot be written. What was done is done.
    pub async fn end(self, ports: &impl Ports, came_to: &str) -> Result<(), Unavailable> {
        self.write(ports, format!("ended: {came_to}")).await
    }

    async fn write(&self, ports: &impl Ports, summary: String) -> Result<(), Unavailable> {
        let summary = summary.chars().take(MAX_SUMMARY_CHARS).collect();
        let (action, actor) = (self.action, self.actor.to_owned());
        let note = AuditNote { action, actor, at: ports.clock().now(), summary };
        ports.tenants().note(self.tenant, &note).await
    }
}

#[cfg(test)]
mod tests {
    use acequia_core::port::Change;
    use acequia_testkit::build;

    use super::*;
    use crate::world::World;

    async fn world() -> (World, TenantId) {
        let (world, tenant) = (World::default(), build::tenant_id("acme"));
        let (document, actor) = (build::webhook_document("acme", "https://a.example/"), "ana".to_owned());
        let change = Change { document, expected: 0, actor, at: build::start(), summary: "new".to_owned() };
        world.tenants.publish(&tenant, change).await.unwrap();
        (world, tenant)
    }

    #[tokio::test]
    async fn what_begins_and_what_it_came_to_are_rows_of_the_one_log() {
        let (world, tenant) = world().await;
        world.clock.set(build::at(60));
        let begun = begin(&world, &tenant, "bo", AuditAction::Redrive, "sink crm").await.unwrap();
        begun.end(&world, "3 moved back").await.unwrap();
        let log = run(&world, &tenant, None).await.unwrap();
        assert!(log.intact);
        let told: Vec<_> =
            log.rows.iter().map(|row| (row.action.as_str(), row.version, row.summary.as_str())).collect();
        let redrive = |what| ("redrive", 1, what);
        assert_eq!(told, [("configuration", 1, "new"), redrive("begun: sink crm"), redrive("ended: 3 moved back")]);
        let since = run(&world, &tenant, Some(build::at(60))).await.unwrap();
        assert_eq!((since.length, since.rows.len()), (3, 2));
        let json = serde_json::to_value(&since.rows[0]).unwrap();
        assert_eq!((&json["at"], &json["actor"]), (&"2026-01-01T00:01:00.000Z".into(), &"bo".into()));
    }

    #[tokio::test]
    async fn a_tenant_without_a_configuration_has_a_log_all_the_same_and_its_first_version_follows() {
        let (world, tenant) = (World::default(), build::tenant_id("acme"));
        assert_eq!(run(&world, &tenant, None).await.unwrap().length, 0);
        let begun = begin(&world, &tenant, "bo", AuditAction::Secret, "crm, for webhook").await.unwrap();
        begun.end(&world, "written").await.unwrap();
        let (document, actor) = (build::webhook_document("acme", "https://a.example/"), "ana".to_owned());
        let change = Change { document, expected: 0, actor, at: build::start(), summary: "new".to_owned() };
        world.tenants.publish(&tenant, change).await.unwrap();
        let log = run(&world, &tenant, None).await.unwrap();
        assert_eq!((log.intact, log.length, log.rows[0].version), (true, 3, 0));
    }

    #[tokio::test]
    async fn nothing_begins_without_its_row() {
        let (world, tenant) = world().await;
        world.tenants.writes.go_down();
        let refused = begin(&world, &tenant, "bo", AuditAction::Purge, "all").await.unwrap_err();
        assert!(matches!(refused, OperationError::Unavailable(_)), "{refused:?}");
    }
}
