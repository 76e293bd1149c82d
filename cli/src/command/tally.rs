//! `acequia tally`: a tenant's deliveries counted, sink by sink, from the ledger.

use acequia_core::id::TenantId;
use acequia_operations::tally::{self, SinkTally, Tally};
use jiff::Timestamp;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, count, or_dash, table};

/// What no row of the ledger tells: it is keyed by events, and has one row for all copies of a delivery.
const NOT_COUNTED: &str = "Not counted: what could not be read as an event (acequia dlq list --queue intake shows it), and further copies of an \
                           event that were sent to a sink without a claim.";

pub(super) async fn run(context: &Context, tenant: &TenantId, since: Option<Timestamp>) -> Result<Report, Failure> {
    Ok(report(&tally::run(context, tenant, since).await?))
}

fn report(tally: &Tally) -> Report {
    let Tally { tenant, events, unmatched, quarantined, sinks } = tally;
    let row = |sink: &SinkTally| {
        [
            sink.sink.to_string(),
            or_dash(sink.kind),
            sink.delivered.to_string(),
            sink.filtered.to_string(),
            sink.retrying.to_string(),
            sink.quarantined.to_string(),
            sink.expired.to_string(),
            sink.in_progress.to_string(),
            sink.attempts.to_string(),
            sink.redriven.to_string(),
            or_dash(sink.p50_ms),
            or_dash(sink.p95_ms),
            or_dash(sink.p99_ms),
        ]
    };
    let header = [
        "SINK",
        "KIND",
        "DELIVERED",
        "FILTERED",
        "RETRYING",
        "QUARANTINED",
        "EXPIRED",
        "IN PROGRESS",
        "ATTEMPTS",
        "REDRIVEN",
        "P50 MS",
        "P95 MS",
        "P99 MS",
    ];
    let text = format!(
        "{tenant}: {}, {unmatched} of them unmatched, {quarantined} quarantined by the router\n\n{}\n\n{NOT_COUNTED}",
        count(events, "event routed", "events routed"),
        table(header, sinks.iter().map(row))
    );
    Report::new(tally, text)
}

#[cfg(test)]
mod tests {
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn a_tally_says_what_it_counted_and_what_no_row_tells() {
        let (tenant, sinks) = (build::tenant_id("acme"), Vec::new());
        let report = report(&Tally { tenant, events: 1, unmatched: 0, quarantined: 0, sinks });
        assert!(
            report.text().starts_with("acme: 1 event routed,") && report.text().ends_with(NOT_COUNTED),
            "{}",
            report.text()
        );
    }
}
