//! Programs for here: by cargo's profile `dev`, whose dependencies the unit tests have compiled already.
//!
//! The package `features` is built with them: it asks for what only tests ask of the dependencies, so that both resolve
//! alike (tests/architecture proves it). So does the feature of `acequia-aws` that lets its tests have the local AWS:
//! without it the tests would compile the adapters, the functions and the command once more.

use std::fs;

use anyhow::{Context as _, Result};

use super::{Architecture, FUNCTIONS, Profile, Programs, is_newer};
use crate::test::plan;
use crate::{host, process};

/// The packages beside the functions; the last two make no program.
const MORE: [&str; 5] = ["acequia", "receiver", "database", "features", "acequia-aws"];

/// Compiles them all by one run of cargo, and strips what changed.
pub(super) fn compile() -> Result<()> {
    let mut cargo = plan::cargo(&["build", "--locked"]);
    for name in FUNCTIONS.iter().copied().chain(MORE) {
        cargo.args(["--package", name]);
    }
    cargo.args(["--features", "acequia-aws/emulator"]);
    process::run(&mut cargo, "the build")?;
    let programs = Programs::of(Profile::Quick, Architecture::host());
    for name in FUNCTIONS.iter().copied().chain(super::BESIDE) {
        let (source, target) = (host::target().join("debug").join(name), programs.path(name));
        if !is_newer(&target, &source) {
            let folder = target.parent().context("a program lies in a folder")?;
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            // A third of the size, which is packed, sent and unpacked. `acequia` needs no symbols either.
            super::release::strip(&source, &target)?;
        }
    }
    Ok(())
}
