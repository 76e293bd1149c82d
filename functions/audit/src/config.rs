//! What the audit function is told by its environment.

use acequia_lambda::environment::{Environment, Installation, InvalidEnvironment};

/// The audit function's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it is installed.
    pub installation: Installation,
    /// The bucket that keeps copies; none where the installation has none.
    pub bucket: Option<String>,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// All bad variables together.
    pub fn from_env(mut environment: Environment) -> Result<Self, InvalidEnvironment> {
        let installation = Installation::read(&mut environment);
        let bucket = environment.optional("AUDIT_BUCKET");
        environment.conclude(installation.map(|installation| Self { installation, bucket }))
    }
}
