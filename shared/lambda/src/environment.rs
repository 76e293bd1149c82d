//! The environment variables of a function, read once at its start, all bad ones reported together.

use std::collections::BTreeMap;

use acequia_core::egress::{Authorities, Egress, Reach};
use acequia_core::id::Stage;

use crate::Reporting;

/// What is wrong with the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the function's environment is not complete: {}", .0.join("; "))]
pub struct InvalidEnvironment(pub Vec<String>);

/// Reads variables and remembers what was wrong with them.
#[derive(Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    problems: Vec<String>,
}

impl Environment {
    /// The variables of the process.
    #[expect(clippy::disallowed_methods, reason = "this is the one place where functions read their environment")]
    pub fn of_process() -> Self {
        Self { variables: std::env::vars().collect(), problems: Vec::new() }
    }

    /// These variables: for tests.
    pub fn of(variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { variables, problems: Vec::new() }
    }

    /// A variable that may be left out.
    pub fn optional(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// A variable that must be there; empty, and reported, where it is not.
    pub fn text(&mut self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.problems.push(format!("{name} is missing"));
            String::new()
        })
    }

    /// A variable that must be there and of a form; `None`, and reported, where it is not.
    pub fn parsed<T>(&mut self, name: &str, wants: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(name);
        let parsed = parse(&text);
        if parsed.is_none() && !text.is_empty() {
            self.problems.push(format!("{name} is {text:?}, and must be {wants}"));
        }
        parsed
    }

    /// A variable that may be left out, but is of a form where it is there; `default`, and reported where it is of
    /// another.
    pub fn parsed_or<T>(&mut self, name: &str, wants: &str, default: T, parse: impl FnOnce(&str) -> Option<T>) -> T {
        let Some(text) = self.optional(name) else { return default };
        parse(&text).unwrap_or_else(|| {
            self.problems.push(format!("{name} is {text:?}, and must be {wants}"));
            default
        })
    }

    /// Ends the reading: the value, where nothing was wrong.
    ///
    /// # Errors
    /// All problems together.
    pub fn conclude<T>(self, value: Option<T>) -> Result<T, InvalidEnvironment> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(InvalidEnvironment(self.problems)),
        }
    }
}

/// What every function is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// How it reaches AWS.
    pub reach: Reach,
    /// The stage it belongs to.
    pub stage: Stage,
    /// The name of the tenants table.
    pub tenants_table: String,
    /// The name of the ledger table.
    pub ledger_table: String,
    /// The name of the table of delayed messages.
    pub delayed_table: String,
    /// What it tells of its work.
    pub reporting: Reporting,
}

/// What a function is told that works with the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveInstallation {
    /// Where it is installed.
    pub installation: Installation,
    /// The bucket that is the archive.
    pub bucket: String,
}

impl ArchiveInstallation {
    /// Reads `ARCHIVE_BUCKET`, and what every function is told.
    ///
    /// # Errors
    /// All bad variables together.
    pub fn from_env(mut environment: Environment) -> Result<Self, InvalidEnvironment> {
        let installation = Installation::read(&mut environment);
        let bucket = environment.text("ARCHIVE_BUCKET");
        environment.conclude(installation.map(|installation| Self { installation, bucket }))
    }
}

/// Reads where a function may call out to: `public`, or `local` in the stage of that name.
pub fn egress(environment: &mut Environment, name: &str, installation: Option<&Installation>) -> Option<Egress> {
    let is_local = installation.is_some_and(|installation| installation.stage.as_str() == "local");
    environment.parsed(name, "public, or local in the stage local", |text| match text {
        "public" => Some(Egress::Public),
        "local" if is_local => Some(Egress::Local),
        _ => None,
    })
}

impl Installation {
    /// The names of the tables of tenants, of the ledger, and of delayed messages.
    pub fn tables(&self) -> [&str; 3] {
        [&self.tenants_table, &self.ledger_table, &self.delayed_table]
    }

    /// Reads `AWS_REGION` and `AWS_ENDPOINT_URL`, `SSL_CERT_FILE` and `SSL_CERT_DIR`, `ACEQUIA_STAGE`, `TENANTS_TABLE`,
    /// `LEDGER_TABLE`, `DELAYED_TABLE` and what [`Reporting`] needs.
    pub fn read(environment: &mut Environment) -> Option<Self> {
        let region = environment.text("AWS_REGION");
        let endpoint = environment.optional("AWS_ENDPOINT_URL");
        let own = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| environment.optional(name).is_some());
        let authorities = if own { Authorities::Machine } else { Authorities::Built };
        let stage =
            environment.parsed("ACEQUIA_STAGE", "2 to 10 lower-case letters or digits", |text| text.parse().ok());
        let tenants_table = environment.text("TENANTS_TABLE");
        let ledger_table = environment.text("LEDGER_TABLE");
        let delayed_table = environment.text("DELAYED_TABLE");
        let reporting = Reporting::read(environment);
        let reach = Reach { region, endpoint, authorities };
        Some(Self { reach, stage: stage?, tenants_table, ledger_table, delayed_table, reporting })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bad_variables_are_reported_together() {
        let mut environment = Environment::of(&[("ACEQUIA_STAGE", "Not A Stage"), ("TENANTS_TABLE", "")]);
        let installation = Installation::read(&mut environment);
        let error = environment.conclude(installation).unwrap_err();
        assert_eq!(error.0.len(), 5, "{error}");
        assert!(error.to_string().contains("ACEQUIA_STAGE is \"Not A Stage\""), "{error}");
    }

    #[test]
    fn a_complete_environment_is_read() {
        let variables = [
            ("AWS_REGION", "r"),
            ("ACEQUIA_STAGE", "dev"),
            ("TENANTS_TABLE", "t"),
            ("LEDGER_TABLE", "l"),
            ("DELAYED_TABLE", "p"),
        ];
        let mut environment = Environment::of(&variables);
        let installation = Installation::read(&mut environment);
        assert_eq!(environment.conclude(installation).unwrap().tenants_table, "t");
    }

    #[test]
    fn authorities_of_ones_own_are_read_from_the_machine() {
        for (variables, authorities) in [
            (vec![], Authorities::Built),
            (vec![("SSL_CERT_FILE", "")], Authorities::Built),
            (vec![("SSL_CERT_FILE", "/opt/own.pem")], Authorities::Machine),
            (vec![("SSL_CERT_DIR", "/opt/own")], Authorities::Machine),
        ] {
            let mut environment = Environment::of(&[&[("ACEQUIA_STAGE", "dev")], variables.as_slice()].concat());
            assert_eq!(Installation::read(&mut environment).unwrap().reach.authorities, authorities, "{variables:?}");
        }
    }

    #[test]
    fn a_sample_that_is_no_share_is_reported() {
        for (text, is_share) in
            [("0", true), ("0.001", true), ("1", true), ("1.5", false), ("-1", false), ("NaN", false)]
        {
            let mut environment = Environment::of(&[("ACEQUIA_SAMPLE", text)]);
            let reporting = Reporting::read(&mut environment);
            assert_eq!(environment.conclude(Some(reporting)).is_ok(), is_share, "{text}");
        }
    }
}
