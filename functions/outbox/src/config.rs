//! What the outbox is told by its environment.

use acequia_lambda::environment::{Environment, Installation, InvalidEnvironment};

/// The outbox function's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it is installed.
    pub installation: Installation,
    /// The name of the consents table.
    pub consents_table: String,
    /// What the ARNs of queues begin with, up to the name.
    pub queue_arns: String,
    /// Where the confirm function answers.
    pub link_base: String,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// All bad variables together.
    pub fn from_env(mut environment: Environment) -> Result<Self, InvalidEnvironment> {
        let installation = Installation::read(&mut environment);
        let consents_table = environment.text("CONSENTS_TABLE");
        let queue_arns = environment.text("QUEUE_ARNS");
        let link_base = environment.text("LINK_BASE");
        environment.conclude(installation.map(|installation| Self {
            installation,
            consents_table,
            queue_arns,
            link_base,
        }))
    }
}
