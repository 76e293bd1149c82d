//! `cargo xtask lint`: formatting, code, templates, the configuration of continuous integration, the description of the
//! HTTP API, and the example in TypeScript.

use anyhow::Result;

use crate::setup::{self, Tools};
use crate::test::plan::{self, Plan};
use crate::{deny, host, node, process, template};

/// What cargo compiles the workspace's own crates by, in place of rustc.
pub(crate) const WRAPPER: &str = "RUSTC_WORKSPACE_WRAPPER";
/// What Clippy is told beside that, where it is the compiler.
pub(crate) const CLIPPY_ARGS: &str = "CLIPPY_ARGS";

/// Whether Clippy is the compiler of whatever is built, as `.ci/run` has it: code that it warns of does not compile. A
/// machine that builds everything anew has all crates compiled once less so, and documents are checked by `cargo xtask
/// lint`.
fn clippy_compiles() -> bool {
    let says = |name, part: &str| host::variable(name).is_some_and(|value| value.contains(part));
    says(WRAPPER, "clippy-driver") && says(CLIPPY_ARGS, "warnings")
}

/// Runs every check, also after a failure; answers whether all passed.
pub(crate) fn run() -> Result<bool> {
    setup::ensure()?;
    let mut plan = Plan::default();
    checks(&mut plan)?;
    deny::whole(&mut plan)?;
    println!("{}", plan.summary());
    Ok(plan.passed())
}

/// The checks, which are also the first steps of `cargo xtask test`. What is linked is looked at beside them
/// ([`deny`]): by every lint, and by a test where cargo-deny is there already, since it takes minutes to install.
pub(crate) fn checks(plan: &mut Plan) -> Result<()> {
    plan.check("cargo fmt", plan::cargo(&["fmt", "--all", "--check"]))?;
    if clippy_compiles() {
        println!("cargo clippy, cargo doc: left out, since Clippy compiles what is built here ({WRAPPER})");
    } else {
        let clippy = ["clippy", "--locked", "--workspace", "--all-targets", "--all-features", "--quiet"];
        plan.check("cargo clippy", plan::cargo(&[&clippy[..], &["--", "-D", "warnings"]].concat()))?;
        let mut doc = plan::cargo(&["doc", "--locked", "--workspace", "--no-deps", "--quiet"]);
        plan.check("cargo doc", doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    plan.condition("templates are what infra/source makes", template::stale)?;
    let mut sam = plan::at_root(process::command(Tools::Sam.program("sam")));
    sam.args(["validate", "--lint"]).env("SAM_CLI_TELEMETRY", "0").env("AWS_DEFAULT_REGION", crate::emulator::REGION);
    plan.check("sam validate --lint", sam)?;
    let mut cfn_lint = plan::at_root(process::command(Tools::Sam.program("cfn-lint")));
    cfn_lint.args(["template.yaml", "infra/*.yaml"]);
    plan.check("cfn-lint", cfn_lint)?;
    for (schema, file) in
        [("vendor.github-workflows", ".github/workflows/ci.yml"), ("vendor.dependabot", ".github/dependabot.yml")]
    {
        let mut schemas = plan::at_root(process::command(Tools::Sam.program("check-jsonschema")));
        schemas.args(["--builtin-schema", schema, file]);
        plan.check(&format!("check-jsonschema {file}"), schemas)?;
    }
    node::checks(plan)
}
