//! What the recipes of docs/RECEIVERS.md and the queries of docs/ARCHIVE.md need to be run by their tests: the libraries
//! that they recommend, pinned, in `.venv/recipes`.
//!
//! Python is on every machine that builds Acequia. Node need not be: where npm is missing, the test of its recipe is
//! skipped and says so.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::setup::{self, Tools};
use crate::{node, process};

/// The variable that tells the tests where the libraries are.
pub(crate) const VARIABLE: &str = "ACEQUIA_TEST_RECIPES";

/// Installs what is missing or out of date; answers the folder.
pub(crate) fn ensure() -> Result<PathBuf> {
    setup::ensure_one(Tools::Recipes)?;
    let folder = Tools::Recipes.folder();
    if has_npm() {
        node::install("recipes", &folder.join("node"), process::command("npm"))?;
    }
    Ok(folder)
}

fn has_npm() -> bool {
    Command::new("npm").arg("--version").output().is_ok_and(|output| output.status.success())
}
