//! What the table function is told by its environment.

use acequia_lambda::environment::{Environment, Installation, InvalidEnvironment};

/// The table function's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it is installed.
    pub installation: Installation,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// All bad variables together.
    pub fn from_env(mut environment: Environment) -> Result<Self, InvalidEnvironment> {
        let installation = Installation::read(&mut environment);
        environment.conclude(installation.map(|installation| Self { installation }))
    }
}
