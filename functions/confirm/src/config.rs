//! What the confirm function is told by its environment.

use acequia_lambda::environment::{Environment, Installation, InvalidEnvironment};

/// The confirm function's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it is installed.
    pub installation: Installation,
    /// The name of the consents table.
    pub consents_table: String,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// All bad variables together.
    pub fn from_env(mut environment: Environment) -> Result<Self, InvalidEnvironment> {
        let installation = Installation::read(&mut environment);
        let consents_table = environment.text("CONSENTS_TABLE");
        environment.conclude(installation.map(|installation| Self { installation, consents_table }))
    }
}
