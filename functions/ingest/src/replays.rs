//! Replays over HTTP: they are asked for, shown, stopped and gone on with here; the replay function runs them.
//!
//! The one thing that is written is the replay itself, with who asked. A request with an `Idempotency-Key` gives its replay
//! an id that is made of it, so that the same request finds the same replay, however often it comes.

use std::collections::BTreeMap;

use acequia_core::id::{EventId, ReplayId, SinkId, TenantId, digest};
use acequia_core::kind::SinkKind;
use acequia_core::port::{Chance, ReplayStore};
use acequia_core::replay::{FASTEST, Plan, Query, RATE, Was, price};
use acequia_core::wire::ReplayIds;
use acequia_lambda::http::{HttpRequest, HttpResponse};
use acequia_lambda::{CurrentTenant, Timing};
use acequia_operations::OperationError;
use acequia_operations::replay::request::{self, Wish};
use acequia_operations::replay::{Figures, ReplayStatus};
use acequia_operations::time;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::once;
use crate::problem::Problem;

/// The largest body that is read.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// How many replays are listed.
pub(crate) const MAX_LISTED: usize = 100;

/// What is asked for.
pub(crate) enum Asked {
    /// A new one.
    Begin,
    /// The last ones.
    List,
    /// One.
    Show(ReplayId),
    /// That one stops.
    Stop(ReplayId),
    /// That one goes on.
    Resume(ReplayId),
}

/// Who asks.
pub(crate) struct Of<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) current: &'a CurrentTenant,
    /// What the audit log calls the credential.
    pub(crate) by: &'a str,
    pub(crate) request: &'a HttpRequest,
    pub(crate) chance: &'a dyn Chance,
    pub(crate) timing: Timing<'a>,
}

/// A replay, as it is asked for.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ReplayRequest"))]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted<'a> {
    /// Events that were accepted from this time on (RFC 3339),
    #[cfg_attr(test, schemars(with = "String", extend("format" = "date-time")))]
    from: Timestamp,
    /// and before this one.
    #[cfg_attr(test, schemars(with = "String", extend("format" = "date-time")))]
    to: Timestamp,
    /// Which ids receivers see: those that they saw, or new ones.
    #[cfg_attr(test, schemars(with = "String", extend("enum" = ["same", "fresh"])))]
    ids: ReplayIds,
    /// Events of one of these types, as a sink's `types` say them; of any without.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>", extend("maxItems" = 50)))]
    types: Vec<String>,
    /// Events that match this event pattern.
    #[serde(default, borrow)]
    #[cfg_attr(test, schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    r#match: Option<&'a RawValue>,
    /// These events, as `source|id`.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>", extend("maxItems" = 100, "items" = {"type": "string", "pattern": "^/[a-z0-9]+\\|[a-z0-9]+$"})))]
    events: Vec<EventId>,
    /// Deliveries that came to this the first time.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Option<String>", extend("enum" = ["failed", "unmatched", "delivered", null])))]
    status: Option<Was>,
    /// To these sinks; without, to all that are enabled, but for archives and mails.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>", extend("maxItems" = 50, "items" = {"type": "string", "pattern": "^[a-z][a-z0-9-]{0,31}$"})))]
    sinks: Vec<SinkId>,
    /// The most deliveries a second.
    #[serde(default, deserialize_with = "whole")]
    #[cfg_attr(test, schemars(range(min = 1, max = 100_000)))]
    rate: Option<u32>,
    /// Whether it only counts.
    #[serde(default)]
    dry_run: bool,
    /// Whether it may run while another one of the tenant is under way.
    #[serde(default)]
    beside: bool,
}

/// How a replay goes on.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ReplayResumption"))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Onward {
    /// The most deliveries a second from now on.
    #[serde(deserialize_with = "whole")]
    #[cfg_attr(test, schemars(range(min = 1, max = 100_000)))]
    rate: Option<u32>,
    /// Whether it may run while another one of the tenant is under way.
    beside: bool,
}

/// A whole number, as JSON Schema has them: 100.0 is one, too.
fn whole<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else { return Ok(None) };
    let text = number.to_string();
    let whole = text.strip_suffix(".0").unwrap_or(&text);
    whole
        .parse()
        .map(Some)
        .map_err(|_| serde::de::Error::custom(format!("{text} is no whole number from 1 to {FASTEST}")))
}

/// A replay, as it is told.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Replay"))]
pub(crate) struct Told {
    /// Its id.
    id: String,
    /// Whose events.
    tenant: String,
    /// waiting, running, stopped or done; abandoned where who ran it by hand is gone.
    state: &'static str,
    /// Whether it counts, and sends nothing.
    dry_run: bool,
    /// From when on.
    from: String,
    /// Before when.
    to: String,
    /// Of which types.
    types: Vec<String>,
    /// The event pattern, as text.
    r#match: Option<String>,
    /// Which events.
    events: Vec<String>,
    /// What became of them.
    status: Option<&'static str>,
    /// To which sinks.
    sinks: Vec<String>,
    /// Which ids receivers see.
    ids: &'static str,
    /// Deliveries a second.
    rate: u32,
    /// The version of the configuration that it routes by.
    config_version: u64,
    /// Objects that were archived later are none of its.
    as_of: String,
    /// When it was asked for.
    created_at: String,
    /// When it was heard of last.
    updated_at: String,
    /// Archived objects that were read.
    objects: u64,
    /// Archived events that were read.
    lines: u64,
    /// Of these, repetitions.
    repeated: u64,
    /// Events that went to a sink at least; in a dry run those that would.
    events_sent: u64,
    /// Deliveries.
    deliveries: u64,
    /// The bytes of their events.
    bytes: u64,
    /// Objects and lines that could not be read.
    unreadable: u64,
    /// Deliveries that their queue refused.
    refused: u64,
    /// The deliveries by type and sink, most of them first.
    counts: Vec<Counted>,
    /// How many seconds that many deliveries take at the rate.
    seconds: u64,
    /// What that costs the platform, in dollars by list prices. Of a dry run that is done.
    price: Option<f64>,
    /// What happened with it.
    notes: Vec<Happened>,
    /// What went wrong; the first of it.
    troubles: Vec<String>,
}

/// The deliveries of one type to one sink.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ReplayCount"))]
struct Counted {
    r#type: String,
    sink: String,
    deliveries: u64,
    bytes: u64,
}

/// Something that happened with a replay. Who did it stands in the audit log, and is the operators' to read.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ReplayNote"))]
struct Happened {
    /// When.
    at: String,
    /// began, resumed, stopped or ended.
    did: String,
}

/// Replays, the last one first.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Replays"))]
pub(crate) struct Listed {
    /// The last hundred.
    replays: Vec<Told>,
    /// Whether there are more.
    more: bool,
}

/// Does what is asked, and tells how the replay stands.
pub(crate) async fn answer(store: &impl ReplayStore, of: &Of<'_>, asked: Asked) -> Result<HttpResponse, Problem> {
    match asked {
        Asked::Begin => begin(store, of).await,
        Asked::List => {
            let mut all = in_time(of, async { Ok(store.list(of.tenant).await?) }).await?;
            let more = all.len() > MAX_LISTED;
            all.truncate(MAX_LISTED);
            let told = all.into_iter().map(|one| of.told(ReplayStatus::of(of.tenant, one, of.timing.clock.now())));
            Ok(response(200, &Listed { replays: told.collect(), more }))
        }
        Asked::Show(id) => {
            let replay = in_time(of, request::load(store, of.tenant, &id)).await?;
            Ok(response(200, &of.told(ReplayStatus::of(of.tenant, replay, of.timing.clock.now()))))
        }
        Asked::Stop(id) => {
            let status = in_time(of, request::stop(store, of.tenant, &id, (of.by, of.timing.clock))).await?;
            of.log("a replay was stopped", &id);
            Ok(response(200, &of.told(status)))
        }
        Asked::Resume(id) => {
            let body = bytes(of.request)?;
            let onward: Onward = if body.is_empty() { Onward::default() } else { read(body)? };
            let rate = onward.rate.map(checked).transpose()?;
            let by = (of.by, of.timing.clock.now());
            let resumed = request::resume(store, of.tenant, &id, (rate, !onward.beside), by);
            let status = in_time(of, resumed).await?;
            of.log("a replay goes on", &id);
            Ok(response(202, &of.told(status)))
        }
    }
}

async fn begin(store: &impl ReplayStore, of: &Of<'_>) -> Result<HttpResponse, Problem> {
    let key = once::key(of.request)?;
    let body = bytes(of.request)?;
    let kind = of.request.header("content-type").unwrap_or_default();
    let is_json = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if !is_json || of.request.header("content-encoding").is_some() {
        return Err(Problem::json_wanted());
    }
    let wanted: Wanted<'_> = read(body)?;
    let now = of.timing.clock.now();
    let (dry_run, alone) = (wanted.dry_run, !wanted.beside);
    let (ids, rate) = (wanted.ids, checked(wanted.rate.unwrap_or(RATE))?);
    // The archive knows seconds: what is kept in this one is left out.
    let as_of = Timestamp::from_second(now.as_second()).unwrap_or_default();
    let plan = Plan { query: query(wanted), ids, rate, config_version: of.current.version, as_of };
    let id = match key {
        Some(key) => named(of.by, key).ok_or_else(Problem::idempotency_key)?,
        None => ReplayId::of(of.chance.bytes()),
    };
    let wish = Wish { plan, id, dry_run, alone };
    let asking = request::ask(store, (of.tenant, &of.current.tenant), wish, (of.by, now));
    let asked = in_time(of, asking).await?;
    of.log("a replay was asked for", &asked.status.id);
    let location = format!("/v1/tenants/{}/replays/{}", of.tenant, asked.status.id);
    let mut response = response(202, &of.told(asked.status));
    response.headers.insert("location", location);
    if asked.repeated {
        response.headers.insert("idempotency-replayed", "true".to_owned());
    }
    Ok(response)
}

fn query(wanted: Wanted<'_>) -> Query {
    let pattern = wanted.r#match.map(|pattern| pattern.get().to_owned());
    let Wanted { from, to, types, events, status, sinks, .. } = wanted;
    Query { from, to, types, pattern, events, status, sinks }
}

/// The id of the replay that is asked for under this key, by whom.
fn named(by: &str, key: &str) -> Option<ReplayId> {
    let digest = digest(format!("{by}\n{key}").as_bytes());
    format!("k{}", digest.get(..20)?).parse().ok()
}

fn checked(rate: u32) -> Result<u32, Problem> {
    let fits = (1..=FASTEST).contains(&rate);
    fits.then_some(rate).ok_or_else(|| Problem::replay_body(format!("rate is {rate}, and may be 1 to {FASTEST}")))
}

fn bytes(request: &HttpRequest) -> Result<&[u8], Problem> {
    let body =
        request.body.as_bytes().ok_or_else(|| Problem::replay_body("It is no base64, as the API handed it on."))?;
    if body.len() > MAX_BODY {
        return Err(Problem::too_large(format!("It has {} bytes, and a replay may have {MAX_BODY}.", body.len())));
    }
    Ok(body)
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::replay_body(format!("{error}; docs/API.md lists its members")))
}

/// What comes of work on replays in the time that there is, as a client is told it.
async fn in_time<T>(of: &Of<'_>, work: impl Future<Output = Result<T, OperationError>>) -> Result<T, Problem> {
    let done = of.timing.for_effects(work).await.ok_or_else(Problem::unavailable)?;
    done.map_err(|error| match error {
        OperationError::Query { source, .. } => Problem::replay_query(source.to_string()),
        OperationError::NoReplay { .. } => Problem::replay_unknown(),
        OperationError::ReplayDone { replay, .. } => Problem::replay_state(format!("Replay {replay} is done.")),
        OperationError::ReplayBusy { replay, .. } => Problem::replay_state(format!(
            "Replay {replay} is under way. Stop it, wait for its end, or ask with \"beside\": true."
        )),
        OperationError::ReplayContested { .. } if once::key(of.request).is_ok_and(|key| key.is_some()) => {
            Problem::key_reused()
        }
        error => {
            tracing::warn!(tenant.id = %of.tenant, error = ?error, "the store of replays does not answer");
            Problem::unavailable()
        }
    })
}

fn response(status_code: u16, told: &impl Serialize) -> HttpResponse {
    let headers = [("content-type", "application/json".to_owned()), ("cache-control", "no-store".to_owned())];
    // A struct of texts, numbers and lists always has a JSON form.
    let body = serde_json::to_string(told).unwrap_or_default();
    HttpResponse { status_code, headers: BTreeMap::from(headers), body }
}

impl Of<'_> {
    fn log(&self, what: &'static str, id: &ReplayId) {
        tracing::info!(tenant.id = %self.tenant, audit = "replay", credential = self.by, replay.id = %id, what);
    }

    fn told(&self, status: ReplayStatus) -> Told {
        let price =
            (status.dry_run && !status.state.is_open()).then(|| self.price(&status.figures, status.query.status));
        let Figures { objects, lines, repeated, events, deliveries, bytes, unreadable, refused, counts } =
            status.figures;
        let counted = |one: acequia_core::replay::Count| Counted {
            r#type: one.r#type,
            sink: one.sink.to_string(),
            deliveries: one.deliveries,
            bytes: one.bytes,
        };
        Told {
            id: status.id.to_string(),
            tenant: status.tenant.to_string(),
            state: status.state.as_str(),
            dry_run: status.dry_run,
            from: time::text(status.query.from),
            to: time::text(status.query.to),
            types: status.query.types,
            r#match: status.query.pattern,
            events: status.query.events,
            status: status.query.status,
            sinks: status.query.sinks.iter().map(ToString::to_string).collect(),
            ids: status.ids.as_str(),
            rate: status.rate,
            config_version: status.config_version,
            as_of: time::text(status.as_of),
            created_at: time::text(status.created_at),
            updated_at: time::text(status.updated_at),
            objects,
            lines,
            repeated,
            events_sent: events,
            deliveries,
            bytes,
            unreadable,
            refused,
            counts: counts.into_iter().map(counted).collect(),
            seconds: deliveries.div_ceil(u64::from(status.rate.max(1))),
            price,
            notes: status.notes.into_iter().map(|note| Happened { at: time::text(note.at), did: note.did }).collect(),
            troubles: status.troubles,
        }
    }

    /// What deliveries cost, by the kinds that their sinks have now.
    fn price(&self, figures: &Figures, status: Option<&str>) -> f64 {
        let kind = |id: &SinkId| {
            let known = self.current.tenant.sink(id);
            known.map_or((SinkKind::Webhook, false), |sink| (sink.kind(), sink.claims))
        };
        price(&figures.tally(), status.is_some(), kind).sum
    }
}
