//! What the ingest function is told by its environment.

use acequia_core::egress::Egress;
use acequia_lambda::environment::{Environment, Installation, InvalidEnvironment, egress};

/// The ingest function's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it is installed.
    pub installation: Installation,
    /// Where the keys of issuers may be fetched from.
    pub egress: Egress,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// All bad variables together.
    pub fn from_env(mut environment: Environment) -> Result<Self, InvalidEnvironment> {
        let installation = Installation::read(&mut environment);
        let egress = egress(&mut environment, "INGEST_EGRESS", installation.as_ref());
        environment.conclude(installation.zip(egress).map(|(installation, egress)| Self { installation, egress }))
    }
}
