//! `acequia dlq purge`: deletes messages for good.

use acequia_core::delivery::redrive::Filter;
use acequia_core::flow::redrive::purge;
use acequia_core::id::TenantId;
use serde::Serialize;

use super::progress::Progress;
use super::{Count, INEXACT, Place, count_taken, looked_into, meant, nothing, places};
use crate::args::PurgeArgs;
use crate::confirm::{ConfirmedByName, confirm_by_name};
use crate::context::Context;
use crate::exit::{Exit, Failure, describe};
use crate::output::{Report, count};

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
    let conditions = filter.conditions()?;
    let places = places(context, tenant, &filter.place).await?;
    if *dry_run {
        let total: u64 = places.iter().map(Place::total).sum();
        let count = count_taken(&context.operator(), &places, &conditions, *limit).await?;
        return Ok(count_report(tenant, total.max(count.taken), count));
    }
    let places = looked_into(&context.operator(), places).await?;
    if places.iter().all(|place| place.total() == 0) {
        return Ok(Report::new(&Sums::default(), nothing(tenant, &conditions, &places)));
    }
    let question = format!("Delete messages of {tenant} for good ({})?", meant(&conditions, &places));
    let confirmed = confirm_by_name(&question, tenant, *yes)?;
    let (sums, stopped) = delete(context, &places, &conditions, *limit, &confirmed).await?;
    let report = report(tenant, &sums);
    Ok(match stopped {
        Some(exit) => report.ending(exit),
        None => report,
    })
}

async fn delete(
    context: &Context,
    places: &[Place],
    filter: &Filter,
    mut limit: Option<u64>,
    _confirmed: &ConfirmedByName,
) -> Result<(Sums, Option<Exit>), Failure> {
    let total = places.iter().map(Place::total).sum();
    let watch = Progress::new(total);
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
    sums.stopped |= watch.stopped().is_some();
    watch.finish();
    Ok((sums, watch.stopped()))
}

fn report(tenant: &TenantId, sums: &Sums) -> Report {
    let Sums { purged, failed, remaining, stopped } = sums;
    let remain = count(remaining, "remains", "remain");
    let mut text = match failed {
        0 => format!("{tenant}: {purged} deleted, {remain}."),
        _ => format!("{tenant}: {purged} deleted, {failed} could not be deleted, {remain} in all."),
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
