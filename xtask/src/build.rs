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
const MAX_ZIP_BYTES: u64 = 5_500_000;

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
        report::step("build the functions, acequia and receiver (release)", || compile(&PROGRAMS, &[]))?;
    }
    report::step("pack the functions", pack)
}

/// Builds the functions with the bench: the same programs, since every feature is decided in the workspace's manifest.
pub(crate) fn compile_with_bench() -> Result<()> {
    compile(&["acequia", "receiver", "bench"], &[])
}

/// Builds them again with their symbols into a folder of their own, which it answers: only the programs themselves are linked anew.
pub(crate) fn compile_with_symbols() -> Result<PathBuf> {
    let folder = host::target().join("lambda-symbols");
    let mut options = vec!["--lambda-dir".to_owned(), folder.display().to_string()];
    for name in FUNCTIONS.into_iter().chain(["bench"]) {
        options.extend(["--config".to_owned(), format!("profile.release.package.{name}.strip=false")]);
    }
    compile(&["acequia", "receiver", "bench"], &options)?;
    Ok(folder)
}

fn compile(programs: &[&str], options: &[String]) -> Result<()> {
    let mut command = process::command(Tools::Sam.program("cargo-lambda"));
    command.args(["lambda", "build", "--release", "--locked"]).args(options);
    for name in FUNCTIONS.into_iter().chain(programs.iter().copied()) {
        command.args(["--package", name]);
    }
    // cargo-lambda finds its linker (zig) among the tools.
    let path = host::variable("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", Tools::Sam.bin().display())).current_dir(host::root());
    process::run(&mut command, "the build")
}

/// Where cargo-lambda puts a program.
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
