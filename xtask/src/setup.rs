//! The tools that everything else needs: two Python environments from pinned requirements, made once.
//!
//! Two, because the emulator and SAM CLI pin different versions of the same packages. A third has what the recipes for
//! receivers of webhooks need, for their tests alone ([`crate::recipe`]), a fourth what plays Kafka, a fifth Node.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::report::Step;
use crate::{host, process};

/// One of the environments.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tools {
    /// The emulator.
    Local,
    /// SAM CLI, the template linter and cargo-lambda.
    Sam,
    /// A broker that speaks Kafka's protocol, and the poller that plays Lambda's mapping.
    Kafka,
    /// What docs/RECEIVERS.md recommends to receivers in Python, and what reads the archive.
    Recipes,
    /// What tests the HTTP API against its own description; it needs Python 3.11.
    Api,
    /// Node with npm ([`crate::node`]).
    Node,
}

impl Tools {
    fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Sam => "sam",
            Self::Kafka => "kafka",
            Self::Recipes => "recipes",
            Self::Api => "api",
            Self::Node => "node",
        }
    }

    /// Its folder.
    pub(crate) fn folder(self) -> PathBuf {
        host::path(".venv").join(self.name())
    }

    /// The folder of its programs.
    pub(crate) fn bin(self) -> PathBuf {
        self.folder().join("bin")
    }

    /// One of its programs.
    pub(crate) fn program(self, name: &str) -> PathBuf {
        self.bin().join(name)
    }
}

/// Makes the environments that are missing or out of date.
///
/// # Errors
/// One clear line where the machine lacks something: it says what to install.
pub(crate) fn ensure() -> Result<()> {
    let python = find_python()?;
    check_compiler()?;
    make(&python, &[Tools::Local, Tools::Sam])
}

/// Makes one environment, if it is missing or out of date.
///
/// # Errors
/// As [`ensure`].
pub(crate) fn ensure_one(tools: Tools) -> Result<()> {
    make(&find_python()?, &[tools])
}

/// As [`ensure`], beside other work, which does not need them.
///
/// # Errors
/// As [`ensure`] has them, before the work begins, where the machine lacks something; and the errors of the work.
pub(crate) fn ensure_beside<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let python = find_python()?;
    check_compiler()?;
    std::thread::scope(|scope| {
        let making = scope.spawn(|| make(&python, &[Tools::Local, Tools::Sam]));
        let done = work();
        making.join().unwrap_or_else(|_| bail!("setting up the tools panicked"))?;
        done
    })
}

fn make(python: &Python, wanted: &[Tools]) -> Result<()> {
    fs::create_dir_all(host::path(".venv")).context("cannot make .venv")?;
    // Two runs at once would spoil each other's environments.
    let lock = fs::File::create(host::path(".venv/lock")).context("cannot write .venv/lock")?;
    lock.lock().context("cannot lock .venv/lock")?;
    std::thread::scope(|scope| {
        let all: Vec<_> = wanted.iter().map(|tools| scope.spawn(move || ensure_environment(python, *tools))).collect();
        all.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("setting up the tools panicked")))
    })
}

struct Python {
    program: String,
    version: String,
}

fn find_python() -> Result<Python> {
    let ask = "import sys; print('%d.%d' % sys.version_info[:2]); sys.exit(sys.version_info < (3, 10))";
    let mut found = None;
    for program in ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"] {
        let Ok(output) = Command::new(program).args(["-c", ask]).output() else { continue };
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() {
            found = Some(Python { program: program.to_owned(), version });
            break;
        }
    }
    let Some(python) = found else {
        bail!("Python 3.10 or later is missing: install it (Debian: apt install python3 python3-venv)");
    };
    let usable = Command::new(&python.program).args(["-c", "import venv, ensurepip"]).output();
    if !usable.is_ok_and(|output| output.status.success()) {
        bail!("Python's venv module is missing: install it (Debian: apt install python3-venv)");
    }
    Ok(python)
}

fn check_compiler() -> Result<()> {
    let works = Command::new("cc").arg("--version").output().is_ok_and(|output| output.status.success());
    if !works {
        bail!("a C compiler (`cc`) is missing: install one (Debian: apt install build-essential)");
    }
    Ok(())
}

fn ensure_environment(python: &Python, tools: Tools) -> Result<()> {
    let name = tools.name();
    let requirements = host::path("tools").join(name).join("requirements.txt");
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))
        .map(|text| format!("# Python {}\n{text}", python.version))?;
    let stamp = tools.folder().join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let step = Step::begin(format!("install tools into .venv/{name}"));
    if tools.folder().exists() {
        fs::remove_dir_all(tools.folder()).with_context(|| format!("cannot remove .venv/{name}"))?;
    }
    let log = host::scratch(&format!("log/venv-{name}.log"));
    process::run_logged(
        process::command(&python.program).args(["-m", "venv"]).arg(tools.folder()),
        "python -m venv",
        &log,
    )?;
    process::run_logged(
        process::command(tools.program("python"))
            .args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--require-hashes", "-r"])
            .arg(&requirements),
        "pip install",
        &log,
    )?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    step.end();
    Ok(())
}
