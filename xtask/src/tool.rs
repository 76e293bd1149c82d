//! Cargo's own subcommands that are not part of it, each of a pinned version, installed into `.venv` at their first
//! use.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::test::plan;
use crate::{host, process, report};

/// A subcommand.
pub(crate) struct Subcommand {
    /// Its package, such as `cargo-deny`.
    pub(crate) package: &'static str,
    /// The pinned version.
    pub(crate) version: &'static str,
    /// How long its first installation takes.
    pub(crate) usual: &'static str,
}

impl Subcommand {
    /// The program, installed.
    pub(crate) fn ensure(&self) -> Result<PathBuf> {
        if let Some(program) = self.installed() {
            return Ok(program);
        }
        let Self { package, version, usual } = self;
        report::usual_step(&format!("install {package}"), usual, || {
            let mut cargo = plan::cargo(&["install", "--quiet", "--locked", "--force", "--version", version, "--root"]);
            let log = host::scratch(&format!("log/{package}.log"));
            process::run_logged(cargo.arg(root()).arg(package), "cargo install", &log)?;
            let stamp = self.stamp();
            fs::write(&stamp, version).with_context(|| format!("cannot write {}", stamp.display()))
        })?;
        Ok(self.program())
    }

    /// The program, if it is there in the pinned version.
    pub(crate) fn installed(&self) -> Option<PathBuf> {
        let known = fs::read_to_string(self.stamp()).is_ok_and(|installed| installed == self.version);
        known.then(|| self.program())
    }

    fn program(&self) -> PathBuf {
        root().join("bin").join(self.package)
    }

    fn stamp(&self) -> PathBuf {
        root().join(format!("{}.txt", self.package))
    }
}

fn root() -> PathBuf {
    host::path(".venv/cargo")
}
