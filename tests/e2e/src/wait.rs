//! Waiting for what happens elsewhere: polls to a deadline, never sleeps for a fixed time.

use std::time::{Duration, Instant};

/// How long anything may take. A delivery takes a second; the rest is for slow machines.
pub const DEADLINE: Duration = Duration::from_secs(45);

const PAUSE: Duration = Duration::from_millis(100);

/// Asks again and again until there is an answer; fails with `what` at the deadline.
#[expect(clippy::disallowed_methods, reason = "the deadline of a test is real time")]
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "not within {} s: {what}", DEADLINE.as_secs());
        std::thread::sleep(PAUSE);
    }
}
