//! Reading ahead: the next objects are on their way while the events of one are worked off.
//!
//! It gives the *batches* of a time, in the order of their places: what compaction does meanwhile makes no difference
//! ([`acequia_archive::view`]). An hour's objects with lines are listed before those that are Parquet, so that a batch that
//! compaction moves from here to there is seen at least once.

use std::collections::VecDeque;
use std::pin::pin;

use acequia_archive::Records;
use acequia_archive::view::{Kept, Names, View, find, load};
use acequia_core::archive::{Hour, ObjectKey};
use acequia_core::id::TenantId;
use acequia_core::port::{ArchiveReader, ReadError, StoredObject, Unavailable};
use futures::future::{BoxFuture, Either, select};
use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;

/// How many objects are on their way, or there, at once. One has some hundred kilobytes as a rule; one with many batches
/// may have more, and is alone on its way.
const AHEAD: usize = 4;

/// What stands in the archive next.
pub(super) enum Next {
    /// A batch, and its events, or why they cannot be read.
    Batch(ObjectKey, Result<Records, String>),
    /// Something that is none of the archive's.
    Foreign(String),
    /// The archive does not answer.
    Broken(Unavailable),
}

/// What is read at once.
enum Load {
    /// A batch from its own object.
    One(StoredObject),
    /// Batches that stand behind one another, from the object that has them.
    Many(StoredObject, Vec<ObjectKey>),
    /// Nothing.
    Known(Next),
}

/// The batches of a time, in the order of their places.
pub(super) struct Ahead<'a, A> {
    archive: &'a A,
    tenant: TenantId,
    /// Batches before it are left out.
    from: String,
    until: Hour,
    as_of: Timestamp,
    lines: Names,
    /// Names of objects with lines up to [`Self::listed`]; `None` there: to the end.
    chunk: VecDeque<StoredObject>,
    listed: Option<Hour>,
    /// Those that are Parquet, listed after the chunk; nothing where there is no chunk.
    parquet: Option<Names>,
    is_over: bool,
    loads: VecDeque<Load>,
    on_the_way: FuturesOrdered<BoxFuture<'a, Vec<Next>>>,
    has_many: bool,
    there: VecDeque<Next>,
}

impl<'a, A: ArchiveReader> Ahead<'a, A> {
    /// The batches of an hour and the ones after it, from a place on, up to those of another hour, that were kept before
    /// `as_of`.
    pub(super) fn new(
        archive: &'a A,
        tenant: &TenantId,
        (hour, from): (Hour, String),
        until: Hour,
        as_of: Timestamp,
    ) -> Self {
        Self {
            archive,
            tenant: tenant.clone(),
            from,
            until,
            as_of,
            lines: Names::lines(tenant, hour),
            chunk: VecDeque::new(),
            listed: Some(hour),
            parquet: None,
            is_over: false,
            loads: VecDeque::new(),
            on_the_way: FuturesOrdered::new(),
            has_many: false,
            there: VecDeque::new(),
        }
    }

    /// The next one; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<Next>, Unavailable> {
        loop {
            if self.there.is_empty() && self.on_the_way.is_empty() {
                self.has_many = false;
            }
            while !self.has_many && self.there.len() + self.on_the_way.len() < AHEAD {
                if self.loads.is_empty() && !self.turn().await? {
                    break;
                }
                if matches!(self.loads.front(), Some(Load::Many(..))) {
                    if !(self.there.is_empty() && self.on_the_way.is_empty()) {
                        break;
                    }
                    self.has_many = true;
                }
                if let Some(load) = self.loads.pop_front() {
                    self.on_the_way.push_back(read(self.archive, load, self.as_of).boxed());
                }
            }
            if let Some(next) = self.there.pop_front() {
                return Ok(Some(next));
            }
            match self.on_the_way.next().await {
                Some(came) => self.there.extend(came),
                None if self.is_over && self.loads.is_empty() => return Ok(None),
                None => {}
            }
        }
    }

    /// Does something else, while what is on the way comes in.
    pub(super) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        while !self.on_the_way.is_empty() {
            match select(work, self.on_the_way.next()).await {
                Either::Left((done, _)) => return done,
                Either::Right((came, rest)) => {
                    self.there.extend(came.into_iter().flatten());
                    work = rest;
                }
            }
        }
        work.await
    }

    /// Finds out what is to be read in the next hour that has something; false behind the last.
    async fn turn(&mut self) -> Result<bool, Unavailable> {
        while self.loads.is_empty() {
            if self.is_over {
                return Ok(false);
            }
            if self.parquet.is_none() {
                self.list().await?;
            }
            self.hour().await?;
        }
        Ok(true)
    }

    /// Lists objects with lines: whole hours, a page at least.
    async fn list(&mut self) -> Result<(), Unavailable> {
        let begin = self.listed.unwrap_or(self.until);
        let mut first = None;
        self.listed = None;
        while let Some(next) = self.lines.peek(self.archive).await? {
            match next {
                Ok(object) if object.key.hour > self.until => break,
                Ok(object) => {
                    let hour = object.key.hour;
                    first.get_or_insert(hour);
                    // The hour ends here, and so much is there.
                    if self.chunk.len() >= PAGE && self.chunk.back().is_some_and(|last| last.key.hour < hour) {
                        self.listed = Some(hour);
                        break;
                    }
                }
                Err(_) => {}
            }
            match self.lines.next(self.archive).await? {
                Some(Ok(object)) => self.chunk.push_back(object),
                Some(Err(foreign)) => self.loads.push_back(Load::Known(Next::Foreign(foreign))),
                None => break,
            }
        }
        self.parquet = Some(Names::parquet(&self.tenant, begin));
        Ok(())
    }

    /// Takes all objects of the first hour that is listed.
    async fn hour(&mut self) -> Result<(), Unavailable> {
        let Some(parquet) = &mut self.parquet else { return Ok(()) };
        let end = self.listed;
        let is_within = |hour: Hour| hour <= self.until && end.is_none_or(|end| hour < end);
        let mut foreign = Vec::new();
        let ahead = loop {
            match parquet.peek(self.archive).await? {
                Some(Ok(object)) => break Some(object.key.hour).filter(|hour| is_within(*hour)),
                Some(Err(name)) => foreign.push(name.clone()),
                None => break None,
            }
            parquet.next(self.archive).await?;
        };
        let Some(hour) = self.chunk.front().map(|object| object.key.hour).into_iter().chain(ahead).min() else {
            self.parquet = None;
            self.is_over = end.is_none();
            self.loads.extend(foreign.into_iter().map(|name| Load::Known(Next::Foreign(name))));
            return Ok(());
        };
        let mut objects = Vec::new();
        while let Some(object) = self.chunk.pop_front_if(|object| object.key.hour == hour) {
            objects.push(object);
        }
        while let Some(next) = parquet.peek(self.archive).await? {
            match next {
                Ok(object) if object.key.hour != hour => break,
                Ok(object) => objects.push(object.clone()),
                Err(name) => foreign.push(name.clone()),
            }
            parquet.next(self.archive).await?;
        }
        self.loads.extend(foreign.into_iter().map(|name| Load::Known(Next::Foreign(name))));
        let view = match View::of(self.archive, objects, self.as_of).await? {
            Some(view) => view,
            None => View::look(self.archive, &self.tenant, hour, self.as_of).await?,
        };
        self.plan(hour, &view);
        Ok(())
    }

    /// What is read of an hour, in which order.
    fn plan(&mut self, hour: Hour, view: &View) {
        for batch in view.batches.keys() {
            // Names of batches were read of an object that is whole: ours wrote them.
            let Some(key) = ObjectKey::with_file(&self.tenant, hour, batch) else { continue };
            if key.place() < self.from {
                continue;
            }
            match (view.place(batch, self.as_of), self.loads.back_mut()) {
                (None, _) => {}
                (Some(Kept::Itself(object, _)), _) => self.loads.push_back(Load::One(object.clone())),
                (Some(Kept::Within(object, _)), Some(Load::Many(last, keys))) if last.key == object.key => {
                    keys.push(key);
                }
                (Some(Kept::Within(object, _)), _) => self.loads.push_back(Load::Many(object.clone(), vec![key])),
            }
        }
        // In their place, too: their names sort behind those of all batches. Whether they have batches that were kept
        // before `as_of` nobody knows, so each is told of.
        for (object, why) in &view.unreadable {
            self.loads.push_back(Load::Known(Next::Batch(object.key.clone(), Err(why.clone()))));
        }
    }
}

/// How many names are listed at least, where there are as many.
const PAGE: usize = 1_000;

/// Reads what is to be read at once.
async fn read<A: ArchiveReader>(archive: &A, wanted: Load, as_of: Timestamp) -> Vec<Next> {
    let (object, keys) = match wanted {
        Load::Known(next) => return vec![next],
        Load::One(object) => {
            let key = object.key.clone();
            (object, vec![key])
        }
        Load::Many(object, keys) => (object, keys),
    };
    let names: Vec<String> = keys.iter().map(ObjectKey::file).collect();
    let mut all = Vec::new();
    match load(archive, &object, &names).await {
        Ok(Ok(found)) => {
            let mut found = found.into_iter().peekable();
            for (key, name) in keys.into_iter().zip(names) {
                let records = found.next_if(|(batch, _)| *batch == name).map(|(_, records)| records);
                all.push(Next::Batch(key, records.ok_or_else(|| format!("{} does not have it", object.key))));
            }
        }
        Ok(Err(why)) => all.extend(keys.into_iter().map(|key| Next::Batch(key, Err(why.clone())))),
        Err(ReadError::Unavailable(error)) => all.push(Next::Broken(error)),
        // It was compacted since it was listed.
        Err(ReadError::Missing) => {
            for key in keys {
                all.push(match find(archive, &key, as_of).await {
                    Ok(records) => Next::Batch(key, records),
                    Err(ReadError::Unavailable(error)) => Next::Broken(error),
                    Err(error) => Next::Batch(key, Err(error.to_string())),
                });
            }
        }
        Err(error) => all.extend(keys.into_iter().map(|key| Next::Batch(key, Err(error.to_string())))),
    }
    all
}
