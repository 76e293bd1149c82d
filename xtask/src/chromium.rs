//! The browser of the tests of pages: Debian's packages `chromium` and `chromium-driver`, installed where they are
//! missing.

use std::process::Command;

use anyhow::{Result, bail};

use crate::debian;

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
    debian::install("Chromium", missing, &PACKAGES, &by_hand)?;
    if let Some(missing) = PROGRAMS.into_iter().find(|program| !runs(program)) {
        bail!("{missing} is missing although {packages} were installed : {by_hand}");
    }
    Ok(())
}

fn runs(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}
