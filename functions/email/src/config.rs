//! What the email function is told by its environment.

use acequia_lambda::environment::{Environment, Installation, InvalidEnvironment};

/// The email function's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it is installed.
    pub installation: Installation,
    /// The SES configuration set that mails are sent with.
    pub configuration_set: String,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// All bad variables together.
    pub fn from_env(mut environment: Environment) -> Result<Self, InvalidEnvironment> {
        let installation = Installation::read(&mut environment);
        let configuration_set = environment.text("SES_CONFIGURATION_SET");
        environment.conclude(installation.map(|installation| Self { installation, configuration_set }))
    }
}
