//! What the replay function is told by its environment.

use acequia_lambda::environment::{Environment, Installation, InvalidEnvironment};

/// The replay function's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it is installed.
    pub installation: Installation,
    /// The bucket that is the archive.
    pub bucket: String,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// All bad variables together.
    pub fn from_env(mut environment: Environment) -> Result<Self, InvalidEnvironment> {
        let installation = Installation::read(&mut environment);
        let bucket = environment.text("ARCHIVE_BUCKET");
        environment.conclude(installation.map(|installation| Self { installation, bucket }))
    }
}
