//! The archive, in memory.

use std::collections::BTreeMap;

use acequia_core::archive::ObjectKey;
use acequia_core::id::{TenantId, digest};
use acequia_core::port::{
    Archive, ArchiveEraser, ArchiveReader, ArchiveUpkeep, Listing, MAX_PACKED_BYTES, ReadError, StoredObject,
    Unavailable,
};
use jiff::Timestamp;

use crate::build::start;
use crate::fault::Faults;
use crate::shared::Shared;

/// How many names a page has.
const PAGE: usize = 1_000;

#[derive(Debug, Clone)]
struct Object {
    key: ObjectKey,
    content: Vec<u8>,
    kept_at: Timestamp,
    first_kept: Timestamp,
}

impl Object {
    fn stored(&self) -> StoredObject {
        StoredObject {
            key: self.key.clone(),
            bytes: self.content.len() as u64,
            kept_at: self.kept_at,
            version: digest(&self.content),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Object>,
    now: Option<Timestamp>,
    foreign: Vec<String>,
}

/// An archive in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryArchive {
    state: Shared<State>,
    /// Makes keeping fail.
    pub writes: Faults,
    /// Makes listing fail.
    pub lists: Faults,
    /// Makes reading fail.
    pub reads: Faults,
    /// Makes taking away fail.
    pub removals: Faults,
}

impl InMemoryArchive {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is in it, by name.
    pub fn objects(&self) -> BTreeMap<ObjectKey, Vec<u8>> {
        self.state.lock().objects.values().map(|object| (object.key.clone(), object.content.clone())).collect()
    }

    /// Says when objects are kept from now on; at the beginning of time of tests without.
    pub fn keeps_at(&self, now: Timestamp) {
        self.state.lock().now = Some(now);
    }

    /// Takes an object away.
    pub fn remove(&self, key: &ObjectKey) {
        self.state.lock().objects.remove(&key.to_string());
    }

    /// Puts other content in an object's place, as nothing of ours does.
    pub fn damage(&self, key: &ObjectKey, content: Vec<u8>) {
        if let Some(there) = self.state.lock().objects.get_mut(&key.to_string()) {
            there.content = content;
        }
    }

    /// Puts something into it that is none of the archive's.
    pub fn put_foreign(&self, name: &str) {
        self.state.lock().foreign.push(name.to_owned());
    }
}

impl Archive for InMemoryArchive {
    async fn keep(&self, key: &ObjectKey, content: Vec<u8>) -> Result<bool, Unavailable> {
        self.writes.call("keep an object in the archive")?;
        let mut state = self.state.lock();
        let (name, now) = (key.to_string(), state.now.unwrap_or_else(start));
        let is_new = !state.objects.contains_key(&name);
        state.objects.entry(name).or_insert_with(|| Object {
            key: key.clone(),
            content,
            kept_at: now,
            first_kept: now,
        });
        Ok(is_new)
    }
}

impl ArchiveReader for InMemoryArchive {
    async fn list(&self, tenant: &TenantId, after: &str) -> Result<Listing, Unavailable> {
        self.lists.call("list the archive's objects")?;
        let state = self.state.lock();
        let prefix = ObjectKey::prefix(tenant);
        let behind = state.objects.range::<str, _>((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded));
        let ours = behind.filter(|(name, _)| name.starts_with(&prefix));
        let all: Vec<StoredObject> = ours.map(|(_, object)| object.stored()).collect();
        let foreign = state.foreign.iter().filter(|name| name.starts_with(&prefix) && name.as_str() > after);
        let foreign = foreign.cloned().collect();
        let next = all.get(PAGE - 1).filter(|_| all.len() > PAGE).map(|last| last.key.to_string());
        Ok(Listing { objects: all.into_iter().take(PAGE).collect(), foreign, next })
    }

    async fn read(&self, object: &StoredObject) -> Result<Vec<u8>, ReadError> {
        self.reads.call("read an object of the archive")?;
        if object.bytes > MAX_PACKED_BYTES {
            return Err(ReadError::TooLarge { bytes: object.bytes });
        }
        let found = self.state.lock().objects.get(&object.key.to_string()).map(|there| there.content.clone());
        found.ok_or(ReadError::Missing)
    }

    async fn first_kept(&self, object: &StoredObject) -> Result<Timestamp, ReadError> {
        self.reads.call("look at an object of the archive")?;
        let found = self.state.lock().objects.get(&object.key.to_string()).map(|there| there.first_kept);
        found.ok_or(ReadError::Missing)
    }
}

impl ArchiveUpkeep for InMemoryArchive {
    async fn remove(&self, object: &StoredObject) -> Result<(), Unavailable> {
        self.removals.call("take an object out of the archive")?;
        self.state.lock().objects.remove(&object.key.to_string());
        Ok(())
    }

    async fn tenants(&self, after: Option<&TenantId>) -> Result<Vec<TenantId>, Unavailable> {
        self.lists.call("list the archive's tenants")?;
        let behind = after.map_or_else(String::new, ObjectKey::prefix);
        let state = self.state.lock();
        let mut tenants: Vec<TenantId> = state.objects.values().map(|object| object.key.tenant.clone()).collect();
        tenants.sort_by_key(ObjectKey::prefix);
        tenants.dedup();
        Ok(tenants.into_iter().filter(|tenant| ObjectKey::prefix(tenant) > behind).take(PAGE).collect())
    }
}

impl ArchiveEraser for InMemoryArchive {
    async fn rewrite(&self, object: &StoredObject, content: Vec<u8>) -> Result<bool, Unavailable> {
        self.writes.call("write an object of the archive anew")?;
        let mut state = self.state.lock();
        let now = state.now.unwrap_or_else(start);
        let there = state.objects.get_mut(&object.key.to_string());
        let Some(there) = there.filter(|there| there.stored().version == object.version) else { return Ok(false) };
        (there.content, there.kept_at) = (content, now);
        Ok(true)
    }
}
