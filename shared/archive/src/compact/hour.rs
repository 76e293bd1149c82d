//! The compaction of one hour.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use acequia_core::archive::{Form, Hour, Line, ObjectKey};
use acequia_core::id::TenantId;
use acequia_core::port::{ReadError, StoredObject, Unavailable};
use futures::StreamExt as _;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{Compactable, Compacted, Standing};
use crate::view::{Kept, View, load, objects};
use crate::{Contents, MAX_BATCH_BYTES, Mark, Records, Writer, read};

const COMPACT: &str = "compact an hour of the archive";
/// How many small objects are read at once.
const READ: usize = 8;
/// From so many bytes of events, or so many packed, an object of many batches stays as it is.
const LARGE_TEXT: u64 = 24 * 1024 * 1024;
const LARGE: u64 = 8 * 1024 * 1024;

/// Compacts an hour, as far as `goes_on` lets it; it is asked before each object that is made.
///
/// # Errors
/// Where the archive does not answer. What was done stays, and the rest can be done later.
pub async fn compact<A: Compactable>(
    archive: &A,
    tenant: &TenantId,
    hour: Hour,
    goes_on: &(impl Fn() -> bool + Sync),
) -> Result<Compacted, Unavailable> {
    // Of what it takes over it asks itself when that was kept.
    let mut view = View::look(archive, tenant, hour, Timestamp::MAX).await?;
    let (done, open) = (Compacted::default(), Open::new()?);
    let mut run = Run { archive, tenant, hour, number: 1, done, open, replaced: Vec::new() };
    for (object, why) in std::mem::take(&mut view.unreadable) {
        run.done.left.push((object.key.to_string(), why));
    }
    let numbers = view.compacted.iter().map(|(object, _)| match object.key.form {
        Form::Compacted { number } => number,
        _ => 0,
    });
    run.number = numbers.max().unwrap_or(0).saturating_add(1);
    let mut standing = Standing::default();
    for object in view.batches.values().flatten().map(Kept::object).filter(|one| !one.key.form.is_compacted()) {
        standing.add(object);
    }
    standing.compacted = view.compacted.len() as u64;
    if !standing.is_due() {
        return Ok(run.done);
    }
    // What was put by a run that died is whole, as it was read; small objects go behind what it was made of, as below.
    run.remove(&superseded(&view)).await?;
    let Smalls { new, same, replaced } = run.smalls(&view).await?;
    run.remove(&same).await?;
    run.add(new, goes_on).await?;
    // An object of many batches is not written again for nothing.
    let merged = if run.has_taken() { run.merge(&view, &replaced, goes_on).await? } else { Vec::new() };
    if !run.done.is_unfinished {
        run.put().await?;
        // Before the small objects, which say that there is something to do: so none of these is ever left behind.
        run.remove(&merged).await?;
    }
    let replaced = std::mem::take(&mut run.replaced);
    run.remove(&replaced).await?;
    Ok(run.done)
}

/// The objects of many batches of which another one, made later, has all.
fn superseded(view: &View) -> Vec<StoredObject> {
    let has_all = |of: &Contents, other: &Contents| {
        let kept: BTreeMap<&str, Timestamp> =
            other.batches.iter().map(|mark| (mark.batch.as_str(), mark.kept_at)).collect();
        of.batches.iter().all(|mark| kept.get(mark.batch.as_str()).is_some_and(|at| *at >= mark.kept_at))
    };
    let is_old = |(object, contents): &&(StoredObject, Contents)| {
        let later = view.compacted.iter().filter(|(other, _)| other.key.form > object.key.form);
        later.into_iter().any(|(_, other)| has_all(contents, other))
    };
    view.compacted.iter().filter(is_old).map(|(object, _)| object.clone()).collect()
}

/// Objects of one batch.
struct Smalls {
    /// Those whose batch is in no other object.
    new: Vec<StoredObject>,
    /// Those whose batch is, as it is here, in another one.
    same: Vec<StoredObject>,
    /// The batches that others have otherwise: what stands here was written later.
    replaced: BTreeSet<String>,
}

/// The object that is being made.
struct Open {
    writer: Writer,
    /// Each batch with the digest of its events.
    batches: Vec<String>,
    /// The small objects that it replaces.
    from: Vec<StoredObject>,
    events: u64,
}

impl Open {
    fn new() -> Result<Self, Unavailable> {
        let writer = Writer::new().map_err(|error| Unavailable::new(COMPACT, error))?;
        Ok(Self { writer, batches: Vec::new(), from: Vec::new(), events: 0 })
    }
}

struct Run<'a, A> {
    archive: &'a A,
    tenant: &'a TenantId,
    hour: Hour,
    number: u32,
    done: Compacted,
    open: Open,
    /// Small objects whose batch is in one that was put.
    replaced: Vec<StoredObject>,
}

impl<A: Compactable> Run<'_, A> {
    /// Sorts the objects of one batch by what others have of them.
    async fn smalls(&mut self, view: &View) -> Result<Smalls, Unavailable> {
        let mut smalls = Smalls { new: Vec::new(), same: Vec::new(), replaced: BTreeSet::new() };
        let mut elsewhere: BTreeMap<ObjectKey, (StoredObject, Vec<(String, StoredObject)>)> = BTreeMap::new();
        for (batch, places) in &view.batches {
            let own = places.iter().find(|kept| !kept.object().key.form.is_compacted());
            let other = places.iter().find(|kept| kept.object().key.form.is_compacted());
            match (own, other) {
                (Some(own), None) => smalls.new.push(own.object().clone()),
                (Some(own), Some(other)) => {
                    let entry = elsewhere.entry(other.object().key.clone());
                    let (_, all) = entry.or_insert_with(|| (other.object().clone(), Vec::new()));
                    all.push((batch.clone(), own.object().clone()));
                }
                _ => {}
            }
        }
        for (_, (object, all)) in elsewhere {
            let names: Vec<String> = all.iter().map(|(batch, _)| batch.clone()).collect();
            let Some(there) = self.batches(&object, &names).await? else { continue };
            let there: BTreeMap<String, String> =
                there.into_iter().map(|(name, records)| (name, content(self.tenant, &records))).collect();
            for (batch, own) in all {
                let Some(here) = self.batches(&own, std::slice::from_ref(&batch)).await? else { continue };
                let here = here.first().map(|(_, records)| content(self.tenant, records));
                if here.is_some() && here.as_ref() == there.get(&batch) {
                    smalls.same.push(own);
                } else if here.is_some() {
                    smalls.replaced.insert(batch);
                    smalls.new.push(own);
                }
            }
        }
        Ok(smalls)
    }

    /// What an object has of these batches; nothing, and a note, where it cannot be read, or is gone.
    async fn batches(
        &mut self,
        object: &StoredObject,
        names: &[String],
    ) -> Result<Option<Vec<(String, Records)>>, Unavailable> {
        match load(self.archive, object, names).await {
            Ok(Ok(found)) => Ok(Some(found)),
            Ok(Err(why)) => {
                self.done.left.push((object.key.to_string(), why));
                Ok(None)
            }
            // Somebody else compacts the hour.
            Err(ReadError::Missing) => Ok(None),
            Err(ReadError::Unavailable(error)) => Err(error),
            Err(error) => {
                self.done.left.push((object.key.to_string(), error.to_string()));
                Ok(None)
            }
        }
    }

    /// Takes over what is in objects of many batches that are small, or have a batch otherwise; answers which objects
    /// are not needed any more once that is put.
    async fn merge(
        &mut self,
        view: &View,
        replaced: &BTreeSet<String>,
        goes_on: &(impl Fn() -> bool + Sync),
    ) -> Result<Vec<StoredObject>, Unavailable> {
        let (mut merged, mut taken) = (Vec::new(), BTreeSet::new());
        for (object, contents) in &view.compacted {
            let is_large = contents.bytes >= LARGE_TEXT || object.bytes >= LARGE;
            let is_other = contents.batches.iter().any(|mark| replaced.contains(&mark.batch));
            if is_large && !is_other {
                continue;
            }
            let names: Vec<String> = contents.batches.iter().map(|mark| mark.batch.clone()).collect();
            let Some(found) = self.batches(object, &names).await? else { continue };
            let marks: BTreeMap<&String, &Mark> = contents.batches.iter().map(|mark| (&mark.batch, mark)).collect();
            for (name, records) in found {
                if replaced.contains(&name) || !taken.insert(name.clone()) {
                    continue;
                }
                let Some(mark) = marks.get(&name) else { continue };
                if self.push(mark, &records, goes_on).await?.is_err() {
                    // It was compacted before, so that it can be read, or there is no time left. Nothing is deleted that
                    // is not in another.
                    return Ok(Vec::new());
                }
            }
            merged.push(object.clone());
        }
        Ok(merged)
    }

    /// Takes over objects of one batch.
    async fn add(&mut self, new: Vec<StoredObject>, goes_on: &(impl Fn() -> bool + Sync)) -> Result<(), Unavailable> {
        let archive = self.archive;
        let mut reading = futures::stream::iter(new)
            .map(|object| async move {
                let packed = archive.read(&object).await;
                // Erasing writes an object anew; a replay that is stopped goes by when it was kept first.
                let first_kept = match packed {
                    Ok(_) => archive.first_kept(&object).await,
                    Err(_) => Ok(object.kept_at),
                };
                (object, first_kept.and_then(|at| Ok((at, packed?))))
            })
            .buffered(READ);
        while let Some((object, packed)) = reading.next().await {
            let found = match packed {
                Ok((at, packed)) => {
                    read(object.key.form, &packed).map(|found| (at, found)).map_err(|error| error.to_string())
                }
                // Somebody else compacts the hour.
                Err(ReadError::Missing) => continue,
                Err(ReadError::Unavailable(error)) => return Err(error),
                Err(error) => Err(error.to_string()),
            };
            let taken = match found {
                Ok((kept_at, batches)) => match batches.into_iter().next().filter(|batch| batch.records.count() > 0) {
                    Some(batch) => {
                        let mark = Mark { batch: object.key.file(), kept_at };
                        self.push(&mark, &batch.records, goes_on).await?
                    }
                    // All of its events were erased.
                    None => Ok(()),
                },
                Err(why) => Err(why),
            };
            match taken {
                Ok(()) => self.open.from.push(object),
                Err(_) if self.done.is_unfinished => return Ok(()),
                Err(why) => self.done.left.push((object.key.to_string(), why)),
            }
        }
        Ok(())
    }

    /// Puts a batch into the object that is being made, all of it or nothing; says why it does not.
    async fn push(
        &mut self,
        mark: &Mark,
        records: &Records,
        goes_on: &(impl Fn() -> bool + Sync),
    ) -> Result<Result<(), String>, Unavailable> {
        let lines: Result<Vec<Line>, String> = records
            .each(self.tenant)
            .enumerate()
            .map(|(number, line)| line.map_err(|error| format!("line {}: {error}", number + 1)))
            .collect();
        let lines = match lines {
            Ok(lines) => lines,
            Err(why) => return Ok(Err(why)),
        };
        let bytes: usize = lines.iter().map(|line| line.envelope.body.len()).sum();
        if lines.is_empty() || bytes > MAX_BATCH_BYTES {
            return Ok(Err(format!("it has {} events of {bytes} bytes, and {MAX_BATCH_BYTES} are taken", lines.len())));
        }
        if !self.open.batches.is_empty() && self.open.writer.is_full(bytes) {
            self.put().await?;
            if !goes_on() {
                self.done.is_unfinished = true;
                return Ok(Err("there was no time left".to_owned()));
            }
        }
        for line in &lines {
            let pushed = self.open.writer.push(&line.envelope, line.config_version, Some(mark));
            pushed.map_err(|error| Unavailable::new(COMPACT, error))?;
        }
        self.open.events += lines.len() as u64;
        self.open.batches.push(identity(self.tenant, mark, records));
        Ok(Ok(()))
    }

    /// Puts what is there, and reads it back.
    async fn put(&mut self) -> Result<(), Unavailable> {
        let Open { writer, batches, from, events } = std::mem::replace(&mut self.open, Open::new()?);
        if batches.is_empty() {
            return Ok(());
        }
        let object = writer.finish().map_err(|error| Unavailable::new(COMPACT, error))?;
        let name = |batches: &[String]| {
            ObjectKey::compacted(self.tenant, self.hour, self.number, batches.iter().map(String::as_str))
        };
        let (key, bytes) = (name(&batches), object.len() as u64);
        let is_new = self.archive.keep(&key, object).await?;
        let put = StoredObject { key: key.clone(), bytes, kept_at: Timestamp::UNIX_EPOCH, version: String::new() };
        let back = self.archive.read(&put).await.map_err(|error| Unavailable::new(COMPACT, error.to_string()))?;
        let back = read(key.form, &back).map_err(|error| Unavailable::new(COMPACT, error))?;
        let read_back: Vec<String> =
            back.iter().filter_map(|batch| Some(identity(self.tenant, batch.mark.as_ref()?, &batch.records))).collect();
        if name(&read_back) != key {
            return Err(Unavailable::new(COMPACT, format!("{key} does not hold what was put; nothing is deleted")));
        }
        self.done.batches += batches.len() as u64;
        self.done.events += events;
        self.done.made += u64::from(is_new);
        self.done.bytes += bytes;
        self.replaced.extend(from);
        Ok(())
    }

    /// Whether a small object was taken over.
    fn has_taken(&self) -> bool {
        !(self.done.is_unfinished || self.open.from.is_empty() && self.replaced.is_empty())
    }

    /// Deletes objects that are still what they were when they were read.
    async fn remove(&mut self, all: &[StoredObject]) -> Result<(), Unavailable> {
        if all.is_empty() {
            return Ok(());
        }
        let there = objects(self.archive, self.tenant, self.hour).await?;
        let is_same = |object: &&StoredObject| there.contains(object);
        for object in all.iter().filter(is_same) {
            self.archive.remove(object).await?;
            self.done.deleted += 1;
        }
        Ok(())
    }
}

/// A batch with the digest of its events.
fn identity(tenant: &TenantId, mark: &Mark, records: &Records) -> String {
    format!("{} {} {}", mark.batch, mark.kept_at.as_millisecond(), content(tenant, records))
}

/// A digest of the events of a batch, whatever its form is. The version of the configuration makes no difference: a
/// batch that is repeated may be kept by a later one.
fn content(tenant: &TenantId, records: &Records) -> String {
    let mut digest = Sha256::new();
    for line in records.each(tenant) {
        match line {
            Ok(line) => {
                digest.update(line.envelope.accepted_at.as_millisecond().to_be_bytes());
                digest.update((line.envelope.body.len() as u64).to_be_bytes());
                digest.update(line.envelope.body.as_bytes());
            }
            Err(error) => digest.update(error.to_string().as_bytes()),
        }
    }
    digest.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
