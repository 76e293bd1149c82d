//! `acequia dlq purge`: deletes messages for good.

use acequia_core::id::TenantId;
use acequia_core::redrive::{Filter, purge};
use serde::Serialize;

use super::progress::Progress;
use super::{Count, EMPTY, INEXACT, Place, contents, count, looked_into, places};
use crate::args::PurgeArgs;
use crate::confirm::{ConfirmedByName, confirm_by_name};
use crate::context::Context;
use crate::exit::{Exit, Failure, describe};
use crate::output::Report;

#[derive(Debug, Serialize, Default, PartialEq, Eq)]
struct Sums {
    purged: u64,
    failed: u64,
    remaining: u64,
    stopped: bool,
}

#[derive(Debug, Serialize)]
struct Counted {
    purged: u64,
    failed: u64,
    remaining: u64,
    would_purge: u64,
    exact: bool,
}

pub(super) async fn run(context: &Context, arguments: &PurgeArgs) -> Result<Report, Failure> {
    let PurgeArgs { tenant, filter, limit, dry_run, yes } = arguments;
    let places = places(context, tenant, &filter.place).await?;
    let conditions = filter.conditions();
    if *dry_run {
        let total: u64 = places.iter().map(Place::total).sum();
        let count = count(&context.operator(), &places, &conditions, *limit).await?;
        return Ok(count_report(tenant, total.max(count.taken), count));
    }
    let places = looked_into(&context.operator(), places).await?;
    if places.iter().all(|place| place.total() == 0) {
        return Ok(report(tenant, &Sums::default()));
    }
    let which = if conditions.takes_all() { "" } else { "those of the filter, out of " };
    let question = format!("Delete messages of {tenant} for good ({which}{})?", contents(&places));
    let confirmed = confirm_by_name(&question, tenant, *yes)?;
    delete(context, &places, &conditions, *limit, &confirmed).await.map(|sums| report(tenant, &sums))
}

async fn delete(
    context: &Context,
    places: &[Place],
    filter: &Filter,
    mut limit: Option<u64>,
    _confirmed: &ConfirmedByName,
) -> Result<Sums, Failure> {
    let total = places.iter().map(Place::total).sum();
    let watch = Progress::new(total).stop_in_good_order();
    let (operator, mut sums) = (context.operator(), Sums { remaining: total, ..Sums::default() });
    for place in places.iter().filter(|place| place.total() > 0) {
        let purged = purge(&operator, &place.queue, place.total(), filter, limit, &watch).await;
        limit = limit.map(|limit| limit.saturating_sub(purged.purged));
        sums.purged += purged.purged;
        sums.failed += purged.failed;
        sums.remaining = sums.remaining.saturating_sub(purged.purged);
        if let Some(error) = purged.broken {
            if sums.purged == 0 {
                return Err(Failure::Aws(error));
            }
            watch.say(&format!("{}: {}", place.name.role, describe(&error)));
            sums.stopped = true;
            break;
        }
    }
    sums.stopped |= watch.is_stopped();
    watch.finish();
    Ok(sums)
}

fn report(tenant: &TenantId, sums: &Sums) -> Report {
    let Sums { purged, failed, remaining, stopped } = sums;
    let mut text = match (purged, failed, remaining) {
        (0, 0, 0) => format!("{tenant}: {EMPTY}"),
        (_, 0, _) => format!("{tenant}: {purged} deleted, {remaining} remain."),
        _ => format!("{tenant}: {purged} deleted, {failed} could not be deleted, {remaining} remain in all."),
    };
    if *stopped {
        text.push_str("\nStopped before the end: run it again for the rest.");
    }
    Report::new(sums, text).ending(if *failed == 0 && !stopped { Exit::Ok } else { Exit::Failed })
}

fn count_report(tenant: &TenantId, total: u64, count: Count) -> Report {
    let Count { taken, exact } = count;
    let counted = Counted { purged: 0, failed: 0, remaining: total, would_purge: taken, exact };
    let text = format!("{tenant}: {taken} would be deleted.{}", if exact { "" } else { INEXACT });
    Report::new(&counted, text)
}

#[cfg(test)]
mod tests {
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn the_json_for_scripts_has_its_counts_and_a_failure_ends_with_one() {
        let tenant = build::tenant_id("acme");
        let part = report(&tenant, &Sums { purged: 2, failed: 1, remaining: 1, stopped: false });
        let json: serde_json::Value = serde_json::from_str(part.json()).unwrap();
        assert_eq!(json, serde_json::json!({"purged": 2, "failed": 1, "remaining": 1, "stopped": false}));
        assert_eq!(part.exit, Exit::Failed);
        let counted = count_report(&tenant, 3, Count { taken: 3, exact: true });
        let json: serde_json::Value = serde_json::from_str(counted.json()).unwrap();
        let wanted = serde_json::json!({"purged": 0, "failed": 0, "remaining": 3, "would_purge": 3, "exact": true});
        assert_eq!((json, counted.text()), (wanted, "acme: 3 would be deleted."));
    }
}
