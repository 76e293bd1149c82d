//! How fast a sink is served, and when it is given a rest: `rate`, `burst` and `breaker` in a tenant's configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::issue::Findings;
#[cfg(feature = "schema")]
use super::schema::{DurationText, PercentText, between, span};
use crate::delivery::breaker::Breaker;
use crate::delivery::rate::Rate;

/// The fastest and the slowest rate, in starts a second.
const FASTEST: f64 = 100_000.0;
const SLOWEST: f64 = 1.0 / 3600.0;
/// The most that may start at once.
pub(super) const MAX_BURST: u32 = 100_000;

const MAX_OF: u32 = 10_000;
const WITHIN: std::ops::RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_hours(1);
const COOL_DOWN: std::ops::RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_hours(1);
/// SQS keeps what is dead-lettered for 14 days.
const DISABLE_AFTER: std::ops::RangeInclusive<Duration> = Duration::from_hours(1)..=Duration::from_hours(14 * 24);

/// When an endpoint is given a rest: `false`, or a table of what differs from the default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "false, or a table with failures, of, within, cool_down or disable_after")]
pub enum RawBreaker {
    /// `false` switches it off; `true` is the default.
    Switch(bool),
    /// What differs from the default.
    Settings(RawBreakerSettings),
}

/// When an endpoint is given a rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawBreakerSettings {
    /// The share of failures that opens the circuit: then nothing is sent, and no attempt is spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "PercentText", extend("default" = format!("{}%", Breaker::default().failures), "x-bounds" = "1% to 100%", "examples" = ["50%"])))]
    pub failures: Option<String>,
    /// Of how many attempts at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "u32", range(min = 1, max = MAX_OF), extend("default" = Breaker::default().of, "examples" = [20])))]
    pub of: Option<u32>,
    /// Within which time they are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "DurationText", extend("default" = span(Breaker::default().within), "x-bounds" = between(&WITHIN), "examples" = ["1m"])))]
    pub within: Option<String>,
    /// For how long the circuit is open at first; then one delivery is sent as a probe. It doubles with each probe that
    /// fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "DurationText", extend("default" = span(Breaker::default().cool_down), "x-bounds" = between(&COOL_DOWN), "examples" = ["2m"])))]
    pub cool_down: Option<String>,
    /// After how long without a success the endpoint is disabled: its deliveries go to the dead-letter queue until
    /// `acequia tenant resume`. Operators are told before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "DurationText", extend("default" = span(Breaker::default().disable_after), "x-bounds" = between(&DISABLE_AFTER), "examples" = ["2days"])))]
    pub disable_after: Option<String>,
}

/// Validates the rate of a sink.
pub(super) fn validate_rate(
    rate: Option<&str>,
    burst: Option<u32>,
    path: &str,
    findings: &mut Findings,
) -> Option<Rate> {
    let Some(text) = rate else {
        if burst.is_some() {
            findings
                .report(format!("{path}.burst"), "there is no rate: burst says how many may start at once of a rate");
        }
        return None;
    };
    let Some(per_second) = parse_rate(text).filter(|rate| (SLOWEST..=FASTEST).contains(rate)) else {
        findings.report(
            format!("{path}.rate"),
            format!("{text:?} is not a rate such as \"50/s\", \"300/m\" or \"10/h\" (1/h to 100000/s)"),
        );
        return None;
    };
    if burst.is_some_and(|burst| !(1..=MAX_BURST).contains(&burst)) {
        findings.report(format!("{path}.burst"), format!("it must be 1 to {MAX_BURST}"));
    }
    let rate = Rate::bursting_a_second(per_second);
    Some(Rate { burst: burst.unwrap_or(rate.burst), ..rate })
}

/// Reads a number and `/s`, `/m` or `/h`.
fn parse_rate(text: &str) -> Option<f64> {
    let (number, unit) = text.split_once('/')?;
    let number: f64 = number.trim().parse().ok().filter(|number: &f64| number.is_finite())?;
    let seconds = match unit.trim() {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Some(number / seconds)
}

/// Validates the breaker of a webhook, which has one unless it is switched off.
pub(super) fn validate_breaker(raw: Option<&RawBreaker>, path: &str, findings: &mut Findings) -> Option<Breaker> {
    let settings = match raw {
        None | Some(RawBreaker::Switch(true)) => return Some(Breaker::default()),
        Some(RawBreaker::Switch(false)) => return None,
        Some(RawBreaker::Settings(settings)) => settings,
    };
    let path = format!("{path}.breaker");
    let default = Breaker::default();
    let failures = match settings.failures.as_deref().map(parse_percent) {
        None => default.failures,
        Some(Some(percent)) => percent,
        Some(None) => {
            findings.report(format!("{path}.failures"), "it must be a share of 1% to 100%, such as \"70%\"");
            default.failures
        }
    };
    let of = settings.of.unwrap_or(default.of);
    if !(1..=MAX_OF).contains(&of) {
        findings.report(format!("{path}.of"), format!("it must be 1 to {MAX_OF} attempts"));
    }
    let mut time = |name: &str, text: Option<&String>, default, range: std::ops::RangeInclusive<Duration>| {
        let Some(text) = text else { return default };
        let time = humantime::parse_duration(text).ok().filter(|time| range.contains(time));
        time.unwrap_or_else(|| {
            let (least, most) = (humantime::format_duration(*range.start()), humantime::format_duration(*range.end()));
            findings.report(format!("{path}.{name}"), format!("{text:?} is not a duration of {least} to {most}"));
            default
        })
    };
    Some(Breaker {
        failures,
        of,
        within: time("within", settings.within.as_ref(), default.within, WITHIN),
        cool_down: time("cool_down", settings.cool_down.as_ref(), default.cool_down, COOL_DOWN),
        disable_after: time("disable_after", settings.disable_after.as_ref(), default.disable_after, DISABLE_AFTER),
    })
}

fn parse_percent(text: &str) -> Option<u8> {
    let percent = text.trim().strip_suffix('%')?.trim().parse().ok()?;
    (1..=100).contains(&percent).then_some(percent)
}

#[cfg(test)]
mod tests {
    use super::super::sink::{RawSink, RawTarget};
    use super::*;

    fn sink(toml: &str) -> RawSink {
        let text = format!("id = \"a\"\nkind = \"webhook\"\ntypes = [\"*\"]\n{toml}");
        toml::from_str(&text).unwrap()
    }

    fn breaker_of(sink: &RawSink) -> Option<&RawBreaker> {
        let Some(RawTarget::Webhook(webhook)) = &sink.own else { panic!("a webhook was expected") };
        webhook.breaker.as_ref()
    }

    fn problems(toml: &str) -> Vec<String> {
        let mut findings = Findings::default();
        let raw = sink(toml);
        validate_rate(raw.rate.as_deref(), raw.burst, "sinks[0]", &mut findings);
        validate_breaker(breaker_of(&raw), "sinks[0]", &mut findings);
        match findings.conclude(Some(())) {
            Ok(()) => Vec::new(),
            Err(issues) => issues.0.into_iter().map(|issue| issue.path).collect(),
        }
    }

    #[test]
    fn a_rate_is_a_number_in_a_second_a_minute_or_an_hour_and_bursts_a_second_of_itself() {
        for (text, per_second, burst) in [("50/s", 50.0, 50), ("300 / m", 5.0, 5), ("36/h", 0.01, 1), ("0.5/s", 0.5, 1)]
        {
            let rate = validate_rate(Some(text), None, "", &mut Findings::default()).unwrap();
            assert_eq!((rate.per_second, rate.burst), (per_second, burst), "{text}");
        }
        for bad in ["50", "0/s", "-1/s", "inf/s", "NaN/s", "5/d", "1000000/s", "/s"] {
            assert_eq!(problems(&format!("rate = \"{bad}\"")), ["sinks[0].rate"], "{bad}");
        }
        assert_eq!(problems("burst = 5"), ["sinks[0].burst"]);
        assert_eq!(problems("rate = \"1/s\"\nburst = 0"), ["sinks[0].burst"]);
    }

    #[test]
    fn a_webhook_has_the_default_breaker_unless_it_says_otherwise() {
        let breaker = |toml: &str| validate_breaker(breaker_of(&sink(toml)), "", &mut Findings::default());
        assert_eq!(breaker(""), Some(Breaker::default()));
        assert_eq!(breaker("breaker = false"), None);
        let own = breaker("breaker = { failures = \"50%\", of = 4, cool_down = \"10s\" }").unwrap();
        assert_eq!((own.failures, own.of, own.cool_down.as_secs(), own.within), (50, 4, 10, Breaker::default().within));
    }

    #[test]
    fn every_bad_setting_of_a_breaker_is_named() {
        let toml =
            "breaker = { failures = \"0%\", of = 0, within = \"1d\", cool_down = \"x\", disable_after = \"30d\" }";
        let names = ["failures", "of", "within", "cool_down", "disable_after"].map(|n| format!("sinks[0].breaker.{n}"));
        assert_eq!(problems(toml), names);
    }
}
