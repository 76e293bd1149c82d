//! What the feedback function is told by its environment.

use acequia_lambda::environment::{Environment, Installation, InvalidEnvironment};

/// The feedback function's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it is installed.
    pub installation: Installation,
    /// The name of the consents table.
    pub consents_table: String,
    /// The platform's SES configuration set; tenants' own are called like it, with a hyphen and the tenant behind.
    pub configuration_set: String,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// All bad variables together.
    pub fn from_env(mut environment: Environment) -> Result<Self, InvalidEnvironment> {
        let installation = Installation::read(&mut environment);
        let consents_table = environment.text("CONSENTS_TABLE");
        let configuration_set = environment.text("SES_CONFIGURATION_SET");
        environment.conclude(installation.map(|installation| Self { installation, consents_table, configuration_set }))
    }
}
