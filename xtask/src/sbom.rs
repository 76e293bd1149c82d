//! What the functions are made of, as `CycloneDX` documents: by cargo-cyclonedx, which is installed into `.venv` at its
//! first use.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::build::{Architecture, FUNCTIONS};
use crate::test::plan;
use crate::tool::Subcommand;
use crate::{host, process};

const CYCLONEDX: Subcommand = Subcommand { package: "cargo-cyclonedx", version: "0.5.9", usual: "2 min, once" };
/// What it writes, beside the manifest of each package of the workspace.
const NAME: &str = "acequia-sbom";

/// Writes one document for each function into `folder`.
pub(crate) fn write(folder: &Path, architecture: Architecture) -> Result<()> {
    let program = CYCLONEDX.ensure()?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut cargo = plan::at_root(process::command(program));
    cargo.args(["cyclonedx", "--format", "json", "--target", architecture.target(), "--override-filename", NAME]);
    let ran = process::output(&mut cargo, "cargo cyclonedx", "");
    let written = written()?;
    for file in &written {
        let package = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        if FUNCTIONS.contains(&&*package) {
            let target = folder.join(format!("{package}.cdx.json"));
            fs::copy(file, &target).with_context(|| format!("cannot write {}", target.display()))?;
        }
        fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    ran.map(drop)?;
    let made = FUNCTIONS.iter().filter(|name| folder.join(format!("{name}.cdx.json")).exists()).count();
    anyhow::ensure!(made == FUNCTIONS.len(), "cargo cyclonedx described {made} of {} functions", FUNCTIONS.len());
    Ok(())
}

/// The documents that lie beside manifests now.
fn written() -> Result<Vec<PathBuf>> {
    let mut git = process::command("git");
    let manifests =
        process::output(git.args(["ls-files", "Cargo.toml", "*/Cargo.toml"]).current_dir(host::root()), "git", "")?;
    let document = |manifest: &str| host::path(manifest).with_file_name(format!("{NAME}.json"));
    Ok(manifests.lines().map(document).filter(|file| file.exists()).collect())
}
