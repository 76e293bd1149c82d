//! `cargo xtask test --aws`: the tests of a real account (tests/account), on stacks of their own that are removed
//! afterwards.
//!
//! What the local AWS has beside AWS's interfaces (a look into queues and mailboxes, a clock that never waits, its
//! administrator) is not there, so that these are tests of their own: the ways of an event through the deployed stacks,
//! each to where a stranger would see it come out. They run against whatever AWS the usual variables lead to, a local
//! one included (`--config-env local`).

use std::io::Write as _;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use rand::RngExt as _;

use super::plan::{self, Plan};
use crate::build::{self, Built};
use crate::samconfig::Environment;
use crate::setup::{self, Tools};
use crate::{emulator, host, process, report, stack};

/// Which account, and what is sent from there.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "account")]
pub(crate) struct Options {
    /// The tests of a real account instead: deploys a stage of their own, says before what it costs, and removes it.
    #[arg(long, requires = "config_env", conflicts_with_all = ["fast", "e2e"])]
    pub(super) aws: bool,
    /// The environment of samconfig.toml that the stage is like. Credentials are those of the usual variables.
    #[arg(long, value_name = "NAME", requires = "aws")]
    config_env: Option<String>,
    /// An address that SES may send from, for a mail to SES's mailbox simulator. Without it no mail is sent.
    #[arg(long, value_name = "ADDRESS", requires = "aws")]
    sender: Option<String>,
    /// Do not ask.
    #[arg(long, requires = "aws")]
    yes: bool,
}

/// The tenants of the tests, with the parameters of their stacks.
const TENANTS: [(&str, &[&str]); 2] = [
    (
        "alder",
        &["Webhook=enabled", "Email=enabled", "Forward=enabled", "OutQueue=standard", "BatchWindow=0", "BatchSize=10"],
    ),
    ("birch", &["Forward=enabled", "OutQueue=fifo", "BatchWindow=0", "BatchSize=10"]),
];
/// What an alarm costs in a month of 730 hours, in USD (aws.amazon.com/cloudwatch/pricing); it is billed by the hour.
const ALARM_USD: f64 = 0.10;
/// More than all requests, logs, storage and transfer of a run come to.
const REST_USD: f64 = 0.05;
/// The stage that a local AWS has: webhooks may reach private addresses there alone.
const LOCAL: &str = "local";

/// Asks whose credentials there are, in one line whatever comes of it.
const WHO: &str = "
import boto3, sys
try:
    who = boto3.client('sts').get_caller_identity()
except Exception as error:
    sys.exit(f'{error} (credentials are those of the usual variables, such as AWS_PROFILE)')
print(who['Account'], 'as', who['Arn'])
";

/// Where it all goes.
struct Place {
    environment: Environment,
    stage: String,
    region: String,
}

/// Runs it.
pub(super) fn run(plan: &mut Plan, options: &Options, way: build::Options) -> Result<()> {
    setup::ensure()?;
    let place = Place::of(options.config_env.as_deref().unwrap_or_default())?;
    if !place.is_agreed(options.yes)? {
        bail!("nothing was made");
    }
    let built = build::build(if place.stage == LOCAL { way } else { way.for_aws() })?;
    let done = place.deploy(&built, options.sender.as_deref()).and_then(|()| {
        let mut tests = place.python();
        tests.args([
            "-m",
            "unittest",
            "discover",
            "--verbose",
            "--start-directory",
            "tests/account",
            "--pattern",
            "test_*.py",
        ]);
        tests
            .env("ACEQUIA_PROGRAM", &built.acequia)
            .envs(options.sender.iter().map(|sender| ("ACEQUIA_TEST_SENDER", sender)));
        plan.unittest("tests of the account", tests)
    });
    // Whatever came of it, even half a deployment.
    let mut clean_up = place.python();
    clean_up.arg("tests/account/clean_up.py");
    plan.check(&format!("remove the stage {}", place.stage), clean_up)?;
    done
}

impl Place {
    fn of(name: &str) -> Result<Self> {
        let mut environment = Environment::read(name)?;
        let stage = if environment.value("Stage") == Some(LOCAL) {
            if host::variable("AWS_ENDPOINT_URL").is_none() {
                bail!("the environment {name:?} is for a local AWS: set AWS_ENDPOINT_URL to where it is");
            }
            LOCAL.to_owned()
        } else {
            format!("t{:06x}", rand::rng().random_range(0..0x0100_0000))
        };
        let region = environment.region.clone().unwrap_or_else(|| emulator::REGION.to_owned());
        let architecture = build::Architecture::host().as_str();
        environment.set([
            format!("Stage={stage}"),
            format!("Architecture={architecture}"),
            "LogRetentionDays=1".to_owned(),
        ]);
        Ok(Self { environment, stage, region })
    }

    /// Says what will be made where, and what for; answers whether that is wanted.
    fn is_agreed(&self, yes: bool) -> Result<bool> {
        let mut who = self.python();
        let who = process::output(who.args(["-c", WHO]), "asking AWS whose account this is", "")?;
        println!("account   {}", who.trim());
        println!("region    {}", self.region);
        println!(
            "stacks    {0}, {0}-alder, {0}-birch, {0}-receiver (a receiver of webhooks that the internet can reach)",
            self.stack()
        );
        println!(
            "cost      below {:.2} USD for an hour: alarms by the hour, and few thousand requests",
            estimate_usd()?
        );
        println!(
            "removed   at the end; if this is interrupted: ACEQUIA_STAGE={} AWS_DEFAULT_REGION={} .venv/local/bin/python tests/account/clean_up.py",
            self.stage, self.region
        );
        if yes {
            return Ok(true);
        }
        print!("Go on? (yes/no) ");
        std::io::stdout().flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).context("cannot read the answer; --yes goes on without")?;
        Ok(answer.trim() == "yes")
    }

    fn stack(&self) -> String {
        format!("acequia-{}", self.stage)
    }

    /// Python with the tools of the local AWS, whose SDK is any AWS's, and with what the tests are told.
    fn python(&self) -> Command {
        let mut command = plan::at_root(process::command(Tools::Local.program("python")));
        command
            .env("ACEQUIA_STAGE", &self.stage)
            .env("AWS_REGION", &self.region)
            .env("AWS_DEFAULT_REGION", &self.region);
        command
    }

    fn deploy(&self, built: &Built, sender: Option<&str>) -> Result<()> {
        report::step(&format!("sam deploy: {}", self.stack()), || {
            let mut command = Self::sam();
            stack::sam_deploy(&mut command, &self.environment, &built.template);
            command.args(["--stack-name", &self.stack(), "--tags", &format!("stage={}", self.stage)]);
            self.finish(command, "platform")
        })?;
        for (tenant, parameters) in TENANTS {
            report::step(&format!("sam deploy: the tenant {tenant}"), || {
                let mut command = Self::sam();
                command.args(["deploy", "--template-file", "infra/tenant.yaml", "--resolve-s3"]);
                command.args(["--stack-name", &format!("{}-{tenant}", self.stack())]);
                command.args(["--tags", &format!("tenant={tenant} stage={}", self.stage), "--parameter-overrides"]);
                command.args([format!("Stage={}", self.stage), format!("TenantId={tenant}")]).args(parameters);
                command.args(sender.map(|sender| format!("SenderDomains={sender}")));
                self.finish(command, tenant)
            })?;
        }
        Ok(())
    }

    fn sam() -> Command {
        let mut command = plan::at_root(process::command(Tools::Sam.program("sam")));
        command.env("SAM_CLI_TELEMETRY", "0");
        command
    }

    fn finish(&self, mut command: Command, what: &str) -> Result<()> {
        command.args(["--no-confirm-changeset", "--no-fail-on-empty-changeset", "--region", &self.region]);
        process::run_logged(&mut command, "sam deploy", &host::scratch(&format!("log/account-{what}.log")))
    }
}

/// An upper bound of what an hour of the stacks costs.
fn estimate_usd() -> Result<f64> {
    let alarms = |file: &str| -> Result<u32> {
        let text = std::fs::read_to_string(host::path(file)).with_context(|| format!("cannot read {file}"))?;
        Ok(u32::try_from(text.matches("AWS::CloudWatch::Alarm").count())?)
    };
    let all = alarms("template.yaml")? + 2 * alarms("infra/tenant.yaml")?;
    // A month is billed by hours begun.
    Ok(2.0 * f64::from(all) * ALARM_USD / 730.0 + REST_USD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_costs_cents() {
        let estimate = estimate_usd().unwrap();
        assert!(estimate > REST_USD && estimate < 0.20, "{estimate}");
    }

    #[test]
    fn a_real_accounts_stage_is_the_tests_own_and_overrides_the_files() {
        let place = Place::of("dev").unwrap();
        assert_eq!(place.stage.len(), 7);
        assert!(place.stage.strip_prefix('t').unwrap().chars().all(|letter| letter.is_ascii_hexdigit()));
        assert_eq!(place.environment.value("Stage"), Some(place.stage.as_str()));
        assert_eq!(place.environment.parameters.iter().filter(|parameter| parameter.starts_with("Stage=")).count(), 1);
    }
}
