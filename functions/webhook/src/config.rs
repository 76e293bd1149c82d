//! What the webhook function is told by its environment.

use acequia_core::egress::Egress;
use acequia_lambda::environment::{Environment, Installation, InvalidEnvironment, egress};

/// The webhook function's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it is installed.
    pub installation: Installation,
    /// Which endpoints may be called.
    pub egress: Egress,
    /// The ARN of the topic by which operators are told of endpoints that fail.
    pub topic: String,
}

impl Config {
    /// Reads the environment; `WEBHOOK_EGRESS` is `public`, or `local` in the local environment alone.
    ///
    /// # Errors
    /// All bad variables together.
    pub fn from_env(mut environment: Environment) -> Result<Self, InvalidEnvironment> {
        let installation = Installation::read(&mut environment);
        let egress = egress(&mut environment, "WEBHOOK_EGRESS", installation.as_ref());
        let topic = environment.text("NOTIFICATION_TOPIC_ARN");
        let config = installation.zip(egress).map(|(installation, egress)| Self { installation, egress, topic });
        environment.conclude(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stage: &str, egress: &str) -> Result<Config, InvalidEnvironment> {
        let variables = [
            ("AWS_REGION", "r"),
            ("ACEQUIA_STAGE", stage),
            ("TENANTS_TABLE", "t"),
            ("LEDGER_TABLE", "l"),
            ("DELAYED_TABLE", "p"),
            ("WEBHOOK_EGRESS", egress),
            ("NOTIFICATION_TOPIC_ARN", "arn:aws:sns:r:123456789012:t"),
        ];
        Config::from_env(Environment::of(&variables))
    }

    #[test]
    fn local_endpoints_are_for_the_local_stage_alone() {
        assert_eq!(read("local", "local").unwrap().egress, Egress::Local);
        assert_eq!(read("prod", "public").unwrap().egress, Egress::Public);
        assert!(read("prod", "local").is_err());
        assert!(read("prod", "any").is_err());
    }
}
