//! `acequia dlq purge`: deletes messages for good.

use acequia_core::audit::AuditAction;
use acequia_core::delivery::redrive::Filter;
use acequia_core::id::TenantId;
use acequia_operations::dead_letters::purge::{self, Purge, PurgePreview};
use acequia_operations::dead_letters::{Place, places};

use super::super::audited;
use super::progress::Progress;
use super::{INEXACT, looked_into, meant, nothing, tell_broken, tell_hidden, unless_stopped};
use crate::args::PurgeArgs;
use crate::author::Author;
use crate::confirm::{ConfirmedByName, confirm_by_name};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, count};

pub(super) async fn run(context: &Context, arguments: &PurgeArgs) -> Result<Report, Failure> {
    let PurgeArgs { tenant, filter, limit, dry_run, yes, author } = arguments;
    let conditions = filter.conditions()?;
    let places = places(context, tenant, filter.place.queue).await?;
    if *dry_run {
        let watch = Progress::new(places.iter().map(Place::total).sum());
        let preview = purge::preview(context, &places, &conditions, *limit, &watch).await;
        let preview = unless_stopped(&watch, preview)?;
        tell_hidden(&preview.hidden_in);
        return Ok(count_report(tenant, &preview));
    }
    let places = looked_into(context, places).await?;
    if places.iter().all(|place| place.total() == 0) {
        return Ok(Report::new(&Purge::default(), nothing(tenant, &conditions, &places)));
    }
    let question = format!("Delete messages of {tenant} for good ({})?", meant(&conditions, &places));
    let confirmed = confirm_by_name(&question, tenant, *yes)?;
    delete(context, (tenant, author), &places, (&conditions, *limit), &confirmed).await
}

async fn delete(
    context: &Context,
    (tenant, author): (&TenantId, &Author),
    places: &[Place],
    (filter, limit): (&Filter, Option<u64>),
    _confirmed: &ConfirmedByName,
) -> Result<Report, Failure> {
    let watch = Progress::new(places.iter().map(Place::total).sum());
    let what = meant(filter, places);
    let deleting = Box::pin(purge::run(context, places, filter, limit, &watch));
    let came_to = |sums: &Purge| format!("{} deleted", sums.purged);
    let sums =
        audited(context, (tenant, &author.ask(context).await), (AuditAction::Purge, &what), deleting, came_to).await?;
    tell_broken(sums.broken.as_ref(), &watch);
    watch.finish();
    let report = report(tenant, &sums);
    Ok(match watch.stopped() {
        Some(exit) => report.ending(exit),
        None => report,
    })
}

fn report(tenant: &TenantId, sums: &Purge) -> Report {
    let Purge { purged, failed, remaining, stopped, .. } = sums;
    let remain = count(remaining, "remains", "remain");
    let mut text = match failed {
        0 => format!("{tenant}: {purged} deleted, {remain}."),
        _ => format!("{tenant}: {purged} deleted, {failed} could not be deleted, {remain} in all."),
    };
    if *stopped {
        text.push_str("\nStopped before the end: run it again for the rest.");
    }
    Report::new(sums, text).ending(if sums.is_done() { Exit::Ok } else { Exit::Failed })
}

fn count_report(tenant: &TenantId, preview: &PurgePreview) -> Report {
    let end = if preview.exact { "" } else { INEXACT };
    Report::new(preview, format!("{tenant}: {} would be deleted.{end}", preview.would_purge))
}

#[cfg(test)]
mod tests {
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn a_failure_is_told_and_ends_with_one_and_a_dry_run_says_how_many() {
        let tenant = build::tenant_id("acme");
        let part = report(&tenant, &Purge { purged: 2, failed: 1, remaining: 1, ..Purge::default() });
        assert_eq!(part.exit, Exit::Failed);
        assert_eq!(part.text(), "acme: 2 deleted, 1 could not be deleted, 1 remains in all.");
        let hidden_in = Vec::new();
        let preview = PurgePreview { purged: 0, failed: 0, remaining: 3, would_purge: 3, exact: true, hidden_in };
        assert_eq!(count_report(&tenant, &preview).text(), "acme: 3 would be deleted.");
    }
}
