//! What the sweeper is told by its environment.

use std::time::Duration;

use acequia_core::watch::Limits;
use acequia_lambda::environment::{Environment, Installation, InvalidEnvironment};

/// The sweeper's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it is installed.
    pub installation: Installation,
    /// From when on a queue is in trouble.
    pub limits: Limits,
    /// The ARN of the topic of the operators.
    pub topic: String,
}

impl Config {
    /// Reads the environment: beside that of every function `DLQ_DEPTH`, `OLDEST_AGE_SECONDS` and
    /// `NOTIFICATION_TOPIC_ARN`.
    ///
    /// # Errors
    /// All bad variables together.
    pub fn from_env(mut environment: Environment) -> Result<Self, InvalidEnvironment> {
        let installation = Installation::read(&mut environment);
        let mut number = |name| {
            environment.parsed(name, "a whole number from 1 on", |text| text.parse::<u64>().ok().filter(|n| *n > 0))
        };
        let (dead_letters, age) = (number("DLQ_DEPTH"), number("OLDEST_AGE_SECONDS"));
        let limits =
            dead_letters.zip(age).map(|(dead_letters, age)| Limits { dead_letters, age: Duration::from_secs(age) });
        let topic = environment.text("NOTIFICATION_TOPIC_ARN");
        let config = installation.zip(limits);
        environment.conclude(config.map(|(installation, limits)| Self { installation, limits, topic }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLETE: [(&str, &str); 8] = [
        ("AWS_REGION", "r"),
        ("ACEQUIA_STAGE", "dev"),
        ("TENANTS_TABLE", "t"),
        ("LEDGER_TABLE", "l"),
        ("DELAYED_TABLE", "p"),
        ("DLQ_DEPTH", "1"),
        ("OLDEST_AGE_SECONDS", "3600"),
        ("NOTIFICATION_TOPIC_ARN", "arn"),
    ];

    #[test]
    fn a_complete_environment_is_read() {
        let config = Config::from_env(Environment::of(&COMPLETE)).unwrap();
        assert_eq!(config.limits, Limits { dead_letters: 1, age: Duration::from_hours(1) });
        assert_eq!(config.topic, "arn");
    }

    #[test]
    fn limits_that_are_none_are_reported_together() {
        let mut variables = COMPLETE;
        (variables[5].1, variables[6].1) = ("0", "an hour");
        let error = Config::from_env(Environment::of(&variables)).unwrap_err();
        assert_eq!(error.0.len(), 2, "{error}");
        assert!(error.to_string().contains("DLQ_DEPTH is \"0\""), "{error}");
    }
}
