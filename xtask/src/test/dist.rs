//! Deployments as a stranger makes them, onto a local AWS of their own, as the stage `dev`: which leaves out nothing
//! that the stage `local` does.
//!
//! First the package, by SAM CLI alone and without Rust on the path, as its README says; then `cargo xtask deploy` over
//! it, as a second deployment. The programs are a local run's, since it is the way that is tested and not the compiler.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::build::Architecture;
use crate::setup::Tools;
use crate::{emulator, host, package, process, stack};

/// Where the package is laid out.
const FOLDER: &str = ".local/dist";

/// What of a stage is asked after a deployment: its version, and whether its tables may be deleted.
const LOOK: &str = "
import boto3, json
version = boto3.client('ssm').get_parameter(Name='/acequia/dev/version')['Parameter']['Value']
table = boto3.client('dynamodb').describe_table(TableName='acequia-dev-ledger')['Table']
print(json.dumps([version, table.get('DeletionProtectionEnabled', False)]))
";

/// Deploys both ways; answers what is wrong.
pub(super) fn check() -> Result<Option<String>> {
    package::run(&package::Options::of_local_run(FOLDER))?;
    let folder = host::path(FOLDER);
    let version = fs::read_to_string(folder.join("VERSION")).context("the package has no VERSION")?.trim().to_owned();
    let local = emulator::start(None, false)?;
    let mut sums = process::command("sha256sum");
    process::output(sums.args(["--check", "--quiet", "SHA256SUMS"]).current_dir(&folder), "sha256sum --check", "")?;
    let mut sam = stack::local_sam(&local.address);
    sam.args(["deploy", "--config-env", "dev"]).current_dir(&folder);
    process::run_logged(&mut sam, "sam deploy of the package", &host::scratch("log/dist.log"))?;
    let first = look(&local.address)?;
    let mut again = process::command(host::own_program()?);
    again.args(["deploy", "--config-env", "dev", "--as-built", "--quick"]);
    again.current_dir(host::root()).env_clear().envs(emulator::variables(&local.address));
    process::run_logged(&mut again, "cargo xtask deploy", &host::scratch("log/deploy-again.log"))?;
    let second = look(&local.address)?;
    let wanted = [(version.clone(), false), (version, true)];
    Ok(([first, second] != wanted)
        .then(|| format!("after the package and after `cargo xtask deploy`, (version, protected) are not {wanted:?}")))
}

fn look(endpoint: &str) -> Result<(String, bool)> {
    let mut python: Command = process::command(Tools::Local.program("python"));
    python.args(["-c", LOOK]).env_clear().envs(emulator::variables(endpoint));
    let said = process::output(&mut python, "looking at the stage", "")?;
    serde_json::from_str(&said).context("looking at the stage answered another form")
}

/// The package's architecture is the machine's.
impl package::Options {
    fn of_local_run(folder: &str) -> Self {
        Self { architecture: Architecture::host(), out: folder.into(), quick: true, as_built: true, without_sbom: true }
    }
}
