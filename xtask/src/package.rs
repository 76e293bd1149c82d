//! `cargo xtask package`: a folder from which a team without Rust deploys, by SAM CLI alone.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::build::{self, Architecture, Profile, Programs, pack};
use crate::setup::{self, Tools};
use crate::{host, process, report, sbom, version};

/// Options of the package.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// What the functions run on.
    #[arg(long, value_enum, default_value = "x86_64")]
    pub(crate) architecture: Architecture,
    /// The folder to write.
    #[arg(long, value_name = "FOLDER", default_value = "dist")]
    pub(crate) out: PathBuf,
    /// Programs of a local run instead of a release: for a look at the package itself. They are several times as large.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Take the programs as they were built last.
    #[arg(long)]
    pub(crate) as_built: bool,
    /// Leave out the lists of components, for which cargo-cyclonedx is installed.
    #[arg(long)]
    pub(crate) without_sbom: bool,
}

/// What goes along as it is.
const COPIED: [&str; 5] =
    ["infra/tenant.yaml", "infra/tenant-mail.yaml", "infra/tenant-kafka.yaml", "samconfig.toml", "LICENSE"];

/// Makes the package.
pub(crate) fn run(options: &Options) -> Result<bool> {
    setup::ensure()?;
    let out = host::root().join(&options.out);
    let programs = programs(options)?;
    let version = version::version()?;
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("cannot remove the old {}", out.display()))?;
    }
    report::step("pack the functions", || pack::pack(&programs, options.architecture, &out, Some(&version)))?;
    for file in COPIED {
        let target = out.join(file);
        fs::create_dir_all(target.parent().unwrap_or(&out))
            .with_context(|| format!("cannot make {}", out.display()))?;
        fs::copy(host::path(file), &target).with_context(|| format!("cannot copy {file}"))?;
    }
    if options.architecture == Architecture::host() {
        fs::copy(programs.path("acequia"), out.join("acequia")).context("cannot copy acequia")?;
    }
    if !options.without_sbom {
        report::step("list what is in it (CycloneDX)", || sbom::write(&out.join("sbom"), options.architecture))?;
    }
    write(&out.join("VERSION"), &format!("{version}\n"))?;
    write(&out.join("README.md"), &readme(&version, options.architecture))?;
    let sums = checksums(&out)?;
    write(&out.join("SHA256SUMS"), &sums)?;
    println!(
        "{} is version {version} for {}: README.md in it says how to deploy.",
        out.display(),
        options.architecture.as_str()
    );
    Ok(true)
}

fn programs(options: &Options) -> Result<Programs> {
    let profile = if options.quick { Profile::Quick } else { Profile::Release };
    if options.as_built {
        return Ok(Programs::of(profile, options.architecture));
    }
    if options.quick {
        return build::quick();
    }
    let own: &[&str] = if options.architecture == Architecture::host() { &["acequia"] } else { &[] };
    let name = format!("build the functions for {}", options.architecture.as_str());
    report::usual_step(&name, build::RELEASE_TIMES, || build::release(options.architecture, &build::FUNCTIONS, own))
}

fn readme(version: &str, architecture: Architecture) -> String {
    format!(
        "# Acequia {version} for {}\n\n\
         Everything that `sam deploy` needs; no Rust. `samconfig.toml` has the environments. Check, then deploy the platform:\n\n\
         ```sh\nsha256sum --check SHA256SUMS\nsam deploy --config-env dev\n```\n\n\
         Once it stands, the same line with `Established=yes` behind the environment's parameters protects its tables from deletion:\n\n\
         ```sh\nsam deploy --config-env dev --parameter-overrides Stage=dev Established=yes\n```\n\n\
         A tenant:\n\n\
         ```sh\nsam deploy --config-env dev-tenant --stack-name acequia-dev-acme --tags tenant=acme stage=dev --parameter-overrides \
         Stage=dev TenantId=acme Webhook=enabled\n```\n\n\
         `acequia` is the operator's command; `acequia --stage dev doctor` says what an account still needs. `sbom/` lists what \
         the functions are made of.\n",
        architecture.as_str()
    )
}

fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// `sha256sum`'s lines for every file of a folder, by name.
fn checksums(folder: &Path) -> Result<String> {
    let mut files = Vec::new();
    list(folder, folder, &mut files)?;
    files.sort();
    let mut python = process::command(Tools::Sam.program("python"));
    let call =
        "import hashlib, sys\nfor name in sys.argv[1:]: print(hashlib.sha256(open(name, 'rb').read()).hexdigest())";
    let sums = process::output(python.args(["-c", call]).args(&files).current_dir(folder), "checksums", "")?;
    Ok(sums.lines().zip(&files).fold(String::new(), |mut text, (sum, file)| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{sum}  {}", file.display());
        text
    }))
}

fn list(top: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            list(top, &path, files)?;
        } else {
            files.push(path.strip_prefix(top)?.to_owned());
        }
    }
    Ok(())
}
