//! What replays send: the way through the archive, over ports in memory, whose runner is killed at every step of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use acequia_core::archive::{Hour, ObjectKey, write_line};
use acequia_core::delivery::Delivery;
use acequia_core::delivery::ledger::{DeliveryRecord, Record, Status};
use acequia_core::event::envelope::Envelope;
use acequia_core::message::Incoming;
use acequia_core::port::{Archive as _, Ledger as _};
use acequia_core::queue::{QueueName, QueueRole};
use acequia_core::replay::Was;
use acequia_core::wire::Replayed;
use acequia_testkit::build;

use super::*;
use crate::world::World;

/// Ends a run after so many looks at it.
pub(crate) struct After(AtomicU64);

impl After {
    pub(crate) fn looks(count: u64) -> Self {
        Self(AtomicU64::new(count))
    }

    pub(crate) fn never() -> Self {
        Self::looks(u64::MAX)
    }
}

impl Observer for After {
    fn dealt(&self, _: u64) {}

    fn trouble(&self, _: &str) {}

    fn ends(&self) -> bool {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        left == 0
    }
}

/// Lets time pass wherever somebody waits for it.
pub(crate) fn drive<T>(world: &World, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
        let until = world.clock.next_sleeper().expect("it waits for a time");
        world.clock.set(until);
    }
}

pub(super) fn event(id: &str, kind: &str, country: &str, seconds: u64) -> Envelope {
    let body = build::body(id, kind, &format!(r#"{{"country":"{country}"}}"#));
    Envelope::parse(&build::tenant_id("acme"), build::at(seconds), body.as_bytes()).unwrap()
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut packer = zstd::Encoder::new(Vec::new(), 3).unwrap();
    packer.include_checksum(true).unwrap();
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

/// Keeps events as the archive's function does, as one object.
pub(super) fn keep(world: &World, events: &[Envelope]) -> ObjectKey {
    let deliveries: Vec<Delivery> =
        events.iter().map(|event| Delivery::new(build::sink_id("keep"), event.clone())).collect();
    let key = ObjectKey::of(&build::tenant_id("acme"), Hour::of(events[0].accepted_at), &deliveries);
    let mut lines = Vec::new();
    for event in events {
        write_line(&mut lines, event, 1).unwrap();
    }
    drive(world, world.archive.keep(&key, packed(&lines))).unwrap();
    key
}

/// A tenant with an archive, a sink for all and one for France; the queue is there.
fn world() -> World {
    let world = World::default();
    let webhook = |id: &str, more: &str| {
        format!(
            r#"{{"id":"{id}","kind":"webhook","types":["*"],"url":"https://a.example/{id}","secrets":["s"]{more}}}"#
        )
    };
    let document = format!(
        r#"{{"tenant":"acme","name":"Acme","sinks":[{{"id":"keep","kind":"archive","types":["*"]}},{},{}]}}"#,
        webhook("all", ""),
        webhook("fr", r#","pattern":{"data":{"country":["FR"]}}"#)
    );
    world.tenants.put(&build::tenant_id("acme"), document);
    world.stage_queues.make(&webhooks());
    world.clock.advance(Duration::from_hours(24));
    world
}

pub(super) fn webhooks() -> QueueName {
    QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Sink(SinkKind::Webhook))
}

/// What stands in the queue: which event to which sink, with the mark, and its id.
pub(super) fn sent(world: &World) -> Vec<(String, Replayed)> {
    let tenant = build::tenant_id("acme");
    let read = |message: Incoming| {
        let delivery = Delivery::from_message(&tenant, &message).unwrap();
        let replay = delivery.replay.clone().unwrap();
        (format!("{}>{}", delivery.envelope.event.id(), delivery.sink), replay)
    };
    let queue = build::named_queue(&webhooks());
    let mut all = Vec::new();
    loop {
        let some = world.queues.receive(&queue, 10, Duration::from_hours(1));
        if some.is_empty() {
            all.sort();
            return all;
        }
        all.extend(some.into_iter().map(read));
    }
}

pub(super) fn names(sent: &[(String, Replayed)]) -> Vec<&str> {
    sent.iter().map(|(name, _)| name.as_str()).collect()
}

pub(super) fn order() -> Order {
    Order { query: Query::between(build::start(), build::at(7_200)), ids: ReplayIds::Same, rate: 100 }
}

pub(super) fn previewed(world: &World, order: &Order) -> Result<Preview, OperationError> {
    let tenant = build::tenant_id("acme");
    drive(world, async {
        let basis = basis(world, &tenant).await?;
        preview(world, &tenant, order, basis, &After::never()).await
    })
}

pub(super) fn begun(world: &World, order: &Order) -> Result<Begin, OperationError> {
    let tenant = build::tenant_id("acme");
    drive(world, async {
        let basis = basis(world, &tenant).await?;
        begin(world, &tenant, order, basis, ("ana", true)).await
    })
}

pub(super) fn ran(world: &World, begun: Begin, watch: &After) -> (ReplayStatus, Option<Unavailable>) {
    drive(world, run(world, &build::tenant_id("acme"), begun, watch)).unwrap()
}

/// Twenty events of two types in five objects of two hours; one of them twice in its hour.
pub(super) fn filled() -> World {
    let world = world();
    for object in 0..5_u64 {
        let events: Vec<Envelope> = (0..4)
            .map(|n| {
                let (id, hour) = (object * 4 + n, object / 3);
                let (kind, country) = if id % 2 == 0 { ("action.signed", "FR") } else { ("other", "DE") };
                event(&format!("{id:02}"), kind, country, hour * 3_600 + object * 60 + n)
            })
            .collect();
        keep(&world, &events);
    }
    keep(&world, &[event("00", "action.signed", "FR", 5)]);
    world
}

#[test]
fn a_dry_run_counts_what_a_run_sends_and_sends_nothing() {
    let world = filled();
    let preview = previewed(&world, &order()).unwrap();
    assert!(sent(&world).is_empty());
    let figures = preview.figures;
    assert_eq!((figures.deliveries, figures.events, figures.lines, figures.repeated), (30, 20, 21, 1));
    assert_eq!((figures.objects, figures.unreadable, preview.seconds), (6, 0, 1));
    let counts: Vec<_> =
        figures.counts.iter().map(|one| (one.r#type.as_str(), one.sink.as_str(), one.deliveries)).collect();
    assert_eq!(counts, [("action.signed", "all", 10), ("action.signed", "fr", 10), ("other", "all", 10)]);
    let (status, broken) = ran(&world, begun(&world, &order()).unwrap(), &After::never());
    assert!(broken.is_none() && status.is_complete());
    assert_eq!(status.figures, figures);
    let sent = sent(&world);
    assert_eq!(names(&sent).into_iter().collect::<BTreeSet<_>>().len(), 30, "each once");
    assert_eq!(sent.len(), 30);
    assert!(sent.iter().all(|(_, mark)| mark.id == status.id && mark.ids == ReplayIds::Same));
}

#[test]
fn what_was_kept_after_the_count_is_not_sent() {
    let world = filled();
    let tenant = build::tenant_id("acme");
    let basis = drive(&world, basis(&world, &tenant)).unwrap();
    world.archive.keeps_at(world.clock.now());
    keep(&world, &[event("late", "t", "FR", 9)]);
    let begun = drive(&world, begin(&world, &tenant, &order(), basis, ("ana", true))).unwrap();
    assert_eq!(ran(&world, begun, &After::never()).0.figures.deliveries, 30);
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(previewed(&world, &order()).unwrap().figures.deliveries, 32);
}

#[test]
fn the_query_says_what_is_sent_and_where() {
    let world = filled();
    let count = |query: Query| previewed(&world, &Order { query, ..order() }).unwrap().figures.deliveries;
    let all = order().query;
    assert_eq!(count(Query { types: vec!["action.*".to_owned()], ..all.clone() }), 20);
    assert_eq!(count(Query { sinks: vec![build::sink_id("fr")], ..all.clone() }), 10);
    assert_eq!(count(Query { events: vec![build::event_id("03"), build::event_id("04")], ..all.clone() }), 3);
    assert_eq!(count(Query { from: build::at(3_600), ..all.clone() }), 12);
    let german = Some(r#"{"data":{"country":["DE"]}}"#.to_owned());
    assert_eq!(count(Query { pattern: german, ..all }), 10);
}

#[test]
fn what_became_of_the_first_delivery_is_looked_up_in_the_ledger() {
    let world = filled();
    let tenant = build::tenant_id("acme");
    let record = |id: &str, status| {
        let record = DeliveryRecord { expires_at: Timestamp::MAX, ..build::record(id, "all", status) };
        Record::Delivery(Box::new(record))
    };
    let records = [
        record("00", Status::Delivered),
        record("01", Status::Quarantined),
        record("02", Status::Expired),
        record("03", Status::Retry),
    ];
    assert!(drive(&world, world.ledger.write(&tenant, &records)).iter().all(Result::is_ok));
    let sinks = vec![build::sink_id("all")];
    let count = |status| {
        let query = Query { status: Some(status), sinks: sinks.clone(), ..order().query };
        previewed(&world, &Order { query, ..order() }).unwrap().figures.deliveries
    };
    assert_eq!(Was::ALL.map(count), [2, 16, 1]);
    world.ledger.reads.go_down();
    let query = Query { status: Some(Was::Failed), sinks, ..order().query };
    let error = previewed(&world, &Order { query, ..order() }).unwrap_err();
    assert!(matches!(error, OperationError::Unavailable(_)), "{error:?}");
}

#[test]
fn what_cannot_be_read_is_named_and_costs_no_other_event_anything() {
    let world = filled();
    let damaged = keep(&world, &[event("gone", "t", "FR", 30)]);
    world.archive.damage(&damaged, b"no zstd".to_vec());
    let odd = keep(&world, &[event("odd", "t", "FR", 40)]);
    let mut lines = b"{}\n".to_vec();
    write_line(&mut lines, &event("good", "t", "FR", 41), 1).unwrap();
    world.archive.damage(&odd, packed(&lines));
    world.archive.put_foreign("tenant=acme/notes.txt");
    let (status, _) = ran(&world, begun(&world, &order()).unwrap(), &After::never());
    assert_eq!((status.figures.unreadable, status.figures.deliveries), (2, 32));
    assert!(status.state == Standing::Done && !status.is_complete());
    let said = status.troubles.join("\n");
    for part in
        [format!("{damaged}: it is no whole zstd"), format!("{odd}, line 1: it is no line"), "notes.txt".to_owned()]
    {
        assert!(said.contains(&part), "{part} is not in {said}");
    }
}

#[test]
fn a_replay_that_is_ended_between_two_steps_sends_nothing_twice() {
    let wanted = previewed(&filled(), &order()).unwrap().figures;
    for looks in 0..60 {
        let world = filled();
        let slow = Order { rate: 10, ..order() };
        let (status, broken) = ran(&world, begun(&world, &slow).unwrap(), &After::looks(looks));
        assert!(broken.is_none());
        if status.state == Standing::Done {
            assert!(looks > 10, "{looks}");
            return;
        }
        assert_eq!(status.state, Standing::Stopped);
        let again = drive(&world, resume(&world, &build::tenant_id("acme"), &status.id, ("bob", Some(1_000), true)));
        let (status, _) = ran(&world, again.unwrap(), &After::never());
        assert_eq!((&status.figures, status.rate), (&wanted, 1_000));
        assert_eq!(sent(&world).len(), 30, "ended after {looks} looks");
        let did: Vec<&str> = status.notes.iter().map(|note| note.did.as_str()).collect();
        assert_eq!(did, ["began", "stopped", "resumed", "ended"]);
    }
    panic!("it never came to its end");
}

/// Stops the replay from elsewhere at its first look.
struct Elsewhere<'a>(&'a World, std::sync::Mutex<Option<ReplayId>>, AtomicBool);

impl Observer for Elsewhere<'_> {
    fn dealt(&self, more: u64) {
        if more > 0
            && let Some(id) = self.1.lock().unwrap().take()
        {
            drive(self.0, stop(self.0, &build::tenant_id("acme"), &id, "bob")).unwrap();
            self.2.store(true, Ordering::Relaxed);
        }
    }

    fn trouble(&self, _: &str) {}

    fn ends(&self) -> bool {
        false
    }
}

#[test]
fn a_replay_that_is_stopped_from_elsewhere_ends_within_seconds_and_keeps_its_place() {
    let world = filled();
    let begun = begun(&world, &Order { rate: 1, ..order() }).unwrap();
    let watch = Elsewhere(&world, std::sync::Mutex::new(Some(begun.id().clone())), AtomicBool::new(false));
    let (status, _) = drive(&world, run(&world, &build::tenant_id("acme"), begun, &watch)).unwrap();
    assert!(watch.2.load(Ordering::Relaxed));
    assert_eq!(status.state, Standing::Stopped);
    let so_far = status.figures.deliveries;
    assert!((1..=8).contains(&so_far), "{so_far} at one a second");
    assert_eq!(sent(&world).len() as u64, so_far);
    let did: Vec<_> = status.notes.iter().map(|note| (note.actor.as_str(), note.did.as_str())).collect();
    assert_eq!(did, [("ana", "began"), ("bob", "stopped")]);
    let stored = drive(&world, show(&world, &build::tenant_id("acme"), &status.id)).unwrap();
    assert_eq!(stored, status);
}

#[test]
fn a_tenant_has_one_replay_under_way_unless_told() {
    let world = filled();
    let tenant = build::tenant_id("acme");
    let first = begun(&world, &order()).unwrap();
    let busy = begun(&world, &order()).unwrap_err();
    assert!(matches!(&busy, OperationError::ReplayBusy { replay, .. } if replay == first.id()), "{busy:?}");
    let basis = drive(&world, basis(&world, &tenant)).unwrap();
    let beside = drive(&world, begin(&world, &tenant, &order(), basis, ("ana", false))).unwrap();
    assert_eq!(drive(&world, list(&world, &tenant)).unwrap().len(), 2);
    ran(&world, first, &After::never());
    let (second, _) = ran(&world, beside, &After::never());
    let done = drive(&world, resume(&world, &tenant, &second.id, ("ana", None, true))).unwrap_err();
    assert!(matches!(done, OperationError::ReplayDone { .. }), "{done:?}");
    assert!(matches!(
        drive(&world, stop(&world, &tenant, &"r9".parse().unwrap(), "ana")).unwrap_err(),
        OperationError::NoReplay { .. }
    ));
    let by_replay = sent(&world).into_iter().fold(BTreeMap::new(), |mut sums: BTreeMap<_, u64>, (_, mark)| {
        *sums.entry(mark.id).or_default() += 1;
        sums
    });
    assert_eq!(by_replay.into_values().collect::<Vec<_>>(), [30, 30]);
}

#[test]
fn what_is_left_to_the_platform_is_its_own_until_it_is_stopped() {
    let world = filled();
    let tenant = build::tenant_id("acme");
    let basis = drive(&world, basis(&world, &tenant)).unwrap();
    let asked = drive(&world, ask(&world, &tenant, &order(), basis, ("ana", true))).unwrap();
    assert_eq!((asked.state, asked.platform), (Standing::Waiting, true));
    let resumed = || drive(&world, resume(&world, &tenant, &asked.id, ("bob", None, true)));
    assert!(matches!(resumed().unwrap_err(), OperationError::ReplayBusy { until: None, .. }));
    assert!(matches!(begun(&world, &order()).unwrap_err(), OperationError::ReplayBusy { .. }));
    drive(&world, stop(&world, &tenant, &asked.id, "bob")).unwrap();
    let (status, _) = ran(&world, resumed().unwrap(), &After::never());
    assert_eq!((status.state, status.platform, status.figures.deliveries), (Standing::Done, false, 30));
}

#[test]
fn a_queue_that_does_not_answer_stops_a_replay_which_goes_on_later() {
    let world = filled();
    let begun = begun(&world, &order()).unwrap();
    world.queues.sends.go_down();
    let (status, broken) = ran(&world, begun, &After::never());
    assert!(broken.is_some() && status.state == Standing::Stopped);
    assert_eq!((status.figures.deliveries, status.troubles.len()), (0, 1));
    world.queues.sends.mend();
    // One message of each call is not taken at once.
    world.queues.sends.fail_next(2);
    let again = drive(&world, resume(&world, &build::tenant_id("acme"), &status.id, ("ana", None, true))).unwrap();
    let (status, broken) = ran(&world, again, &After::never());
    assert!(broken.is_none() && status.state == Standing::Done);
    assert_eq!(sent(&world).len(), 30);
}

#[test]
fn a_queue_that_refuses_everything_ends_a_replay_and_one_that_is_not_there_begins_none() {
    let world = filled();
    let begun = begun(&world, &order()).unwrap();
    world.queues.remove(&build::named_queue(&webhooks()));
    let (status, broken) = ran(&world, begun, &After::never());
    assert!(format!("{:?}", broken.unwrap()).contains("refuses deliveries"));
    assert_eq!((status.state, status.figures.deliveries), (Standing::Stopped, 0));
    let without = World::default();
    without.tenants.put(&build::tenant_id("acme"), build::webhook_document("acme", "https://a.example/"));
    without.stage_queues.make(&QueueName::new(&build::stage(), &build::tenant_id("acme"), QueueRole::Intake));
    let missing = previewed(&without, &order()).unwrap_err();
    assert!(matches!(&missing, OperationError::NoQueue { name } if *name == webhooks()), "{missing:?}");
}
