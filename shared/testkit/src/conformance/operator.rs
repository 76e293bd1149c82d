//! The suites of what an operator asks of a stage: its queues, found and measured, and whether its platform is there.

use acequia_core::kind::SinkKind;
use acequia_core::port::{Platform, Presence, QueueAddresses, StageQueues};
use acequia_core::queue::{Depth, QueueArn, QueueName, QueueRole};

use super::watch::WatchedInTest;
use crate::build::{stage, tenant_id};
use crate::{InMemoryPlatform, InMemoryStageQueues};

impl WatchedInTest for InMemoryStageQueues {
    fn stage(&self) -> acequia_core::id::Stage {
        stage()
    }

    async fn make(&self, name: &QueueName, _: Option<&str>) -> QueueArn {
        Self::make(self, name)
    }

    async fn put(&self, queue: &QueueArn) {
        super::watch::put(self.queues(), queue).await;
    }

    async fn receive(&self, queue: &QueueArn) {
        assert_eq!(self.queues().receive(queue, 1, std::time::Duration::from_mins(5)).len(), 1);
    }

    fn now(&self) -> jiff::Timestamp {
        crate::build::start()
    }

    fn missing(&self, name: &QueueName) -> QueueArn {
        crate::build::named_queue(name)
    }
}

/// Dead-letter queues too, sorted by name; a tenant whose id begins with another's is another.
pub async fn a_tenants_queues_are_found_and_no_others(queues: &(impl StageQueues + WatchedInTest)) {
    let stage = queues.stage();
    let name = |tenant: &str, role| QueueName::new(&stage, &tenant_id(tenant), role);
    let intake = name("o-find", QueueRole::Intake);
    let ordered = QueueName { fifo: true, ..name("o-find", QueueRole::Sink(SinkKind::Forward)) };
    let other = name("o-find-b", QueueRole::Intake);
    for made in [&ordered, &other, &intake.dead_letter(), &intake] {
        queues.make(made, None).await;
    }
    let mut wanted = vec![intake.clone(), intake.dead_letter(), ordered];
    wanted.sort();
    assert_eq!(queues.find(&stage, Some(&tenant_id("o-find"))).await.unwrap(), wanted);
    wanted.push(other);
    wanted.sort();
    assert_eq!(queues.find(&stage, None).await.unwrap(), wanted);
    assert!(queues.find(&stage, Some(&tenant_id("o-none"))).await.unwrap().is_empty());
}

/// Its address is that of its neighbour with another name.
pub async fn a_queue_is_located_where_there_is_one(queues: &(impl QueueAddresses + WatchedInTest)) {
    let name = QueueName::new(&queues.stage(), &tenant_id("o-locate"), QueueRole::Intake);
    assert_eq!(queues.locate(&name).await.unwrap(), None);
    let queue = queues.make(&name, None).await;
    assert_eq!(queues.locate(&name).await.unwrap(), Some(queue.clone()));
    assert_eq!(queues.locate(&name.dead_letter()).await.unwrap(), None);
    let behind = queues.make(&name.dead_letter(), None).await;
    assert_eq!(queue.beside(&name.dead_letter()), behind);
}

/// What was received and is hidden counts as in flight.
pub async fn a_queue_is_measured_by_what_can_be_received_and_what_was(queues: &(impl StageQueues + WatchedInTest)) {
    let name = QueueName::new(&queues.stage(), &tenant_id("o-depth"), QueueRole::Out);
    let queue = queues.make(&name, None).await;
    assert_eq!(queues.depth(&queue).await.unwrap(), Depth::default());
    for _ in 0..3 {
        queues.put(&queue).await;
    }
    queues.receive(&queue).await;
    let depth = queues.depth(&queue).await.unwrap();
    assert_eq!(depth, Depth { visible: 2, in_flight: 1, not_yet_visible: 0 });
    assert_eq!(depth.total(), 3);
}

/// A platform that a test can also have missing.
pub trait PlatformInTest: Platform + Sized {
    /// The platform of a stage that has none.
    #[must_use]
    fn elsewhere(&self) -> Self;
}

impl PlatformInTest for InMemoryPlatform {
    fn elsewhere(&self) -> Self {
        let other = Self::new();
        other.remove();
        other
    }
}

/// And of another stage it is not.
pub async fn a_platform_is_there_in_its_own_stage_alone(platform: &impl PlatformInTest) {
    assert!(matches!(platform.presence().await, Ok(Presence::There)));
    assert!(matches!(platform.elsewhere().presence().await, Ok(Presence::Missing)));
}
