//! The bridge under test, wired to the perilous ports.

use acequia_core::port::{TopicStore, Unavailable};
use acequia_core::queue::Queue;
use acequia_core::topic::Topic;
use acequia_lambda::{CachedTenants, Deadline, Telemetry};
use acequia_testkit::build;
use kafka::{Bridge, BridgeError};
use serde_json::Value as Json;

use crate::peril::{Instance, unavailable};
use crate::port::Perilous;
use crate::world::World;

impl TopicStore for Perilous {
    async fn intake(&self, topic: &Topic) -> Result<Option<Queue>, Unavailable> {
        const OPERATION: &str = "read whose a topic is";
        let Some(call) = self.0.call("topics.intake").await else { return Err(unavailable(OPERATION)) };
        let answer = self.0.world.topics.intake(topic).await;
        if self.0.end(&call).await { answer } else { Err(unavailable(OPERATION)) }
    }
}

/// An instance of the bridge.
pub struct Function {
    /// Where its calls pass.
    pub instance: Instance,
    bridge: Bridge<Perilous, Perilous, Perilous>,
}

impl Function {
    /// Starts one.
    pub fn start(world: &World) -> Self {
        let instance = Instance::new(world);
        let ports = || Perilous(instance.clone());
        let bridge = Bridge {
            tenants: CachedTenants::new(ports(), instance.clock()),
            topics: ports(),
            queues: ports(),
            clock: instance.clock(),
            stage: build::stage(),
            telemetry: Telemetry::silent(),
        };
        Self { instance, bridge }
    }

    /// Handles one call.
    ///
    /// # Errors
    /// As the function's own code.
    pub async fn serve(&self, event: Json, deadline: Deadline) -> Result<Json, BridgeError> {
        self.bridge.serve(event, deadline).await
    }
}
