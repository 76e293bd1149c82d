//! Waiting for what happens elsewhere: polls to a deadline, never sleeps for a fixed time.

use std::time::{Duration, Instant};

/// How long anything may take. A delivery takes a second; the rest is for slow machines, on which all tests run at once.
pub const DEADLINE: Duration = Duration::from_mins(2);

/// How long a message may take that met another's claim: it comes back after the lease, which outlives an invocation's
/// 60 s.
pub const AFTER_LEASE: Duration = Duration::from_mins(3);

const PAUSE: Duration = Duration::from_millis(100);

/// Asks again and again until there is an answer; fails with `what` at the deadline.
pub fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    eventually_within(DEADLINE, what, ask)
}

/// [`eventually`], with a deadline of its own.
#[expect(clippy::disallowed_methods, reason = "the deadline of a test is real time")]
pub fn eventually_within<T>(deadline: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "not within {} s: {what}", deadline.as_secs());
        std::thread::sleep(PAUSE);
    }
}
