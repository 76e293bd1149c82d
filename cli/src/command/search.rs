//! `acequia search`: what failed for good of a tenant's, by sink, outcome, reason, type and time.

use std::time::Duration;

use acequia_core::port::Clock as _;
use acequia_operations::search::{self, Failure, Findings, Search};
use acequia_operations::time;
use jiff::Timestamp;

use crate::args::SearchArgs;
use crate::context::{Context, SystemClock};
use crate::failure;
use crate::output::{Report, clean, or_dash, table};

pub(super) async fn run(context: &Context, arguments: &SearchArgs) -> Result<Report, failure::Failure> {
    let SearchArgs { tenant, sink, outcome, reason, r#type, since, until, limit } = arguments;
    let now = SystemClock.now();
    let until = until.unwrap_or(now);
    let since = since.unwrap_or_else(|| until.checked_sub(DAY).unwrap_or(Timestamp::MIN));
    if since >= until {
        return Err(failure::Failure::Usage(format!(
            "nothing lies between --since {since} and --until {until}: --since must be the earlier one"
        )));
    }
    let search =
        Search { within: since..=until, sink: sink.clone(), outcome: *outcome, reason: *reason, types: r#type.clone() };
    Ok(report(&search::run(context, tenant, &search, usize::from(*limit)).await?, since))
}

/// How far back it looks where nobody says.
const DAY: Duration = Duration::from_hours(24);

fn report(findings: &Findings, since: Timestamp) -> Report {
    let Findings { tenant, found, more } = findings;
    if found.is_empty() {
        let since = time::text(since);
        let text = format!(
            "{tenant}: nothing of that kind failed for good since {since}. What is to be tried again: `acequia delayed {tenant}`, \
             `acequia status {tenant}`."
        );
        return Report::new(findings, text);
    }
    let row = |failure: &Failure| {
        [
            time::text(failure.failed_at),
            failure.event.to_string(),
            or_dash(failure.r#type.as_deref()),
            or_dash(failure.sink.as_ref()),
            failure.reason.map_or(failure.outcome.as_str(), |reason| reason.as_str()).to_owned(),
            or_dash(failure.fault),
            failure.attempts.to_string(),
            clean(&failure.detail),
        ]
    };
    let header = ["FAILED", "EVENT", "TYPE", "SINK", "WHY", "LOOK AT", "ATTEMPTS", "DETAIL"];
    let more = if *more { "There is more: --limit, --until or --sink. " } else { "" };
    let text = format!(
        "{}\n\n{more}`acequia explain {tenant} 'EVENT'` tells the story of one, `acequia dlq redrive {tenant} --event 'EVENT'` tries it again.",
        table(header, found.iter().map(row))
    );
    Report::new(findings, text)
}

#[cfg(test)]
mod tests {
    use acequia_core::outcome::Reason;
    use acequia_core::outcome::fault::Fault;
    use acequia_operations::search::Outcome;
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn a_failure_is_a_line_with_where_to_look_and_what_to_do() {
        let failure = Failure {
            failed_at: build::at(1),
            event: build::event_id("1"),
            r#type: Some("action.signed".to_owned()),
            sink: Some(build::sink_id("crm")),
            outcome: Outcome::Quarantined,
            reason: Some(Reason::AttemptsExhausted),
            detail: "the endpoint answered 500".to_owned(),
            fault: Some(Fault::Endpoint),
            attempts: 3,
        };
        let findings = Findings { tenant: build::tenant_id("acme"), found: vec![failure], more: true };
        let report = report(&findings, build::start());
        let line = "2026-01-01T00:00:01.000Z  /tests|1  action.signed  crm   attempts-exhausted  endpoint  3         the endpoint answered 500";
        assert!(report.text().contains(line) && report.text().contains("There is more"), "{}", report.text());
        let none = Findings { found: Vec::new(), more: false, ..findings };
        assert!(
            super::report(&none, build::start())
                .text()
                .starts_with("acme: nothing of that kind failed for good since 2026")
        );
    }
}
