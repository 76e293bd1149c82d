//! What a replay would do, and how far one is.

use acequia_core::id::{ReplayId, SinkId, TenantId};
use acequia_core::replay::{Count, Note, Plan, Price, Progress, Query, Replay, State, Tally};
use acequia_core::wire::ReplayIds;
use jiff::Timestamp;
use serde::Serialize;

use crate::time;

/// What a replay would send: exactly that, while nothing is said anew.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preview {
    /// Whose events.
    pub tenant: TenantId,
    /// From when on they were accepted,
    #[serde(serialize_with = "time::one")]
    pub from: Timestamp,
    /// and before when.
    #[serde(serialize_with = "time::one")]
    pub to: Timestamp,
    /// Objects that were kept later count for nothing.
    #[serde(serialize_with = "time::one")]
    pub as_of: Timestamp,
    /// The version of the configuration that says which sinks take what.
    pub config_version: u64,
    /// Which ids receivers would see.
    pub ids: ReplayIds,
    /// The sinks that would be sent to.
    pub sinks: Vec<SinkId>,
    /// What it comes to.
    #[serde(flatten)]
    pub figures: Figures,
    /// Deliveries a second.
    pub rate: u32,
    /// How long that takes.
    pub seconds: u64,
    /// What it costs, in dollars.
    pub price: Price,
    /// What could not be read, in words; the first of it.
    pub troubles: Vec<String>,
}

/// Numbers of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Objects that were read.
    pub objects: u64,
    /// Archived events that were read.
    pub lines: u64,
    /// Of these, repetitions of one that had been chosen.
    pub repeated: u64,
    /// Events that are sent to a sink at least.
    pub events: u64,
    /// Deliveries.
    pub deliveries: u64,
    /// The bytes of their events.
    pub bytes: u64,
    /// Objects and lines that could not be read.
    pub unreadable: u64,
    /// Deliveries that their queue refused.
    pub refused: u64,
    /// The deliveries by type and sink, most of them first.
    pub counts: Vec<Count>,
}

impl From<&Tally> for Figures {
    fn from(tally: &Tally) -> Self {
        let mut counts = tally.counts.clone();
        counts.sort_by(|a, b| (b.deliveries, &a.r#type, &a.sink).cmp(&(a.deliveries, &b.r#type, &b.sink)));
        Self {
            objects: tally.objects,
            lines: tally.lines,
            repeated: tally.repeated,
            events: tally.events,
            deliveries: tally.deliveries,
            bytes: tally.bytes,
            unreadable: tally.unreadable,
            refused: tally.refused,
            counts,
        }
    }
}

impl Figures {
    /// The numbers as they are counted.
    pub fn tally(&self) -> Tally {
        let Self { objects, lines, repeated, events, deliveries, bytes, unreadable, refused, counts } = self.clone();
        Tally { objects, lines, repeated, events, deliveries, bytes, unreadable, refused, counts }
    }
}

impl Preview {
    pub(super) fn of(
        (tenant, plan): (&TenantId, &Plan),
        sinks: Vec<SinkId>,
        progress: &Progress,
        (price, troubles): (Price, Vec<String>),
    ) -> Self {
        let Plan { query, ids, rate, config_version, as_of } = plan;
        let figures = Figures::from(&progress.tally);
        Self {
            tenant: tenant.clone(),
            from: query.from,
            to: query.to,
            as_of: *as_of,
            config_version: *config_version,
            ids: *ids,
            sinks,
            seconds: figures.deliveries.div_ceil(u64::from((*rate).max(1))),
            figures,
            rate: *rate,
            price,
            troubles,
        }
    }
}

/// Where a replay stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplayStatus {
    /// Its id.
    pub id: ReplayId,
    /// Whose events.
    pub tenant: TenantId,
    /// Where it stands.
    pub state: Standing,
    /// Whether the platform runs it, and not who began it.
    pub platform: bool,
    /// Whether it counts, and sends nothing.
    pub dry_run: bool,
    /// What is asked for.
    pub query: Asked,
    /// Which ids receivers see.
    pub ids: ReplayIds,
    /// Deliveries a second.
    pub rate: u32,
    /// The version of the configuration that it routes by.
    pub config_version: u64,
    /// Objects that were kept later are none of its.
    #[serde(serialize_with = "time::one")]
    pub as_of: Timestamp,
    /// When it began.
    #[serde(serialize_with = "time::one")]
    pub created_at: Timestamp,
    /// When it was heard of last.
    #[serde(serialize_with = "time::one")]
    pub updated_at: Timestamp,
    /// The object behind which, or in which, it goes on.
    pub place: Option<String>,
    /// What it has sent so far.
    #[serde(flatten)]
    pub figures: Figures,
    /// Who did what with it.
    pub notes: Vec<Noted>,
    /// What went wrong; the first of it.
    pub troubles: Vec<String>,
}

/// What a replay was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// From when on.
    #[serde(serialize_with = "time::one")]
    pub from: Timestamp,
    /// Before when.
    #[serde(serialize_with = "time::one")]
    pub to: Timestamp,
    /// Of which types.
    pub types: Vec<String>,
    /// The event pattern, as JSON.
    pub pattern: Option<String>,
    /// Which events.
    pub events: Vec<String>,
    /// What became of them.
    pub status: Option<&'static str>,
    /// To which sinks.
    pub sinks: Vec<SinkId>,
}

impl From<&Query> for Asked {
    fn from(query: &Query) -> Self {
        Self {
            from: query.from,
            to: query.to,
            types: query.types.clone(),
            pattern: query.pattern.clone(),
            events: query.events.iter().map(ToString::to_string).collect(),
            status: query.status.map(acequia_core::replay::Was::as_str),
            sinks: query.sinks.clone(),
        }
    }
}

/// Who did what with a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Noted {
    /// When.
    #[serde(serialize_with = "time::one")]
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub did: String,
}

impl From<Note> for Noted {
    fn from(note: Note) -> Self {
        let Note { at, actor, did } = note;
        Self { at, actor, did }
    }
}

/// Where a replay stands, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// The platform begins with it, or goes on, within a minute or two.
    Waiting,
    /// Somebody runs it.
    Running,
    /// Its runner died: `resume` goes on with it.
    Abandoned,
    /// It was stopped: `resume` goes on with it.
    Stopped,
    /// All is sent.
    Done,
}

impl Standing {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Abandoned => "abandoned",
            Self::Stopped => "stopped",
            Self::Done => "done",
        }
    }

    /// Whether there is something left to do.
    pub fn is_open(self) -> bool {
        self != Self::Done
    }
}

impl ReplayStatus {
    /// Of a replay as it is stored.
    pub fn of(tenant: &TenantId, replay: Replay, now: Timestamp) -> Self {
        let state = match replay.state {
            State::Waiting => Standing::Waiting,
            // Between two slices nobody holds it.
            State::Running if replay.runner(now).is_none() && !replay.platform => Standing::Abandoned,
            State::Running => Standing::Running,
            State::Stopped => Standing::Stopped,
            State::Done => Standing::Done,
        };
        Self {
            id: replay.id,
            tenant: tenant.clone(),
            state,
            platform: replay.platform,
            dry_run: replay.dry_run,
            query: Asked::from(&replay.query),
            ids: replay.ids,
            rate: replay.rate,
            config_version: replay.config_version,
            as_of: replay.as_of,
            created_at: replay.created_at,
            updated_at: replay.updated_at,
            place: replay.progress.place.map(|place| place.object),
            figures: Figures::from(&replay.progress.tally),
            notes: replay.notes.into_iter().map(Noted::from).collect(),
            troubles: replay.troubles,
        }
    }

    /// Whether all that was asked for was sent.
    pub fn is_complete(&self) -> bool {
        self.state == Standing::Done && self.figures.unreadable == 0 && self.figures.refused == 0
    }
}
