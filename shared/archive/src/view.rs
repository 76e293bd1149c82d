//! The batches of an hour, wherever they are kept: in an object of their own, in one that compaction made of many, or,
//! while it is at work, in both.
//!
//! A batch has one place in the order of all, whatever becomes of its object, and one time at which it was kept. So a
//! reader that goes by places and by that time (as replays do) sees the same before, while and after an hour is
//! compacted. An object that is gone between the look at an hour and the reading of it was compacted in between: the
//! hour is looked at anew, and the batch is found in its new place.
//!
//! Not guaranteed: that a batch is found that was deleted, or whose time in the archive is over.

use std::collections::{BTreeMap, VecDeque};

use acequia_core::archive::{Form, Hour, ObjectKey};
use acequia_core::id::TenantId;
use acequia_core::port::{ArchiveReader, Listing, ReadError, StoredObject, Unavailable};
use jiff::Timestamp;

use crate::{Contents, Mark, Records, contents, read};

/// How often an hour is looked at anew for a batch that is gone: compaction may be at work, and no two of its steps are
/// as near to each other as these looks.
const LOOKS: usize = 4;
const LOOK: &str = "look at an hour of the archive";

/// Where a batch is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// In an object of its own, which was kept first at this time: erasing writes an object anew.
    Itself(StoredObject, Timestamp),
    /// In an object with many.
    Within(StoredObject, Mark),
}

impl Kept {
    /// When the batch was kept first.
    pub fn kept_at(&self) -> Timestamp {
        match self {
            Self::Itself(_, first_kept) => *first_kept,
            Self::Within(_, mark) => mark.kept_at,
        }
    }

    /// The object.
    pub fn object(&self) -> &StoredObject {
        match self {
            Self::Itself(object, _) | Self::Within(object, _) => object,
        }
    }
}

/// What stands in an hour.
#[derive(Debug, Default)]
pub struct View {
    /// By the last part of its own object's name, all places of each batch: in an object of its own first.
    pub batches: BTreeMap<String, Vec<Kept>>,
    /// The objects with many batches, and what they have.
    pub compacted: Vec<(StoredObject, Contents)>,
    /// Objects whose batches cannot be told, and why.
    pub unreadable: Vec<(StoredObject, String)>,
}

impl View {
    /// What these objects of an hour have. Of those with many batches it reads which ones, and of those that were written at
    /// or after `as_of` when they were kept first; nothing where one of those is gone, so that the hour must be looked at
    /// anew.
    ///
    /// # Errors
    /// Where the archive does not answer.
    pub async fn of(
        archive: &impl ArchiveReader,
        objects: Vec<StoredObject>,
        as_of: Timestamp,
    ) -> Result<Option<Self>, Unavailable> {
        let mut view = Self::default();
        for object in objects {
            if !object.key.form.is_compacted() {
                let first_kept = match first_kept(archive, &object, as_of).await {
                    Ok(first_kept) => first_kept,
                    Err(ReadError::Unavailable(error)) => return Err(error),
                    Err(ReadError::Missing) => return Ok(None),
                    Err(ReadError::TooLarge { .. }) => object.kept_at,
                };
                view.batches.entry(object.key.file()).or_default().insert(0, Kept::Itself(object, first_kept));
                continue;
            }
            let found = match archive.read(&object).await {
                Ok(packed) => contents(&packed).map_err(|error| error.to_string()),
                Err(ReadError::Unavailable(error)) => return Err(error),
                Err(ReadError::Missing) => return Ok(None),
                Err(error) => Err(error.to_string()),
            };
            match found {
                Err(why) => view.unreadable.push((object, why)),
                Ok(contents) => {
                    for mark in &contents.batches {
                        let kept = Kept::Within(object.clone(), mark.clone());
                        view.batches.entry(mark.batch.clone()).or_default().push(kept);
                    }
                    view.compacted.push((object, contents));
                }
            }
        }
        Ok(Some(view))
    }

    /// Looks at an hour.
    ///
    /// # Errors
    /// Where the archive does not answer, or the hour is another one at each look.
    pub async fn look(
        archive: &impl ArchiveReader,
        tenant: &TenantId,
        hour: Hour,
        as_of: Timestamp,
    ) -> Result<Self, Unavailable> {
        for _ in 0..LOOKS {
            if let Some(view) = Self::of(archive, objects(archive, tenant, hour).await?, as_of).await? {
                return Ok(view);
            }
        }
        Err(Unavailable::new(LOOK, format!("the objects of {hour} are others at each look")))
    }

    /// Where a batch is kept that was kept before a time: in an object of its own, if that was.
    pub fn place(&self, batch: &str, before: Timestamp) -> Option<&Kept> {
        self.batches.get(batch)?.iter().find(|kept| kept.kept_at() < before)
    }
}

/// When an object was kept first, where that matters to who looks at what was kept before `as_of`. What is of a later hour
/// cannot have been.
async fn first_kept(
    archive: &impl ArchiveReader,
    object: &StoredObject,
    as_of: Timestamp,
) -> Result<Timestamp, ReadError> {
    if object.kept_at < as_of || object.key.hour > Hour::of(as_of) {
        return Ok(object.kept_at);
    }
    archive.first_kept(object).await
}

/// All objects of an hour: lines first. Compaction puts before it deletes, and what it puts sorts behind what it
/// deletes, so that what is missed here because it was just deleted is seen in its new place.
///
/// # Errors
/// Where the archive does not answer.
pub async fn objects(
    archive: &impl ArchiveReader,
    tenant: &TenantId,
    hour: Hour,
) -> Result<Vec<StoredObject>, Unavailable> {
    let mut all = Vec::new();
    for mut names in [Names::lines(tenant, hour), Names::parquet(tenant, hour)] {
        while let Some(found) = names.next(archive).await? {
            match found {
                Ok(object) if object.key.hour > hour => break,
                Ok(object) => all.push(object),
                Err(_) => {}
            }
        }
    }
    Ok(all)
}

/// The batch of this hour that is kept somewhere, and was gone from where it was looked for.
///
/// # Errors
/// As [`ArchiveReader::read`]: [`ReadError::Missing`] where it is nowhere.
pub async fn find(
    archive: &impl ArchiveReader,
    key: &ObjectKey,
    before: Timestamp,
) -> Result<Result<Records, String>, ReadError> {
    let batch = key.file();
    for _ in 0..LOOKS {
        let view = View::look(archive, &key.tenant, key.hour, before).await?;
        let Some(kept) = view.place(&batch, before) else { break };
        match load(archive, kept.object(), std::slice::from_ref(&batch)).await {
            Ok(Ok(found)) => {
                let record = found.into_iter().next().map(|(_, records)| records);
                return Ok(record.ok_or_else(|| format!("{} has no batch {batch} any more", kept.object().key)));
            }
            Ok(Err(why)) => return Ok(Err(why)),
            Err(ReadError::Missing) => {}
            Err(error) => return Err(error),
        }
    }
    Err(ReadError::Missing)
}

/// What an object has of these batches, in their order; or why it cannot be read.
///
/// # Errors
/// As [`ArchiveReader::read`].
pub async fn load(
    archive: &impl ArchiveReader,
    object: &StoredObject,
    batches: &[String],
) -> Result<Result<Vec<(String, Records)>, String>, ReadError> {
    let packed = archive.read(object).await?;
    let found = match read(object.key.form, &packed) {
        Ok(found) => found,
        Err(why) => return Ok(Err(why.to_string())),
    };
    let own = object.key.file();
    let mut by_name: BTreeMap<String, Records> = BTreeMap::new();
    for batch in found {
        let name = batch.mark.map_or_else(|| own.clone(), |mark| mark.batch);
        match (by_name.entry(name), batch.records) {
            (std::collections::btree_map::Entry::Vacant(free), records) => {
                free.insert(records);
            }
            // A batch goes on behind another one: compaction does not write that, and nothing is lost of it here.
            (std::collections::btree_map::Entry::Occupied(mut there), Records::Rows(more)) => {
                if let Records::Rows(rows) = there.get_mut() {
                    rows.extend(more);
                }
            }
            (std::collections::btree_map::Entry::Occupied(_), Records::Lines(_)) => {}
        }
    }
    // An object without events has no batch.
    let empty = || (!object.key.form.is_compacted()).then(|| Records::Rows(Vec::new()));
    let take = |name: &String| Some((name.clone(), by_name.remove(name).or_else(empty)?));
    Ok(Ok(batches.iter().filter_map(take).collect()))
}

/// The names of a tenant's objects that are lines, or of those that are Parquet, from an hour on.
#[derive(Debug)]
pub struct Names {
    tenant: TenantId,
    is_lines: bool,
    page: Option<String>,
    found: VecDeque<Result<StoredObject, String>>,
}

impl Names {
    /// Those of objects with lines.
    pub fn lines(tenant: &TenantId, from: Hour) -> Self {
        let page = Some(ObjectKey::before(tenant, from));
        Self { tenant: tenant.clone(), is_lines: true, page, found: VecDeque::new() }
    }

    /// Those of objects that are Parquet.
    pub fn parquet(tenant: &TenantId, from: Hour) -> Self {
        let page = Some(ObjectKey::parquet_before(tenant, from));
        Self { tenant: tenant.clone(), is_lines: false, page, found: VecDeque::new() }
    }

    /// The next one, without taking it: an object, or the name of what is none of the archive's.
    ///
    /// # Errors
    /// Where the archive does not answer.
    pub async fn peek(
        &mut self,
        archive: &impl ArchiveReader,
    ) -> Result<Option<&Result<StoredObject, String>>, Unavailable> {
        while self.found.is_empty() {
            let Some(after) = self.page.take() else { return Ok(None) };
            let Listing { objects, foreign, next } = archive.list(&self.tenant, &after).await?;
            // All lines stand before all Parquet.
            let is_beyond = |object: &StoredObject| self.is_lines && object.key.form != Form::Lines;
            let ends = objects.iter().any(is_beyond);
            let ours = objects.into_iter().filter(|object| !is_beyond(object));
            self.found.extend(ours.map(Ok).chain(foreign.into_iter().map(Err)));
            self.page = next.filter(|_| !ends);
        }
        Ok(self.found.front())
    }

    /// The next one.
    ///
    /// # Errors
    /// As [`Self::peek`].
    pub async fn next(
        &mut self,
        archive: &impl ArchiveReader,
    ) -> Result<Option<Result<StoredObject, String>>, Unavailable> {
        self.peek(archive).await?;
        Ok(self.found.pop_front())
    }
}
