//! The version that is built and deployed: the workspace's, and the commit.

use anyhow::{Context as _, Result};

use crate::{host, process};

/// The commit that is checked out, with `-modified` where tracked files differ from it: what `acequia_core::version`
/// has behind the hyphen.
pub(crate) fn commit() -> Result<String> {
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).context("which commit this is cannot be told")?;
    let modified = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Ok(if modified.is_empty() { commit } else { format!("{commit}-modified") })
}

/// The whole word, such as `0.1.0-1f2482f1a2b3`.
pub(crate) fn version() -> Result<String> {
    Ok(format!("{}-{}", env!("CARGO_PKG_VERSION"), commit()?))
}

fn git(arguments: &[&str]) -> Result<String> {
    let mut command = process::command("git");
    let said = process::output(command.args(arguments).current_dir(host::root()), "git", "")?;
    Ok(said.trim().to_owned())
}
