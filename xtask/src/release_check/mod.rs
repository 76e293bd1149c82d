//! `cargo xtask release-check`: what a release has to be beyond passing its tests, for both architectures of Lambda.
//!
//! The tests run programs of the profile `dev`. Here all functions are compiled as for AWS, packed (none may be too
//! large) and looked at: each is of its architecture, asks for no newer C library than Amazon Linux has, and starts: it
//! asks Lambda's runtime interface for its first event. Programs for arm64 start under qemu. In the end, SAM CLI
//! invokes one in a container (tools/sam-local). Before all that, the check looks at what is linked: licences, sources,
//! and what `RustSec` knows of it.

mod cross;
mod program;

use std::path::Path;

use anyhow::{Result, bail};

use crate::build::{self, Architecture, FUNCTIONS, Profile, Programs};
use crate::setup::{self, Tools};
use crate::test::plan::{self, Plan};
use crate::{deny, emulator, host, process, report};
use cross::Cross;

/// Options of the check.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Only this architecture.
    #[arg(long, value_name = "NAME")]
    architecture: Option<Architecture>,
    /// Only this function; repeatable.
    #[arg(long, value_name = "NAME", value_parser = function)]
    function: Vec<&'static str>,
    /// Only arm64, by the profile `dev`: that all of it compiles, links and starts, in a fraction of the time. No size
    /// is looked at.
    #[arg(long, conflicts_with = "architecture")]
    quick: bool,
    /// Take the programs as they were built last.
    #[arg(long)]
    as_built: bool,
}

fn function(name: &str) -> Result<&'static str, String> {
    FUNCTIONS
        .iter()
        .copied()
        .find(|known| *known == name)
        .ok_or_else(|| format!("there is no such function; there are: {}", FUNCTIONS.join(", ")))
}

/// Runs it; answers whether all holds.
pub(crate) fn run(options: &Options) -> Result<bool> {
    setup::ensure()?;
    let mut plan = Plan::default();
    let done = checks(&mut plan, options);
    if let Err(error) = &done {
        plan.broke(error);
    }
    println!("{}", plan.summary());
    Ok(plan.passed())
}

fn checks(plan: &mut Plan, options: &Options) -> Result<()> {
    if !options.quick && options.function.is_empty() {
        deny::whole(plan)?;
    }
    let wanted = |architecture| !options.quick && options.architecture.is_none_or(|only| only == architecture);
    let functions = if options.function.is_empty() { FUNCTIONS.to_vec() } else { options.function.clone() };
    if wanted(Architecture::X86) {
        x86(plan, &functions, options)?;
    }
    if options.quick || wanted(Architecture::Arm) {
        arm(plan, &functions, options)?;
    }
    Ok(())
}

fn x86(plan: &mut Plan, functions: &[&'static str], options: &Options) -> Result<()> {
    if Architecture::host() != Architecture::X86 {
        bail!("functions for x86_64 are started here, which wants such a machine; pass --architecture arm64");
    }
    let programs = if options.as_built {
        Programs::of(Profile::Release, Architecture::X86)
    } else {
        let name = format!("build for x86_64: {}", functions.join(", "));
        report::usual_step(&name, build::RELEASE_TIMES, || build::release(Architecture::X86, functions, &[]))?
    };
    look_at(plan, &programs, Architecture::X86, functions, None)?;
    if functions.len() == FUNCTIONS.len() {
        whole(plan, &programs, Architecture::X86)?;
    }
    Ok(())
}

fn arm(plan: &mut Plan, functions: &[&'static str], options: &Options) -> Result<()> {
    let cross = Cross::ensure()?;
    let profile = if options.quick { Profile::Quick } else { Profile::Release };
    let programs = if options.as_built {
        Programs::of(profile, Architecture::Arm)
    } else {
        let name = format!("build for arm64: {}", functions.join(", "));
        report::usual_step(&name, "an hour; a third of it by --quick", || cross.compile(profile, functions))?
    };
    look_at(plan, &programs, Architecture::Arm, functions, Some(&cross))?;
    if !options.quick && functions.len() == FUNCTIONS.len() {
        whole(plan, &programs, Architecture::Arm)?;
    }
    Ok(())
}

/// Each program by itself.
fn look_at(
    plan: &mut Plan,
    programs: &Programs,
    architecture: Architecture,
    functions: &[&'static str],
    cross: Option<&Cross>,
) -> Result<()> {
    let folder = host::scratch("build/release-check").join(architecture.as_str());
    for &name in functions {
        let file = programs.path(name);
        if !file.exists() {
            bail!("{name} was never built ({}); leave --as-built out", file.display());
        }
        let what = format!("{name} for {}", architecture.as_str());
        plan.condition(&format!("{what}: its architecture and its C library"), || {
            program::is_not_for(&file, architecture)
        })?;
        plan.condition(&format!("{what}: it starts"), || {
            let command = cross.map_or_else(|| process::command(&file), |cross| cross.run(&file));
            program::does_not_start(command, &host::scratch(&format!("log/start-{name}-{}.log", architecture.as_str())))
        })?;
        if programs.profile() == Profile::Release {
            plan.condition(&format!("{what}: its size"), || {
                Ok(build::pack::pack_one(programs, name, &folder).err().map(|error| format!("{error:#}")))
            })?;
        }
    }
    Ok(())
}

/// All of them, packed beside their template.
fn whole(plan: &mut Plan, programs: &Programs, architecture: Architecture) -> Result<()> {
    let folder = host::scratch("build/release-check").join(architecture.as_str());
    let packed = build::pack::pack(programs, architecture, &folder, None)?;
    let mut sam = plan::at_root(process::command(Tools::Sam.program("sam")));
    sam.args(["validate", "--lint", "--template-file"]).arg(&packed.template);
    sam.env("SAM_CLI_TELEMETRY", "0").env("AWS_DEFAULT_REGION", emulator::REGION);
    plan.check(&format!("sam validate --lint of the template for {}", architecture.as_str()), sam)?;
    if architecture == Architecture::X86 {
        plan.unittest("sam local invoke (tools/sam-local)", sam_local(&folder))?;
    }
    Ok(())
}

/// The tests of `sam local invoke` on what is packed in a folder.
pub(crate) fn sam_local(built: &Path) -> std::process::Command {
    let mut python = plan::at_root(process::command(Tools::Sam.program("python")));
    python.args([
        "-m",
        "unittest",
        "discover",
        "--verbose",
        "--start-directory",
        "tools/sam-local",
        "--pattern",
        "test_*.py",
    ]);
    python.env("ACEQUIA_BUILT", built);
    python
}
