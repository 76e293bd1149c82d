//! Which dead letters go back by themselves, when, and how often: `auto_redrive` in a tenant's configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::issue::{Findings, Issue, Issues};
#[cfg(feature = "schema")]
use super::text::{DurationText, between, span};
use crate::delivery::redrive::AutoRedrive;
use crate::outcome::{RECEIVED_TOO_OFTEN, Reason};

/// What passes by itself, or when the receiver or the operator mends something that no configuration says.
const DEFAULT_REASONS: [Reason; 3] = [Reason::AttemptsExhausted, Reason::QueueMissing, Reason::SecretUnusable];
/// What may go back without a person: what may end in another way the next time.
pub(super) const REDRIVABLE: [Reason; 12] = [
    Reason::AttemptsExhausted,
    Reason::QueueMissing,
    Reason::SecretUnusable,
    Reason::NotGranted,
    Reason::UnknownSink,
    Reason::SinkDisabled,
    Reason::EndpointGone,
    Reason::HttpStatus,
    Reason::EgressRefused,
    Reason::TemplateVariable,
    Reason::TemplateFailed,
    Reason::Rejected,
];
const DEFAULT_AFTER: Duration = Duration::from_hours(1);
const DEFAULT_TIMES: u32 = 3;

const SHORTEST: Duration = Duration::from_mins(15);
const LONGEST: Duration = Duration::from_hours(7 * 24);
const MOST: u32 = 10;
/// A dead-letter queue keeps a message for 14 days, and a day is left for the run that comes late.
const LONGEST_WAIT: Duration = Duration::from_hours(13 * 24);

/// Which dead letters go back to their queues by themselves, when, and how often. A redrive by an operator counts as
/// one, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RawAutoRedrive {
    /// The codes of the reasons that are meant, as `acequia dlq list` shows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Vec<ReasonText>",
            extend("default" = DEFAULT_REASONS, "minItems" = 1, "examples" = [["attempts-exhausted", "http-status"]])
        )
    )]
    pub reasons: Option<Vec<String>>,
    /// How long a dead letter waits the first time; each time twice as long as the time before, and 13 days at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "DurationText",
            extend("default" = span(DEFAULT_AFTER), "x-bounds" = between(&(SHORTEST..=LONGEST)), "examples" = ["15m"])
        )
    )]
    pub after: Option<String>,
    /// How often a delivery is redriven at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "u32", range(min = 1, max = MOST), extend("default" = DEFAULT_TIMES, "examples" = [5]))
    )]
    pub times: Option<u32>,
}

/// The code of a reason that can be redriven without a person.
#[cfg(feature = "schema")]
struct ReasonText;

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ReasonText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "reason".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let codes: Vec<&str> = REDRIVABLE.into_iter().map(Reason::as_str).collect();
        schemars::json_schema!({ "type": "string", "enum": codes, "x-type": "reason" })
    }
}

impl AutoRedrive {
    /// The settings as written of a tenant that has some, without a look at the rest of its configuration.
    ///
    /// # Errors
    /// All problems of the settings together.
    pub fn of(raw: Option<&RawAutoRedrive>) -> Result<Option<Self>, Issues> {
        let mut findings = Findings::default();
        let settings = validate_auto_redrive(raw, &mut findings);
        findings.conclude(Some(settings))
    }

    /// The settings as the list of tenants that want them has them: the section as JSON.
    ///
    /// # Errors
    /// All problems of the settings together.
    pub fn from_json(section: &str) -> Result<Option<Self>, Issues> {
        let raw: RawAutoRedrive = serde_json::from_str(section).map_err(|error| {
            let path = "auto_redrive".to_owned();
            Issues(vec![Issue { path, problem: format!("not the section: {error}"), line_in_value: None }])
        })?;
        Self::of(Some(&raw))
    }
}

/// Validates the settings of a tenant.
pub(super) fn validate_auto_redrive(raw: Option<&RawAutoRedrive>, findings: &mut Findings) -> Option<AutoRedrive> {
    let raw = raw?;
    let mut reasons = Vec::new();
    match &raw.reasons {
        None => reasons.extend(DEFAULT_REASONS),
        Some(codes) if codes.is_empty() => findings.report(
            "auto_redrive.reasons",
            "there is none: name one at least, or leave auto_redrive out where nothing is to go back by itself",
        ),
        Some(codes) => {
            for (index, code) in codes.iter().enumerate() {
                match read_reason(code) {
                    Ok(reason) => reasons.push(reason),
                    Err(problem) => findings.report(format!("auto_redrive.reasons[{index}]"), problem),
                }
            }
        }
    }
    let after = raw.after.as_deref().map_or(Some(DEFAULT_AFTER), |text| {
        humantime::parse_duration(text).ok().filter(|time| (SHORTEST..=LONGEST).contains(time))
    });
    if after.is_none() {
        let text = raw.after.as_deref().unwrap_or_default();
        findings.report("auto_redrive.after", format!("{text:?} is not a duration of 15m to 7d"));
    }
    let settings = AutoRedrive { reasons, after: after?, times: raw.times.unwrap_or(DEFAULT_TIMES) };
    if !(1..=MOST).contains(&settings.times) {
        findings.report("auto_redrive.times", format!("it must be 1 to {MOST}"));
    } else if settings.wait(settings.times - 1) > LONGEST_WAIT {
        let last = humantime::format_duration(settings.wait(settings.times - 1));
        let problem = format!(
            "the last of {} waits would be {last}, and a dead letter is kept for 14 days: take fewer, or a shorter after",
            settings.times
        );
        findings.report("auto_redrive.times", problem);
    }
    Some(settings)
}

/// Reads the code of a reason that may be redriven without a person.
fn read_reason(code: &str) -> Result<Reason, String> {
    if [RECEIVED_TOO_OFTEN, "crash-loop"].contains(&code) {
        return Err(format!(
            "{code} never goes back by itself: it stopped its neighbours before, and nobody knows how far it came"
        ));
    }
    let read = serde_json::from_value::<Reason>(serde_json::Value::String(code.to_owned()));
    let reason = read.map_err(|_| {
        format!("{code:?} is not the code of a reason, such as attempts-exhausted: acequia dlq list shows them")
    })?;
    match reason {
        reason if REDRIVABLE.contains(&reason) => Ok(reason),
        Reason::Ambiguous => {
            Err("ambiguous never goes back by itself: it may have arrived, and the tenant wants a person to decide"
                .to_owned())
        }
        _ => Err(format!(
            "{reason} never goes back by itself: the same message fails in the same way ({})",
            reason.advice()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::raw::RawTenant;
    use super::*;

    fn read(toml: &str) -> Result<Option<AutoRedrive>, Issues> {
        let text = format!("tenant = \"acme\"\nname = \"Acme\"\n{toml}");
        AutoRedrive::of(RawTenant::from_value(toml::from_str(&text).unwrap())?.auto_redrive.as_ref())
    }

    fn problem(toml: &str) -> (String, String) {
        let issue = read(&format!("[auto_redrive]\n{toml}")).unwrap_err().0.remove(0);
        (issue.path, issue.problem)
    }

    #[test]
    fn without_the_table_nothing_goes_back_by_itself_and_an_empty_one_is_the_default() {
        assert_eq!(read("").unwrap(), None);
        let default = read("[auto_redrive]").unwrap().unwrap();
        assert_eq!((default.after, default.times), (Duration::from_hours(1), 3));
        assert_eq!(default.reasons, DEFAULT_REASONS);
    }

    #[test]
    fn each_setting_is_read_and_survives_storing() {
        let toml = "[auto_redrive]\nreasons = [\"http-status\", \"sink-disabled\"]\nafter = \"15m\"\ntimes = 10";
        let settings = read(toml).unwrap().unwrap();
        assert_eq!(settings.reasons, [Reason::HttpStatus, Reason::SinkDisabled]);
        assert_eq!((settings.after, settings.times), (Duration::from_mins(15), 10));
        let text = format!("tenant = \"acme\"\nname = \"Acme\"\n{toml}");
        let raw = RawTenant::from_value(toml::from_str(&text).unwrap()).unwrap();
        assert_eq!(RawTenant::from_json(&raw.to_json()).unwrap(), raw);
    }

    #[test]
    fn each_mistake_is_refused_with_the_path_of_its_field() {
        let rows = [
            ("reasons = []", "auto_redrive.reasons", "one at least"),
            ("reasons = [\"http-status\", \"bad-luck\"]", "auto_redrive.reasons[1]", "not the code"),
            ("reasons = [\"ambiguous\"]", "auto_redrive.reasons[0]", "a person to decide"),
            ("reasons = [\"crash-loop\"]", "auto_redrive.reasons[0]", "neighbours"),
            ("reasons = [\"received-too-often\"]", "auto_redrive.reasons[0]", "neighbours"),
            ("reasons = [\"not-json\"]", "auto_redrive.reasons[0]", "fails in the same way"),
            ("reasons = [\"payload-conflict\"]", "auto_redrive.reasons[0]", "fails in the same way"),
            ("after = \"14m\"", "auto_redrive.after", "15m to 7d"),
            ("after = \"8d\"", "auto_redrive.after", "15m to 7d"),
            ("after = \"soon\"", "auto_redrive.after", "15m to 7d"),
            ("times = 0", "auto_redrive.times", "1 to 10"),
            ("times = 11", "auto_redrive.times", "1 to 10"),
            ("times = 10", "auto_redrive.times", "14 days"),
            ("after = \"7d\"", "auto_redrive.times", "14 days"),
            ("often = 3", "auto_redrive.often", "unknown field"),
        ];
        for (toml, path, words) in rows {
            let found = problem(toml);
            assert!(found.0 == path && found.1.contains(words), "{toml}: {found:?}");
        }
    }

    #[test]
    fn each_wait_is_twice_the_one_before() {
        let settings = read("[auto_redrive]").unwrap().unwrap();
        assert_eq!([0, 1, 2, 8].map(|n| settings.wait(n).as_secs() / 3600), [1, 2, 4, 256]);
        assert!(settings.wait(u32::MAX) > LONGEST_WAIT);
    }
}
