//! `acequia dlq redrive`: moves messages back to the queues they came from, without what quarantining added to them.
//!
//! How a run that is killed neither loses nor doubles a message is in [`acequia_core::delivery::redrive`].

use acequia_core::flow::redrive::{Order, Redriven, Way, redrive};
use acequia_core::id::TenantId;
use serde::Serialize;

use super::progress::Progress;
use super::{Count, INEXACT, Place, count_taken, looked_into, meant, nothing, places};
use crate::args::RedriveArgs;
use crate::confirm::{Confirmed, confirm};
use crate::context::{Context, SystemClock};
use crate::exit::{Exit, Failure, describe};
use crate::output::{Report, count};

#[derive(Debug, Serialize, Default, PartialEq, Eq)]
struct Sums {
    moved: u64,
    failed: u64,
    remaining: u64,
    finished: u64,
    unsure: u64,
    stopped: bool,
}

#[derive(Debug, Serialize)]
struct Counted {
    moved: u64,
    failed: u64,
    remaining: u64,
    would_move: u64,
    exact: bool,
}

pub(super) async fn run(context: &Context, arguments: &RedriveArgs) -> Result<Report, Failure> {
    let RedriveArgs { tenant, filter, limit, rate, dry_run, resend_unsure, yes } = arguments;
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
    let question = format!("Move messages of {tenant} back to their queues ({})?", meant(&conditions, &places));
    let confirmed = confirm(&question, *yes)?;
    let order = Order {
        filter: conditions,
        limit: *limit,
        rate: *rate,
        resend_unsure: *resend_unsure,
        run: format!("{:032x}", rand::random::<u128>()),
    };
    let (sums, stopped) = move_back(context, tenant, &places, order, &confirmed).await?;
    let report = report(tenant, &sums);
    Ok(match stopped {
        Some(exit) => report.ending(exit),
        None => report,
    })
}

async fn move_back(
    context: &Context,
    tenant: &TenantId,
    places: &[Place],
    mut order: Order,
    _confirmed: &Confirmed,
) -> Result<(Sums, Option<Exit>), Failure> {
    let (operator, journal, ledger) = (context.operator(), context.journal(), context.ledger());
    let watch = Progress::new(places.iter().map(Place::total).sum());
    let mut sums = Sums { remaining: places.iter().map(Place::total).sum(), ..Sums::default() };
    for place in places.iter().filter(|place| place.total() > 0) {
        let way = Way {
            tenant: tenant.clone(),
            dead_letters: place.queue.clone(),
            source: place.source(),
            depth: place.total(),
        };
        let redriven = redrive((&operator, &journal, &ledger, &SystemClock), &way, &order, &watch).await;
        order.limit = order.limit.map(|limit| limit.saturating_sub(redriven.moved));
        add(&mut sums, &redriven);
        if let Some(error) = redriven.broken {
            if sums.moved + sums.finished == 0 {
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

fn add(sums: &mut Sums, run: &Redriven) {
    sums.moved += run.moved;
    sums.failed += run.failed;
    sums.finished += run.finished;
    sums.unsure += run.unsure;
    sums.remaining = sums.remaining.saturating_sub(run.moved + run.finished);
}

fn report(tenant: &TenantId, sums: &Sums) -> Report {
    let Sums { moved, failed, remaining, finished, unsure, stopped } = sums;
    let mut parts = vec![format!("{moved} moved back")];
    if *finished > 0 {
        parts.push(format!("{finished} deleted that an earlier run had moved"));
    }
    if *failed > 0 {
        parts.push(format!("{failed} could not be sent"));
    }
    if *unsure > 0 {
        parts.push(format!("{unsure} may have been sent already by a run that was stopped"));
    }
    parts.push(count(remaining, "remains", "remain"));
    let mut text = format!("{tenant}: {}.", parts.join(", "));
    if *unsure > 0 {
        text.push_str(
            "\nLook at those with `acequia dlq show` and `acequia explain`: purge what arrived (--event), and send the others \
             again with --resend-unsure.",
        );
    }
    if *stopped {
        text.push_str("\nStopped before the end: run it again for the rest.");
    }
    let done = *failed == 0 && *unsure == 0 && !stopped;
    Report::new(sums, text).ending(if done { Exit::Ok } else { Exit::Failed })
}

fn count_report(tenant: &TenantId, total: u64, count: Count) -> Report {
    let Count { taken, exact } = count;
    let counted = Counted { moved: 0, failed: 0, remaining: total, would_move: taken, exact };
    let text = format!("{tenant}: {taken} would be moved back.{}", if exact { "" } else { INEXACT });
    Report::new(&counted, text)
}

#[cfg(test)]
mod tests {
    use acequia_testkit::build;

    use super::*;

    fn json(report: &Report) -> serde_json::Value {
        serde_json::from_str(report.json()).unwrap()
    }

    #[test]
    fn the_json_for_scripts_has_its_counts_and_a_failure_ends_with_one() {
        let tenant = build::tenant_id("acme");
        let done = report(&tenant, &Sums { moved: 2, finished: 1, ..Sums::default() });
        assert_eq!(done.exit, Exit::Ok);
        assert_eq!(
            json(&done),
            serde_json::json!({"moved": 2, "failed": 0, "remaining": 0, "finished": 1, "unsure": 0, "stopped": false})
        );
        for part in [
            Sums { failed: 1, ..Sums::default() },
            Sums { unsure: 1, ..Sums::default() },
            Sums { stopped: true, ..Sums::default() },
        ] {
            assert_eq!(report(&tenant, &part).exit, Exit::Failed, "{part:?}");
        }
    }

    #[test]
    fn unsure_ones_come_with_what_to_do_about_them() {
        let report = report(&build::tenant_id("acme"), &Sums { unsure: 2, remaining: 2, ..Sums::default() });
        assert!(report.text().contains("--resend-unsure") && report.text().contains("2 may have been sent"));
    }

    #[test]
    fn a_dry_run_says_how_many_would_be_moved_and_whether_that_is_exact() {
        let report = count_report(&build::tenant_id("acme"), 9, Count { taken: 4, exact: false });
        let wanted = serde_json::json!({"moved": 0, "failed": 0, "remaining": 9, "would_move": 4, "exact": false});
        assert_eq!((json(&report), report.exit), (wanted, Exit::Ok));
        assert!(report.text().contains("Not exact"), "{}", report.text());
    }
}
