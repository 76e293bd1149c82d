//! Programs for AWS: by one cargo-lambda run, because the AWS SDK is most of the work and is compiled once per run and
//! set of features. `sam build` itself would start cargo once per function.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::{Architecture, FUNCTIONS, Profile, Programs, is_newer};
use crate::setup::Tools;
use crate::{host, lint, process, version};

/// Builds the functions with the bench: the same programs, since every feature is decided in the workspace's manifest.
pub(crate) fn compile_with_bench() -> Result<()> {
    compile(Architecture::X86, &FUNCTIONS, &["acequia", "receiver", "bench"])
}

/// Where the same programs lie with their symbols, which tell the bench what takes the instructions.
pub(crate) fn symbols() -> PathBuf {
    host::target().join("lambda-symbols")
}

/// Linked once, with symbols, and stripped as the profile would: to link all of it again for the bench would take a
/// quarter of an hour. Programs for another machine are stripped by their linker, and have no symbols.
pub(super) fn compile(architecture: Architecture, functions: &[&str], more: &[&str]) -> Result<()> {
    let names: Vec<&str> = functions.iter().chain(more).copied().collect();
    let mut command = process::command(Tools::Sam.program("cargo-lambda"));
    process::run(configure(&mut command, architecture, &names)?, "the build")?;
    strip_all(architecture, &names)
}

/// Builds one function beside other work. The other work goes first, but not so much that this build runs alone at the
/// end, on one core. Its output goes to a file.
pub(super) fn compile_beside(architecture: Architecture, name: &str, log: &Path) -> Result<()> {
    let mut command = process::command("nice");
    command.args(["-n", "3"]).arg(Tools::Sam.program("cargo-lambda"));
    process::run_logged(configure(&mut command, architecture, &[name])?, "the release build", log)?;
    strip_all(architecture, &[name])
}

fn configure<'c>(command: &'c mut Command, architecture: Architecture, names: &[&str]) -> Result<&'c mut Command> {
    let own = architecture == Architecture::host();
    command.args(["lambda", "build", "--release", "--locked", "--lambda-dir"]);
    command.arg(if own { symbols() } else { Programs::of(Profile::Release, architecture).folder });
    if architecture == Architecture::Arm {
        check_arm_target()?;
        command.arg("--arm64");
    }
    for name in names {
        command.args(["--package", name]);
        if own {
            command.args(["--config", &format!("profile.release.package.{name}.strip=false")]);
        }
    }
    // What is deployed is compiled by rustc itself: Clippy as a compiler optimizes less.
    command.env_remove(lint::WRAPPER);
    // cargo-lambda finds its linker (zig) among the tools.
    let path = host::variable("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", Tools::Sam.bin().display())).current_dir(host::root());
    Ok(command.env("ACEQUIA_COMMIT", version::commit().unwrap_or_else(|_| "unknown".to_owned())))
}

fn strip_all(architecture: Architecture, names: &[&str]) -> Result<()> {
    if architecture != Architecture::host() {
        return Ok(());
    }
    let programs = Programs::of(Profile::Release, architecture);
    let entries = fs::read_dir(symbols()).with_context(|| format!("cannot read {}", symbols().display()))?;
    for folder in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let Some(name) = folder.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
        // The bench has programs of other names than its own.
        if !names.contains(&name.as_str()) && !names.contains(&"bench") {
            continue;
        }
        let (source, target) = (folder.join("bootstrap"), programs.path(&name));
        if !is_newer(&target, &source) {
            strip(&source, &target)?;
        }
    }
    Ok(())
}

/// cargo-lambda would download the target by itself; that is for the person who builds to decide.
fn check_arm_target() -> Result<()> {
    let target = Architecture::Arm.target();
    let sysroot = process::output(process::command("rustc").args(["--print", "sysroot"]), "rustc", "")?;
    if Path::new(sysroot.trim()).join("lib/rustlib").join(target).exists() || cfg!(target_arch = "aarch64") {
        return Ok(());
    }
    bail!(
        "Rust's target for arm64 is not installed: run `rustup target add {target}`, or deploy for x86_64 \
         (Architecture=x86_64, which is the default)"
    )
}

/// Puts a program without its symbols where it is deployed from, as a new file: one that runs cannot be written over,
/// but it can be replaced.
pub(super) fn strip(source: &Path, target: &Path) -> Result<()> {
    let folder = target.parent().context("a program lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let new = target.with_extension("new");
    process::output(process::command("strip").arg("-o").arg(&new).arg(source), "strip", "")?;
    fs::rename(&new, target).with_context(|| format!("cannot write {}", target.display()))
}
