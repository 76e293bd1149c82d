//! Compacting a tenant's archive by hand: of each closed hour's small objects it makes one, as the platform does by
//! itself for tenants that want it.

use acequia_archive::compact::{CLOSED_AFTER, Compactable, LOOKS_BACK, Standing, compact, due};
use acequia_core::archive::Hour;
use acequia_core::flow::redrive::Observer;
use acequia_core::id::TenantId;
use acequia_core::port::{Clock as _, Unavailable};
use jiff::Timestamp;
use serde::Serialize;

use crate::{OperationError, Ports, queues_of};

/// What became of one hour, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CompactedHour {
    /// Which one, as it stands in names of objects.
    pub hour: String,
    /// How many objects it had that are not compacted, and of many batches.
    pub small: u64,
    /// How many objects it had of many batches.
    pub compacted: u64,
    /// How many bytes all of them had.
    pub bytes: u64,
    /// How many batches were put together.
    pub batches: u64,
    /// How many events they have.
    pub events: u64,
    /// How many objects were made.
    pub made: u64,
    /// How many bytes they have.
    pub made_bytes: u64,
    /// How many objects were deleted.
    pub deleted: u64,
    /// Objects that were left as they are, each with why.
    pub left: Vec<String>,
    /// Whether there is more to do: it was ended before its end.
    pub unfinished: bool,
}

/// What compaction came to.
#[derive(Debug, Serialize)]
pub struct Compaction {
    /// Whose archive.
    pub tenant: TenantId,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// The first hour that was looked at.
    pub from: String,
    /// The hour before which it ended.
    pub before: String,
    /// The hours that had something to do, in their order.
    pub hours: Vec<CompactedHour>,
    /// Why it ended before its end, where the archive did not answer.
    #[serde(skip)]
    pub broken: Option<Unavailable>,
}

impl Compaction {
    /// Whether all was done.
    pub fn is_complete(&self) -> bool {
        self.broken.is_none() && self.hours.iter().all(|hour| hour.left.is_empty() && !hour.unfinished)
    }
}

impl CompactedHour {
    fn before(hour: Hour, standing: Standing) -> Self {
        let Standing { lines, parquet, compacted, bytes } = standing;
        Self {
            hour: hour.to_string(),
            small: lines + parquet,
            compacted,
            bytes,
            batches: 0,
            events: 0,
            made: 0,
            made_bytes: 0,
            deleted: 0,
            left: Vec::new(),
            unfinished: false,
        }
    }
}

/// Compacts the closed hours of a time; without one, of the last fifteen days.
///
/// # Errors
/// [`OperationError::NoQueues`] where the tenant has no stack, or when the archive does not answer at first.
pub async fn run(
    ports: &impl Ports,
    tenant: &TenantId,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
    dry_run: bool,
    watch: &impl Observer,
) -> Result<Compaction, OperationError> {
    let queues = queues_of(ports, tenant).await?;
    let Some((_, queue)) = queues.first() else {
        return Err(OperationError::NoQueues { tenant: tenant.clone(), stage: ports.stage().clone() });
    };
    let (archive, now) = (ports.archive_upkeep(queue), ports.clock().now());
    let early = |by| now.checked_sub(by).unwrap_or(Timestamp::MIN);
    let closed = early(CLOSED_AFTER);
    let (from, before) =
        (Hour::of(from.unwrap_or(early(LOOKS_BACK))), Hour::of(to.map_or(closed, |to| to.min(closed))));
    let hours = due(&archive, tenant, from, before).await?;
    let mut report = Compaction {
        tenant: tenant.clone(),
        dry_run,
        from: from.to_string(),
        before: before.to_string(),
        hours: hours.iter().map(|(hour, standing)| CompactedHour::before(*hour, *standing)).collect(),
        broken: None,
    };
    if !dry_run {
        each(&archive, tenant, &hours, &mut report, watch).await;
    }
    Ok(report)
}

async fn each<A: Compactable>(
    archive: &A,
    tenant: &TenantId,
    hours: &[(Hour, Standing)],
    report: &mut Compaction,
    watch: &impl Observer,
) {
    for ((hour, _), told) in hours.iter().zip(&mut report.hours) {
        if watch.ends() || report.broken.is_some() {
            told.unfinished = true;
            continue;
        }
        // Ctrl-C ends it between two hours: each has seconds, and what is done of one stays.
        match Box::pin(compact(archive, tenant, *hour, &|| true)).await {
            Ok(done) => {
                (told.batches, told.events, told.made) = (done.batches, done.events, done.made);
                (told.made_bytes, told.deleted, told.unfinished) = (done.bytes, done.deleted, done.is_unfinished);
                told.left = done.left.iter().map(|(name, why)| format!("{name}: {why}")).collect();
                for left in &told.left {
                    watch.trouble(left);
                }
                watch.dealt(1);
            }
            Err(error) => {
                told.unfinished = true;
                report.broken = Some(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use acequia_core::archive::{ObjectKey, write_line};
    use acequia_core::delivery::Delivery;
    use acequia_core::event::envelope::Envelope;
    use acequia_core::kind::SinkKind;
    use acequia_core::port::Archive as _;
    use acequia_core::queue::{QueueName, QueueRole};
    use acequia_testkit::build;

    use super::*;
    use crate::world::World;

    struct Watch(bool);

    impl Observer for Watch {
        fn dealt(&self, _: u64) {}

        fn trouble(&self, _: &str) {}

        fn ends(&self) -> bool {
            self.0
        }
    }

    async fn compact_all(world: &World, tenant: &TenantId, dry_run: bool, watch: &Watch) -> Compaction {
        run(world, tenant, (None, None), dry_run, watch).await.unwrap()
    }

    /// Two hours with two objects each.
    async fn world() -> World {
        let (world, tenant) = (World::default(), build::tenant_id("acme"));
        world.stage_queues.make(&QueueName::new(&build::stage(), &tenant, QueueRole::Sink(SinkKind::Archive)));
        for n in 0..4_u64 {
            let envelope = build::envelope("acme", &n.to_string(), "t", "{}");
            let envelope = Envelope { accepted_at: build::at(n / 2 * 3_600 + n), ..envelope };
            let delivery = Delivery::new(build::sink_id("keep"), envelope.clone());
            let mut line = Vec::new();
            write_line(&mut line, &envelope, 1).unwrap();
            let packed = acequia_archive::lines::pack([&line[..]]).unwrap();
            let key = ObjectKey::of(&tenant, Hour::of(envelope.accepted_at), [&delivery]);
            world.archive.keep(&key, packed).await.unwrap();
        }
        world
    }

    #[tokio::test]
    async fn closed_hours_become_one_object_each_and_a_dry_run_only_says_which() {
        let (world, tenant) = (world().await, build::tenant_id("acme"));
        let ran = async |now, dry_run, ends| {
            world.clock.set(build::at(now));
            compact_all(&world, &tenant, dry_run, &Watch(ends)).await
        };
        let small = |report: &Compaction| report.hours.iter().map(|hour| hour.small).collect::<Vec<u64>>();
        assert_eq!(small(&ran(7_199, true, false).await), Vec::<u64>::new());
        let dry = ran(7_200, true, false).await;
        assert_eq!((small(&dry), dry.hours[0].made, world.archive.objects().len()), (vec![2], 0, 4));
        let done = ran(86_400, false, false).await;
        assert!(done.is_complete());
        let hour = &done.hours[1];
        assert_eq!((hour.batches, hour.events, hour.made, hour.deleted), (2, 2, 1, 2));
        assert_eq!((done.hours.len(), world.archive.objects().len()), (2, 2));
        assert!(ran(86_400, false, false).await.hours.is_empty());
    }

    #[tokio::test]
    async fn what_ends_it_early_is_told_and_leaves_the_rest_for_later() {
        let (world, tenant) = (world().await, build::tenant_id("acme"));
        world.clock.set(build::at(86_400));
        let ran = async |ends| compact_all(&world, &tenant, false, &Watch(ends)).await;
        let stopped = ran(true).await;
        assert!(!stopped.is_complete() && stopped.hours.iter().all(|hour| hour.unfinished));
        world.archive.writes.go_down();
        let broken = ran(false).await;
        assert!(broken.broken.is_some() && !broken.is_complete() && world.archive.objects().len() == 4);
        world.archive.writes.mend();
        assert!(ran(false).await.is_complete());
    }
}
