//! What the email function is told by its environment.

use acequia_lambda::environment::{Environment, Installation, InvalidEnvironment};

/// The email function's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it is installed.
    pub installation: Installation,
    /// The SES configuration set that mails are sent with.
    pub configuration_set: String,
    /// The name of the consents table.
    pub consents_table: String,
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
        let configuration_set = environment.text("SES_CONFIGURATION_SET");
        let consents_table = environment.text("CONSENTS_TABLE");
        let link_base = environment.text("LINK_BASE");
        environment.conclude(installation.map(|installation| Self {
            installation,
            configuration_set,
            consents_table,
            link_base,
        }))
    }
}
