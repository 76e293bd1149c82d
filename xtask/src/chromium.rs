//! The browser of the tests of pages: Debian's packages `chromium` and `chromium-driver`, installed where they are
//! missing.

use std::process::Command;

use anyhow::{Result, bail};

use crate::report::Step;
use crate::{host, process};

/// The programs that the tests start.
const PROGRAMS: [&str; 2] = ["chromium", "chromedriver"];
/// What has them; without letters to draw, a page is empty.
const PACKAGES: [&str; 3] = ["chromium", "chromium-driver", "fonts-liberation"];

/// Installs the browser where it is missing.
///
/// # Errors
/// Where it cannot be installed from here: it says what to run.
pub(crate) fn ensure() -> Result<()> {
    let Some(missing) = PROGRAMS.into_iter().find(|program| !runs(program)) else { return Ok(()) };
    let packages = PACKAGES.join(" ");
    let by_hand =
        format!("the tests of pages need it (Debian: apt install {packages}); `cargo xtask test --fast` does not");
    if !runs("apt-get") {
        bail!("{missing} is missing, and there is no apt-get to install it: {by_hand}");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("{missing} is missing, and only root can install it: {by_hand}");
    }
    let step = Step::begin("install Chromium");
    let log = host::scratch("log/chromium.log");
    for arguments in [&["update"][..], &["install", "-y", "--no-install-recommends"]] {
        let mut command = process::command("apt-get");
        // Another apt may be at work; it is waited for.
        command.args(["-q", "-o", "DPkg::Lock::Timeout=300"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        if arguments.len() > 1 {
            command.args(PACKAGES);
        }
        process::run_logged(&mut command, "apt-get", &log)?;
    }
    if let Some(missing) = PROGRAMS.into_iter().find(|program| !runs(program)) {
        bail!("{missing} is missing although {packages} were installed (log: {}): {by_hand}", log.display());
    }
    step.end();
    Ok(())
}

fn runs(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}
