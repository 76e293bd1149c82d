//! Replays whose runner is killed: at every step of a call of any port, of which each entry has two, before and after.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use acequia_archive::compact::{compact, due};
use acequia_core::archive::Hour;
use acequia_core::delivery::Delivery;
use acequia_core::port::{ArchiveReader, Listing, ReadError, ReplayStore, SendError, StoredObject};
use acequia_core::replay::{LEASE, Place};
use acequia_testkit::{InMemoryQueues, Stepping, build, step};

use super::tests::{After, begun, drive, event, filled, keep, names, order, previewed, ran, sent, webhooks};
use super::*;
use crate::world::World;

impl Sender for Stepping<ToQueues<InMemoryQueues>> {
    async fn send(&self, deliveries: &[Delivery]) -> Vec<Result<(), SendError>> {
        let mut answers = Vec::new();
        for delivery in deliveries {
            step().await;
            answers.extend(self.0.send(std::slice::from_ref(delivery)).await);
        }
        step().await;
        answers
    }
}

/// Runs a replay that is killed after so many steps; whether it came to its end before.
fn runs(world: &World, begun: Begin, steps: usize) -> bool {
    runs_over(world, &Stepping(world.archive.clone()), begun, steps)
}

/// The same over another archive.
fn runs_over(world: &World, archive: &impl ArchiveReader, begun: Begin, steps: usize) -> bool {
    let tenant = build::tenant_id("acme");
    let Begin { replay, token, actor } = begun;
    let configured = drive(world, configured(world, &tenant, replay.config_version)).unwrap();
    let selection = select(&tenant, &replay.query, &configured, replay.created_at).unwrap();
    let kinds = selection.sinks().map(|sink| (sink.id.clone(), sink.kind())).collect();
    let of = [(SinkKind::Webhook, build::named_queue(&webhooks()))].into();
    let replays = Stepping(world.replays.clone());
    let sender = Stepping(ToQueues { queues: world.queues.clone(), of, kinds });
    let (ledger, clock) = (world.ledger.clone(), world.clock.clone());
    let outside = Outside { archive, ledger: &ledger, sender: &sender, replays: &replays, clock: &clock };
    let (runner, watch) = (Runner { token: &token, actor: &actor }, After::never());
    let mut work = pin!(runner::run(&outside, &tenant, &selection, (replay, runner), &watch));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..=steps {
        if work.as_mut().poll(&mut context).is_ready() {
            return true;
        }
        if let Some(until) = world.clock.next_sleeper() {
            world.clock.set(until);
        }
    }
    false
}

/// What became of a replay that is killed after so many steps, changed by `tamper`, and then gone on with: nothing where
/// it came to its end before.
fn killed(steps: usize, wanted: &Figures, tamper: impl Fn(&World, &mut Replay)) -> Option<Result<(), String>> {
    let (world, tenant) = (filled(), build::tenant_id("acme"));
    let begun = begun(&world, &Order { rate: 1, ..order() }).unwrap();
    let id = begun.id().clone();
    if runs(&world, begun, steps) {
        return None;
    }
    let mut stored = drive(&world, world.replays.load(&tenant, &id)).unwrap().unwrap();
    if stored.state == State::Running {
        let held = drive(&world, resume(&world, &tenant, &id, ("bob", None, true))).unwrap_err();
        assert!(matches!(held, OperationError::ReplayBusy { until: Some(_), .. }), "{held:?}");
    }
    world.clock.advance(LEASE);
    tamper(&world, &mut stored);
    stored.revision += 1;
    assert!(drive(&world, world.replays.save(&tenant, &stored)).unwrap());
    let status = match drive(&world, resume(&world, &tenant, &id, ("bob", None, true))) {
        Ok(again) => ran(&world, again, &After::never()).0,
        // It died behind its last writing.
        Err(OperationError::ReplayDone { .. }) => drive(&world, show(&world, &tenant, &id)).unwrap(),
        Err(error) => return Some(Err(error.to_string())),
    };
    let sent = sent(&world);
    let distinct: BTreeSet<&str> = names(&sent).into_iter().collect();
    // One a second, at most five seconds without a place written down, and what was under way.
    let most = 30 + 7;
    let checks = [
        (status.figures == *wanted, format!("it tells of {:?}", status.figures)),
        (distinct.len() == 30, format!("{} of 30 deliveries", distinct.len())),
        (sent.len() <= most, format!("{} messages", sent.len())),
        // So that the ledger knows them again.
        (sent.iter().all(|(_, mark)| mark.id == id), "of another replay".to_owned()),
    ];
    let wrong = checks.into_iter().find(|(holds, _)| !holds);
    Some(wrong.map_or(Ok(()), |(_, what)| Err(format!("killed after {steps} steps: {what}"))))
}

#[test]
fn a_replay_that_is_killed_at_any_step_goes_on_behind_its_place_and_nothing_is_lost() {
    let wanted = previewed(&filled(), &order()).unwrap().figures;
    let kills: Vec<_> = (0..5_000).map_while(|steps| killed(steps, &wanted, |_, _| ())).collect();
    assert!(kills.len() > 60, "{}", kills.len());
    for killed in kills {
        killed.unwrap();
    }
}

#[test]
fn a_runner_that_wrote_its_place_down_ahead_of_what_it_sent_would_be_found_out() {
    let wanted = previewed(&filled(), &order()).unwrap().figures;
    let ahead = |_: &World, replay: &mut Replay| {
        let place = &mut replay.progress.place;
        *place = place.take().map(|place| Place { lines: place.lines + 1, ..place });
    };
    let found = (0..5_000).map_while(|steps| killed(steps, &wanted, ahead)).filter(Result::is_err).count();
    assert!(found > 5, "{found}");
}

/// Compacts all hours of the archive, later than any replay's `as_of`.
fn compact_all(world: &World) {
    world.archive.keeps_at(build::at(1_000_000));
    let (tenant, archive) = (build::tenant_id("acme"), &world.archive);
    let hours = drive(world, due(archive, &tenant, Hour::of(build::start()), Hour::of(build::at(86_400)))).unwrap();
    for (hour, _) in hours {
        assert!(drive(world, compact(archive, &tenant, hour, &|| true)).unwrap().left.is_empty());
    }
}

/// An archive that is compacted just before one of the calls.
struct Changing<'a> {
    world: &'a World,
    calls: AtomicUsize,
    at: usize,
}

impl Changing<'_> {
    fn call(&self) {
        if self.calls.fetch_add(1, Ordering::Relaxed) == self.at {
            compact_all(self.world);
        }
    }
}

impl ArchiveReader for Changing<'_> {
    async fn list(&self, tenant: &TenantId, after: &str) -> Result<Listing, Unavailable> {
        self.call();
        self.world.archive.list(tenant, after).await
    }

    async fn read(&self, object: &StoredObject) -> Result<Vec<u8>, ReadError> {
        self.call();
        self.world.archive.read(object).await
    }

    async fn first_kept(&self, object: &StoredObject) -> Result<Timestamp, ReadError> {
        self.call();
        self.world.archive.first_kept(object).await
    }
}

#[test]
fn a_replay_sends_the_same_before_while_and_after_its_hours_are_compacted() {
    let wanted = previewed(&filled(), &order()).unwrap().figures;
    let compacted = filled();
    compact_all(&compacted);
    assert!(compacted.archive.objects().len() == 2 && previewed(&compacted, &order()).unwrap().figures == wanted);
    for at in 0.. {
        let world = filled();
        let begun = begun(&world, &order()).unwrap();
        let (id, archive) = (begun.id().clone(), Changing { world: &world, calls: AtomicUsize::new(0), at });
        assert!(runs_over(&world, &archive, begun, 10_000));
        if archive.calls.load(Ordering::Relaxed) <= at {
            assert!(at > 7, "{at}");
            return;
        }
        let status = drive(&world, show(&world, &build::tenant_id("acme"), &id)).unwrap();
        assert_eq!((&status.figures, status.state), (&wanted, Standing::Done), "compacted at call {at}");
        assert_eq!(sent(&world).len(), 30, "compacted at call {at}");
    }
}

#[test]
fn an_object_of_many_batches_that_is_damaged_is_named_and_costs_no_other_event_anything() {
    let world = filled();
    compact_all(&world);
    let objects = world.archive.objects();
    let (damaged, _) = objects.first_key_value().unwrap();
    world.archive.damage(damaged, b"PAR1".to_vec());
    // A late object of the same hour, and the other hour, which is whole.
    world.archive.keeps_at(build::start());
    keep(&world, &[event("late", "other", "DE", 7)]);
    world.clock.advance(Duration::from_secs(2_000_000));
    let preview = previewed(&world, &order()).unwrap();
    let figures = preview.figures;
    assert_eq!((figures.unreadable, figures.events, figures.deliveries), (1, 9, 13), "{:?}", preview.troubles);
    assert!(preview.troubles[0].contains("no whole Parquet"), "{:?}", preview.troubles);
}

#[test]
fn a_replay_that_was_killed_goes_on_behind_its_place_though_its_hours_were_compacted_since() {
    let wanted = previewed(&filled(), &order()).unwrap().figures;
    let kills = (0..5_000).map_while(|steps| killed(steps, &wanted, |world, _| compact_all(world)));
    for killed in kills {
        killed.unwrap();
    }
}
