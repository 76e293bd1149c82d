//! `acequia tenant history`: the audit log, with its chain of hashes checked.

use acequia_core::id::TenantId;
use acequia_core::port::{AuditRow, TenantStore as _};
use serde::Serialize;

use crate::context::{Context, time};
use crate::exit::{Exit, Failure};
use crate::output::{Report, table};

#[derive(Serialize)]
struct History<'a> {
    tenant: &'a TenantId,
    /// Whether every row is as it was written and none is missing, up to the current version.
    intact: bool,
    /// The version at which the chain breaks.
    broken_at: Option<u64>,
    changes: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    version: u64,
    at: String,
    actor: String,
    summary: String,
    hash: String,
}

pub(super) async fn run(context: &Context, tenant: &TenantId) -> Result<Report, Failure> {
    let tenants = context.tenants();
    let current = tenants.current(tenant).await?.ok_or_else(|| context.no_configuration(tenant))?;
    Ok(report(tenant, &tenants.audit(tenant).await?, current.version))
}

fn report(tenant: &TenantId, rows: &[AuditRow], current: u64) -> Report {
    let broken_at = broken_at(rows, current);
    let changes = rows.iter().map(|row| Row {
        version: row.to,
        at: time(row.at),
        actor: row.actor.clone(),
        summary: row.summary.clone(),
        hash: row.hash.clone(),
    });
    let history = History { tenant, intact: broken_at.is_none(), broken_at, changes: changes.collect() };
    let lines = history.changes.iter();
    let lines = lines.map(|row| [row.version.to_string(), row.at.clone(), row.actor.clone(), row.summary.clone()]);
    let verdict = match broken_at {
        None => "The log is intact: every row follows from the one before it.".to_owned(),
        Some(version) => format!("THE LOG IS BROKEN at version {version}: a row was changed, or one is missing."),
    };
    let text = format!("{}\n\n{verdict}", table(["VERSION", "AT", "WHO", "WHAT"], lines));
    Report::new(&history, text).ending(if broken_at.is_none() { Exit::Ok } else { Exit::Failed })
}

/// The first version whose row is not there, not as it was written, or does not follow from the one before.
fn broken_at(rows: &[AuditRow], current: u64) -> Option<u64> {
    let mut previous = "";
    let mut rows = rows.iter();
    (1..=current).find(|version| {
        let follows = rows.next().is_some_and(|row| {
            let fits = row.to == *version && row.previous == previous && row.hash == row.compute_hash();
            previous = &row.hash;
            fits
        });
        !follows
    })
}

#[cfg(test)]
mod tests {
    use acequia_core::port::Change;
    use acequia_testkit::build;

    use super::*;

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
        assert_eq!(broken_at(&rows(), 3), None);
        assert_eq!(report(&build::tenant_id("acme"), &rows(), 3).exit, Exit::Ok);
    }

    #[test]
    fn a_changed_a_missing_and_a_cut_off_row_are_found() {
        let mut changed = rows();
        changed[1].actor = "eve".to_owned();
        assert_eq!(broken_at(&changed, 3), Some(2));
        let mut missing = rows();
        missing.remove(1);
        assert_eq!(broken_at(&missing, 3), Some(2));
        assert_eq!(broken_at(&rows()[..2], 3), Some(3));
        let report = report(&build::tenant_id("acme"), &changed, 3);
        assert_eq!(report.exit, Exit::Failed);
        assert!(report.text().contains("BROKEN at version 2"), "{}", report.text());
    }
}
