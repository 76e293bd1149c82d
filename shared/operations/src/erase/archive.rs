//! The archive without a subject's events: object by object, each put in the place of what it was.
//!
//! An object is read whole, written anew in memory, compared, and put under its own name on condition that it is still the
//! one that was read. S3 does that at once or not at all: a run that is killed leaves each object as it was or as it is to
//! be, and the next run finds the rest. The name stays, so that a batch of the archive's function that comes again writes
//! nothing, also where all of an object's events are erased: then it is an object without lines.

use std::collections::BTreeSet;
use std::time::Duration;

use acequia_archive::view::Names;
use acequia_core::archive::Hour;
use acequia_core::flow::redrive::Observer;
use acequia_core::port::{ArchiveEraser, ReadError, StoredObject, Unavailable};
use futures::StreamExt as _;
use jiff::Timestamp;
use serde::Serialize;

use super::Found;
use super::wanted::{Wanted, without};

/// How far clocks may differ, ours and S3's.
const SKEW: Duration = Duration::from_mins(5);
/// How many objects are worked at once: each may have 64 MiB when it is unpacked.
const AT_ONCE: usize = 4;

/// What of the archive was erased.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ArchiveErasure {
    /// Objects that were read.
    pub objects: u64,
    /// Objects that had events of the subject's, and have none now.
    pub rewritten: u64,
    /// Events that are erased.
    pub events: u64,
    /// Objects and lines that could not be read: what they hold stays.
    pub unreadable: u64,
    /// Objects that somebody else changed meanwhile: run it again.
    pub contested: u64,
    /// The bytes that were read, packed.
    pub bytes: u64,
}

/// Erases what the archive has; in a dry run it counts. `begun` is now.
pub(super) async fn erase(
    archive: &impl ArchiveEraser,
    wanted: &Wanted,
    ((from, to), begun): ((Option<Timestamp>, Option<Timestamp>), Timestamp),
    dry_run: bool,
    found: &mut Found,
    watch: &impl Observer,
) -> Result<ArchiveErasure, Unavailable> {
    let from = Hour::of(from.unwrap_or(Timestamp::UNIX_EPOCH));
    let mut run = Run { archive, wanted, hours: (from, to.map(Hour::of)), counts_only: dry_run, found, watch };
    let mut sum = run.walk(Timestamp::MIN).await?;
    if !(dry_run || run.found.stopped) {
        // Compaction may have put together meanwhile what it had read before it was erased: what was written since this
        // began is looked at once more.
        let again = run.walk(begun.checked_sub(SKEW).unwrap_or(Timestamp::MIN)).await?;
        sum.rewritten += again.rewritten;
        sum.events += again.events;
        sum.contested += again.contested;
    }
    Ok(sum)
}

/// One run.
struct Run<'a, A, O> {
    archive: &'a A,
    wanted: &'a Wanted,
    /// From which hour on, and up to which.
    hours: (Hour, Option<Hour>),
    /// Whether nothing is written.
    counts_only: bool,
    found: &'a mut Found,
    watch: &'a O,
}

impl<A: ArchiveEraser, O: Observer> Run<'_, A, O> {
    /// Works off the objects that were written at a time or later.
    async fn walk(&mut self, since: Timestamp) -> Result<ArchiveErasure, Unavailable> {
        let mut sum = ArchiveErasure::default();
        let (from, until) = self.hours;
        let mut foreign = BTreeSet::new();
        for mut names in [Names::lines(&self.wanted.tenant, from), Names::parquet(&self.wanted.tenant, from)] {
            loop {
                let mut some = Vec::new();
                while some.len() < AT_ONCE * 4
                    && let Some(next) = names.next(self.archive).await?
                {
                    match next {
                        Ok(object) if until.is_some_and(|until| object.key.hour > until) => break,
                        Ok(object) if object.kept_at >= since => some.push(object),
                        Ok(_) => {}
                        Err(name) => _ = foreign.insert(name),
                    }
                }
                if some.is_empty() || !self.work_off(&some, &mut sum).await? {
                    break;
                }
            }
        }
        for name in foreign.into_iter().filter(|_| since == Timestamp::MIN) {
            sum.unreadable += 1;
            self.found.trouble(self.watch, format!("{name} is none of the archive's objects, and is left as it is"));
        }
        Ok(sum)
    }

    /// Works some objects off; false where the run is to end.
    async fn work_off(&mut self, some: &[StoredObject], sum: &mut ArchiveErasure) -> Result<bool, Unavailable> {
        let work = some.iter().map(|object| one(self.archive, self.wanted, object, self.counts_only));
        let mut work = futures::stream::iter(work).buffer_unordered(AT_ONCE);
        while let Some((object, did)) = work.next().await {
            sum.add(object, did?, self.found, self.watch);
            if self.watch.ends() {
                self.found.stopped = true;
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What became of one object.
enum Did {
    /// It has none of the subject's events, or these were erased.
    Went { erased: Vec<acequia_core::event::envelope::Envelope>, unreadable: Vec<u64> },
    /// It is another by now.
    Contested,
    /// It cannot be read.
    Unreadable(String),
}

async fn one<'o>(
    archive: &impl ArchiveEraser,
    wanted: &Wanted,
    object: &'o StoredObject,
    dry_run: bool,
) -> (&'o StoredObject, Result<Did, Unavailable>) {
    let did = async {
        let packed = match archive.read(object).await {
            Ok(packed) => packed,
            Err(ReadError::Unavailable(error)) => return Err(error),
            // ArchiveDays ended it meanwhile.
            Err(ReadError::Missing) => return Ok(Did::Went { erased: Vec::new(), unreadable: Vec::new() }),
            Err(error) => return Ok(Did::Unreadable(error.to_string())),
        };
        let without = match without(wanted, object.key.form, &packed) {
            Ok(without) => without,
            Err(error) => return Ok(Did::Unreadable(error.to_string())),
        };
        if let Some(content) = without.content.filter(|_| !dry_run)
            && !archive.rewrite(object, content).await?
        {
            return Ok(Did::Contested);
        }
        Ok(Did::Went { erased: without.erased, unreadable: without.unreadable })
    };
    (object, did.await)
}

impl ArchiveErasure {
    fn add(&mut self, object: &StoredObject, did: Did, found: &mut Found, watch: &impl Observer) {
        self.objects += 1;
        self.bytes += object.bytes;
        let name = &object.key;
        match did {
            Did::Went { erased, unreadable } => {
                self.rewritten += u64::from(!erased.is_empty());
                self.events += erased.len() as u64;
                for envelope in &erased {
                    found.spelling(envelope);
                }
                watch.dealt(erased.len() as u64);
                for line in unreadable {
                    self.unreadable += 1;
                    found.trouble(watch, format!("{name}, line {line}: it is no line of an archive, and stays"));
                }
            }
            Did::Contested => {
                self.contested += 1;
                found.trouble(watch, format!("{name} was changed by somebody else meanwhile: run it again"));
            }
            Did::Unreadable(why) => {
                self.unreadable += 1;
                found.trouble(watch, format!("{name} stays as it is: {why}"));
            }
        }
    }
}
