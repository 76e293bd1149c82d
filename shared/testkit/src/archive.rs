//! The archive, in memory.

use std::collections::BTreeMap;

use acequia_core::archive::ObjectKey;
use acequia_core::port::{Archive, Unavailable};

use crate::fault::Faults;
use crate::shared::Shared;

/// An archive in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryArchive {
    objects: Shared<BTreeMap<ObjectKey, Vec<u8>>>,
    /// Makes keeping fail.
    pub writes: Faults,
}

impl InMemoryArchive {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is in it, by name.
    pub fn objects(&self) -> BTreeMap<ObjectKey, Vec<u8>> {
        self.objects.lock().clone()
    }
}

impl Archive for InMemoryArchive {
    async fn keep(&self, key: &ObjectKey, content: Vec<u8>) -> Result<bool, Unavailable> {
        self.writes.call("keep an object in the archive")?;
        let mut objects = self.objects.lock();
        let is_new = !objects.contains_key(key);
        objects.entry(key.clone()).or_insert(content);
        Ok(is_new)
    }
}
