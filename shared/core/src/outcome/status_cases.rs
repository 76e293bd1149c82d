//! What each HTTP status and each failure of a connection comes to, and how long the next attempt waits for it.

use std::time::Duration;

use super::wait::Stay;
use super::{Cause, Disposition, Outcome, Reason, Situation, decide};
use crate::outcome::connection::ConnectionFailure;
use crate::outcome::schedule::RetryPolicy;

fn status(code: u16) -> Cause {
    Cause::Status { code, retry_after: None }
}

#[test]
fn of_all_statuses_those_that_refuse_the_payload_are_quarantined_gone_disables_and_the_rest_is_tried_again() {
    for code in (100..200).chain(300..1000) {
        let outcome = match code {
            400 | 413 | 415 | 422 => Outcome::Quarantine(Reason::HttpStatus),
            410 => Outcome::Quarantine(Reason::EndpointGone),
            _ => Outcome::Retry,
        };
        assert_eq!((status(code).outcome(), status(code).spends_attempt()), (outcome, true), "{code}");
    }
}

#[test]
fn an_answer_that_sends_elsewhere_is_told_to_be_followed_nowhere() {
    for code in [301, 302, 303, 307, 308] {
        assert_eq!(status(code).to_string(), format!("the endpoint answered {code}: redirects are not followed"));
    }
    assert_eq!(status(304).to_string(), "the endpoint answered 304");
}

#[test]
fn after_an_overload_of_the_receiver_or_its_gateway_the_wait_is_a_minute_at_least_and_else_the_schedules() {
    let policy = RetryPolicy::new(vec![Duration::from_secs(5)]);
    let stay = Stay { receive_count: 1, attempts_used: 1, fifo: false, is_suspect: false };
    let situation =
        Situation { policy: &policy, attempt: 1, received: 1, expires_in: None, has_reservation: false, stay };
    let waits = |cause: &Cause| match decide(cause, &situation, 0.0) {
        Disposition::Hide(wait) => wait.as_secs(),
        other => panic!("{cause:?}: {other:?}"),
    };
    for cause in [
        Cause::Timeout(Duration::from_secs(1)),
        Cause::Connection(ConnectionFailure::ConnectTimeout),
        status(429),
        status(502),
        status(504),
    ] {
        assert_eq!(waits(&cause), 60, "{cause:?}");
    }
    for cause in [Cause::Connection(ConnectionFailure::Refused), status(500), status(503), status(404), status(302)] {
        assert_eq!(waits(&cause), 4, "{cause:?}");
    }
}
