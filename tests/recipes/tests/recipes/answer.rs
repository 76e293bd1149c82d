//! What docs/RECEIVERS.md says of answers is what the decision table says.

use std::time::Duration;

use acequia_core::outcome::schedule::{RetryPolicy, Wait};
use acequia_core::outcome::{Cause, Disposition, Outcome, Reason, Situation, Stay, decide};

/// What becomes of a first attempt that was answered so, by a schedule whose waits are a second.
fn becomes(code: u16) -> (Outcome, Disposition) {
    let cause = Cause::Status { code, retry_after: None };
    let schedule = RetryPolicy::new(vec![Duration::from_secs(1); 3]);
    let stay = Stay { receive_count: 1, attempts_used: 1, fifo: false, is_suspect: false };
    let situation =
        Situation { policy: &schedule, attempt: 1, received: 1, expires_in: None, has_reservation: false, stay };
    (cause.outcome(), decide(&cause, &situation, 0.5))
}

/// The statuses of the row whose second column has a text.
fn row(holding: &str) -> Vec<u16> {
    let page = crate::page();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ") && line.contains(holding)).collect();
    assert_eq!(rows.len(), 1, "one row says {holding:?}");
    let statuses = rows[0].split('|').nth(1).unwrap().split(',');
    statuses.filter_map(|status| status.trim().parse().ok()).collect()
}

#[test]
fn the_table_of_answers_is_the_decision_table() {
    let (refused, gone) = (row("never be taken"), row("disables it"));
    let overloaded = row("a minute later at the earliest");
    for code in (100..200).chain(300..600) {
        let (outcome, disposition) = becomes(code);
        if refused.contains(&code) {
            assert_eq!(outcome, Outcome::Quarantine(Reason::HttpStatus), "{code}");
        } else if gone.contains(&code) {
            assert_eq!(outcome, Outcome::Quarantine(Reason::EndpointGone), "{code}");
        } else {
            assert_eq!(outcome, Outcome::Retry, "{code}");
            let Disposition::Hide(wait) = disposition else { panic!("{code}: {disposition:?}") };
            assert_eq!(wait >= Duration::from_mins(1), overloaded.contains(&code), "{code}: {wait:?}");
        }
    }
}

#[test]
fn the_default_schedule_is_the_one_of_the_page() {
    let page = crate::page().replace('\n', " ");
    let (_, named) = page.split_once("at intervals of ").unwrap();
    let (named, _) = named.split_once(", each spread").unwrap();
    let waits = named.replace(" and ", ", ");
    let seconds = |wait: &str| {
        let mut parts = wait.split_whitespace();
        let count: u64 = parts.next().unwrap().parse().unwrap();
        let unit = [("s", 1), ("min", 60), ("h", 3600)];
        let word = parts.next().unwrap();
        count * unit.iter().find(|(name, _)| *name == word).unwrap().1
    };
    let waits: Vec<Wait> = waits.split(", ").map(|wait| Wait::For(Duration::from_secs(seconds(wait)))).collect();
    let schedule = RetryPolicy::default();
    let default: Vec<Wait> = (1..schedule.attempts()).map(|attempt| schedule.wait(attempt, false, None, 0.5)).collect();
    assert_eq!(waits, default);
    assert!(page.contains("there are ten attempts") && schedule.attempts() == 10);
}
