//! The API keys of a tenant: what is stored of each, and how they are made, rotated and revoked.
//!
//! All keys of a tenant stand in one row. So a request with a key costs one small read, whatever id it names: a flood of
//! keys that do not exist costs no more reads than one that does. And a rotation, which changes two keys, is written
//! whole or not at all.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::api_key::{ApiKey, KeyDigest, KeyId};
use super::limit::Limits;
use super::principal::{Credential, Principal};
use super::refused::Refused;
use super::scope::Scopes;
use crate::time::after;

/// The most keys of a tenant that can be used at the same time.
pub const MOST_KEYS: usize = 50;
/// For how long a key that ended is still listed.
pub const KEPT: Duration = Duration::from_hours(30 * 24);
/// The most that end and are listed: the row has 400 KB at the most, and a key some 4.
const MOST_ENDED: usize = 20;

/// What is stored of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Its id.
    pub id: KeyId,
    /// The digest of the key itself.
    pub digest: KeyDigest,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The events that it is bound to.
    #[serde(default)]
    pub limits: Limits,
    /// When it was made.
    #[serde(with = "jiff::fmt::serde::timestamp::millisecond::required")]
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// From when on it is of no use any more.
    #[serde(
        default,
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(
        default,
        with = "jiff::fmt::serde::timestamp::millisecond::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub revoked_at: Option<Timestamp>,
    /// The key that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<KeyId>,
}

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// It can be used.
    Active,
    /// It can be used until it expires; another took its place.
    Replaced,
    /// It has expired.
    Expired,
    /// It was revoked.
    Revoked,
}

impl KeyState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Replaced => "replaced",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The events that it is bound to.
    pub limits: Limits,
    /// How long it can be used; for ever without it.
    pub lives: Option<Duration>,
}

/// A key that takes the place of another.
#[derive(Debug, Clone)]
pub struct Rotation<'a> {
    /// The key that is to go.
    pub old: &'a KeyId,
    /// The key that comes.
    pub new: &'a ApiKey,
    /// For how long both can be used.
    pub overlap: Duration,
}

/// Why the keys were not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyChangeRefused {
    /// There is no such key.
    #[error("there is no key {0}")]
    Unknown(KeyId),
    /// There is a key of this id already.
    #[error("there is a key {0} already")]
    Taken(KeyId),
    /// The key ended already.
    #[error("key {id} is {} already", .state.as_str())]
    Ended {
        /// The key.
        id: KeyId,
        /// What it is.
        state: KeyState,
    },
    /// Another took its place already.
    #[error("key {by} took the place of key {id} already")]
    Replaced {
        /// The key.
        id: KeyId,
        /// The one in its place.
        by: KeyId,
    },
    /// There are too many.
    #[error("there are {MOST_KEYS} keys that can be used, and no more are taken")]
    Full,
}

impl KeyRecord {
    fn of(key: &ApiKey, new: NewKey, by: &str, now: Timestamp) -> Self {
        Self {
            id: key.id.clone(),
            digest: key.digest(),
            name: new.name,
            scopes: new.scopes,
            limits: new.limits,
            created_at: now,
            created_by: by.to_owned(),
            expires_at: new.lives.map(|lives| after(now, lives)),
            revoked_at: None,
            replaced_by: None,
        }
    }

    /// Where it stands.
    pub fn state(&self, now: Timestamp) -> KeyState {
        match (self.revoked_at, self.expires_at, &self.replaced_by) {
            (Some(_), _, _) => KeyState::Revoked,
            (None, Some(expires_at), _) if expires_at <= now => KeyState::Expired,
            (None, _, Some(_)) => KeyState::Replaced,
            (None, _, None) => KeyState::Active,
        }
    }

    fn is_usable(&self, now: Timestamp) -> bool {
        matches!(self.state(now), KeyState::Active | KeyState::Replaced)
    }

    /// When it ended.
    fn ended_at(&self) -> Option<Timestamp> {
        self.revoked_at.or(self.expires_at)
    }

    /// Judges a key that was shown. It names the tenant whose record this is.
    ///
    /// # Errors
    /// Why it is of no use.
    pub fn judge(&self, shown: &ApiKey, now: Timestamp) -> Result<Principal, Refused> {
        // First, so that only who has the key learns what became of it.
        if !self.digest.is(&shown.digest()) {
            return Err(Refused::KeyMismatch);
        }
        match self.state(now) {
            KeyState::Revoked => Err(Refused::KeyRevoked),
            KeyState::Expired => Err(Refused::KeyExpired),
            KeyState::Active | KeyState::Replaced => Ok(Principal {
                tenant: shown.tenant.clone(),
                scopes: self.scopes.clone(),
                limits: self.limits.clone(),
                credential: Credential::from(shown),
            }),
        }
    }
}

/// The keys of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyRing {
    /// How often it was changed.
    pub revision: u64,
    /// The keys, in the order in which they were made.
    pub keys: Vec<KeyRecord>,
}

impl KeyRing {
    /// The key of this id.
    pub fn find(&self, id: &KeyId) -> Option<&KeyRecord> {
        self.keys.iter().find(|key| key.id == *id)
    }

    /// Adds a key. `by` is who does it.
    ///
    /// # Errors
    /// [`KeyChangeRefused::Taken`] or [`KeyChangeRefused::Full`].
    pub fn create(&mut self, key: &ApiKey, new: NewKey, by: &str, now: Timestamp) -> Result<(), KeyChangeRefused> {
        if self.find(&key.id).is_some() {
            return Err(KeyChangeRefused::Taken(key.id.clone()));
        }
        if self.keys.iter().filter(|key| key.is_usable(now)).count() >= MOST_KEYS {
            return Err(KeyChangeRefused::Full);
        }
        self.keys.push(KeyRecord::of(key, new, by, now));
        self.advance(now);
        Ok(())
    }

    /// Puts a key into the place of another, which can be used until the overlap is over. The new one may do the same,
    /// and lives as long as the old one was to live.
    ///
    /// # Errors
    /// [`KeyChangeRefused::Unknown`], [`KeyChangeRefused::Ended`], [`KeyChangeRefused::Replaced`], or as
    /// [`KeyRing::create`].
    pub fn rotate(&mut self, rotation: &Rotation<'_>, by: &str, now: Timestamp) -> Result<(), KeyChangeRefused> {
        let old = self.usable(rotation.old, now)?;
        if let Some(by) = &old.replaced_by {
            return Err(KeyChangeRefused::Replaced { id: old.id.clone(), by: by.clone() });
        }
        let lives = old.expires_at.and_then(|at| Duration::try_from(at.duration_since(old.created_at)).ok());
        let new = NewKey { name: old.name.clone(), scopes: old.scopes.clone(), limits: old.limits.clone(), lives };
        let until = after(now, rotation.overlap);
        let until = old.expires_at.map_or(until, |expires_at| expires_at.min(until));
        old.expires_at = Some(until);
        old.replaced_by = Some(rotation.new.id.clone());
        self.create(rotation.new, new, by, now)
    }

    /// Ends a key at once.
    ///
    /// # Errors
    /// [`KeyChangeRefused::Unknown`] or [`KeyChangeRefused::Ended`].
    pub fn revoke(&mut self, id: &KeyId, now: Timestamp) -> Result<(), KeyChangeRefused> {
        self.usable(id, now)?.revoked_at = Some(now);
        self.advance(now);
        Ok(())
    }

    fn usable(&mut self, id: &KeyId, now: Timestamp) -> Result<&mut KeyRecord, KeyChangeRefused> {
        let key = self.keys.iter_mut().find(|key| key.id == *id);
        let key = key.ok_or_else(|| KeyChangeRefused::Unknown(id.clone()))?;
        if !key.is_usable(now) {
            return Err(KeyChangeRefused::Ended { id: id.clone(), state: key.state(now) });
        }
        Ok(key)
    }

    /// Counts the change, and forgets what ended long ago. The audit log has all of it.
    fn advance(&mut self, now: Timestamp) {
        self.revision = self.revision.saturating_add(1);
        let is_kept =
            |key: &KeyRecord| key.is_usable(now) || key.ended_at().is_some_and(|ended_at| after(ended_at, KEPT) > now);
        self.keys.retain(is_kept);
        let mut spare = self.keys.iter().filter(|key| !key.is_usable(now)).count().saturating_sub(MOST_ENDED);
        self.keys.retain(|key| {
            let goes = spare > 0 && !key.is_usable(now);
            spare -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::scope::Scope;
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + seconds).unwrap()
    }

    fn key(number: u8) -> ApiKey {
        ApiKey::make(&"dev".parse().unwrap(), &"acme".parse().unwrap(), [number; 32], [number; 32])
    }

    fn new(lives: Option<Duration>) -> NewKey {
        let limits = Limits::read(["action.*"], None).unwrap();
        NewKey { name: "shop".to_owned(), scopes: [Scope::EventsWrite].into(), limits, lives }
    }

    fn ring() -> KeyRing {
        let mut ring = KeyRing::default();
        ring.create(&key(1), new(Some(Duration::from_hours(1))), "ana", at(0)).unwrap();
        ring
    }

    #[test]
    fn a_key_is_known_by_its_digest_until_it_expires() {
        let ring = ring();
        let record = ring.find(&key(1).id).unwrap();
        let principal = record.judge(&key(1), at(3599)).unwrap();
        assert_eq!((principal.tenant.as_str(), &principal.limits), ("acme", &record.limits));
        assert_eq!(record.judge(&key(1), at(3600)), Err(Refused::KeyExpired));
        let forged = ApiKey::make(&"dev".parse().unwrap(), &"acme".parse().unwrap(), [1; 32], [9; 32]);
        assert_eq!(forged.id, key(1).id);
        assert_eq!(record.judge(&forged, at(1)), Err(Refused::KeyMismatch));
        assert_eq!(
            record.judge(&forged, at(3600)),
            Err(Refused::KeyMismatch),
            "what became of it is told to no one else"
        );
    }

    #[test]
    fn a_revoked_key_is_of_no_use_and_revoked_once() {
        let mut ring = ring();
        ring.revoke(&key(1).id, at(5)).unwrap();
        assert_eq!(ring.find(&key(1).id).unwrap().judge(&key(1), at(6)), Err(Refused::KeyRevoked));
        let again = ring.revoke(&key(1).id, at(7)).unwrap_err();
        assert_eq!(again, KeyChangeRefused::Ended { id: key(1).id, state: KeyState::Revoked });
        assert_eq!(ring.revoke(&key(2).id, at(7)), Err(KeyChangeRefused::Unknown(key(2).id)));
        assert_eq!(ring.revision, 2);
    }

    #[test]
    fn a_rotation_leaves_both_keys_for_the_overlap_and_the_new_one_may_do_the_same() {
        let mut ring = ring();
        let (old, second) = (key(1).id, key(2));
        let rotation = Rotation { old: &old, new: &second, overlap: Duration::from_mins(10) };
        ring.rotate(&rotation, "bo", at(60)).unwrap();
        let (before, after) = (ring.find(&old).unwrap().clone(), ring.find(&second.id).unwrap().clone());
        assert_eq!(before.state(at(61)), KeyState::Replaced);
        assert!(before.judge(&key(1), at(659)).is_ok() && after.judge(&second, at(659)).is_ok());
        assert_eq!(before.judge(&key(1), at(660)), Err(Refused::KeyExpired));
        assert_eq!((&after.name, &after.scopes, &after.limits), (&before.name, &before.scopes, &before.limits));
        assert_eq!(after.expires_at, Some(at(60 + 3600)), "it lives as long as the first was to live");
        let third = key(3);
        let again = ring.rotate(&Rotation { new: &third, ..rotation }, "bo", at(61));
        assert_eq!(again, Err(KeyChangeRefused::Replaced { id: key(1).id, by: key(2).id }));
    }

    #[test]
    fn an_overlap_never_lengthens_the_life_of_a_key() {
        let mut ring = ring();
        let (old, second) = (key(1).id, key(2));
        ring.rotate(&Rotation { old: &old, new: &second, overlap: Duration::from_hours(24) }, "bo", at(60)).unwrap();
        assert_eq!(ring.find(&old).unwrap().expires_at, Some(at(3600)));
        let third = key(3);
        let late = ring.rotate(&Rotation { old: &old, new: &third, overlap: Duration::ZERO }, "bo", at(3600));
        assert_eq!(late, Err(KeyChangeRefused::Ended { id: old, state: KeyState::Expired }));
    }

    #[test]
    fn keys_are_bounded_and_those_that_ended_are_forgotten_after_a_month() {
        let mut ring = KeyRing::default();
        for number in 0..50 {
            ring.create(&key(number), new(None), "ana", at(0)).unwrap();
        }
        assert_eq!(ring.create(&key(50), new(None), "ana", at(0)), Err(KeyChangeRefused::Full));
        assert_eq!(ring.create(&key(1), new(None), "ana", at(0)), Err(KeyChangeRefused::Taken(key(1).id)));
        for number in 0..25 {
            ring.revoke(&key(number).id, at(1)).unwrap();
        }
        assert_eq!(ring.keys.len(), 25 + MOST_ENDED);
        assert!(ring.find(&key(0).id).is_none() && ring.find(&key(24).id).is_some(), "the oldest go first");
        ring.create(&key(51), new(None), "ana", after(at(1), KEPT)).unwrap();
        assert_eq!(ring.keys.len(), 26);
    }

    #[test]
    fn the_largest_ring_fits_a_row() {
        let types: Vec<String> = (0..10).map(|n| format!("{n}{}", "t".repeat(199))).collect();
        let limits = Limits::read(types.iter().map(String::as_str), Some(&"s".repeat(1024))).unwrap();
        let mut ring = KeyRing::default();
        for number in 0..70 {
            let new = NewKey {
                name: "\u{10ffff}".repeat(100),
                scopes: Scope::ALL.into(),
                limits: limits.clone(),
                lives: None,
            };
            ring.create(&key(number), new, &"a".repeat(200), at(0)).unwrap();
            if number < 20 {
                ring.revoke(&key(number).id, at(0)).unwrap();
            }
        }
        assert_eq!(ring.keys.len(), 70);
        let bytes = serde_json::to_string(&ring).unwrap().len();
        assert!(bytes < 350_000, "{bytes}");
    }

    #[test]
    fn a_ring_reads_back_as_it_is_stored_and_holds_no_key() {
        let mut ring = ring();
        let (old, second) = (key(1).id, key(2));
        ring.rotate(&Rotation { old: &old, new: &second, overlap: Duration::ZERO }, "bo", at(60)).unwrap();
        let json = serde_json::to_string(&ring).unwrap();
        assert_eq!(serde_json::from_str::<KeyRing>(&json).unwrap(), ring);
        assert!(!json.contains(key(1).expose()) && !json.contains(second.expose()));
    }
}
