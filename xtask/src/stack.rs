//! The stacks of a local run: the real `sam deploy` of template.yaml and, for each tenant, of infra/tenant.yaml.
//!
//! SAM CLI runs without Rust on its path: what is deployed is packed already, as `cargo xtask package` leaves it to
//! others.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::samconfig::Environment;
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

/// Whom tokens of the local issuer are for.
pub(crate) const AUDIENCE: &str = "acequia";

/// Whose pages may send events from browsers.
const ORIGIN: &str = "https://forms.example";

/// The bucket that keeps copies of the audit logs on the local AWS.
const AUDIT_BUCKET: &str = "acequia-local-audit";

/// Deploys the platform from a template that points to packed code. `issuer` is whose tokens it trusts, and where its
/// keys are.
pub(crate) fn deploy_platform(endpoint: &str, template: &Path, [issuer, keys]: &[String; 2]) -> Result<()> {
    report::usual_step("sam deploy: the platform", "10 s", || {
        let mut environment = Environment::read("local")?;
        // A stage that stands, as most do: its first deployment is tested in test/dist.rs.
        environment.set([
            format!("LinkBase={}", link_base(endpoint)),
            "Established=yes".to_owned(),
            format!("ApiOrigins={ORIGIN}"),
            format!("JwtIssuer={issuer}"),
            format!("JwtJwksUrl={keys}"),
            format!("JwtAudience={AUDIENCE}"),
            format!("AuditBucket={AUDIT_BUCKET}"),
        ]);
        let mut bucket = process::command(Tools::Sam.program("python"));
        bucket.arg(host::path("tools/local/audit_bucket.py")).arg(AUDIT_BUCKET);
        bucket.env_clear().envs(emulator::variables(endpoint));
        process::run_logged(&mut bucket, "the bucket of audit logs", &host::scratch("log/audit-bucket.log"))?;
        let mut command = local_sam(endpoint);
        sam_deploy(&mut command, &environment, template);
        process::run_logged(&mut command, "sam deploy of the platform", &host::scratch("log/deploy-platform.log"))
    })
}

/// Where the links of mails lead on the local AWS: to the HTTP API, by its name.
pub(crate) fn link_base(endpoint: &str) -> String {
    format!("{endpoint}/_domain/acequia-local-confirm")
}

/// Where events come in on the local AWS: the HTTP API, by its name.
pub(crate) fn api_base(endpoint: &str) -> String {
    format!("{endpoint}/_domain/acequia-local-ingest")
}

/// The arguments that deploy the platform of an environment.
pub(crate) fn sam_deploy(command: &mut Command, environment: &Environment, template: &Path) {
    // SAM CLI looks for its configuration beside the template, which is not where it is.
    command.args(["deploy", "--config-env", &environment.name, "--config-file"]).arg(host::path("samconfig.toml"));
    command.arg("--template-file").arg(template).arg("--parameter-overrides").args(&environment.parameters);
}

/// Deploys tenants' stacks, all at once.
pub(crate) fn deploy_tenants(endpoint: &str, stacks: &[TenantStack]) -> Result<()> {
    let names: Vec<&str> = stacks.iter().map(|stack| stack.tenant).collect();
    report::usual_step(&format!("sam deploy: the tenants {}", names.join(", ")), "10 s", || {
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                stacks.iter().map(|stack| scope.spawn(move || deploy_tenant(endpoint, stack))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("a deployment panicked")))
        })
    })
}

fn deploy_tenant(endpoint: &str, stack: &TenantStack) -> Result<()> {
    let tenant = stack.tenant;
    let mut command = local_sam(endpoint);
    command.args(["deploy", "--config-env", "local-tenant", "--config-file"]).arg(host::path("samconfig.toml"));
    command
        .args(["--stack-name", &format!("acequia-local-{tenant}")])
        .args(["--tags", &format!("tenant={tenant} stage=local")])
        .args(["--parameter-overrides", "Stage=local", &format!("TenantId={tenant}")])
        .args(stack.parameters);
    let log = host::scratch(&format!("log/deploy-{tenant}.log"));
    process::run_logged(&mut command, &format!("sam deploy of the tenant {tenant}"), &log)
}

/// SAM CLI for the local AWS, without Rust on its path.
pub(crate) fn local_sam(endpoint: &str) -> Command {
    let mut command = process::command(Tools::Sam.program("sam"));
    command.current_dir(host::root()).env_clear().envs(emulator::variables(endpoint));
    command.env("PATH", without_rust(&host::variable("PATH").unwrap_or_default()));
    command
}

/// A path without the folders that have cargo or rustc.
fn without_rust(path: &str) -> String {
    let has_rust = |folder: &&str| ["cargo", "rustc"].iter().any(|program| Path::new(folder).join(program).exists());
    path.split(':').filter(|folder| !has_rust(folder)).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::without_rust;

    #[test]
    fn a_path_without_rust_keeps_the_rest() {
        let own = host_bin();
        assert_eq!(without_rust(&format!("/usr/bin/nowhere:{own}:/nowhere")), "/usr/bin/nowhere:/nowhere");
    }

    /// A folder with a program `cargo`: the one that runs this test.
    fn host_bin() -> String {
        let cargo = env!("CARGO");
        cargo.trim_end_matches("/cargo").to_owned()
    }
}
