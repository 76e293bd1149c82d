//! When a failed attempt is made again: a schedule with jitter, bent by what the receiver asks for.

use std::sync::LazyLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// After 429, 502, 504 or a timeout the next attempt waits at least this long: the receiver is overloaded, not broken.
const OVERLOAD_FLOOR: Duration = Duration::from_mins(1);

/// The longest that a receiver may put a delivery off by its Retry-After: an attempt a day says whether it still lives.
const LONGEST_ASKED: Duration = Duration::from_hours(24);
/// What is asked for is spread upwards by a fifth, and by no more than this.
const WIDEST_SPREAD: Duration = Duration::from_mins(10);

/// The waits of Standard Webhooks' recommended schedule, about three days in all
/// (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#deliverability-and-reliability>).
const DEFAULT_WAITS_S: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// How long to wait before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// This long.
    For(Duration),
    /// There is no next attempt: the schedule is used up.
    Exhausted,
}

/// The waits between the attempts of one sink. With n waits there are at most n + 1 attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    waits: Vec<Duration>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { waits: DEFAULT_WAITS_S.into_iter().map(Duration::from_secs).collect() }
    }
}

/// The schedule of a sink that names none.
static STANDARD: LazyLock<RetryPolicy> = LazyLock::new(RetryPolicy::default);

impl RetryPolicy {
    /// The schedule of a sink that names none, which is also the one of what has no sink.
    pub fn standard() -> &'static Self {
        &STANDARD
    }

    /// A schedule of these waits, in order.
    pub fn new(waits: Vec<Duration>) -> Self {
        Self { waits }
    }

    /// The waits between its attempts, in order.
    pub fn waits(&self) -> &[Duration] {
        &self.waits
    }

    /// How many attempts a delivery gets, the first one included.
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.waits.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The wait after attempt number `attempt` (1-based) failed.
    ///
    /// The wait is the schedule's, spread by ±20 % with `chance` in `[0, 1)`. After an overload it is at least a
    /// minute, and never less than what the receiver asked for by a `retry_after`, up to a day. Both are a least, so
    /// they are spread upwards, by up to a fifth and ten minutes: else all would come back at once.
    pub fn wait(&self, attempt: u32, overload: bool, retry_after: Option<Duration>, chance: f64) -> Wait {
        let step = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(base) = self.waits.get(step) else { return Wait::Exhausted };
        let chance = chance.clamp(0.0, 1.0);
        let least = |asked: Duration| asked.saturating_add(asked.mul_f64(0.2).min(WIDEST_SPREAD).mul_f64(chance));
        let asked = retry_after.map(|asked| least(asked.min(LONGEST_ASKED)));
        let floor = overload.then(|| least(OVERLOAD_FLOOR));
        Wait::For(base.mul_f64(0.8 + 0.4 * chance).max(asked.unwrap_or_default()).max(floor.unwrap_or_default()))
    }
}

/// The wait of a message that came back for a reason of ours (a store down, say), by how often SQS has handed it out.
///
/// It doubles from 15 s to 15 min, spread by ±20 %, so that the net of `maxReceiveCount` (100) lasts for a day.
pub fn back_off(receive_count: u32, chance: f64) -> Duration {
    let doublings = receive_count.saturating_sub(1).min(6);
    let base = Duration::from_secs(15).saturating_mul(1 << doublings).min(Duration::from_mins(15));
    base.mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0))
}

/// Reads a Retry-After header as RFC 9110 has it (<https://www.rfc-editor.org/rfc/rfc9110.html#field.retry-after>):
/// digits, which are seconds, or a date in one of HTTP's three forms. `None` for anything else, such as a fraction, a
/// sign, a list or a leap second's date: it is ignored, and the schedule counts.
///
/// `now` is the time at which the answer came. A date in the past asks for no wait.
pub fn parse_retry_after(value: &str, now: jiff::Timestamp) -> Option<Duration> {
    let value = value.trim_matches([' ', '\t']);
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // What has too many digits for a number is longer than any wait.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let now = std::time::SystemTime::from(now);
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn a_thousand_retries_of_one_step_spread_over_twenty_per_cent_and_none_comes_earlier() {
        let policy = RetryPolicy::new(vec![seconds(100)]);
        let waits: Vec<Duration> = (0..1000)
            .map(|i| match policy.wait(1, false, None, f64::from(i) / 1000.0) {
                Wait::For(wait) => wait,
                Wait::Exhausted => panic!("the schedule has a first wait"),
            })
            .collect();
        assert!(waits.iter().all(|w| (seconds(80)..=seconds(120)).contains(w)));
        assert!(waits.iter().any(|w| *w < seconds(82)) && waits.iter().any(|w| *w > seconds(118)));
    }

    #[test]
    fn an_overload_waits_a_minute_at_least() {
        let policy = RetryPolicy::new(vec![seconds(5), seconds(300)]);
        assert_eq!(policy.wait(1, true, None, 0.0), Wait::For(seconds(60)));
        assert_eq!(policy.wait(2, true, None, 0.5), Wait::For(seconds(300)));
    }

    #[test]
    fn what_a_receiver_asked_for_is_spread_too_and_never_cut_short() {
        let policy = RetryPolicy::new(vec![seconds(5), seconds(100)]);
        for (step, asked, least, most) in [
            (1, None, 60, 72),
            (1, Some(9), 60, 72),
            (2, Some(120), 120, 144),
            (1, Some(3_600), 3_600, 4_200),
            (1, Some(86_400), 86_400, 87_000),
        ] {
            let wait = |i: u32| policy.wait(step, true, asked.map(seconds), f64::from(i) / 1000.0);
            let waits: Vec<Wait> = (0..1000).map(wait).collect();
            let within =
                |wait: &Wait| matches!(wait, Wait::For(wait) if (seconds(least)..=seconds(most)).contains(wait));
            assert!(waits.iter().all(within), "{asked:?}");
            let different = waits.iter().filter(|wait| **wait != waits[0]).count();
            assert!(different > 900, "{asked:?}: {different} of a thousand come at another time than the first");
        }
    }

    #[test]
    fn retry_after_never_shortens_the_schedules_wait_and_lengthens_it_up_to_a_day() {
        let policy = RetryPolicy::new(vec![seconds(100)]);
        for (asked, waited) in [(1, 80), (150, 150), (3_600, 3_600), (86_400, 86_400), (100_000, 86_400)] {
            assert_eq!(policy.wait(1, false, Some(seconds(asked)), 0.0), Wait::For(seconds(waited)), "{asked}");
        }
        assert_eq!(policy.wait(1, false, Some(Duration::MAX), 0.0), Wait::For(LONGEST_ASKED));
    }

    #[test]
    fn the_default_makes_ten_attempts_over_three_days() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.attempts(), 10);
        assert_eq!(policy.wait(9, false, None, 0.5), Wait::For(seconds(86_400)));
        assert_eq!(policy.wait(10, false, None, 0.5), Wait::Exhausted);
        assert_eq!(policy.wait(u32::MAX, false, None, 0.5), Wait::Exhausted);
    }

    #[test]
    fn retry_after_reads_seconds_and_the_three_forms_of_dates_and_ignores_all_else() {
        let now: jiff::Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        for (value, wait) in [
            ("120", seconds(120)),
            (" 0120\t", seconds(120)),
            ("0", seconds(0)),
            ("99999999999999999999", seconds(u64::MAX)),
            ("Sat, 21 Nov 2026 10:01:00 GMT", seconds(60)),
            ("Saturday, 21-Nov-26 10:01:00 GMT", seconds(60)),
            ("Sat Nov 21 10:01:00 2026", seconds(60)),
            ("Sat, 21 Nov 2026 09:00:00 GMT", seconds(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", seconds(0)),
        ] {
            assert_eq!(parse_retry_after(value, now), Some(wait), "{value:?}");
        }
        for ignored in [
            "",
            " ",
            "soon",
            "-1",
            "+5",
            "-0",
            "1.5",
            ".5",
            "5.",
            "1e3",
            "0x10",
            "NaN",
            "inf",
            "12 s",
            "8, 20",
            "\u{661}",
            "PT5M",
            "2026-11-21T10:01:00Z",
            "Sat, 21 Nov 2026 10:01:00 +0000",
            "Fri, 21 Nov 2026 10:01:00 GMT",
            "Sat, 21 Nov 2026 10:01:60 GMT",
        ] {
            assert_eq!(parse_retry_after(ignored, now), None, "{ignored:?}");
        }
    }

    #[test]
    fn backing_off_doubles_up_to_a_quarter_of_an_hour() {
        assert_eq!(back_off(1, 0.5), seconds(15));
        assert_eq!(back_off(2, 0.5), seconds(30));
        assert_eq!(back_off(50, 0.5), seconds(900));
    }
}
