//! Times as reports have them: RFC 3339 in UTC, with milliseconds.

use jiff::Timestamp;
use serde::Serializer;

/// A time as people and scripts read it: `2026-01-01T00:00:00.000Z`.
pub fn text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// For `#[serde(serialize_with)]`: a time.
pub(crate) fn one<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*time))
}

/// For `#[serde(serialize_with)]`: a time, or null.
#[expect(clippy::ref_option, reason = "serde hands the field over as it is")]
pub(crate) fn maybe<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => one(time, serializer),
        None => serializer.serialize_none(),
    }
}

/// For `#[serde(serialize_with)]`: times.
pub(crate) fn all<S: Serializer>(times: &[Timestamp], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(times.iter().map(|time| text(*time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_milliseconds_and_is_in_utc() {
        let time: Timestamp = "2026-01-01T02:00:00.0014+02:00".parse().unwrap();
        assert_eq!(text(time), "2026-01-01T00:00:00.001Z");
    }
}
