//! What runs: the functions, the operator's command and the receiver, compiled and packed.
//!
//! Two ways to compile ([`Profile`]): *quick*, for the demo and the tests, shares with the unit tests whatever cargo
//! has compiled; *release* is what is deployed to AWS, and what the bench measures. The code, its own features and what
//! a panic does are the same in both. The result is laid out as `sam build` would ([`pack`]).

pub(crate) mod pack;
mod quick;
mod release;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Result, bail};

use crate::{host, report, setup, version};
pub(crate) use release::{compile_with_bench, symbols};

/// How long a release build takes on two cores, as a step says it.
pub(crate) const RELEASE_TIMES: &str = "20 min the first time, 10 min after a change";

/// The functions of template.yaml: folders below functions/, packages and programs of the same name.
pub(crate) static FUNCTIONS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let entries = std::fs::read_dir(host::root().join("functions")).into_iter().flatten().flatten();
    let packages = entries.map(|entry| entry.path()).filter(|folder| folder.join("Cargo.toml").exists());
    let mut names: Vec<&'static str> =
        packages.filter_map(|folder| Some(&*folder.file_name()?.to_str()?.to_owned().leak())).collect();
    names.sort_unstable();
    names
});
/// The largest function. It has an HTTP client beside the SDK, and the client of SNS (0.4 million bytes, for its XML).
pub(crate) const LARGEST: &str = "webhook";
/// The largest packed function of a release. A larger one starts more slowly, and says that a dependency crept in.
const MAX_ZIP_BYTES: u64 = 5_200_000;

/// How programs are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Cargo's profile `dev`, by the machine's own compiler and linker.
    Quick,
    /// Cargo's profile `release`, by cargo-lambda for Amazon Linux.
    Release,
}

/// What a function's programs run on, as Lambda names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Architecture {
    /// What is built, tested and measured.
    #[value(name = "x86_64")]
    X86,
    /// Cheaper on AWS. Wants Rust's target for it.
    #[value(name = "arm64")]
    Arm,
}

impl Architecture {
    /// Lambda's word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Arm => "arm64",
        }
    }

    /// Rust's word.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::X86 => "x86_64-unknown-linux-gnu",
            Self::Arm => "aarch64-unknown-linux-gnu",
        }
    }

    /// The architecture of this machine.
    pub(crate) fn host() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Arm } else { Self::X86 }
    }
}

/// Options of every task that needs the programs.
#[derive(Debug, Clone, Copy, clap::Args)]
#[group(skip)]
pub(crate) struct Options {
    /// Compile as for AWS: minutes instead of seconds, and programs that start in milliseconds.
    #[arg(long)]
    release: bool,
    /// Take the functions as they were built last, though their sources may have changed since: for work on the task
    /// itself.
    #[arg(long)]
    as_built: bool,
}

impl Options {
    /// The same, but as for AWS.
    pub(crate) fn for_aws(self) -> Self {
        Self { release: true, ..self }
    }

    fn profile(self) -> Profile {
        if self.release { Profile::Release } else { Profile::Quick }
    }
}

/// Where compiled programs are.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    profile: Profile,
    /// One folder each, with the program as `bootstrap`.
    folder: PathBuf,
}

impl Programs {
    /// How they were compiled.
    pub(crate) fn profile(&self) -> Profile {
        self.profile
    }

    /// Where one lies.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name).join("bootstrap")
    }

    /// Where programs of a profile and an architecture lie, compiled or not.
    pub(crate) fn of(profile: Profile, architecture: Architecture) -> Self {
        let folder = match (profile, architecture) {
            (Profile::Quick, architecture) if architecture == Architecture::host() => "quick",
            (Profile::Quick, _) => "quick-cross",
            (Profile::Release, Architecture::X86) => "lambda",
            (Profile::Release, Architecture::Arm) => "lambda-arm64",
        };
        Self { profile, folder: host::target().join(folder) }
    }
}

/// The programs of a local run beside the functions.
const BESIDE: [&str; 3] = ["acequia", "receiver", "database"];

/// Where the built things are.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    /// The operator's command.
    pub(crate) acequia: PathBuf,
    /// The receiver.
    pub(crate) receiver: PathBuf,
    /// What starts a server of `PostgreSQL`'s.
    pub(crate) database: PathBuf,
    /// The template to deploy.
    pub(crate) template: PathBuf,
    /// Each function's packed size in bytes.
    pub(crate) zip_bytes: Vec<(&'static str, u64)>,
}

/// Compiles and packs everything that a local run needs; the tools that packing and the local AWS need are installed
/// meanwhile.
pub(crate) fn build_with_tools(options: Options) -> Result<Built> {
    if options.release || options.as_built {
        setup::ensure()?;
        return build(options);
    }
    setup::ensure_beside(quick)?;
    pack_local(options)
}

/// Compiles and packs everything that a local run needs.
pub(crate) fn build(options: Options) -> Result<Built> {
    let architecture = Architecture::host();
    let programs = Programs::of(options.profile(), architecture);
    if options.as_built {
        let missing = FUNCTIONS.iter().copied().chain(BESIDE).find(|name| !programs.path(name).exists());
        if let Some(name) = missing {
            bail!("--as-built: {name} was never built ({}); leave --as-built out", programs.path(name).display());
        }
    } else if options.release {
        let name = "build the functions, acequia and receiver (release)";
        report::usual_step(name, RELEASE_TIMES, || release::compile(architecture, &FUNCTIONS, &BESIDE))?;
    } else {
        quick()?;
    }
    pack_local(options)
}

fn pack_local(options: Options) -> Result<Built> {
    let architecture = Architecture::host();
    let programs = Programs::of(options.profile(), architecture);
    let folder = host::scratch(if options.release { "build/release" } else { "build/quick" });
    // The version that the programs report.
    let version = if options.release { version::version()? } else { format!("{}-dev", env!("CARGO_PKG_VERSION")) };
    let pack = || pack::pack(&programs, architecture, &folder, Some(&version));
    let packed = report::step("pack the functions", pack)?;
    Ok(Built {
        acequia: programs.path("acequia"),
        receiver: programs.path("receiver"),
        database: programs.path("database"),
        template: packed.template,
        zip_bytes: packed.zip_bytes,
    })
}

/// Compiles everything that a local run needs, the quick way.
pub(crate) fn quick() -> Result<Programs> {
    let name = "build the functions, acequia and receiver";
    report::usual_step(name, "4 to 7 min the first time, 20 s after a change", quick::compile)?;
    Ok(Programs::of(Profile::Quick, Architecture::host()))
}

/// Compiles functions for AWS, and more programs beside them.
pub(crate) fn release(architecture: Architecture, functions: &[&'static str], more: &[&str]) -> Result<Programs> {
    release::compile(architecture, functions, more)?;
    Ok(Programs::of(Profile::Release, architecture))
}

/// Compiles one function for AWS with the processor time that other work leaves; the build's output goes to a file.
pub(crate) fn release_beside(name: &'static str, log: &Path) -> Result<Programs> {
    let programs = Programs::of(Profile::Release, Architecture::host());
    release::compile_beside(Architecture::host(), name, log)?;
    Ok(programs)
}

/// Whether `made` is there and younger than `source`.
fn is_newer(made: &Path, source: &Path) -> bool {
    let modified = |file: &Path| std::fs::metadata(file).and_then(|data| data.modified()).ok();
    modified(made).zip(modified(source)).is_some_and(|(made, source)| made > source)
}
