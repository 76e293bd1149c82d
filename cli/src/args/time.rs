//! Times on the command line: how long ago, a date, or a moment. Each says its unit, so that none is taken for another.

use acequia_core::port::Clock as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::context::SystemClock;

const WANTS: &str = "write how long ago (90s, 5m, 2h, 3d, 2w), a date (2026-01-31, which begins at midnight UTC), or a time with its \
                     offset (2026-01-31T12:00:00Z)";
/// Nothing of ours is older.
const FIRST_YEAR: i16 = 2020;
/// Clocks differ by so much.
const AHEAD: SignedDuration = SignedDuration::from_mins(1);

/// Reads a time that lies behind us.
pub(super) fn parse_time(text: &str) -> Result<Timestamp, String> {
    read(text, SystemClock.now())
}

fn read(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if !text.is_empty() && text.trim_start_matches(['-', '+']).bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return Err(format!("a bare number has no unit: {WANTS}"));
    }
    let time = midnight(text).or_else(|| text.parse().ok()).or_else(|| ago(text, now));
    let time = time.ok_or_else(|| format!("it is no time: {WANTS}"))?;
    if time.to_zoned(TimeZone::UTC).year() < FIRST_YEAR {
        return Err(format!("it means {time}, which is before {FIRST_YEAR} and would take everything: {WANTS}"));
    }
    if time.duration_since(now) > AHEAD {
        return Err(format!("it means {time}, which lies ahead of us: {WANTS}"));
    }
    Ok(time)
}

/// The beginning of a day, in UTC.
fn midnight(text: &str) -> Option<Timestamp> {
    let is_date = text.len() == "2026-01-31".len();
    let date: Date = is_date.then(|| text.parse().ok()).flatten()?;
    date.to_zoned(TimeZone::UTC).ok().map(|midnight| midnight.timestamp())
}

/// A time before now, such as `5m` or `1h30m`.
fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    let (mut seconds, mut number) = (0_u64, String::new());
    for c in text.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let unit: u64 = match c {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            _ => return None,
        };
        let count: u64 = std::mem::take(&mut number).parse().ok()?;
        seconds = seconds.checked_add(count.checked_mul(unit)?)?;
    }
    if text.is_empty() || !number.is_empty() {
        return None;
    }
    now.checked_sub(std::time::Duration::from_secs(seconds)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-28T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_time_is_how_long_ago_or_a_date_or_a_moment() {
        for (text, wanted) in [
            ("90s", "2026-11-28T11:58:30Z"),
            ("5m", "2026-11-28T11:55:00Z"),
            ("1h30m", "2026-11-28T10:30:00Z"),
            ("3d", "2026-11-25T12:00:00Z"),
            ("2w", "2026-11-14T12:00:00Z"),
            ("0s", "2026-11-28T12:00:00Z"),
            ("2026-11-28", "2026-11-28T00:00:00Z"),
            ("2026-11-28T12:00:30Z", "2026-11-28T12:00:30Z"),
            ("2026-11-28T01:00:00+02:00", "2026-11-27T23:00:00Z"),
        ] {
            assert_eq!(read(text, now()), Ok(wanted.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_to_write() {
        for (text, why) in [
            ("1700000000", "a bare number has no unit"),
            ("1700000000000", "a bare number has no unit"),
            ("-5", "a bare number has no unit"),
            ("1.5", "a bare number has no unit"),
            ("0", "a bare number has no unit"),
            ("", "it is no time"),
            ("h", "it is no time"),
            ("5", "a bare number"),
            ("5 m", "it is no time"),
            ("5M", "it is no time"),
            ("yesterday", "it is no time"),
            ("2026-13-01", "it is no time"),
            ("2026-11-28T12:00:00", "it is no time"),
            ("99999999999999999999s", "it is no time"),
            ("1970-01-20T16:13:20Z", "before 2020"),
            ("2019-12-31", "before 2020"),
            ("520w", "before 2020"),
            ("2026-11-28T12:02:00Z", "ahead of us"),
            ("2027-01-01", "ahead of us"),
        ] {
            let refused = read(text, now()).unwrap_err();
            assert!(refused.contains(why) && refused.contains("2026-01-31T12:00:00Z"), "{text}: {refused}");
        }
    }
}
