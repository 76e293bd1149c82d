//! Erasing, over ports in memory: everywhere, killed at every step, and beside replays.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::pin::pin;
use std::task::{Context, Waker};

use acequia_archive::compact::{compact, due};
use acequia_archive::lines::unpack;
use acequia_core::archive::{Hour, write_line};
use acequia_core::consent::{Suppression, SuppressionReason};
use acequia_core::delivery::Delivery;
use acequia_core::delivery::delay::Delayed;
use acequia_core::kind::SinkKind;
use acequia_core::message::Outgoing;
use acequia_core::port::{
    Archive as _, ArchiveEraser, ArchiveReader, DelayStore as _, Listing, Queues as _, ReadError, StoredObject,
    SuppressionList as _, Unavailable,
};
use acequia_core::queue::{QueueName, QueueRole};
use acequia_testkit::{InMemoryArchive, build, step};

use super::*;
use crate::replay::tests::{After, drive};
use crate::world::World;

const ANA: &str = "ana@example.org";

fn tenant() -> TenantId {
    build::tenant_id("acme")
}

fn wanted(pattern: Option<&str>) -> Wanted {
    Wanted::new(&tenant(), ANA, pattern).unwrap()
}

fn body(id: &str, subject: &str) -> String {
    format!(
        r#"{{"specversion":"1.0", "id":"{id}","source":"/a","type":"t","subject":"{subject}","data":{{"n":1.10}}}}"#
    )
}

/// Fifty events in five objects of two hours; each fifth is Ana's, whom they write in three ways, and one object has no
/// other.
fn events() -> Vec<Vec<Envelope>> {
    let event = |object: u64, n: u64| {
        let subject = match (object, n % 5) {
            (4, _) | (0, 0) => ANA,
            (1, 0) => "Ana@Example.org",
            (_, 0) => "ANA@EXAMPLE.ORG",
            _ => "bo@example.org",
        };
        let at = build::at(object / 3 * 3_600 + object * 60 + n);
        Envelope::parse(&tenant(), at, body(&format!("{object}-{n}"), subject).as_bytes()).unwrap()
    };
    (0..5).map(|object| (0..10).map(|n| event(object, n)).collect()).collect()
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut packer = zstd::Encoder::new(Vec::new(), 3).unwrap();
    packer.include_checksum(true).unwrap();
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

fn lines(events: &[Envelope]) -> Vec<u8> {
    let mut lines = Vec::new();
    for event in events {
        write_line(&mut lines, event, 1).unwrap();
    }
    lines
}

fn key(events: &[Envelope]) -> acequia_core::archive::ObjectKey {
    let deliveries: Vec<Delivery> =
        events.iter().map(|event| Delivery::new(build::sink_id("keep"), event.clone())).collect();
    acequia_core::archive::ObjectKey::of(&tenant(), Hour::of(events[0].accepted_at), &deliveries)
}

fn webhooks() -> QueueName {
    QueueName::new(&build::stage(), &tenant(), QueueRole::Sink(SinkKind::Webhook))
}

fn world() -> World {
    let world = World::default();
    world.tenants.put(&tenant(), build::webhook_document("acme", "https://a.example/"));
    world.stage_queues.make(&webhooks());
    world.stage_queues.make(&webhooks().dead_letter());
    for events in events() {
        drive(&world, world.archive.keep(&key(&events), packed(&lines(&events)))).unwrap();
    }
    world.clock.advance(std::time::Duration::from_hours(24));
    world
}

/// What objects hold, as text by name.
fn archived(archive: &InMemoryArchive) -> BTreeMap<String, String> {
    archive.objects().into_iter().map(|(key, packed)| (key.to_string(), unpack(&packed).unwrap())).collect()
}

/// What they hold when Ana is erased: all others' lines, to the byte.
fn without_ana() -> BTreeMap<String, String> {
    let is_ana = |event: &Envelope| event.subject.as_ref().unwrap().eq_ignore_ascii_case(ANA);
    let kept = |events: Vec<Envelope>| {
        let others: Vec<Envelope> = events.iter().filter(|event| !is_ana(event)).cloned().collect();
        (key(&events).to_string(), String::from_utf8(lines(&others)).unwrap())
    };
    events().into_iter().map(kept).collect()
}

fn erased(world: &World, wanted: &Wanted, dry_run: bool) -> Erased {
    let options = Options { dry_run, ..Options::default() };
    drive(world, run(world, wanted, options, &After::never())).unwrap()
}

fn delayed(id: &str, body: String) -> Delayed {
    let mut row = build::delayed("acme", Some("crm"), id, 60);
    row.message.body = body;
    row
}

/// Fills everything that holds events with one of Ana's and one of Bo's.
fn everywhere(world: &World) {
    let rows = [delayed("a", body("d-1", "Ana@example.org")), delayed("b", body("d-2", "bo@example.org"))];
    drive(world, world.delays.delay(&tenant(), &rows));
    let letter = |body: String| Outgoing { body, ..Outgoing::default() };
    let letters = [letter(body("l-1", ANA)), letter(body("l-2", "bo@example.org")), letter("no event".to_owned())];
    let queue = build::named_queue(&webhooks().dead_letter());
    assert!(drive(world, world.queues.send(&queue, &letters)).iter().all(Result::is_ok));
    let suppression = Suppression { reason: SuppressionReason::Bounce, since: build::start() };
    let address = consent::identify(&tenant(), ANA);
    drive(world, world.mail_store.suppress(&tenant(), &address, &suppression)).unwrap();
}

#[test]
fn a_subject_is_erased_wherever_the_platform_keeps_it_and_nobody_else_is() {
    let world = world();
    everywhere(&world);
    let before = archived(&world.archive);
    let counted = erased(&world, &wanted(None), true);
    assert_eq!(archived(&world.archive), before, "a dry run changes nothing");
    let done = erased(&world, &wanted(None), false);
    assert_eq!((done.archive.events, done.archive.rewritten, done.archive.objects), (18, 5, 5));
    assert_eq!((done.delayed, done.dead_letters, done.unreadable_messages, done.address), (1, 1, 1, true));
    assert_eq!(Erased { dry_run: false, ..counted }, done, "a dry run counts what a run erases");
    assert!(!done.is_complete(), "a dead letter cannot be read");
    assert_eq!(done.spellings.len(), 4, "{:?}", done.spellings);
    assert_eq!(archived(&world.archive), without_ana());
    let left = |bodies: Vec<String>| bodies.iter().any(|body| body.to_lowercase().contains(ANA));
    let keys = drive(&world, world.delays.keys(&tenant())).unwrap();
    let rows = drive(&world, world.delays.read(&keys));
    let bodies: Vec<String> = rows.into_iter().map(|row| row.unwrap().unwrap().message.body).collect();
    assert_eq!((bodies.len(), left(bodies)), (1, false));
    world.clock.advance(std::time::Duration::from_hours(12));
    let letters = world.queues.messages(&build::named_queue(&webhooks().dead_letter()));
    let bodies: Vec<String> = letters.into_iter().map(|letter| letter.body).collect();
    assert_eq!((bodies.len(), left(bodies)), (2, false));
    let told = serde_json::to_string(&done).unwrap().to_lowercase();
    assert!(!told.contains(ANA), "{told}");
    let again = erased(&world, &wanted(None), false);
    assert_eq!((again.archive.events, again.archive.rewritten, again.delayed, again.dead_letters), (0, 0, 0, 0));
    let by_digest = Wanted::new(&tenant(), &wanted(None).subject.to_string(), None).unwrap();
    assert_eq!(by_digest.subject, wanted(None).subject);
}

#[test]
fn events_that_name_a_person_by_something_else_are_found_by_a_pattern_and_hours_bound_the_search() {
    let world = world();
    let pattern = wanted(Some(r#"{"id":["1-3"]}"#));
    assert_eq!(erased(&world, &pattern, true).archive.events, 19);
    assert!(Wanted::new(&tenant(), ANA, Some("{")).is_err());
    let options = Options { dry_run: true, from: Some(build::at(3_600)), ..Options::default() };
    let late = drive(&world, run(&world, &wanted(None), options, &After::never())).unwrap();
    assert_eq!((late.archive.objects, late.archive.events), (2, 12));
    let options = Options { dry_run: true, to: Some(build::at(60)), ..Options::default() };
    let early = drive(&world, run(&world, &wanted(None), options, &After::never())).unwrap();
    assert_eq!((early.archive.objects, early.archive.events), (3, 6));
}

#[test]
fn what_cannot_be_read_stays_and_is_named_and_keeps_nothing_else_from_being_erased() {
    let world = world();
    let all = events();
    world.archive.damage(&key(&all[0]), b"no zstd".to_vec());
    let odd = ["{}\n".as_bytes(), &lines(&all[1])].concat();
    world.archive.damage(&key(&all[1]), packed(&odd));
    world.archive.put_foreign("tenant=acme/notes.txt");
    let done = erased(&world, &wanted(None), false);
    assert_eq!((done.archive.unreadable, done.archive.events), (3, 16));
    let said = done.troubles.join("\n");
    for part in ["it is no whole zstd", "line 1: it is no line of an archive", "notes.txt"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let text = unpack(&world.archive.objects()[&key(&all[1])]).unwrap();
    assert!(text.starts_with("{}\n") && !text.to_lowercase().contains(ANA));
}

/// An archive at whose every step the process can die. With `deletes`, as nothing of ours does, it takes an object away
/// before it writes the new one.
struct Stepping {
    archive: InMemoryArchive,
    deletes: bool,
}

impl ArchiveReader for Stepping {
    async fn list(&self, tenant: &TenantId, after: &str) -> Result<Listing, Unavailable> {
        step().await;
        self.archive.list(tenant, after).await
    }

    async fn read(&self, object: &StoredObject) -> Result<Vec<u8>, ReadError> {
        step().await;
        self.archive.read(object).await
    }

    async fn first_kept(&self, object: &StoredObject) -> Result<Timestamp, ReadError> {
        self.archive.first_kept(object).await
    }
}

impl ArchiveEraser for Stepping {
    async fn rewrite(&self, object: &StoredObject, content: Vec<u8>) -> Result<bool, Unavailable> {
        step().await;
        let done = if self.deletes {
            self.archive.remove(&object.key);
            step().await;
            self.archive.keep(&object.key, content).await
        } else {
            self.archive.rewrite(object, content).await
        };
        step().await;
        done
    }
}

/// Kills an erasing after so many steps, and does it again: how it ended, or nothing where it was done before.
fn killed(steps: usize, deletes: bool) -> Option<bool> {
    let world = world();
    let stepping = Stepping { archive: world.archive.clone(), deletes };
    let (wanted, watch) = (wanted(None), After::never());
    let mut found = Found::default();
    {
        let mut work =
            pin!(archive::erase(&stepping, &wanted, ((None, None), build::start()), false, &mut found, &watch));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..=steps {
            if work.as_mut().poll(&mut context).is_ready() {
                return None;
            }
        }
    }
    erased(&world, &wanted, false);
    Some(archived(&world.archive) == without_ana())
}

/// The texts of all events in the archive, whatever its objects are, each with the batch that it is in.
fn texts(archive: &InMemoryArchive) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (key, packed) in archive.objects() {
        for batch in acequia_archive::read(key.form, &packed).unwrap() {
            let name = batch.mark.map_or_else(|| key.file(), |mark| mark.batch);
            all.extend(batch.records.each(&tenant()).map(|line| (name.clone(), line.unwrap().envelope.body)));
        }
    }
    all.sort();
    all
}

fn compacted(world: &World) {
    let archive = &world.archive;
    let hours = drive(world, due(archive, &tenant(), Hour::of(build::start()), Hour::of(build::at(864_000)))).unwrap();
    for (hour, _) in hours {
        assert!(drive(world, compact(archive, &tenant(), hour, &|| true)).unwrap().left.is_empty());
    }
}

#[test]
fn a_person_leaves_what_was_compacted_too_and_what_was_erased_is_compacted_afterwards() {
    let (before, after) = (world(), world());
    compacted(&before);
    assert!(before.archive.objects().keys().any(|key| key.form.is_compacted()));
    let others = |world: &World| {
        texts(&world.archive).into_iter().filter(|(_, text)| !text.to_lowercase().contains(ANA)).collect::<Vec<_>>()
    };
    let (wanted, kept) = (wanted(None), others(&before));
    let found = erased(&before, &wanted, true).archive;
    assert!(found.events > 0 && found.unreadable == 0, "{found:?}");
    let done = erased(&before, &wanted, false).archive;
    assert_eq!((done.events, done.contested), (found.events, 0));
    assert_eq!(texts(&before.archive), kept);
    // An object that lost all of its events is no trouble to compaction, and goes.
    erased(&after, &wanted, false);
    compacted(&after);
    assert_eq!(texts(&after.archive), kept);
    assert!(after.archive.objects().keys().all(|key| key.form.is_compacted()));
}

#[test]
fn an_erasing_that_is_killed_at_any_step_is_done_again_and_no_other_event_is_lost() {
    let kills: Vec<bool> = (0..1_000).map_while(|steps| killed(steps, false)).collect();
    assert!(kills.len() >= 8, "{}", kills.len());
    assert!(kills.iter().all(|holds| *holds), "{kills:?}");
}

#[test]
fn an_erasing_that_deleted_before_it_wrote_would_be_found_out() {
    let found = (0..1_000).map_while(|steps| killed(steps, true)).filter(|holds| !holds).count();
    assert!(found > 0);
}

#[test]
fn a_replay_that_was_stopped_within_an_object_loses_no_other_event_to_erasing() {
    use crate::replay;
    use acequia_core::replay::Query;
    use acequia_core::wire::ReplayIds;
    for looks in 0..60 {
        let world = world();
        let query = Query::between(build::start(), build::at(7_200));
        // Two deliveries a step, so that it is stopped within objects, too.
        let order = replay::Order { query, ids: ReplayIds::Same, rate: 10 };
        let basis = drive(&world, replay::basis(&world, &tenant())).unwrap();
        let begun = drive(&world, replay::begin(&world, &tenant(), &order, basis, ("ana", true))).unwrap();
        let (stopped, _) = drive(&world, replay::run(&world, &tenant(), begun, &After::looks(looks))).unwrap();
        if stopped.state == replay::Standing::Done {
            assert!(looks > 10, "{looks}");
            return;
        }
        world.clock.advance(std::time::Duration::from_secs(10));
        world.archive.keeps_at(acequia_core::port::Clock::now(&world.clock));
        erased(&world, &wanted(None), false);
        let again = drive(&world, replay::resume(&world, &tenant(), &stopped.id, ("bo", Some(1_000), true))).unwrap();
        let (done, broken) = drive(&world, replay::run(&world, &tenant(), again, &After::never())).unwrap();
        assert!(broken.is_none() && done.is_complete(), "{done:?}");
        let sent: BTreeSet<String> = world
            .queues
            .messages(&build::named_queue(&webhooks()))
            .into_iter()
            .map(|message| Delivery::from_message(&tenant(), &message).unwrap().envelope.event.id().to_owned())
            .collect();
        let others: Vec<String> = events()
            .into_iter()
            .flatten()
            .filter(|event| event.subject.as_deref() == Some("bo@example.org"))
            .map(|event| event.event.id().to_owned())
            .collect();
        let lost: Vec<&String> = others.iter().filter(|id| !sent.contains(*id)).collect();
        assert!(lost.is_empty(), "stopped after {looks} looks: {lost:?}");
    }
    panic!("it never came to its end");
}
