//! Packages of Debian's that the tests need, installed where that is possible.

use std::process::Command;

use anyhow::{Result, bail};

use crate::report::Step;
use crate::{host, process};

/// Installs packages because something is missing. `by_hand` says what a person does instead.
///
/// # Errors
/// Where it cannot be done from here.
pub(crate) fn install(what: &str, missing: &str, packages: &[&str], by_hand: &str) -> Result<()> {
    if !Command::new("apt-get").arg("--version").output().is_ok_and(|output| output.status.success()) {
        bail!("{missing} is missing, and there is no apt-get to install it: {by_hand}");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("{missing} is missing, and only root can install it: {by_hand}");
    }
    let step = Step::begin(format!("install {what}"));
    let log = host::scratch(&format!("log/{}.log", what.to_lowercase()));
    for arguments in [&["update"][..], &["install", "-y", "--no-install-recommends"]] {
        let mut command = process::command("apt-get");
        // Another apt may be at work; it is waited for.
        command.args(["-q", "-o", "DPkg::Lock::Timeout=300"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        if arguments.len() > 1 {
            command.args(packages);
        }
        process::run_logged(&mut command, "apt-get", &log)?;
    }
    step.end();
    Ok(())
}
