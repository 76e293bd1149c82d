//! The story of a delivery as people read it: its attempts, and the redrives between them.

use acequia_operations::explain::{Attempt, RequestStages};
use acequia_operations::time;
use jiff::Timestamp;

use crate::output::clean;

/// A line for each attempt and each redrive, the first one first. `due_at` is when the next attempt is due, where one
/// is.
pub(super) fn story(attempts: &[Attempt], redriven_at: &[Timestamp], due_at: Option<Timestamp>) -> Vec<String> {
    let mut redrives = redriven_at.iter().copied().peekable();
    let mut lines = Vec::with_capacity(attempts.len());
    for attempt in attempts {
        // An attempt is remembered with its end, so one of the same time came after the redrive.
        while let Some(at) = redrives.next_if(|at| *at <= attempt.at) {
            lines.push(redriven(at));
        }
        lines.push(line(attempt));
    }
    lines.extend(redrives.map(redriven));
    if let (Some(due_at), Some(last)) = (due_at, lines.last_mut()) {
        *last = format!("{last}; next try {}", time::text(due_at));
    }
    lines
}

fn redriven(at: Timestamp) -> String {
    format!("redriven   {}  its attempts are counted from 1 again", time::text(at))
}

fn line(attempt: &Attempt) -> String {
    let Attempt { number, at, outcome, duration_ms, detail, content, stages, fault } = attempt;
    let what = match outcome.as_str() {
        "delivered" => format!("delivered in {duration_ms} ms"),
        "retry" | "retry-after" => format!("failed after {duration_ms} ms"),
        "quarantined" => format!("failed for good after {duration_ms} ms"),
        // Nothing was sent, so nothing took time.
        "filtered" => "not sent".to_owned(),
        "expired" => "expired".to_owned(),
        other => format!("{other} after {duration_ms} ms"),
    };
    let detail = if detail.is_empty() { String::new() } else { format!(": {}", clean(detail)) };
    let spent = stages.map(|stages| spent(&stages)).unwrap_or_default();
    let fault = fault.map(|fault| format!(" [{fault}]")).unwrap_or_default();
    let of = if content.is_some() { " (another content of this id)" } else { "" };
    format!("attempt {number}  {}  {what}{spent}{detail}{fault}{of}", time::text(*at))
}

/// What a request spent its time on, as far as it came to that.
fn spent(stages: &RequestStages) -> String {
    let RequestStages { dns_ms, connect_ms, tls_ms, first_byte_ms } = stages;
    let named = [("DNS", dns_ms), ("connect", connect_ms), ("TLS", tls_ms), ("first byte", first_byte_ms)];
    let told: Vec<String> = named.into_iter().filter_map(|(name, ms)| Some(format!("{name} {} ms", (*ms)?))).collect();
    if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) }
}

#[cfg(test)]
mod tests {
    use acequia_core::outcome::fault::Fault;
    use acequia_testkit::build;

    use super::*;

    fn note(number: u32, second: u64, outcome: &str, detail: &str) -> Attempt {
        let (outcome, detail) = (outcome.to_owned(), detail.to_owned());
        Attempt {
            number,
            at: build::at(second),
            outcome,
            duration_ms: 5,
            detail,
            content: None,
            stages: None,
            fault: None,
        }
    }

    #[test]
    fn a_duration_does_not_read_as_a_wait_and_a_redrive_stands_where_it_happened() {
        let attempts = [
            note(1, 1, "retry", "the endpoint answered 500"),
            note(2, 9, "quarantined", "the endpoint answered 400"),
            note(1, 20, "retry-after", "the endpoint answered 503"),
        ];
        assert_eq!(
            story(&attempts, &[build::at(12)], Some(build::at(31))),
            [
                "attempt 1  2026-01-01T00:00:01.000Z  failed after 5 ms: the endpoint answered 500",
                "attempt 2  2026-01-01T00:00:09.000Z  failed for good after 5 ms: the endpoint answered 400",
                "redriven   2026-01-01T00:00:12.000Z  its attempts are counted from 1 again",
                "attempt 1  2026-01-01T00:00:20.000Z  failed after 5 ms: the endpoint answered 503; next try \
                 2026-01-01T00:00:31.000Z",
            ]
        );
    }

    #[test]
    fn an_attempt_tells_what_its_time_went_to_and_where_to_look_for_its_failure() {
        let stages = RequestStages { dns_ms: Some(1), connect_ms: Some(2), tls_ms: None, first_byte_ms: Some(40) };
        let failed = Attempt {
            stages: Some(stages),
            fault: Some(Fault::Endpoint),
            ..note(1, 1, "retry", "the endpoint answered 500")
        };
        assert_eq!(
            story(&[failed], &[], None),
            [
                "attempt 1  2026-01-01T00:00:01.000Z  failed after 5 ms (DNS 1 ms, connect 2 ms, first byte 40 ms): the endpoint \
              answered 500 [endpoint]"
            ]
        );
    }

    #[test]
    fn what_was_redriven_and_not_tried_yet_says_so_too() {
        let lines = story(&[note(1, 1, "delivered", "")], &[build::at(2), build::at(3)], None);
        assert_eq!(lines.len(), 3);
        assert!(lines[0].ends_with("delivered in 5 ms") && lines[2].starts_with("redriven   2026-01-01T00:00:03"));
        assert!(story(&[], &[], Some(build::at(1))).is_empty());
    }

    #[test]
    fn an_attempt_of_another_content_says_so() {
        let other = Attempt { content: Some("d".to_owned()), ..note(1, 1, "expired", "") };
        assert_eq!(
            story(&[other], &[], None),
            ["attempt 1  2026-01-01T00:00:01.000Z  expired (another content of this id)"]
        );
    }

    #[test]
    fn what_was_not_sent_has_no_duration() {
        assert!(
            story(&[note(1, 1, "filtered", "not wanted: suppressed")], &[], None)[0]
                .ends_with("Z  not sent: not wanted: suppressed")
        );
        assert!(story(&[note(1, 1, "expired", "")], &[], None)[0].ends_with("Z  expired"));
    }
}
