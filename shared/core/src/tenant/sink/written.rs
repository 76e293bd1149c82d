//! A sink as it is written: the fields of every kind, and how they are told from those of its own kind.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value as Json};

use super::super::field;
use super::super::issue::{Findings, Issue};
#[cfg(feature = "schema")]
use super::super::pace::MAX_BURST;
#[cfg(feature = "schema")]
use super::super::text::{DurationText, EventType, Pattern, RateText, SinkIdText, between};
use super::RawTarget;
#[cfg(feature = "schema")]
use super::retry::{EXPIRIES, MAX_WAITS, default_waits};
use crate::kind::SinkKind;

/// Where a tenant's events go: what sinks of every kind have.
// `remote` makes what serde derives a function of this type: what all kinds have is read by it, and the rest by its
// kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename = "RawSink")]
pub struct RawSink {
    /// Its id, unique in the file. Deliveries and records name it; another id is another sink.
    #[cfg_attr(feature = "schema", schemars(with = "SinkIdText", extend("examples" = ["crm"])))]
    pub id: String,
    /// What kind of sink it is. Which fields it can have beside those of every sink depends on it.
    pub kind: String,
    /// Which types of events it takes: a type, all types below a prefix (`action.*`), or `*` for all but Acequia's own
    /// (`acequia.*`).
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Vec<EventType>", extend("minItems" = 1, "examples" = [["action.*", "supporter.updated"]]))
    )]
    pub types: Vec<String>,
    /// An event pattern in the syntax of `EventBridge`, over the whole event; all of it must match. Without it, all
    /// events of its types do. As JSON in a text it can say `null`, which TOML cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Pattern", extend("examples" = [{ "data": { "country": ["FR", "DE"] } }]))
    )]
    pub pattern: Option<Json>,
    /// `false` switches the sink off: its deliveries go to the dead-letter queue, and are there to be redriven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "bool", extend("default" = true, "examples" = [false])))]
    pub enabled: Option<bool>,
    /// The waits between attempts, each spread by 20 % to both sides: with n waits there are up to n + 1 attempts; an
    /// empty list means one attempt. What the queue of a forward sink does not take spends no attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Vec<DurationText>",
            extend(
                "default" = default_waits(),
                "maxItems" = MAX_WAITS,
                "x-bounds" = format!("up to {MAX_WAITS} waits, each of 1s or more, 13 days in all"),
                "examples" = [["5s", "1m", "10m", "1h", "6h"]]
            )
        )
    )]
    pub retry: Option<Vec<String>>,
    /// How long after its acceptance an event is still delivered; later it is recorded as expired and dropped. Without
    /// it, as long as `retry` lasts. An event's own `expirytime` counts where it is earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "DurationText", extend("x-bounds" = between(&EXPIRIES), "examples" = ["3d"]))
    )]
    pub expires_after: Option<String>,
    /// `true` claims each delivery in the ledger before it is made; a duplicate is then
    /// not sent. Mails are always claimed: e-mail sinks leave it out, or say `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "bool", extend("default" = false, "examples" = [true])))]
    pub strict: Option<bool>,
    /// How many deliveries may start in a second, a minute or an hour, over all instances of the function. Without it,
    /// there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "RateText", extend("x-bounds" = "1/h to 100000/s", "examples" = ["50/s"]))
    )]
    pub rate: Option<String>,
    /// How many of `rate` may start at once. Without it, those of one second, and one at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "u32", range(min = 1, max = MAX_BURST), extend("examples" = [100])))]
    pub burst: Option<u32>,
    /// `true` holds the sink's deliveries back: they wait in the queue, and lose no attempt. `acequia tenant pause` and
    /// `resume` set it, too; where a file leaves it out, applying it changes nothing of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "bool", extend("default" = false, "examples" = [true])))]
    pub paused: Option<bool>,
    /// `true` makes deliveries as ever, records them as `shadowed` with what would have been sent, and sends nothing: to
    /// see what a new filter or template does, with live events or by a replay. No archive has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "bool", extend("default" = false, "examples" = [true])))]
    pub shadow: Option<bool>,

    /// What its kind alone has; `None` where there is no such kind.
    #[serde(flatten, skip_deserializing)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub own: Option<RawTarget>,
    /// Fields that belong to other kinds. Validation refuses them.
    #[serde(flatten, skip_deserializing)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    foreign: Map<String, Json>,
}

impl Serialize for RawSink {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for RawSink {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Json::deserialize(deserializer)?;
        let told = |issues: Vec<Issue>| issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        Self::read(written, "").map_err(|issues| de::Error::custom(told(issues)))
    }
}

impl RawSink {
    /// The names of the fields that sinks of every kind have.
    fn shared_fields() -> &'static [&'static str] {
        field::names_by(|asked| Self::deserialize(asked).map(drop))
    }

    /// The kind that is written, where there is one of that name.
    pub(super) fn known_kind(&self) -> Option<SinkKind> {
        kind_of(&self.kind)
    }

    /// Reads a sink whose place in its document is `path`.
    ///
    /// # Errors
    /// All fields that no kind has, and the first that is missing or of the wrong type, of those that all kinds have
    /// and of its own kind's.
    pub(in crate::tenant) fn read(written: Json, path: &str) -> Result<Self, Vec<Issue>> {
        let Json::Object(written) = written else {
            return Self::read_shared(written, path).map_err(|issue| vec![issue]);
        };
        let kind = written.get("kind").and_then(Json::as_str).and_then(kind_of);
        let its_own = kind.map(RawTarget::fields).unwrap_or_default();
        let (mut shared, mut own) = (Map::new(), Map::new());
        let (mut foreign, mut issues) = (Map::new(), Vec::new());
        for (name, value) in written {
            let known = |fields: &[&str]| fields.contains(&name.as_str());
            if known(Self::shared_fields()) {
                shared.insert(name, value);
            } else if known(its_own) {
                own.insert(name, value);
            } else if SinkKind::ALL.into_iter().any(|kind| known(RawTarget::fields(kind))) {
                foreign.insert(name, value);
            } else {
                issues.push(unknown(&name, its_own, path));
            }
        }
        let own = kind.map(|kind| RawTarget::read(kind, Json::Object(own), path)).transpose();
        match (Self::read_shared(Json::Object(shared), path), own) {
            (Ok(sink), Ok(own)) if issues.is_empty() => Ok(Self { own, foreign, ..sink }),
            (shared, own) => {
                issues.extend(shared.err().into_iter().chain(own.err()));
                Err(issues)
            }
        }
    }

    /// Reads what sinks of every kind have.
    fn read_shared(written: Json, path: &str) -> Result<Self, Issue> {
        let mut track = serde_path_to_error::Track::new();
        Self::deserialize(serde_path_to_error::Deserializer::new(written, &mut track))
            .map_err(|error| Issue::of_shape(path, &track.path(), &error))
    }

    /// Reports the fields that belong to other kinds.
    pub(super) fn refuse_foreign_fields(&self, kind: SinkKind, path: &str, findings: &mut Findings) {
        for name in self.foreign.keys() {
            let owns = |kind: &SinkKind| RawTarget::fields(*kind).contains(&name.as_str());
            let owners: Vec<&str> = SinkKind::ALL.into_iter().filter(owns).map(SinkKind::as_str).collect();
            let problem = match owners.as_slice() {
                [owner] => format!("this is not a field of {kind} sinks, but of {owner} sinks"),
                owners => format!("this is a field of {} sinks", owners.join(" and ")),
            };
            findings.report(format!("{path}.{name}"), problem);
        }
    }
}

fn kind_of(word: &str) -> Option<SinkKind> {
    SinkKind::ALL.into_iter().find(|kind| kind.as_str() == word)
}

/// What serde would say of a field that is not there.
fn unknown(name: &str, own: &[&str], path: &str) -> Issue {
    let names: Vec<String> = RawSink::shared_fields().iter().chain(own).map(|name| format!("`{name}`")).collect();
    Issue {
        path: format!("{path}.{name}"),
        problem: format!("unknown field `{name}`, expected one of {}", names.join(", ")),
        line_in_value: None,
    }
}

/// What an editor may know of sinks: one shape per kind, with the fields of every sink and those of its own.
#[cfg(feature = "schema")]
pub(in crate::tenant) fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let kinds: Vec<Json> = SinkKind::ALL.into_iter().map(|kind| schema_of(kind, generator)).collect();
    schemars::json_schema!({ "type": "array", "items": { "oneOf": kinds } })
}

#[cfg(feature = "schema")]
fn schema_of(kind: SinkKind, generator: &mut schemars::SchemaGenerator) -> Json {
    let mut shared = Json::from(<RawSink as schemars::JsonSchema>::json_schema(generator));
    let own = Json::from(RawTarget::schema(kind, generator));
    let mut required: Vec<Json> = Vec::new();
    for of in [&shared, &own] {
        required.extend(of.get("required").and_then(Json::as_array).into_iter().flatten().cloned());
    }
    let mut properties = Map::new();
    for of in [&mut shared, &mut { own.clone() }] {
        properties
            .extend(of.get_mut("properties").and_then(Json::as_object_mut).map(std::mem::take).unwrap_or_default());
    }
    if let Some(property) = properties.get_mut("kind").and_then(Json::as_object_mut) {
        property.insert("enum".to_owned(), Json::from(vec![kind.as_str()]));
    }
    if kind.facts().always_claims
        && let Some(strict) = properties.get_mut("strict").and_then(Json::as_object_mut)
    {
        strict.insert("default".to_owned(), Json::from(true));
        strict.insert("enum".to_owned(), Json::from(vec![true]));
    }
    serde_json::json!({
        "title": format!("a sink of kind {kind}"),
        "description": own.get("description"),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
