//! Says which version is compiled: the workspace's, and in a release the commit, so that the command, a function's log
//! and a deployment name the same. A development build names no commit: it would be compiled anew with each.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=ACEQUIA_COMMIT");
    let is_release = variable("PROFILE").is_some_and(|profile| profile == "release");
    let commit = variable("ACEQUIA_COMMIT").filter(|commit| !commit.is_empty());
    let commit = if is_release { commit.or_else(ask_git) } else { Some("dev".to_owned()) };
    let version = variable("CARGO_PKG_VERSION").unwrap_or_default();
    println!("cargo::rustc-env=ACEQUIA_VERSION={version}-{}", commit.as_deref().unwrap_or("unknown"));
}

#[expect(clippy::disallowed_methods, reason = "a build script is told by its environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The commit that is checked out, marked where files differ from it. None outside of a checkout.
fn ask_git() -> Option<String> {
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo::rerun-if-changed={log}");
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let is_modified = git(&["status", "--porcelain", "--untracked-files=no"]).is_none_or(|files| !files.is_empty());
    Some(if is_modified { format!("{commit}-modified") } else { commit })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
