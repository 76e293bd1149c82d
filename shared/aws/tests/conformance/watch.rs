//! The real queues as the watch sees them, and what its suites need beside the ports.
#![expect(clippy::unwrap_used, reason = "what a test builds on fails by panicking")]

use std::time::{Duration, SystemTime};

use acequia_aws::CloudWatchAges;
use acequia_aws::operator::OperatorQueues;
use acequia_core::id::{Stage, TenantId};
use acequia_core::port::{Ages, QueueAddresses, StageQueues, Unavailable, WatchedQueues};
use acequia_core::queue::{Depth, QueueArn, QueueName};
use acequia_core::watch::{ALARMS_TAG, Watched};
use acequia_testkit::build;
use acequia_testkit::conformance::watch::WatchedInTest;
use aws_sdk_sqs::types::QueueAttributeName;
use jiff::Timestamp;

use crate::World;

/// SQS and `CloudWatch` in a stage of its own.
pub(crate) struct RealWatched {
    operator: OperatorQueues,
    ages: CloudWatchAges,
    world: World,
}

impl RealWatched {
    pub(crate) fn new(world: World) -> Self {
        Self {
            operator: OperatorQueues::new(world.clients.sqs.clone()),
            ages: CloudWatchAges::new(&world.config),
            world,
        }
    }
}

impl WatchedQueues for RealWatched {
    async fn list(&self, stage: &Stage) -> Result<Vec<Watched>, Unavailable> {
        self.operator.list(stage).await
    }

    async fn messages(&self, queue: &QueueArn) -> Result<Option<u64>, Unavailable> {
        self.operator.messages(queue).await
    }

    async fn tag(&self, queue: &QueueArn, key: &str) -> Result<Option<String>, Unavailable> {
        self.operator.tag(queue, key).await
    }
}

impl QueueAddresses for RealWatched {
    async fn locate(&self, name: &QueueName) -> Result<Option<QueueArn>, Unavailable> {
        self.operator.locate(name).await
    }
}

impl StageQueues for RealWatched {
    async fn find(&self, stage: &Stage, tenant: Option<&TenantId>) -> Result<Vec<QueueName>, Unavailable> {
        self.operator.find(stage, tenant).await
    }

    async fn depth(&self, queue: &QueueArn) -> Result<Depth, Unavailable> {
        self.operator.depth(queue).await
    }
}

impl Ages for RealWatched {
    async fn ages(&self, queues: &[QueueArn], now: Timestamp) -> Result<Vec<Option<Duration>>, Unavailable> {
        self.ages.ages(queues, now).await
    }
}

impl WatchedInTest for RealWatched {
    fn stage(&self) -> Stage {
        self.world.stage.clone()
    }

    async fn make(&self, name: &QueueName, alarms: Option<&str>) -> QueueArn {
        let mut request = self.world.clients.sqs.create_queue().queue_name(name.to_string());
        if name.fifo {
            request = request.attributes(QueueAttributeName::FifoQueue, "true");
        }
        if let Some(alarms) = alarms {
            request = request.tags(ALARMS_TAG, alarms);
        }
        request.send().await.unwrap();
        self.operator.locate(name).await.unwrap().unwrap()
    }

    async fn put(&self, queue: &QueueArn) {
        self.world.clients.sqs.send_message().queue_url(queue.url()).message_body("x").send().await.unwrap();
    }

    async fn receive(&self, queue: &QueueArn) {
        let request = self.world.clients.sqs.receive_message().queue_url(queue.url()).visibility_timeout(300);
        assert_eq!(request.max_number_of_messages(1).send().await.unwrap().messages.unwrap_or_default().len(), 1);
    }

    #[expect(clippy::disallowed_methods, reason = "the local AWS goes by the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::try_from(SystemTime::now()).unwrap()
    }

    fn missing(&self, name: &QueueName) -> QueueArn {
        build::named_queue(name)
    }
}
