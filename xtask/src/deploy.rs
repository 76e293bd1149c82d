//! `cargo xtask deploy`: builds the functions for AWS, packs them and runs `sam deploy` for one environment of
//! `samconfig.toml`.

use anyhow::{Context as _, Result, bail};

use crate::samconfig::Environment;
use crate::setup::{self, Tools};
use crate::{build, host, process, report, stack, version};

/// Options of the deployment.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The environment of samconfig.toml.
    #[arg(long, value_name = "NAME")]
    config_env: String,
    /// A parameter of template.yaml, `Name=value`; repeatable. The others keep what samconfig.toml or the stack has.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    set: Vec<String>,
    /// The profile of the AWS CLI whose account it is.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Take the functions as they were built last.
    #[arg(long)]
    as_built: bool,
    /// Programs of a local run, which only a local AWS can run: for the tests of this command.
    #[arg(long, hide = true)]
    quick: bool,
    /// Further arguments for `sam deploy`.
    #[arg(last = true, value_name = "ARGUMENT")]
    more: Vec<String>,
}

fn parameter(text: &str) -> Result<String, String> {
    let is_one = text
        .split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric()));
    if is_one { Ok(text.to_owned()) } else { Err("it must be Name=value".to_owned()) }
}

/// Runs it.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let mut environment = Environment::read(&options.config_env)?;
    environment.set(options.set.iter().cloned());
    let architecture = environment.architecture()?;
    setup::ensure()?;
    let stands = stands(&environment, options)?;
    let programs = if options.as_built {
        let profile = if options.quick { build::Profile::Quick } else { build::Profile::Release };
        build::Programs::of(profile, architecture)
    } else {
        let name = format!("build the functions for {}", architecture.as_str());
        report::usual_step(&name, build::RELEASE_TIMES, || build::release(architecture, &build::FUNCTIONS, &[]))?
    };
    let version = version::version()?;
    let folder = host::scratch(&format!("build/{}", environment.name));
    let packed = build::pack::pack(&programs, architecture, &folder, Some(&version))?;
    environment.set([format!("Version={version}"), format!("Established={}", if stands { "yes" } else { "no" })]);
    let mut command = process::command(Tools::Sam.program("sam"));
    stack::sam_deploy(&mut command, &environment, &packed.template);
    command.args(&options.more).current_dir(host::root()).env("SAM_CLI_TELEMETRY", "0");
    if let Some(profile) = &options.profile {
        command.env("AWS_PROFILE", profile);
    }
    println!("==> sam deploy: {} as {version}", environment.stack);
    process::run(&mut command, "sam deploy")?;
    println!(
        "{} is deployed as {version}. What it may still need: acequia --stage {} doctor",
        environment.stack,
        stage(&environment)
    );
    if !stands {
        println!(
            "It stands for the first time: deploy once more, with the same command, to switch on what protects its tables from deletion."
        );
    }
    Ok(true)
}

fn stage(environment: &Environment) -> &str {
    environment.value("Stage").unwrap_or("dev")
}

/// Whether the stack stands: what protects it from deletion is switched on only then, because a first deployment that
/// fails is rolled back.
///
/// # Errors
/// Where it can be neither made nor changed as it is: what to do first.
fn stands(environment: &Environment, options: &Options) -> Result<bool> {
    let mut command = process::command(Tools::Sam.program("python"));
    command.arg(host::path("tools/stack_status.py")).arg(&environment.stack).args(&environment.region);
    if let Some(profile) = &options.profile {
        command.env("AWS_PROFILE", profile);
    }
    let status = process::output(&mut command, "asking CloudFormation for the stack", "")
        .context("the account cannot be asked: name it by --profile, or by the variables of the AWS CLI")?;
    judge(&environment.stack, status.trim())
}

fn judge(stack: &str, status: &str) -> Result<bool> {
    match status {
        "" | "REVIEW_IN_PROGRESS" => Ok(false),
        "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "DELETE_FAILED" => bail!(
            "the stack {stack} is {status}: its first deployment failed. Delete it, then deploy again: \
             aws cloudformation delete-stack --stack-name {stack} (docs/RUNBOOK.md says more)"
        ),
        "UPDATE_ROLLBACK_FAILED" => bail!(
            "the stack {stack} is {status}: let CloudFormation finish the rollback first: \
             aws cloudformation continue-update-rollback --stack-name {stack}"
        ),
        busy if busy.ends_with("_IN_PROGRESS") => {
            bail!(
                "the stack {stack} is {busy}: somebody else changes it, or a change runs still; try again when it has ended"
            )
        }
        _ => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_stands_once_it_was_made() {
        assert!(!judge("s", "").unwrap());
        for status in ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"] {
            assert!(judge("s", status).unwrap(), "{status}");
        }
    }

    #[test]
    fn a_stack_that_can_take_no_deployment_says_what_to_do() {
        for (status, wanted) in [
            ("ROLLBACK_COMPLETE", "aws cloudformation delete-stack --stack-name s"),
            ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
            ("UPDATE_IN_PROGRESS", "try again"),
        ] {
            let error = judge("s", status).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn a_parameter_without_a_name_is_refused() {
        assert!(parameter("MailRate=5").is_ok());
        assert!(parameter("Tags=a=b").is_ok());
        assert!(parameter("MailRate").is_err());
        assert!(parameter("=5").is_err());
    }
}
