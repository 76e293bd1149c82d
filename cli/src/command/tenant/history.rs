//! `acequia tenant history`: the audit log, with its chain of hashes checked.

use acequia_core::id::TenantId;
use acequia_operations::history::{self, History};
use acequia_operations::time;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, table};

pub(super) async fn run(context: &Context, tenant: &TenantId) -> Result<Report, Failure> {
    Ok(report(&history::run(context, tenant).await?))
}

fn report(history: &History) -> Report {
    let lines = history.changes.iter();
    let lines = lines.map(|row| [row.version.to_string(), time::text(row.at), row.actor.clone(), row.summary.clone()]);
    let verdict = match history.broken_at {
        None => "The log is intact: every row follows from the one before it.".to_owned(),
        Some(version) => format!("THE LOG IS BROKEN at version {version}: a row was changed, or one is missing."),
    };
    let text = format!("{}\n\n{verdict}", table(["VERSION", "AT", "WHO", "WHAT"], lines));
    Report::new(history, text).ending(if history.intact { Exit::Ok } else { Exit::Failed })
}

#[cfg(test)]
mod tests {
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn a_broken_log_says_where_and_ends_with_one() {
        let with = |broken_at: Option<u64>| {
            let (tenant, changes) = (build::tenant_id("acme"), Vec::new());
            report(&History { tenant, intact: broken_at.is_none(), broken_at, changes })
        };
        assert_eq!(with(None).exit, Exit::Ok);
        let broken = with(Some(2));
        assert_eq!(broken.exit, Exit::Failed);
        assert!(broken.text().contains("BROKEN at version 2"), "{}", broken.text());
    }
}
