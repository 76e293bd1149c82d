//! Compaction that is killed at every step of every call, with readers in between.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use acequia_core::archive::{ObjectKey, write_line};
use acequia_core::delivery::Delivery;
use acequia_core::event::envelope::Envelope;
use acequia_core::port::{Listing, ReadError};
use acequia_testkit::{InMemoryArchive, build, step};

use super::*;
use crate::lines::pack;
use crate::view::{View, load};
use crate::{Writer, read};

/// What happens with a call that is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// An object that is put is not there, and yet it is read back.
    LosesPuts,
    /// An object is put without its last bytes.
    CutsPuts,
}

/// An archive in which the process can die before and after every call.
struct Stepping {
    archive: InMemoryArchive,
    fault: Fault,
    lost: std::sync::Mutex<BTreeMap<ObjectKey, Vec<u8>>>,
}

impl Stepping {
    fn new(archive: &InMemoryArchive, fault: Fault) -> Self {
        Self { archive: archive.clone(), fault, lost: std::sync::Mutex::default() }
    }
}

impl Archive for Stepping {
    async fn keep(&self, key: &ObjectKey, mut content: Vec<u8>) -> Result<bool, Unavailable> {
        step().await;
        match self.fault {
            Fault::LosesPuts => {
                self.lost.lock().unwrap().insert(key.clone(), content);
                return Ok(true);
            }
            Fault::CutsPuts => content.truncate(content.len() - 1),
            Fault::None => {}
        }
        let kept = self.archive.keep(key, content).await;
        step().await;
        kept
    }
}

impl ArchiveReader for Stepping {
    async fn list(&self, tenant: &TenantId, after: &str) -> Result<Listing, Unavailable> {
        step().await;
        self.archive.list(tenant, after).await
    }

    async fn read(&self, object: &StoredObject) -> Result<Vec<u8>, ReadError> {
        step().await;
        let lost = self.lost.lock().unwrap().get(&object.key).cloned();
        match lost {
            Some(lost) => Ok(lost),
            None => self.archive.read(object).await,
        }
    }

    async fn first_kept(&self, object: &StoredObject) -> Result<Timestamp, ReadError> {
        step().await;
        self.archive.first_kept(object).await
    }
}

impl ArchiveUpkeep for Stepping {
    async fn remove(&self, object: &StoredObject) -> Result<(), Unavailable> {
        step().await;
        let removed = ArchiveUpkeep::remove(&self.archive, object).await;
        step().await;
        removed
    }

    async fn tenants(&self, after: Option<&TenantId>) -> Result<Vec<TenantId>, Unavailable> {
        self.archive.tenants(after).await
    }
}

fn acme() -> TenantId {
    build::tenant_id("acme")
}

fn drive<T>(work: impl Future<Output = T>) -> T {
    let (mut work, mut context) = (pin!(work), Context::from_waker(Waker::noop()));
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}

fn event(id: &str, seconds: u64) -> Envelope {
    let body = build::body(id, "action.signed", "{ \"n\": 1.10 }");
    Envelope::parse(&acme(), build::at(seconds), body.as_bytes()).unwrap()
}

/// Keeps events as the archive's function does.
fn keep(archive: &InMemoryArchive, form: Form, events: &[Envelope]) -> ObjectKey {
    let deliveries: Vec<Delivery> =
        events.iter().map(|event| Delivery::new(build::sink_id("keep"), event.clone())).collect();
    let key = ObjectKey::of(&acme(), Hour::of(events[0].accepted_at), &deliveries).in_form(form);
    let content = if form == Form::Lines {
        let mut lines = Vec::new();
        for event in events {
            write_line(&mut lines, event, 1).unwrap();
        }
        pack([&lines[..]]).unwrap()
    } else {
        let mut writer = Writer::new().unwrap();
        for event in events {
            writer.push(event, 1, None).unwrap();
        }
        writer.finish().unwrap()
    };
    drive(archive.keep(&key, content)).unwrap();
    key
}

fn hour() -> Hour {
    Hour::of(build::start())
}

/// Five objects of an hour, in both forms, with ten events.
fn filled() -> InMemoryArchive {
    let archive = InMemoryArchive::new();
    for object in 0..5_u64 {
        let form = if object < 3 { Form::Lines } else { Form::Parquet };
        keep(&archive, form, &[0, 1].map(|n| event(&format!("{}", object * 2 + n), object * 60 + n)));
    }
    archive
}

/// What a reader sees who goes by batches: each event, with how often.
fn seen(archive: &InMemoryArchive) -> BTreeMap<String, usize> {
    let view = drive(View::look(archive, &acme(), hour(), Timestamp::MAX)).unwrap();
    let mut seen = BTreeMap::new();
    for batch in view.batches.keys() {
        let kept = view.place(batch, Timestamp::MAX).unwrap();
        let found = drive(load(archive, kept.object(), std::slice::from_ref(batch))).unwrap().unwrap();
        for line in found[0].1.each(&acme()) {
            *seen.entry(line.unwrap().envelope.body).or_default() += 1;
        }
    }
    seen
}

/// What a reader sees who reads all objects, as a warehouse does: each event, with how often.
fn read_all(archive: &InMemoryArchive) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for (key, content) in archive.objects() {
        for batch in read(key.form, &content).unwrap() {
            for line in batch.records.each(&acme()) {
                *seen.entry(line.unwrap().envelope.body).or_default() += 1;
            }
        }
    }
    seen
}

fn compacted(archive: &InMemoryArchive) -> Compacted {
    drive(compact(archive, &acme(), hour(), &|| true)).unwrap()
}

/// Kills a compaction after so many steps; nothing where it came to its end before, else what is wrong afterwards.
fn killed(archive: &InMemoryArchive, fault: Fault, steps: usize) -> Option<Result<(), String>> {
    let wanted = seen(archive);
    let stepping = Stepping::new(archive, fault);
    {
        let (tenant, goes_on) = (acme(), || true);
        let mut work = pin!(compact(&stepping, &tenant, hour(), &goes_on));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..steps {
            if work.as_mut().poll(&mut context).is_ready() {
                return None;
            }
        }
    }
    let (by_batches, by_objects) = (seen(archive), read_all(archive));
    let checks = [
        (by_batches == wanted, "a reader of batches sees other events"),
        (by_objects.keys().eq(wanted.keys()), "a reader of objects misses an event"),
        (by_objects.values().all(|times| *times <= 2), "an event is in more than two objects"),
    ];
    if let Some((_, what)) = checks.into_iter().find(|(holds, _)| !holds) {
        return Some(Err(format!("killed after {steps} steps: {what}")));
    }
    compacted(archive);
    let is_done = archive.objects().len() == 1 && seen(archive) == wanted && read_all(archive) == wanted;
    Some(if is_done {
        Ok(())
    } else {
        Err(format!("killed after {steps} steps and run again: {:?}", archive.objects().keys()))
    })
}

/// Has each step of a compaction be its last.
fn kills(archive: impl Fn() -> InMemoryArchive, fault: Fault) -> Vec<Result<(), String>> {
    (0..5_000).map_while(|steps| killed(&archive(), fault, steps)).collect()
}

#[test]
fn a_compaction_that_is_killed_at_any_step_loses_nothing_and_is_run_again() {
    let all = kills(filled, Fault::None);
    assert!(all.len() > 15, "{}", all.len());
    for killed in all {
        killed.unwrap();
    }
}

#[test]
fn one_that_puts_late_objects_together_with_what_is_there_loses_nothing_either() {
    let late = || {
        let archive = filled();
        compacted(&archive);
        keep(&archive, Form::Lines, &[event("late", 7)]);
        // A batch that was compacted, and comes again.
        keep(&archive, Form::Lines, &[event("0", 0), event("1", 1)]);
        archive
    };
    let all = kills(late, Fault::None);
    assert!(all.len() > 20, "{}", all.len());
    for killed in all {
        killed.unwrap();
    }
}

#[test]
fn an_archive_that_loses_what_is_put_would_be_found_out() {
    assert!(kills(filled, Fault::LosesPuts).iter().filter(|killed| killed.is_err()).count() > 3);
}

#[test]
fn nothing_is_deleted_that_cannot_be_read_back() {
    let archive = filled();
    let before = archive.objects();
    let refused = drive(compact(&Stepping::new(&archive, Fault::CutsPuts), &acme(), hour(), &|| true)).unwrap_err();
    assert!(format!("{refused:?}").contains("no whole Parquet"), "{refused:?}");
    assert!(before.keys().all(|key| archive.objects().contains_key(key)));
}

#[test]
fn an_hour_becomes_one_object_and_stays_it() {
    let archive = filled();
    let wanted = seen(&archive);
    let done = compacted(&archive);
    assert_eq!((done.batches, done.events, done.made, done.deleted), (5, 10, 1, 5));
    assert_eq!((archive.objects().len(), &seen(&archive)), (1, &wanted));
    let first = archive.objects();
    assert_eq!(compacted(&archive), Compacted::default());
    assert_eq!(archive.objects(), first);
    assert_eq!(drive(due(&archive, &acme(), hour(), Hour::of(build::at(7_200)))).unwrap(), []);
}

#[test]
fn what_cannot_be_read_stays_and_costs_nothing_else() {
    let archive = filled();
    let (damaged, odd) = (keep(&archive, Form::Lines, &[event("d", 1)]), keep(&archive, Form::Lines, &[event("o", 1)]));
    archive.damage(&damaged, b"no zstd".to_vec());
    archive.damage(&odd, pack([&b"{}\n"[..]]).unwrap());
    let done = compacted(&archive);
    let left: Vec<&str> = done.left.iter().map(|(name, _)| name.as_str()).collect();
    let mut wanted = [damaged.to_string(), odd.to_string()];
    wanted.sort();
    assert_eq!(left, wanted);
    assert!(done.left.iter().any(|(_, why)| why.starts_with("line 1: it is no line")), "{:?}", done.left);
    assert_eq!((done.made, done.deleted, archive.objects().len()), (1, 5, 3));
}

#[test]
fn what_was_written_anew_since_takes_the_place_of_what_was_compacted() {
    let archive = filled();
    compacted(&archive);
    let key = keep(&archive, Form::Lines, &[event("0", 0), event("1", 1)]);
    let mut one = Vec::new();
    write_line(&mut one, &event("1", 1), 1).unwrap();
    archive.damage(&key, pack([&one[..]]).unwrap());
    assert_eq!(seen(&archive).len(), 9, "the object itself counts");
    compacted(&archive);
    assert_eq!((archive.objects().len(), read_all(&archive).len()), (1, 9));
}

#[test]
fn a_large_hour_becomes_several_objects_and_ends_early_where_it_must() {
    let archive = InMemoryArchive::new();
    let large = |id: &str| {
        let body = build::body(id, "t", &format!("\"{}\"", "x".repeat(1_000_000)));
        Envelope::parse(&acme(), build::at(1), body.as_bytes()).unwrap()
    };
    for object in 0..14 {
        keep(&archive, Form::Lines, &[0, 1, 2, 3].map(|n| large(&format!("{object}-{n}"))));
    }
    let wanted = seen(&archive);
    let unfinished = drive(compact(&archive, &acme(), hour(), &|| false)).unwrap();
    assert!(unfinished.is_unfinished && unfinished.made == 1, "{unfinished:?}");
    assert_eq!(seen(&archive), wanted);
    let rest = compacted(&archive);
    assert!(!rest.is_unfinished && rest.deleted + unfinished.deleted == 14, "{rest:?}");
    assert_eq!((archive.objects().len(), read_all(&archive)), (2, wanted));
}

#[test]
fn an_hour_is_due_while_it_has_lines_or_more_than_one_object() {
    let standing = |lines, parquet, compacted| Standing { lines, parquet, compacted, bytes: 0 }.is_due();
    assert!(standing(1, 0, 0) && standing(0, 2, 0) && standing(0, 1, 1));
    assert!(!standing(0, 1, 0) && !standing(0, 0, 2) && !standing(0, 0, 0));
    assert!(!is_closed(hour(), build::at(7_199)) && is_closed(hour(), build::at(7_200)));
}
