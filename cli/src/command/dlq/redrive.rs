//! `acequia dlq redrive`: moves messages back to the queues they came from, without what quarantining added to them.
//!
//! How a run that is killed neither loses nor doubles a message is in [`acequia_core::delivery::redrive`].

use acequia_core::audit::AuditAction;
use acequia_core::id::TenantId;
use acequia_operations::dead_letters::redrive::{self, Order, Redrive, RedrivePreview};
use acequia_operations::dead_letters::{Place, places};

use super::super::audited;
use super::progress::Progress;
use super::{INEXACT, looked_into, meant, nothing, tell_broken, tell_hidden, unless_stopped};
use crate::args::RedriveArgs;
use crate::author::Author;
use crate::confirm::{Confirmed, confirm};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Report, count};

pub(super) async fn run(context: &Context, arguments: &RedriveArgs) -> Result<Report, Failure> {
    let RedriveArgs { tenant, filter, limit, rate, dry_run, resend_unsure, yes, author } = arguments;
    let conditions = filter.conditions()?;
    let places = places(context, tenant, filter.place.queue).await?;
    if *dry_run {
        let watch = Progress::new(places.iter().map(Place::total).sum());
        let preview = redrive::preview(context, &places, &conditions, *limit, &watch).await;
        let preview = unless_stopped(&watch, preview)?;
        tell_hidden(&preview.hidden_in);
        return Ok(count_report(tenant, &preview));
    }
    let places = looked_into(context, places).await?;
    if places.iter().all(|place| place.total() == 0) {
        return Ok(Report::new(&Redrive::default(), nothing(tenant, &conditions, &places)));
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
    move_back(context, (tenant, author), &places, order, &confirmed).await
}

async fn move_back(
    context: &Context,
    (tenant, author): (&TenantId, &Author),
    places: &[Place],
    order: Order,
    _confirmed: &Confirmed,
) -> Result<Report, Failure> {
    let watch = Progress::new(places.iter().map(Place::total).sum());
    let what = meant(&order.filter, places);
    let moving = Box::pin(redrive::run(context, tenant, places, order, &watch));
    let came_to = |sums: &Redrive| format!("{} moved back", sums.moved);
    let sums =
        audited(context, (tenant, &author.ask(context).await), (AuditAction::Redrive, &what), moving, came_to).await?;
    tell_broken(sums.broken.as_ref(), &watch);
    watch.finish();
    let report = report(tenant, &sums);
    Ok(match watch.stopped() {
        Some(exit) => report.ending(exit),
        None => report,
    })
}

fn report(tenant: &TenantId, sums: &Redrive) -> Report {
    let Redrive { moved, failed, remaining, finished, unsure, stopped, .. } = sums;
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
    Report::new(sums, text).ending(if sums.is_done() { Exit::Ok } else { Exit::Failed })
}

fn count_report(tenant: &TenantId, preview: &RedrivePreview) -> Report {
    let end = if preview.exact { "" } else { INEXACT };
    Report::new(preview, format!("{tenant}: {} would be moved back.{end}", preview.would_move))
}

#[cfg(test)]
mod tests {
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn what_is_not_done_ends_with_one() {
        let tenant = build::tenant_id("acme");
        let done = report(&tenant, &Redrive { moved: 2, finished: 1, ..Redrive::default() });
        assert_eq!(done.exit, Exit::Ok);
        assert_eq!(done.text(), "acme: 2 moved back, 1 deleted that an earlier run had moved, 0 remain.");
        for part in [
            Redrive { failed: 1, ..Redrive::default() },
            Redrive { unsure: 1, ..Redrive::default() },
            Redrive { stopped: true, ..Redrive::default() },
        ] {
            assert_eq!(report(&tenant, &part).exit, Exit::Failed, "{part:?}");
        }
    }

    #[test]
    fn unsure_ones_come_with_what_to_do_about_them() {
        let report = report(&build::tenant_id("acme"), &Redrive { unsure: 2, remaining: 2, ..Redrive::default() });
        assert!(report.text().contains("--resend-unsure") && report.text().contains("2 may have been sent"));
    }

    #[test]
    fn a_dry_run_says_how_many_would_be_moved_and_whether_that_is_exact() {
        let preview =
            RedrivePreview { moved: 0, failed: 0, remaining: 9, would_move: 4, exact: false, hidden_in: Vec::new() };
        let report = count_report(&build::tenant_id("acme"), &preview);
        assert_eq!(report.exit, Exit::Ok);
        assert!(report.text().starts_with("acme: 4 would be moved back.\nNot exact"), "{}", report.text());
    }
}
