//! The compact function over the in-memory ports.
#![expect(clippy::unwrap_used, reason = "a test's own mistake should stop the test where it was made")]

use std::sync::Arc;
use std::time::Duration;

use acequia_core::archive::{Form, Hour, ObjectKey, write_line};
use acequia_core::delivery::Delivery;
use acequia_core::event::envelope::Envelope;
use acequia_core::port::{Archive as _, Clock as _};
use acequia_core::time::after;
use acequia_lambda::Deadline;
use acequia_testkit::{FixedClock, InMemoryArchive, InMemoryTenants, build};
use compact::{CompactFailed, Compactor};

struct World {
    clock: FixedClock,
    archive: InMemoryArchive,
    compactor: Compactor<InMemoryArchive, InMemoryTenants>,
}

/// Three tenants: one keeps Parquet, one has its lines compacted, one leaves them.
fn world() -> World {
    let document = |tenant: &str, more: &str| {
        let sink = format!(r#"{{"id":"keep","kind":"archive","types":["*"]{more}}}"#);
        format!(r#"{{"tenant":"{tenant}","name":"A","sinks":[{sink}]}}"#)
    };
    let tenants = InMemoryTenants::new();
    for (tenant, more) in [("acme", r#","format":"parquet""#), ("bona", r#","compact":true"#), ("cora", "")] {
        tenants.put(&build::tenant_id(tenant), document(tenant, more));
    }
    let (clock, archive) = (FixedClock::at(build::at(3 * 3_600)), InMemoryArchive::new());
    let compactor = Compactor { archive: archive.clone(), tenants, clock: Arc::new(clock.clone()) };
    World { clock, archive, compactor }
}

impl World {
    async fn keep(&self, tenant: &str, id: &str, seconds: u64) -> ObjectKey {
        let tenant = build::tenant_id(tenant);
        let body = build::body(id, "t", "{}");
        let envelope = Envelope::parse(&tenant, build::at(seconds), body.as_bytes()).unwrap();
        let mut line = Vec::new();
        write_line(&mut line, &envelope, 1).unwrap();
        let delivery = Delivery::new(build::sink_id("keep"), envelope);
        let key = ObjectKey::of(&tenant, Hour::of(build::at(seconds)), [&delivery]);
        self.archive.keep(&key, acequia_archive::lines::pack([&line[..]]).unwrap()).await.unwrap();
        key
    }

    async fn run(&self, time: Duration) -> Result<(), CompactFailed> {
        self.compactor.run(Deadline::at(after(self.clock.now(), time))).await
    }

    /// How many objects a tenant has, of one batch and of many.
    fn objects(&self, tenant: &str) -> (usize, usize) {
        let objects = self.archive.objects();
        let ours: Vec<Form> = objects.keys().filter(|key| key.tenant.as_str() == tenant).map(|key| key.form).collect();
        let many = ours.iter().filter(|form| form.is_compacted()).count();
        (ours.len() - many, many)
    }
}

#[tokio::test]
async fn what_is_older_than_a_tenants_retention_is_deleted_and_nothing_else_is() {
    let world = world();
    let sink = |id: &str, more: &str| format!(r#"{{"id":"{id}","kind":"archive","types":["*"]{more}}}"#);
    let document =
        |tenant: &str, sinks: &[String]| format!(r#"{{"tenant":"{tenant}","name":"A","sinks":[{}]}}"#, sinks.join(","));
    let (day, month) = (r#","retention":"1d""#, r#","retention":"30d""#);
    for (tenant, sinks) in [
        ("acme", vec![sink("keep", day)]),
        // The longest counts.
        ("bona", vec![sink("keep", day), sink("also", month)]),
        // One of them keeps for good.
        ("cora", vec![sink("keep", day), sink("also", "")]),
    ] {
        world.compactor.tenants.put(&build::tenant_id(tenant), document(tenant, &sinks));
        for (id, seconds) in [("1", 0), ("2", 3_600), ("3", 2 * 3_600)] {
            world.keep(tenant, id, seconds).await;
        }
    }
    // The second hour is a day old to the minute, and the third is not.
    world.clock.advance(Duration::from_hours(23));
    world.run(MINUTES).await.unwrap();
    let left = |tenant: &str| world.objects(tenant).0;
    assert_eq!((left("acme"), left("bona"), left("cora")), (1, 3, 3));
    world.clock.advance(Duration::from_hours(40 * 24));
    world.run(Duration::from_mins(1)).await.unwrap();
    assert_eq!(left("acme"), 1, "there was no time");
    world.run(MINUTES).await.unwrap();
    assert_eq!((left("acme"), left("bona"), left("cora")), (0, 0, 3));
}

const MINUTES: Duration = Duration::from_mins(14);

#[tokio::test]
async fn closed_hours_of_tenants_that_want_it_become_one_object_each() {
    let world = world();
    for tenant in ["acme", "bona", "cora", "gone"] {
        for (id, seconds) in [("1", 0), ("2", 60), ("3", 3_600), ("4", 2 * 3_600)] {
            world.keep(tenant, id, seconds).await;
        }
    }
    world.run(MINUTES).await.unwrap();
    for (tenant, objects) in [("acme", (1, 2)), ("bona", (1, 2)), ("cora", (4, 0)), ("gone", (4, 0))] {
        assert_eq!(world.objects(tenant), objects, "{tenant}");
    }
    world.keep("acme", "late", 90).await;
    world.run(MINUTES).await.unwrap();
    assert_eq!(world.objects("acme"), (1, 2));
}

#[tokio::test]
async fn what_one_tenant_has_that_cannot_be_read_costs_the_others_nothing_and_the_alarm_tells() {
    let world = world();
    let damaged = world.keep("acme", "1", 0).await;
    world.archive.damage(&damaged, b"no zstd".to_vec());
    world.keep("bona", "1", 0).await;
    assert_eq!(world.run(MINUTES).await, Err(CompactFailed { failed: 0, left: 1 }));
    assert_eq!((world.objects("acme"), world.objects("bona")), ((1, 0), (0, 1)));
}

#[tokio::test]
async fn an_archive_that_does_not_answer_fails_the_invocation_and_the_next_one_goes_on() {
    let world = world();
    world.keep("acme", "1", 0).await;
    world.archive.writes.fail_next(1);
    assert_eq!(world.run(MINUTES).await, Err(CompactFailed { failed: 1, left: 0 }));
    assert_eq!(world.objects("acme"), (1, 0));
    world.run(MINUTES).await.unwrap();
    assert_eq!(world.objects("acme"), (0, 1));
}

#[tokio::test]
async fn nothing_is_begun_without_the_time_for_it() {
    let world = world();
    world.keep("acme", "1", 0).await;
    world.run(Duration::from_mins(1)).await.unwrap();
    assert_eq!(world.objects("acme"), (1, 0));
}
