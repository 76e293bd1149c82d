//! `samconfig.toml`: the environments, and what each says to `sam deploy`.

use anyhow::{Context as _, Result, bail};
use toml::{Table, Value};

use crate::build::Architecture;
use crate::host;

/// One environment of the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Environment {
    /// Its name, as `--config-env` takes it.
    pub(crate) name: String,
    /// The stack's name.
    pub(crate) stack: String,
    /// The region, where the file says one.
    pub(crate) region: Option<String>,
    /// The template's parameters, `Name=value` each.
    pub(crate) parameters: Vec<String>,
}

impl Environment {
    /// Reads one.
    ///
    /// # Errors
    /// Where there is no such environment: which there are.
    pub(crate) fn read(name: &str) -> Result<Self> {
        let file = host::path("samconfig.toml");
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&text, name)
    }

    fn parse(text: &str, name: &str) -> Result<Self> {
        let document: Table = text.parse().context("samconfig.toml is not TOML")?;
        let section = |name: &str| document.get(name)?.get("deploy")?.get("parameters")?.as_table();
        let platform = |name: &String| section(name).is_some_and(|section| section.contains_key("stack_name"));
        let Some(section) = section(name).filter(|_| platform(&name.to_owned())) else {
            let known: Vec<String> = document.keys().filter(|name| platform(name)).cloned().collect();
            bail!("samconfig.toml has no environment {name:?} of the platform; it has: {}", known.join(", "));
        };
        let text = |name: &str| section.get(name).and_then(Value::as_str).map(str::to_owned);
        let listed = section.get("parameter_overrides").and_then(Value::as_array);
        let parameters = listed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let stack = text("stack_name").context("an environment of the platform has a stack_name")?;
        Ok(Self { name: name.to_owned(), stack, region: text("region"), parameters })
    }

    /// Sets parameters, in addition to the file's own: the command line of SAM CLI would replace the whole list.
    pub(crate) fn set(&mut self, parameters: impl IntoIterator<Item = String>) {
        for parameter in parameters {
            let named = |text: &str| text.split('=').next().map(str::to_owned);
            self.parameters.retain(|known| named(known) != named(&parameter));
            self.parameters.push(parameter);
        }
    }

    /// A parameter's value, where it is set here.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find_map(|parameter| parameter.strip_prefix(name)?.strip_prefix('='))
    }

    /// What the functions of this environment are compiled for.
    pub(crate) fn architecture(&self) -> Result<Architecture> {
        match self.value("Architecture") {
            None | Some("x86_64") => Ok(Architecture::X86),
            Some("arm64") => Ok(Architecture::Arm),
            Some(other) => bail!("Architecture is {other:?}, and must be x86_64 or arm64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [dev.deploy.parameters]
        stack_name = "acequia-dev"
        region = "us-east-1"
        parameter_overrides = ["Stage=dev", "MailRate=5"]
        [dev-tenant.deploy.parameters]
        template_file = "infra/tenant.yaml"
    "#;

    #[test]
    fn what_is_set_goes_over_the_files_and_leaves_the_rest() {
        let mut dev = Environment::parse(FILE, "dev").unwrap();
        dev.set(["MailRate=9".to_owned(), "Architecture=arm64".to_owned()]);
        assert_eq!(dev.parameters, ["Stage=dev", "MailRate=9", "Architecture=arm64"]);
        assert_eq!(dev.architecture().unwrap(), Architecture::Arm);
    }

    #[test]
    fn an_environment_that_is_not_there_is_refused_with_those_that_are() {
        let error = Environment::parse(FILE, "prod").unwrap_err().to_string();
        assert_eq!(error, "samconfig.toml has no environment \"prod\" of the platform; it has: dev");
        assert!(Environment::parse(FILE, "dev-tenant").is_err(), "a tenant's is none of the platform's");
    }

    #[test]
    fn an_architecture_that_nobody_builds_is_refused() {
        let mut dev = Environment::parse(FILE, "dev").unwrap();
        assert_eq!(dev.architecture().unwrap(), Architecture::X86);
        dev.set(["Architecture=riscv".to_owned()]);
        assert!(dev.architecture().is_err());
    }

    #[test]
    fn the_projects_own_file_has_its_three_environments() {
        for name in ["local", "dev", "prod"] {
            assert_eq!(Environment::read(name).unwrap().stack, format!("acequia-{name}"));
        }
    }
}
