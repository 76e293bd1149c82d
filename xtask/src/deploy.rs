//! The stacks: the real `sam deploy` of template.yaml and, for each tenant, of infra/tenant.yaml.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::setup::Tools;
use crate::{emulator, host, process, report};

/// A tenant's stack: its id and the parameters beside `Stage` and `TenantId`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TenantStack {
    /// The tenant.
    pub(crate) tenant: &'static str,
    /// `Name=value` each.
    pub(crate) parameters: &'static [&'static str],
}

/// Deploys the platform from a template that points to built code.
pub(crate) fn deploy_platform(endpoint: &str, template: &Path) -> Result<()> {
    report::step("sam deploy: the platform", || {
        // What the template may not say twice: samconfig.toml has the parameters of the environment `local`.
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
        if architecture != "x86_64" {
            bail!("the local environment of samconfig.toml is for x86_64; this machine is {architecture}");
        }
        let mut command = sam_deploy(endpoint, "local");
        command.arg("--template-file").arg(template).arg("--parameter-overrides").args(platform_parameters(endpoint)?);
        process::run_logged(&mut command, "sam deploy of the platform", &host::scratch("log/deploy-platform.log"))
    })
}

/// What samconfig.toml says, and where links lead: the command line replaces the whole list.
fn platform_parameters(endpoint: &str) -> Result<Vec<String>> {
    let file = host::path("samconfig.toml");
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let document: toml::Table = text.parse().context("samconfig.toml is not TOML")?;
    let document = toml::Value::Table(document);
    let way = ["local", "deploy", "parameters", "parameter_overrides"];
    let found = way.iter().try_fold(&document, |value, name| value.get(name));
    let listed = found.and_then(toml::Value::as_array).context("samconfig.toml has no parameters for `local`")?;
    let mut parameters: Vec<String> = listed.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect();
    parameters.push(format!("LinkBase={}", link_base(endpoint)));
    Ok(parameters)
}

/// Where the links of mails lead on the local AWS: to the HTTP API, by its name.
pub(crate) fn link_base(endpoint: &str) -> String {
    format!("{endpoint}/_domain/acequia-local-confirm")
}

/// Deploys tenants' stacks, all at once.
pub(crate) fn deploy_tenants(endpoint: &str, stacks: &[TenantStack]) -> Result<()> {
    let names: Vec<&str> = stacks.iter().map(|stack| stack.tenant).collect();
    report::step(&format!("sam deploy: the tenants {}", names.join(", ")), || {
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                stacks.iter().map(|stack| scope.spawn(move || deploy_tenant(endpoint, stack))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("a deployment panicked")))
        })
    })
}

fn deploy_tenant(endpoint: &str, stack: &TenantStack) -> Result<()> {
    let tenant = stack.tenant;
    let mut command = sam_deploy(endpoint, "local-tenant");
    command
        .args(["--stack-name", &format!("acequia-local-{tenant}")])
        .args(["--tags", &format!("tenant={tenant} stage=local")])
        .args(["--parameter-overrides", "Stage=local", &format!("TenantId={tenant}")])
        .args(stack.parameters);
    let log = host::scratch(&format!("log/deploy-{tenant}.log"));
    process::run_logged(&mut command, &format!("sam deploy of the tenant {tenant}"), &log)
}

fn sam_deploy(endpoint: &str, environment: &str) -> Command {
    let mut command = process::command(Tools::Sam.program("sam"));
    // SAM CLI looks for its configuration beside the template, which is not where it is.
    command.args(["deploy", "--config-env", environment, "--config-file"]).arg(host::path("samconfig.toml"));
    command.current_dir(host::root());
    command.env_clear().envs(emulator::variables(endpoint));
    command
}
