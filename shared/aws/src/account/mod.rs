//! What an operator can learn of the AWS account and of what is deployed in it. It only reads, and decides nothing.
//!
//! Lambda, `CloudFormation`, `CloudWatch`, IAM and STS are asked for ten things together, without the SDK's crates of
//! them, which would take longer to compile than all the rest of the command (ADR 36, ADR 51).

mod alarms;
mod caller;
mod lambda;
mod parameters;
mod stacks;
mod tables;
mod wire;

use aws_config::SdkConfig;

pub use alarms::{Alarm, Topic};
pub use caller::{Caller, Principal};
pub use lambda::{Concurrency, Deployed, Mapping};
pub use stacks::Stack;
pub use tables::Table;
use wire::Wire;

use crate::ages::CLOUDWATCH;
use crate::json_client::{JsonClient, JsonService};
use crate::{Clients, Lazy};

/// An account in one region.
#[derive(Debug, Clone)]
pub struct Account {
    clients: Clients,
    watch: Lazy<JsonClient>,
    wire: Wire,
}

impl Account {
    /// The account that these credentials belong to.
    pub fn new(config: &SdkConfig, clients: &Clients) -> Self {
        let watch = |config: &SdkConfig| JsonClient::new(config, JsonService { retries: true, ..CLOUDWATCH });
        Self { clients: clients.clone(), watch: Lazy::new(config, watch), wire: Wire::new(config) }
    }

    /// The region that is asked.
    pub fn region(&self) -> &str {
        self.wire.region()
    }
}
