//! What the email function is told by its environment.

use acequia_core::delivery::rate::Rate;
use acequia_core::delivery::width::{START, of_rate};
use acequia_lambda::SharedRate;
use acequia_lambda::environment::{Environment, Installation, InvalidEnvironment};

/// The email function's configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where it is installed.
    pub installation: Installation,
    /// The SES configuration set that mails are sent with.
    pub configuration_set: String,
    /// The name of the consents table.
    pub consents_table: String,
    /// Where the confirm function answers.
    pub link_base: String,
    /// The account's rate of sending, which its tenants share; `None` where SES alone limits it.
    pub rate: Option<SharedRate>,
    /// How many mails are under way at once to begin with: those of a second.
    pub width: usize,
}

impl Config {
    /// Reads the environment. `SES_SEND_RATE` is SES's maximum send rate of the account in mails a second
    /// (`aws sesv2 get-account` shows it); 0 or nothing leaves the limit to SES's own throttling.
    ///
    /// # Errors
    /// All bad variables together.
    pub fn from_env(mut environment: Environment) -> Result<Self, InvalidEnvironment> {
        let installation = Installation::read(&mut environment);
        let configuration_set = environment.text("SES_CONFIGURATION_SET");
        let consents_table = environment.text("CONSENTS_TABLE");
        let link_base = environment.text("LINK_BASE");
        let per_second = environment.parsed_or("SES_SEND_RATE", "a number of mails a second, or 0", 0.0, |text| {
            text.parse().ok().filter(|rate: &f64| rate.is_finite() && (0.0..=100_000.0).contains(rate))
        });
        let rate = (per_second > 0.0).then(|| SharedRate { name: "mail", rate: Rate::bursting_a_second(per_second) });
        let width = if per_second > 0.0 { of_rate(per_second) } else { START };
        environment.conclude(installation.map(|installation| Self {
            installation,
            configuration_set,
            consents_table,
            link_base,
            rate,
            width,
        }))
    }
}
