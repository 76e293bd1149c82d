//! What runs: the functions, the operator's command and the receiver, built by one cargo-lambda run and packed.
//!
//! One run, because the AWS SDK is most of the work and is compiled once per run and set of features. The result is laid
//! out as `sam build` would (a template whose `CodeUri`s point to the built code); `sam build` itself would start cargo
//! once per function, each with features of its own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::setup::Tools;
use crate::{host, process, report};

/// The functions of template.yaml: folders below functions/, packages and programs of the same name.
pub(crate) const FUNCTIONS: [&str; 8] =
    ["router", "webhook", "forward", "email", "sweeper", "outbox", "confirm", "feedback"];
/// What else a local run needs.
const PROGRAMS: [&str; 2] = ["acequia", "receiver"];
/// The largest packed function. A larger one starts more slowly, and says that a dependency crept in. The largest is webhook, which has an
/// HTTP client beside the SDK, and the client of SNS (0.4 million bytes, for its XML).
const MAX_ZIP_BYTES: u64 = 5_200_000;

/// Where the built things are.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    /// The operator's command.
    pub(crate) acequia: PathBuf,
    /// The receiver.
    pub(crate) receiver: PathBuf,
    /// The template to deploy.
    pub(crate) template: PathBuf,
    /// Each function's packed size in bytes.
    pub(crate) zip_bytes: Vec<(&'static str, u64)>,
}

/// Builds and packs everything; with `as_built` it is taken as it was built last.
pub(crate) fn build(as_built: bool) -> Result<Built> {
    if !as_built {
        report::step("build the functions, acequia and receiver (release)", || compile(&PROGRAMS))?;
    }
    report::step("pack the functions", pack)
}

/// Builds the functions with the bench: the same programs, since every feature is decided in the workspace's manifest.
pub(crate) fn compile_with_bench() -> Result<()> {
    compile(&["acequia", "receiver", "bench"])
}

/// Where the same programs are with their symbols, by which the bench tells apart what takes instructions.
pub(crate) fn symbols() -> PathBuf {
    host::target().join("lambda-symbols")
}

/// Linked once, with symbols, and stripped as the profile would: to link all of it again for the bench would take a quarter of an hour.
fn compile(programs: &[&str]) -> Result<()> {
    let mut command = process::command(Tools::Sam.program("cargo-lambda"));
    command.args(["lambda", "build", "--release", "--locked", "--lambda-dir"]).arg(symbols());
    for name in FUNCTIONS.into_iter().chain(programs.iter().copied()) {
        command.args(["--package", name, "--config", &format!("profile.release.package.{name}.strip=false")]);
    }
    // cargo-lambda finds its linker (zig) among the tools.
    let path = host::variable("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", Tools::Sam.bin().display())).current_dir(host::root());
    process::run(&mut command, "the build")?;
    let entries = fs::read_dir(symbols()).with_context(|| format!("cannot read {}", symbols().display()))?;
    for entry in entries {
        let name = entry.context("cannot read the folder of programs")?.file_name();
        strip(&name.to_string_lossy())?;
    }
    Ok(())
}

/// Puts a program without its symbols where it is deployed from, unless that is there already: a new file is packed and deployed anew.
fn strip(name: &str) -> Result<()> {
    let (source, target) = (symbols().join(name).join("bootstrap"), program(name));
    if is_newer(&target, &source) {
        return Ok(());
    }
    let folder = target.parent().context("a program lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // A program that runs cannot be written over, but it can be replaced.
    let new = target.with_extension("new");
    process::output(process::command("strip").arg("-o").arg(&new).arg(&source), "strip", "")?;
    fs::rename(&new, &target).with_context(|| format!("cannot write {}", target.display()))
}

/// Where a program lies that is deployed.
fn program(name: &str) -> PathBuf {
    host::target().join("lambda").join(name).join("bootstrap")
}

fn pack() -> Result<Built> {
    let folder = host::scratch("build");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut template = fs::read_to_string(host::path("template.yaml")).context("cannot read template.yaml")?;
    let mut zip_bytes = Vec::new();
    for name in FUNCTIONS {
        let source = format!("CodeUri: functions/{name}\n");
        if template.matches(&source).count() != 1 {
            bail!("template.yaml does not have `CodeUri: functions/{name}` exactly once");
        }
        template = template.replace(&source, &format!("CodeUri: {name}.zip\n"));
        let zip = folder.join(format!("{name}.zip"));
        if !is_newer(&zip, &program(name)) {
            process::output(
                process::command(Tools::Sam.program("python"))
                    .args(["-m", "zipfile", "-c"])
                    .arg(&zip)
                    .arg(program(name)),
                "packing",
                "",
            )?;
        }
        let bytes = fs::metadata(&zip).with_context(|| format!("cannot read {}", zip.display()))?.len();
        if bytes >= MAX_ZIP_BYTES {
            bail!("the packed function {name} has {bytes} bytes; it must stay below {MAX_ZIP_BYTES}");
        }
        zip_bytes.push((name, bytes));
    }
    let file = folder.join("template.yaml");
    fs::write(&file, template).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(Built { acequia: program("acequia"), receiver: program("receiver"), template: file, zip_bytes })
}

/// Whether `made` is there and younger than `source`.
fn is_newer(made: &Path, source: &Path) -> bool {
    let modified = |file: &Path| fs::metadata(file).and_then(|data| data.modified()).ok();
    modified(made).zip(modified(source)).is_some_and(|(made, source)| made > source)
}
