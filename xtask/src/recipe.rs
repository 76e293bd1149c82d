//! What the recipes of docs/RECEIVERS.md need to be run by their tests: the libraries that they recommend, pinned, in
//! `.venv/recipes`.
//!
//! Python is on every machine that builds Acequia. Node need not be: where npm is missing, the test of its recipe is
//! skipped and says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::report::Step;
use crate::setup::{self, Tools};
use crate::{host, process};

/// The variable that tells the tests where the libraries are.
pub(crate) const VARIABLE: &str = "ACEQUIA_TEST_RECIPES";

/// What npm reads.
const LISTS: [&str; 2] = ["package.json", "package-lock.json"];

/// Installs what is missing or out of date; answers the folder.
pub(crate) fn ensure() -> Result<PathBuf> {
    setup::ensure_one(Tools::Recipes)?;
    let folder = Tools::Recipes.folder();
    if has_npm() {
        ensure_node(&folder.join("node"))?;
    }
    Ok(folder)
}

fn has_npm() -> bool {
    Command::new("npm").arg("--version").output().is_ok_and(|output| output.status.success())
}

fn ensure_node(folder: &Path) -> Result<()> {
    let pinned = LISTS.map(|list| host::path("tools/recipes").join(list));
    let read = |file: &PathBuf| fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()));
    let wanted = pinned.iter().map(read).collect::<Result<Vec<_>>>()?.concat();
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let step = Step::begin("install the library of Node's recipe into .venv/recipes/node");
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (list, file) in LISTS.iter().zip(&pinned) {
        fs::copy(file, folder.join(list)).with_context(|| format!("cannot copy {list} to {}", folder.display()))?;
    }
    let mut npm = process::command("npm");
    npm.current_dir(folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    process::run_logged(&mut npm, "npm ci", &host::scratch("log/npm-recipes.log"))?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    step.end();
    Ok(())
}
