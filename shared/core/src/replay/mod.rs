//! A replay: archived events that are sent again, by a query over the archive ([ADR
//! 68](../../../../docs/adr/0068-replay-reads-the-archive.md)).
//!
//! A [`Query`] says which events, and to which sinks; a [`Selection`] is the query with a version of the tenant's
//! configuration, and judges each line of the archive by itself. What is chosen goes straight to the sinks' queues as
//! deliveries of the replay ([`crate::delivery::Delivery::replayed`]), each with a record of its own in the ledger.
//!
//! Invariants:
//! - A dry run and a run that have the same query, configuration and `as_of` choose the same deliveries: objects that
//!   are kept later count for neither.
//! - Objects come in the order of their names, and lines as they stand. So the [`Place`] at which a run stopped says all
//!   that was done, and the next one goes on behind it; it reads the lines since [`Progress::folds_from`] again, and
//!   sends none of them twice.
//! - An object may lose lines to erasing, and keeps its name and when it was kept first. A place within one that did is
//!   at its beginning again: what stands there still is sent again, under the same id, and nothing is passed over.
//! - The place moves behind a delivery only after its queue has it. What a killed run sent since it wrote its place down
//!   last is sent again, under the same id and the same record of the ledger.
//!
//! Not guaranteed: order, which the archive does not have.

mod fold;
mod price;
mod query;
mod select;
mod tally;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::ReplayId;
use crate::time::after;
use crate::wire::{ReplayIds, Replayed};

pub use fold::{FOLD, Fold};
pub use price::{Price, price};
pub use query::{InvalidQuery, MAX_EVENTS, MAX_PATTERN_BYTES, MAX_SINKS, MAX_TYPES, Query, Was};
pub use select::{Candidate, Selection};
pub use tally::{Count, MAX_COUNTS, Tally};

/// How long a runner has the right to run a replay, from each time that it writes its place down.
pub const LEASE: Duration = Duration::from_mins(2);
/// How many deliveries a second a replay sends, where nothing else is said: live events stand behind them in the queue.
pub const RATE: u32 = 100;
/// The fastest rate.
pub const FASTEST: u32 = 100_000;
/// How many notes a replay keeps, and how many troubles.
pub const KEPT: usize = 20;
/// Who does what nobody asked for.
pub const PLATFORM: &str = "platform";
/// How many slices on end may fail of a replay that the platform runs, until it is stopped.
pub const MOST_FAILED: u32 = 20;

/// Where a replay stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was asked for, and the platform has not begun with it, or not gone on with it.
    Waiting,
    /// It is under way, or its runner died: the lease tells.
    Running,
    /// Somebody stopped it, or what it needs did not answer. It can go on.
    Stopped,
    /// All is sent.
    Done,
}

impl State {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Done => "done",
        }
    }

    /// Whether it is the tenant's one, while no other may be.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Waiting | Self::Running)
    }
}

/// A place in the archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The place of a batch ([`crate::archive::ObjectKey::place`]), wherever it is kept.
    pub object: String,
    /// How many of its lines are done.
    pub lines: u64,
    /// Which version of the batch has these lines, where it is not at its end: how many events it has. One that was erased
    /// from since has fewer, and is read from its beginning, for its lines have moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// How far a replay is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Behind which place it goes on; at the beginning without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The object with which repetitions began to be remembered: reading begins there again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds_from: Option<String>,
    /// What was done up to the place.
    pub tally: Tally,
}

/// Who did what with a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What, in one word: `began`, `stopped`, `resumed`, `ended`.
    pub did: String,
}

/// The right of one runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Whose it is.
    pub runner: String,
    /// Until when.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub until: Timestamp,
}

/// One replay of one tenant, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Its id.
    pub id: ReplayId,
    /// What is to be sent.
    pub query: Query,
    /// Which ids receivers see.
    pub ids: ReplayIds,
    /// The most deliveries a second.
    pub rate: u32,
    /// The version of the configuration that it routes by, from beginning to end.
    pub config_version: u64,
    /// Objects that were kept later are none of its.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub as_of: Timestamp,
    /// When it began.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// When it was written last.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub updated_at: Timestamp,
    /// Who began it, and what happened since; the last [`KEPT`].
    pub notes: Vec<Note>,
    /// Where it stands.
    pub state: State,
    /// Who runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// How far it is.
    pub progress: Progress,
    /// What went wrong on the way, in words; the first [`KEPT`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<String>,
    /// Whether the platform runs it, slice by slice, and not who began it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub platform: bool,
    /// Whether it counts, and sends nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dry_run: bool,
    /// How many slices failed on end, of a replay that the platform runs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_slices: u32,
    /// Grows by one with each writing.
    pub revision: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Replay {
    /// A replay that begins now.
    pub fn begin(id: ReplayId, plan: Plan, actor: &str, now: Timestamp) -> Self {
        let Plan { query, ids, rate, config_version, as_of } = plan;
        let notes = vec![Note { at: now, actor: actor.to_owned(), did: "began".to_owned() }];
        Self {
            id,
            query,
            ids,
            rate,
            config_version,
            as_of,
            created_at: now,
            updated_at: now,
            notes,
            state: State::Running,
            hold: None,
            progress: Progress::default(),
            troubles: Vec::new(),
            platform: false,
            dry_run: false,
            failed_slices: 0,
            revision: 0,
        }
    }

    /// The next revision, in which it waits for the platform to run it.
    #[must_use]
    pub fn waiting(self, now: Timestamp) -> Self {
        Self { state: State::Waiting, platform: true, hold: None, failed_slices: 0, ..self.next(now) }
    }

    /// Whether the platform is to go on with it: it waits, or is between two slices, or the runner of one died.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.platform && self.state.is_under_way() && self.runner(now).is_none()
    }

    /// The next revision behind a slice that did not come to the end. One that failed counts, and too many on end stop
    /// the replay; `failed` says what went wrong.
    #[must_use]
    pub fn yielded(self, failed: Option<&str>, now: Timestamp) -> Self {
        let mut next = Self { hold: None, ..self.next(now) };
        let Some(why) = failed else { return Self { failed_slices: 0, ..next } };
        next.failed_slices = next.failed_slices.saturating_add(1);
        // It fails in the same way each time, as a rule.
        if !next.troubles.iter().any(|trouble| trouble == why) {
            next.trouble(why);
        }
        if next.failed_slices < MOST_FAILED {
            return next;
        }
        next.trouble(format!("{MOST_FAILED} slices failed on end"));
        Self { state: State::Stopped, failed_slices: 0, ..next }.noting(PLATFORM, "stopped", now)
    }

    /// The mark of its deliveries.
    pub fn mark(&self) -> Replayed {
        Replayed { id: self.id.clone(), ids: self.ids, at: self.created_at }
    }

    /// Who runs it now, if somebody does.
    pub fn runner(&self, now: Timestamp) -> Option<&Hold> {
        self.hold.as_ref().filter(|hold| self.state == State::Running && hold.until > now)
    }

    /// The next revision, held by `runner`.
    #[must_use]
    pub fn held(self, runner: &str, now: Timestamp) -> Self {
        let hold = Some(Hold { runner: runner.to_owned(), until: after(now, LEASE) });
        Self { state: State::Running, hold, ..self.next(now) }
    }

    /// The next revision, in which it is stopped or done.
    #[must_use]
    pub fn ended(self, state: State, actor: &str, now: Timestamp) -> Self {
        let did = if state == State::Done { "ended" } else { "stopped" };
        Self { state, hold: None, ..self.next(now) }.noting(actor, did, now)
    }

    /// The next revision, in which it stands as it stood: only its progress is another.
    #[must_use]
    pub fn moved(self, now: Timestamp) -> Self {
        self.next(now)
    }

    /// The same with a note.
    #[must_use]
    pub fn noting(mut self, actor: &str, did: &str, now: Timestamp) -> Self {
        self.notes.push(Note { at: now, actor: actor.to_owned(), did: did.to_owned() });
        // The first one says who began it.
        while self.notes.len() > KEPT {
            self.notes.remove(1);
        }
        self
    }

    /// Keeps what went wrong, while there is room.
    pub fn trouble(&mut self, text: impl Into<String>) {
        if self.troubles.len() < KEPT {
            self.troubles.push(text.into());
        }
    }

    fn next(self, now: Timestamp) -> Self {
        Self { updated_at: now, revision: self.revision.saturating_add(1), ..self }
    }
}

/// What a replay is to do, before it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What is to be sent.
    pub query: Query,
    /// Which ids receivers see.
    pub ids: ReplayIds,
    /// The most deliveries a second.
    pub rate: u32,
    /// The version of the configuration that it routes by.
    pub config_version: u64,
    /// Objects that were kept later are none of its.
    pub as_of: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn replay() -> Replay {
        let query = Query::between(at(0), at(60));
        let plan = Plan { query, ids: ReplayIds::Same, rate: RATE, config_version: 3, as_of: at(90) };
        Replay::begin("r1".parse().unwrap(), plan, "ana", at(100))
    }

    #[test]
    fn a_replay_is_held_until_its_lease_ends_or_it_is_stopped() {
        let held = replay().held("me", at(100));
        assert_eq!(held.runner(at(219)).map(|hold| hold.runner.as_str()), Some("me"));
        assert_eq!(held.runner(at(220)), None);
        let stopped = held.ended(State::Stopped, "bob", at(101));
        assert_eq!((stopped.runner(at(102)), stopped.revision), (None, 2));
        let did: Vec<_> = stopped.notes.iter().map(|note| (note.actor.as_str(), note.did.as_str())).collect();
        assert_eq!(did, [("ana", "began"), ("bob", "stopped")]);
    }

    #[test]
    fn of_many_notes_and_troubles_the_first_and_the_last_stay() {
        let mut replay = replay();
        for n in 0..50 {
            replay = replay.noting(&n.to_string(), "resumed", at(n));
            replay.trouble(n.to_string());
        }
        let actors: Vec<&str> = replay.notes.iter().map(|note| note.actor.as_str()).collect();
        assert_eq!((actors.len(), actors[0], actors[1], actors[19]), (KEPT, "ana", "31", "49"));
        assert_eq!((replay.troubles.len(), replay.troubles[19].as_str()), (KEPT, "19"));
    }

    #[test]
    fn the_platform_goes_on_between_slices_and_gives_up_where_all_of_them_fail() {
        let mut replay = replay().waiting(at(100));
        assert!(replay.is_due(at(100)) && replay.state.is_under_way());
        replay = replay.held("one", at(101));
        assert!(!replay.is_due(at(102)) && replay.is_due(at(221)), "its runner may have died");
        replay = replay.yielded(None, at(110));
        assert!(replay.is_due(at(110)) && replay.state == State::Running);
        for slice in 1..MOST_FAILED {
            replay = replay.held("one", at(111)).yielded(Some("no answer"), at(112));
            assert!(replay.is_due(at(112)), "{slice}");
        }
        let on = replay.clone().held("one", at(113)).yielded(None, at(114));
        assert_eq!(on.failed_slices, 0, "one that goes well is enough");
        replay = replay.held("one", at(113)).yielded(Some("no answer"), at(114));
        assert_eq!((replay.state, replay.is_due(at(115))), (State::Stopped, false));
        assert_eq!(replay.troubles, ["no answer", "20 slices failed on end"]);
        assert!(!self::replay().held("cli", at(0)).is_due(at(900)), "what a person runs is that person's");
    }

    #[test]
    fn a_replay_survives_its_stored_form() {
        let mut replay = replay().held("me", at(100));
        replay.progress.place = Some(Place { object: "x".to_owned(), lines: 3, version: None });
        replay.progress.tally.choose("t", &"crm".parse().unwrap(), 10);
        let stored = serde_json::to_string(&replay).unwrap();
        assert_eq!(serde_json::from_str::<Replay>(&stored).unwrap(), replay);
    }
}
