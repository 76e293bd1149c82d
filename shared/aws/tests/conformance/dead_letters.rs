//! The real queues as redriving sees them, and what its suites need beside the ports.
#![expect(clippy::unwrap_used, reason = "what a test builds on fails by panicking")]

use std::time::Duration;

use acequia_aws::operator::OperatorQueues;
use acequia_core::delivery::redrive::Received;
use acequia_core::id::Stage;
use acequia_core::message::Outgoing;
use acequia_core::port::{DeadLetters, Depths, QueueAddresses as _, Search, Sending, Unavailable};
use acequia_core::queue::{QueueArn, QueueName};
use acequia_testkit::build;
use acequia_testkit::conformance::dead_letters::DeadLettersInTest;
use aws_sdk_sqs::types::QueueAttributeName;

use crate::World;

/// SQS in a stage of its own, as an operator uses it.
pub(crate) struct RealDeadLetters {
    operator: OperatorQueues,
    world: World,
}

impl RealDeadLetters {
    pub(crate) fn new(world: World) -> Self {
        Self { operator: OperatorQueues::new(world.clients.sqs.clone()), world }
    }
}

impl DeadLetters for RealDeadLetters {
    async fn receive(
        &self,
        queue: &QueueArn,
        visibility: Duration,
        search: Search,
    ) -> Result<Vec<Received>, Unavailable> {
        DeadLetters::receive(&self.operator, queue, visibility, search).await
    }

    async fn send_once(&self, queue: &QueueArn, messages: &[Outgoing]) -> Vec<Sending> {
        self.operator.send_once(queue, messages).await
    }

    async fn hide(&self, queue: &QueueArn, handles: &[String], time: Duration) -> Vec<Result<(), Unavailable>> {
        self.operator.hide(queue, handles, time).await
    }

    async fn delete(&self, queue: &QueueArn, handles: &[String]) -> Vec<Result<(), Unavailable>> {
        self.operator.delete(queue, handles).await
    }
}

impl Depths for RealDeadLetters {
    async fn measure(&self, name: &QueueName) -> Result<Option<(QueueArn, u64)>, Unavailable> {
        self.operator.measure(name).await
    }
}

impl DeadLettersInTest for RealDeadLetters {
    fn stage(&self) -> Stage {
        self.world.stage.clone()
    }

    async fn make(&self, name: &QueueName) -> QueueArn {
        let mut request = self.world.clients.sqs.create_queue().queue_name(name.to_string());
        if name.fifo {
            request = request.attributes(QueueAttributeName::FifoQueue, "true");
        }
        request.send().await.unwrap();
        self.operator.locate(name).await.unwrap().unwrap()
    }

    fn missing(&self, name: &QueueName) -> QueueArn {
        build::named_queue(name)
    }

    async fn put_delayed(&self, queue: &QueueArn) {
        let request = self.world.clients.sqs.send_message().queue_url(queue.url()).message_body("delayed");
        request.delay_seconds(900).send().await.unwrap();
    }

    fn tick(&self) {}
}
