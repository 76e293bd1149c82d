//! `acequia audit`: who did what for a tenant, with the log's chain of hashes checked.

use acequia_operations::audit::{self, AuditLog};
use acequia_operations::time;

use crate::args::AuditArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, clean, count, table};

pub(super) async fn run(context: &Context, arguments: &AuditArgs) -> Result<Report, Failure> {
    let AuditArgs { tenant, since, verify } = arguments;
    let mut log = audit::run(context, tenant, *since).await?;
    if *verify {
        log.rows.clear();
    }
    Ok(report(&log, *verify))
}

fn report(log: &AuditLog, only_verdict: bool) -> Report {
    let verdict = match log.broken_at {
        None => {
            let rows = count(log.length, "row follows", "rows follow");
            format!("The log is intact: its {rows} each from the one before.")
        }
        Some(broken) => format!(
            "THE LOG IS BROKEN at row {} (version {}): it was changed, or is missing. Compare with a backup of the tenants \
             table (point-in-time recovery).",
            broken.row, broken.version
        ),
    };
    let ends = if log.intact { Exit::Ok } else { Exit::Failed };
    if only_verdict {
        return Report::new(log, verdict).ending(ends);
    }
    let lines = log.rows.iter().map(|row| {
        let action = row.action.as_str().to_owned();
        [time::text(row.at), clean(&row.actor), action, row.version.to_string(), clean(&row.summary)]
    });
    Report::new(log, format!("{}\n\n{verdict}", table(["AT", "WHO", "ACTION", "VERSION", "WHAT"], lines))).ending(ends)
}

#[cfg(test)]
mod tests {
    use acequia_core::audit::{AuditAction, Break};
    use acequia_operations::audit::AuditLine;
    use acequia_testkit::build;

    use super::*;

    fn log(broken_at: Option<Break>) -> AuditLog {
        let row = AuditLine {
            at: build::start(),
            actor: "ana (role Operator of 000000000000)".to_owned(),
            action: AuditAction::Redrive,
            version: 3,
            summary: "ended: 2 moved back".to_owned(),
            hash: "0".repeat(64),
        };
        AuditLog {
            tenant: build::tenant_id("acme"),
            intact: broken_at.is_none(),
            broken_at,
            length: 7,
            rows: vec![row],
        }
    }

    #[test]
    fn rows_are_shown_with_who_and_what_and_the_verdict_is_on_all() {
        let report = report(&log(None), false);
        assert_eq!(report.exit, Exit::Ok);
        for part in ["2026-01-01T00:00:00.000Z  ana (role Operator of 000000000000)  redrive  3 ", "its 7 rows follow"]
        {
            assert!(report.text().contains(part), "{}", report.text());
        }
    }

    #[test]
    fn a_broken_log_says_where_and_ends_with_one() {
        let broken = report(&log(Some(Break { row: 4, version: 2 })), true);
        assert_eq!(broken.exit, Exit::Failed);
        assert!(broken.text().starts_with("THE LOG IS BROKEN at row 4 (version 2)"), "{}", broken.text());
        assert!(!broken.text().contains("WHO"));
    }
}
