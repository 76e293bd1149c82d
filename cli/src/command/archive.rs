//! `acequia archive compact`: makes one object of each closed hour's small objects.

use std::fmt::Write as _;

use acequia_core::audit::AuditAction;
use acequia_operations::compact::{self, Compaction};

use super::audited;
use super::dlq::Progress;
use crate::args::{ArchiveCommand, CompactArgs};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, describe};
use crate::output::{Report, bytes as size, clean, count, table};

pub(super) async fn run(context: &Context, command: &ArchiveCommand) -> Result<Report, Failure> {
    let ArchiveCommand::Compact(CompactArgs { tenant, from, to, dry_run, author }) = command;
    let watch = Progress::silent();
    let work = Box::pin(compact::run(context, tenant, (*from, *to), *dry_run, &watch));
    let report = if *dry_run {
        work.await?
    } else {
        let by = author.ask(context).await;
        let done = |report: &Compaction| format!("{} made, {} deleted", made(report), deleted(report));
        audited(context, (tenant, &by), (AuditAction::Compact, "the archive's closed hours"), work, done).await?
    };
    watch.finish();
    let exit = match (&report.broken, watch.stopped()) {
        (Some(error), _) if error.refusal.is_some() => Exit::Aws,
        (_, Some(exit)) if !report.is_complete() => exit,
        _ if report.dry_run || report.is_complete() => Exit::Ok,
        _ => Exit::Failed,
    };
    Ok(Report::new(&report, told(&report)).ending(exit))
}

fn made(report: &Compaction) -> u64 {
    report.hours.iter().map(|hour| hour.made).sum()
}

fn deleted(report: &Compaction) -> u64 {
    report.hours.iter().map(|hour| hour.deleted).sum()
}

fn told(report: &Compaction) -> String {
    let Compaction { tenant, dry_run, from, before, hours, broken } = report;
    if hours.is_empty() {
        return format!("Nothing of {tenant} is to be compacted from {from} on and before {before}.");
    }
    let mut text = if *dry_run {
        let row = |hour: &compact::CompactedHour| {
            [hour.hour.clone(), hour.small.to_string(), hour.compacted.to_string(), size(hour.bytes)]
        };
        let hours = count(hours.len() as u64, "hour", "hours");
        let rows = table(["HOUR", "SMALL", "COMPACTED", "SIZE"], report.hours.iter().map(row));
        format!("{hours} of {tenant} would be compacted:\n\n{rows}")
    } else {
        let row = |hour: &compact::CompactedHour| {
            [
                hour.hour.clone(),
                hour.events.to_string(),
                hour.made.to_string(),
                size(hour.made_bytes),
                hour.deleted.to_string(),
                if hour.unfinished { "to be gone on with" } else { "" }.to_owned(),
            ]
        };
        let rows = table(["HOUR", "EVENTS", "MADE", "SIZE", "DELETED", ""], hours.iter().map(row));
        format!("{} made, {} deleted:\n\n{rows}", count(made(report), "object", "objects"), deleted(report))
    };
    for left in hours.iter().flat_map(|hour| &hour.left) {
        let _ = write!(text, "\n  {}", clean(left));
    }
    if let Some(error) = broken {
        let _ = write!(text, "\n{}", describe(error));
    }
    if !dry_run && !report.is_complete() {
        let _ = write!(text, "\nWhat is left stays as it is; run it again for the rest.");
    }
    text
}

#[cfg(test)]
mod tests {
    use acequia_testkit::build;

    use super::*;

    fn report(dry_run: bool, left: &[&str]) -> Compaction {
        let hour = compact::CompactedHour {
            hour: "date=2026-11-29/hour=13".to_owned(),
            small: 60,
            compacted: 0,
            bytes: 1_234_567,
            batches: 60,
            events: 1_500,
            made: 1,
            made_bytes: 999,
            deleted: 60,
            left: left.iter().map(|&text| text.to_owned()).collect(),
            unfinished: false,
        };
        let (from, before) = ("date=2026-11-14/hour=15".to_owned(), "date=2026-11-29/hour=14".to_owned());
        Compaction { tenant: build::tenant_id("acme"), dry_run, from, before, hours: vec![hour], broken: None }
    }

    #[test]
    fn it_says_hour_by_hour_what_it_did_or_would_do_and_what_is_left() {
        let done = told(&report(false, &["tenant=acme/x: it is no whole zstd\u{7}"]));
        for part in ["1 object made, 60 deleted:", "date=2026-11-29/hour=13", "1500", "it is no whole zstd\\u{7}"] {
            assert!(done.contains(part), "{part} is not in {done}");
        }
        assert!(done.ends_with("run it again for the rest."));
        let dry = told(&report(true, &[]));
        assert!(dry.contains("1 hour of acme would be compacted:") && dry.contains("1.2 MB"), "{dry}");
        let nothing = Compaction { hours: Vec::new(), ..report(false, &[]) };
        assert!(told(&nothing).starts_with("Nothing of acme is to be compacted from date=2026-11-14/hour=15"));
    }
}
