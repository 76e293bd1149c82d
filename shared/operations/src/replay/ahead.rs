//! Reading ahead: the next objects are on their way while the lines of one are worked off.

use std::collections::VecDeque;
use std::pin::pin;

use acequia_core::archive::Hour;
use acequia_core::id::TenantId;
use acequia_core::port::{ArchiveReader, Listing, ReadError, StoredObject, Unavailable};
use futures::future::{BoxFuture, Either, select};
use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;

/// How many objects are on their way, or there, at once. One has some hundred kilobytes as a rule.
const AHEAD: usize = 4;

/// What stands in the archive next.
pub(super) enum Next {
    /// An object, and what it holds.
    Object(StoredObject, Result<Vec<u8>, ReadError>),
    /// Something that is none of the archive's.
    Foreign(String),
}

/// The objects of a time, in the order of their names.
pub(super) struct Ahead<'a, A> {
    archive: &'a A,
    tenant: TenantId,
    until: Hour,
    as_of: Timestamp,
    /// Behind which name the next page begins; `None` behind the last.
    page: Option<String>,
    names: VecDeque<Result<StoredObject, String>>,
    on_the_way: FuturesOrdered<BoxFuture<'a, Next>>,
    there: VecDeque<Next>,
}

impl<'a, A: ArchiveReader> Ahead<'a, A> {
    /// The objects behind `after`, up to those of an hour, that were kept before `as_of`.
    pub(super) fn new(archive: &'a A, tenant: &TenantId, after: String, until: Hour, as_of: Timestamp) -> Self {
        Self {
            archive,
            tenant: tenant.clone(),
            until,
            as_of,
            page: Some(after),
            names: VecDeque::new(),
            on_the_way: FuturesOrdered::new(),
            there: VecDeque::new(),
        }
    }

    /// The next one; `None` behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<Next>, Unavailable> {
        while self.there.len() + self.on_the_way.len() < AHEAD {
            match self.names.pop_front() {
                Some(Ok(object)) => {
                    let archive = self.archive;
                    let read = async move {
                        let content = archive.read(&object).await;
                        Next::Object(object, content)
                    };
                    self.on_the_way.push_back(read.boxed());
                }
                Some(Err(foreign)) => self.on_the_way.push_back(async { Next::Foreign(foreign) }.boxed()),
                None => match self.page.take() {
                    Some(after) => self.turn(after).await?,
                    None => break,
                },
            }
        }
        match self.there.pop_front() {
            Some(next) => Ok(Some(next)),
            None => Ok(self.on_the_way.next().await),
        }
    }

    /// Does something else, while what is on the way comes in.
    pub(super) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        while !self.on_the_way.is_empty() {
            match select(work, self.on_the_way.next()).await {
                Either::Left((done, _)) => return done,
                Either::Right((next, rest)) => {
                    self.there.extend(next);
                    work = rest;
                }
            }
        }
        work.await
    }

    async fn turn(&mut self, after: String) -> Result<(), Unavailable> {
        let Listing { objects, foreign, next } = self.archive.list(&self.tenant, &after).await?;
        let beyond = objects.iter().any(|object| object.key.hour > self.until);
        let (until, as_of) = (self.until, self.as_of);
        for object in objects.into_iter().filter(|object| object.key.hour <= until) {
            if object.kept_at < as_of || was_there(self.archive, as_of, &object).await? {
                self.names.push_back(Ok(object));
            }
        }
        self.names.extend(foreign.into_iter().map(Err));
        self.page = next.filter(|_| !beyond);
        Ok(())
    }
}

/// Whether an object that was written later was kept before: it lost lines to erasing since. What is of a later hour cannot
/// have been.
async fn was_there(archive: &impl ArchiveReader, as_of: Timestamp, object: &StoredObject) -> Result<bool, Unavailable> {
    if object.key.hour > Hour::of(as_of) {
        return Ok(false);
    }
    match archive.first_kept(object).await {
        Ok(first) => Ok(first < as_of),
        Err(ReadError::Unavailable(error)) => Err(error),
        Err(_) => Ok(false),
    }
}
