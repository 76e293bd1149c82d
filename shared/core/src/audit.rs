//! The audit log of a tenant: who did what, each row with the hash of the one before it, so that none can be changed or
//! left out unseen.
//!
//! Rows say what was done and to how much, never to whom: no personal data, and no values.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What kind of thing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditAction {
    /// A version of the configuration was made, a pause included.
    Configuration,
    /// API keys were changed.
    Keys,
    /// A secret was written.
    Secret,
    /// Dead letters were moved back.
    Redrive,
    /// Dead letters were deleted.
    Purge,
    /// Archived events were sent again.
    Replay,
    /// What is kept about a person was written into a file.
    Export,
    /// What is kept about a person was erased.
    Erase,
    /// Small objects of the archive were made one.
    Compact,
}

impl AuditAction {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Configuration,
        Self::Keys,
        Self::Secret,
        Self::Redrive,
        Self::Purge,
        Self::Replay,
        Self::Export,
        Self::Erase,
        Self::Compact,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Keys => "keys",
            Self::Secret => "secret",
            Self::Redrive => "redrive",
            Self::Purge => "purge",
            Self::Replay => "replay",
            Self::Export => "export",
            Self::Erase => "erase",
            Self::Compact => "compact",
        }
    }
}

/// What is to be written of something that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditNote {
    /// What kind of thing it is.
    pub action: AuditAction,
    /// Who does it.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// What is done, in one line without values.
    pub summary: String,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// When.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What kind of thing was done.
    pub action: AuditAction,
    /// The version of the configuration that was current; 0 where there was none.
    pub from: u64,
    /// The one that was current afterwards: the next where the configuration was changed, else the same.
    pub to: u64,
    /// What was done, in one line.
    pub summary: String,
    /// The hash of the row before; empty in the first.
    pub previous: String,
    /// The hash of this row: over all of the above.
    pub hash: String,
}

impl AuditRow {
    /// The row of something that was done while `version` was current, behind the row whose hash is `previous`.
    pub fn of(note: &AuditNote, version: u64, previous: &str) -> Self {
        let is_version = note.action == AuditAction::Configuration;
        let mut row = Self {
            at: note.at,
            actor: note.actor.clone(),
            action: note.action,
            from: version,
            to: version.saturating_add(u64::from(is_version)),
            summary: note.summary.clone(),
            previous: previous.to_owned(),
            hash: String::new(),
        };
        row.hash = row.compute_hash();
        row
    }

    /// The rows in the order of their links, each behind the one whose hash it names; behind them, as they came, those
    /// that follow from none.
    pub fn linked(rows: Vec<Self>) -> Vec<Self> {
        let mut open = rows;
        let mut linked: Vec<Self> = Vec::with_capacity(open.len());
        loop {
            let last = linked.last().map_or("", |row| row.hash.as_str());
            // As a rule it is the first.
            let Some(next) = open.iter().position(|row| row.previous == last) else { break };
            linked.push(open.remove(next));
        }
        linked.append(&mut open);
        linked
    }

    /// The hash that the row must have.
    pub fn compute_hash(&self) -> String {
        let Self { at, actor, action, from, to, summary, previous, hash: _ } = self;
        let fields = (at.as_millisecond(), actor, action.as_str(), from, to, summary, previous);
        // A tuple of numbers and texts always has a JSON form.
        crate::id::digest(serde_json::to_string(&fields).unwrap_or_default().as_bytes())
    }
}

/// The first row that is not as it was written, or does not follow from the one before: its place in the log, and the
/// version that was current. `current` is the version that is current now, `head` the hash of the last row, as it is
/// remembered beside the log.
pub fn first_break(rows: &[AuditRow], current: u64, head: Option<&str>) -> Option<Break> {
    let (mut version, mut previous) = (0, "");
    for (place, row) in rows.iter().enumerate() {
        let is_version = row.action == AuditAction::Configuration;
        let follows = row.from == version && row.to == version.saturating_add(u64::from(is_version));
        if !follows || row.previous != previous || row.hash != row.compute_hash() {
            return Some(Break { row: place + 1, version: version.saturating_add(u64::from(is_version)) });
        }
        (version, previous) = (row.to, &row.hash);
    }
    let is_whole = version >= current && head.is_none_or(|head| rows.last().is_some_and(|row| row.hash == head));
    (!is_whole).then(|| Break { row: rows.len() + 1, version: version.saturating_add(u64::from(version < current)) })
}

/// Where a log breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Break {
    /// The row, from 1: the first that is wrong, or missing.
    pub row: usize,
    /// The version of the configuration that it made, or that was current.
    pub version: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(action: AuditAction) -> AuditNote {
        AuditNote { action, actor: "ana".to_owned(), at: Timestamp::UNIX_EPOCH, summary: "something".to_owned() }
    }

    fn rows(actions: &[AuditAction]) -> Vec<AuditRow> {
        let mut rows: Vec<AuditRow> = Vec::new();
        for action in actions {
            let (version, previous) = rows.last().map_or((0, String::new()), |row| (row.to, row.hash.clone()));
            rows.push(AuditRow::of(&note(*action), version, &previous));
        }
        rows
    }

    const ACTIONS: [AuditAction; 6] = [
        AuditAction::Secret,
        AuditAction::Configuration,
        AuditAction::Keys,
        AuditAction::Configuration,
        AuditAction::Redrive,
        AuditAction::Purge,
    ];

    #[test]
    fn each_action_has_the_word_that_is_stored() {
        for action in AuditAction::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
        }
    }

    #[test]
    fn an_untouched_log_has_no_break_and_its_rows_are_found_in_their_order() {
        let rows = rows(&ACTIONS);
        assert_eq!(first_break(&rows, 2, Some(&rows[5].hash)), None);
        assert_eq!(AuditRow::linked(rows.iter().rev().cloned().collect()), rows);
        assert_eq!(first_break(&[], 0, None), None);
    }

    #[test]
    fn a_changed_a_missing_and_a_cut_off_row_are_found_wherever_they_stand() {
        let whole = rows(&ACTIONS);
        let head = whole[5].hash.clone();
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place].actor = "eve".to_owned();
            assert_eq!(first_break(&changed, 2, Some(&head)).unwrap().row, place + 1, "changed {place}");
            let mut rehashed = changed.clone();
            rehashed[place].hash = rehashed[place].compute_hash();
            assert!(first_break(&rehashed, 2, Some(&head)).is_some(), "hashed anew {place}");
            let mut missing = whole.clone();
            missing.remove(place);
            assert_eq!(first_break(&missing, 2, Some(&head)).unwrap().row, place + 1, "missing {place}");
        }
        assert_eq!(first_break(&whole[..5], 2, Some(&head)), Some(Break { row: 6, version: 2 }));
        assert_eq!(first_break(&whole[..3], 2, None), Some(Break { row: 4, version: 2 }));
    }

    #[test]
    fn a_row_behind_the_last_one_that_is_remembered_is_a_break() {
        let whole = rows(&ACTIONS);
        assert!(first_break(&whole, 2, Some(&whole[4].hash)).is_some());
    }
}
