//! What is linked: the licences, bans and sources of all crates (deny.toml), and what `RustSec` knows of them, by
//! cargo-deny.
//!
//! Licences, bans and sources need the crates alone. What is known of them is in `RustSec`'s database, a repository on
//! `GitHub`. Where the database cannot be had, the check says so, and passes nothing that it did not look at.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::test::plan::{self, Plan};
use crate::tool::Subcommand;

const DENY: Subcommand = Subcommand { package: "cargo-deny", version: "0.20.2", usual: "6 min, once" };

fn deny(program: &Path, arguments: &[&str]) -> Command {
    let mut command = plan::at_root(process::command(program));
    command.args(["--workspace"]).args(arguments);
    command
}

/// Looks at everything; installs cargo-deny where it is not there.
pub(crate) fn whole(plan: &mut Plan) -> Result<()> {
    let program = DENY.ensure()?;
    linked(plan, &program)?;
    let fetched = process::output(&mut deny(&program, &["fetch", "db"]), "cargo deny fetch db", "");
    if fetched.is_ok() {
        return plan.check("cargo deny: what RustSec knows", deny(&program, &["check", "advisories"]));
    }
    println!(
        "==> cargo deny: what RustSec knows (left out: its database cannot be had from here; run `cargo xtask lint` where github.com \
         can be reached, before anything is released)"
    );
    Ok(())
}

/// Looks at what needs no database, where cargo-deny is there already.
pub(crate) fn everyday(plan: &mut Plan) -> Result<()> {
    if let Some(program) = DENY.installed() {
        return linked(plan, &program);
    }
    println!("==> cargo deny (left out: `cargo xtask lint` installs it)");
    Ok(())
}

fn linked(plan: &mut Plan, program: &Path) -> Result<()> {
    plan.check("cargo deny: licences, bans and sources", deny(program, &["check", "licenses", "bans", "sources"]))
}
