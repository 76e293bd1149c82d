//! How long failures are tried again: `retry` and `expires_after` of a sink.

use std::time::Duration;

use super::super::issue::Findings;
use crate::outcome::schedule::RetryPolicy;

/// The most waits of a retry schedule (20 attempts, far below the receives of a queue), and the longest it may last in
/// all: SQS keeps a message for 14 days.
pub(super) const MAX_WAITS: usize = 19;
const MAX_SCHEDULE: Duration = Duration::from_hours(312);

/// What `expires_after` may be: SQS keeps a message for 14 days.
pub(super) const EXPIRIES: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(14 * 24);

/// The schedule of a sink that names none, as a file would have it.
#[cfg(feature = "schema")]
pub(super) fn default_waits() -> Vec<String> {
    RetryPolicy::default().waits().iter().copied().map(super::super::schema::span).collect()
}

pub(super) fn validate_retry(texts: Option<&[String]>, path: &str, findings: &mut Findings) -> RetryPolicy {
    let Some(texts) = texts else { return RetryPolicy::default() };
    if texts.len() > MAX_WAITS {
        findings
            .report(format!("{path}.retry"), format!("there are {} waits; at most {MAX_WAITS} are taken", texts.len()));
    }
    let mut waits = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match humantime::parse_duration(text) {
            Ok(wait) if wait >= Duration::from_secs(1) => waits.push(wait),
            _ => findings.report(
                format!("{path}.retry[{index}]"),
                format!("{text:?} is not a duration of a second or more, such as \"5s\", \"5m\" or \"2h\""),
            ),
        }
    }
    if waits.iter().fold(Duration::ZERO, |sum, wait| sum.saturating_add(*wait)) > MAX_SCHEDULE {
        findings.report(format!("{path}.retry"), "the waits add up to more than 13 days; SQS keeps a message for 14");
    }
    RetryPolicy::new(waits)
}

pub(super) fn validate_expiry(text: Option<&str>, path: &str, findings: &mut Findings) -> Option<Duration> {
    let text = text?;
    let parsed = humantime::parse_duration(text).ok().filter(|time| EXPIRIES.contains(time));
    if parsed.is_none() {
        findings.report(
            format!("{path}.expires_after"),
            format!("{text:?} is not a duration from a second to 14 days, such as \"30m\" or \"3d\""),
        );
    }
    parsed
}
