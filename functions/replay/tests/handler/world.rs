//! Tenants with archives and replays, and ports that make a step of each call.

use std::io::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use acequia_core::archive::{Hour, ObjectKey, write_line};
use acequia_core::delivery::Delivery;
use acequia_core::event::envelope::Envelope;
use acequia_core::id::{ReplayId, TenantId};
use acequia_core::kind::SinkKind;
use acequia_core::port::{Archive as _, Clock as _, Queued, ReplayStore as _, TenantStore as _};
use acequia_core::queue::{QueueName, QueueRole};
use acequia_core::replay::{Plan, Query, Replay};
use acequia_core::tenant::{RawTenant, Tenant};
use acequia_core::time::after;
use acequia_core::wire::ReplayIds;
use acequia_lambda::{Deadline, Reporting, Telemetry};
use acequia_operations::replay::request::{Wish, ask};
use acequia_testkit::{
    FixedClock, InMemoryArchive, InMemoryLedger, InMemoryLines, InMemoryQueues, InMemoryReplays, InMemoryStageQueues,
    InMemoryTenants, SeededChance, Stepping, build,
};
use jiff::Timestamp;
use replay::Replayer;

/// How long an invocation of the deployed function may take.
const TIMEOUT: Duration = Duration::from_mins(2);

pub(crate) struct World {
    pub(crate) clock: FixedClock,
    pub(crate) archive: InMemoryArchive,
    pub(crate) replays: InMemoryReplays,
    pub(crate) tenants: InMemoryTenants,
    ledger: InMemoryLedger,
    queues: InMemoryQueues,
    stage_queues: InMemoryStageQueues,
    lines: InMemoryLines,
    chance: SeededChance,
}

fn webhooks(tenant: &str) -> QueueName {
    QueueName::new(&build::stage(), &build::tenant_id(tenant), QueueRole::Sink(SinkKind::Webhook))
}

impl World {
    /// Tenants whose archives have thirty events each, in six objects of two hours, and one webhook for all.
    pub(crate) fn filled(tenants: &[&str]) -> Self {
        let clock = FixedClock::default();
        let queues = InMemoryQueues::new(clock.clone());
        let world = Self {
            clock,
            archive: InMemoryArchive::new(),
            replays: InMemoryReplays::new(),
            tenants: InMemoryTenants::new(),
            ledger: InMemoryLedger::new(),
            stage_queues: InMemoryStageQueues::new(queues.clone()),
            queues,
            lines: InMemoryLines::new(),
            chance: SeededChance::default(),
        };
        for name in tenants {
            let tenant = build::tenant_id(name);
            world.tenants.put(&tenant, build::webhook_document(name, "https://a.example/"));
            world.stage_queues.make(&webhooks(name));
            for object in 0..6_u64 {
                world.keep(&tenant, object);
            }
        }
        world.clock.advance(Duration::from_hours(24));
        world
    }

    /// Keeps five events as the archive's function does, as one object.
    fn keep(&self, tenant: &TenantId, object: u64) {
        let event = |n: u64| {
            let body = build::body(&format!("{object}-{n}"), "action.signed", "{}");
            let at = build::at(object / 3 * 3_600 + object * 60 + n);
            Envelope::parse(tenant, at, body.as_bytes()).unwrap()
        };
        let events: Vec<Envelope> = (0..5).map(event).collect();
        let deliveries: Vec<Delivery> =
            events.iter().map(|event| Delivery::new(build::sink_id("keep"), event.clone())).collect();
        let key = ObjectKey::of(tenant, Hour::of(events[0].accepted_at), &deliveries);
        let mut lines = Vec::new();
        for event in &events {
            write_line(&mut lines, event, 1).unwrap();
        }
        let mut packer = zstd::Encoder::new(Vec::new(), 3).unwrap();
        packer.include_checksum(true).unwrap();
        packer.write_all(&lines).unwrap();
        self.drive(self.archive.keep(&key, packer.finish().unwrap())).unwrap();
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Takes a tenant's queue away.
    pub(crate) fn loses_queue(&self, tenant: &str) {
        self.stage_queues.remove(&webhooks(tenant));
    }

    /// Leaves a replay of all events to the platform, as the door does.
    pub(crate) fn asks(&self, tenant: &str, rate: u32, dry_run: bool) -> ReplayId {
        use acequia_core::port::Chance as _;
        let (name, now) = (build::tenant_id(tenant), self.now());
        let document = self.drive(self.tenants.version(&name, 1)).unwrap().unwrap().document;
        let configured = Tenant::of_stored(&RawTenant::from_json(&document).unwrap()).unwrap();
        let query = Query::between(build::start(), build::at(7_200));
        let plan = Plan { query, ids: ReplayIds::Same, rate, config_version: 1, as_of: now };
        let wish = Wish { plan, id: ReplayId::of(self.chance.bytes()), dry_run, alone: true };
        self.drive(ask(&self.replays, (&name, &configured), wish, ("key-1", now))).unwrap().status.id
    }

    pub(crate) fn replay(&self, tenant: &str, id: &ReplayId) -> Replay {
        self.drive(self.replays.load(&build::tenant_id(tenant), id)).unwrap().unwrap()
    }

    pub(crate) fn queued(&self) -> Vec<Queued> {
        self.drive(self.replays.queued(99)).unwrap()
    }

    /// What stands in a tenant's queue: the ids of events. It is taken out.
    pub(crate) fn sent(&self, tenant: &str) -> Vec<String> {
        let (queue, mut all) = (build::named_queue(&webhooks(tenant)), Vec::new());
        loop {
            let some = self.queues.receive(&queue, 10, Duration::from_hours(1));
            if some.is_empty() {
                return all;
            }
            all.extend(some.into_iter().map(|message| {
                let delivery = Delivery::from_message(&build::tenant_id(tenant), &message).unwrap();
                assert!(delivery.replay.is_some());
                delivery.envelope.event.id().to_owned()
            }));
        }
    }

    /// The sum of a metric over all lines.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let lines = self.lines.written();
        let lines = lines.iter().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter_map(|line| line[name].as_u64()).sum()
    }

    /// One invocation to its end.
    pub(crate) fn invoke(&self) {
        self.invoke_for(TIMEOUT);
    }

    pub(crate) fn invoke_for(&self, time: Duration) {
        let replayer = Replayer {
            archive: self.archive.clone(),
            ledger: self.ledger.clone(),
            queues: self.queues.clone(),
            addresses: self.stage_queues.clone(),
            replays: self.replays.clone(),
            tenants: self.tenants.clone(),
            clock: Arc::new(self.clock.clone()),
            chance: Arc::new(self.chance.clone()),
            stage: build::stage(),
            telemetry: Telemetry::new(Reporting::default(), self.lines.clone()),
        };
        self.drive(replayer.handle(Deadline::at(after(self.now(), time)))).unwrap();
    }

    /// One invocation that is killed after so many steps; whether it came to its end before.
    pub(crate) fn killed_after(&self, steps: usize) -> bool {
        let replayer = Replayer {
            archive: Stepping(self.archive.clone()),
            ledger: self.ledger.clone(),
            queues: Stepping(self.queues.clone()),
            addresses: self.stage_queues.clone(),
            replays: Stepping(self.replays.clone()),
            tenants: self.tenants.clone(),
            clock: Arc::new(self.clock.clone()),
            chance: Arc::new(self.chance.clone()),
            stage: build::stage(),
            telemetry: Telemetry::new(Reporting::default(), self.lines.clone()),
        };
        let mut work = pin!(replayer.handle(Deadline::at(after(self.now(), TIMEOUT))));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..=steps {
            if work.as_mut().poll(&mut context).is_ready() {
                return true;
            }
            self.pass_time();
        }
        false
    }

    fn pass_time(&self) {
        // The end of the invocation is waited for, too: what else is to be done comes first.
        let next = self.clock.next_sleeper().filter(|next| *next <= after(self.now(), Duration::from_secs(10)));
        if let Some(next) = next {
            self.clock.set(next);
        }
    }

    /// Lets time pass wherever somebody waits for it.
    pub(crate) fn drive<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
                return done;
            }
            let until = self.clock.next_sleeper().expect("it waits for a time");
            self.clock.set(until);
        }
    }
}
