//! The audit log of a tenant's configuration and API keys, with its chain of hashes checked.

use acequia_core::id::TenantId;
use acequia_core::port::{AuditRow, TenantStore as _};
use jiff::Timestamp;
use serde::Serialize;

use crate::{OperationError, Ports, configuration, time};

/// Who changed what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct History {
    /// Whose configuration.
    pub tenant: TenantId,
    /// Whether every row is as it was written and none is missing, up to the current version.
    pub intact: bool,
    /// The version at which the chain breaks.
    pub broken_at: Option<u64>,
    /// The changes, oldest first.
    pub changes: Vec<HistoryRow>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryRow {
    /// The version that it made; where it changed keys, the one that was current.
    pub version: u64,
    /// When.
    #[serde(serialize_with = "time::one")]
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What changed, in one line without values.
    pub summary: String,
    /// The hash of the row, over the one before it too.
    pub hash: String,
}

/// Reads the log and checks it.
///
/// # Errors
/// [`OperationError::NoConfiguration`] where the tenant has none, or when the store does not answer.
pub async fn run(ports: &impl Ports, tenant: &TenantId) -> Result<History, OperationError> {
    let tenants = ports.tenants();
    let current = tenants.current(tenant).await?.ok_or_else(|| configuration::missing(ports, tenant))?;
    // Before the rows: a row that comes in between is behind it then, and none is missed.
    let head = tenants.audit_head(tenant).await?;
    Ok(check(tenant, &tenants.audit(tenant).await?, current.version, head.as_deref()))
}

fn check(tenant: &TenantId, rows: &[AuditRow], current: u64, head: Option<&str>) -> History {
    let broken_at = broken_at(rows, current, head);
    let changes = rows.iter().map(|row| HistoryRow {
        version: row.to,
        at: row.at,
        actor: row.actor.clone(),
        summary: row.summary.clone(),
        hash: row.hash.clone(),
    });
    History { tenant: tenant.clone(), intact: broken_at.is_none(), broken_at, changes: changes.collect() }
}

/// The first version whose row is not there, not as it was written, or does not follow from the one before. A row of
/// keys belongs to the version that was current. `head` is the hash of the last row.
fn broken_at(rows: &[AuditRow], current: u64, head: Option<&str>) -> Option<u64> {
    let (mut version, mut previous) = (0, "");
    for row in rows {
        let is_next = row.from == version && row.to == version.saturating_add(1);
        let is_of_keys = version > 0 && row.from == version && row.to == version;
        let fits = (is_next || is_of_keys) && row.previous == previous && row.hash == row.compute_hash();
        if !fits {
            let of_keys = row.from == row.to;
            return Some(if of_keys { row.to } else { version.saturating_add(1) });
        }
        (version, previous) = (row.to, &row.hash);
    }
    if version < current {
        return Some(version.saturating_add(1));
    }
    let is_whole = head.is_none_or(|head| rows.iter().any(|row| row.hash == head));
    (!is_whole).then_some(version)
}

#[cfg(test)]
mod tests {
    use acequia_core::port::{Change, KeyNote};
    use acequia_testkit::build;

    use super::*;
    use crate::world::World;

    fn rows() -> Vec<AuditRow> {
        let mut previous = String::new();
        let mut rows = Vec::new();
        for expected in 0..3 {
            let (document, actor) = (String::new(), "ana".to_owned());
            let change = Change { document, expected, actor, at: build::start(), summary: "name".to_owned() };
            rows.push(AuditRow::of(&change, &previous));
            previous.clone_from(&rows[rows.len() - 1].hash);
        }
        rows
    }

    #[test]
    fn an_untouched_log_is_intact() {
        let rows = rows();
        assert_eq!(broken_at(&rows, 3, Some(&rows[2].hash)), None);
        assert!(check(&build::tenant_id("acme"), &rows, 3, None).intact);
    }

    #[test]
    fn a_changed_a_missing_and_a_cut_off_row_are_found() {
        let mut changed = rows();
        changed[1].actor = "eve".to_owned();
        assert_eq!(broken_at(&changed, 3, None), Some(2));
        let mut missing = rows();
        missing.remove(1);
        assert_eq!(broken_at(&missing, 3, None), Some(2));
        assert_eq!(broken_at(&rows()[..2], 3, None), Some(3));
        let history = check(&build::tenant_id("acme"), &changed, 3, None);
        assert_eq!((history.intact, history.broken_at), (false, Some(2)));
    }

    #[test]
    fn rows_of_keys_stand_between_versions_and_none_can_be_left_out_unseen() {
        let note = KeyNote { actor: "ana".to_owned(), at: build::start(), summary: "key a2b3c4d5 created".to_owned() };
        let mut rows = rows();
        for _ in 0..2 {
            rows.push(AuditRow::of_keys(&note, 3, &rows[rows.len() - 1].hash));
        }
        let head = rows[4].hash.clone();
        assert_eq!(broken_at(&rows, 3, Some(&head)), None);
        assert_eq!(broken_at(&rows[..4], 3, Some(&head)), Some(3), "the last row is cut off");
        let mut missing = rows.clone();
        missing.remove(3);
        assert_eq!(broken_at(&missing, 3, Some(&head)), Some(3));
        let mut changed = rows.clone();
        changed[3].summary = "key z2b3c4d5 created".to_owned();
        assert_eq!(broken_at(&changed, 3, Some(&head)), Some(3));
        assert_eq!(AuditRow::linked(rows.iter().rev().cloned().collect()), rows);
    }

    #[tokio::test]
    async fn the_log_is_that_of_the_store_and_a_tenant_without_configuration_has_none() {
        let (world, tenant) = (World::default(), build::tenant_id("acme"));
        let missing = run(&world, &tenant).await.unwrap_err();
        assert!(matches!(missing, OperationError::NoConfiguration { .. }), "{missing:?}");
        let (document, actor) = (build::webhook_document("acme", "https://a.example/"), "ana".to_owned());
        let change = Change { document, expected: 0, actor, at: build::start(), summary: "new".to_owned() };
        world.tenants.publish(&tenant, change).await.unwrap();
        let json = serde_json::to_value(run(&world, &tenant).await.unwrap()).unwrap();
        let row = &json["changes"][0];
        assert_eq!((&json["intact"], &row["version"], &row["actor"]), (&true.into(), &1.into(), &"ana".into()));
        assert_eq!((&row["at"], &row["summary"]), (&"2026-01-01T00:00:00.000Z".into(), &"new".into()));
    }
}
