//! What the functions are made of, as `CycloneDX` documents: by cargo-cyclonedx, which is installed into `.venv` at its first use.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::build::FUNCTIONS;
use crate::test::plan;
use crate::{host, process, report};

/// The pinned version of cargo-cyclonedx.
const VERSION: &str = "0.5.9";

/// Writes one document for each function into `folder`.
pub(crate) fn write(folder: &Path) -> Result<()> {
    ensure()?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for name in FUNCTIONS {
        let manifest = host::path("functions").join(name).join("Cargo.toml");
        // The subcommand writes beside the manifest, whatever else it is told.
        let written = manifest.with_file_name("acequia-sbom.json");
        let mut cargo = plan::at_root(process::command(host::path(".venv/cargo/bin/cargo-cyclonedx")));
        cargo
            .args(["cyclonedx", "--format", "json", "--override-filename", "acequia-sbom", "--manifest-path"])
            .arg(&manifest);
        process::output(&mut cargo, "cargo cyclonedx", "")?;
        let target = folder.join(format!("{name}.cdx.json"));
        fs::rename(&written, &target).with_context(|| format!("cannot write {}", target.display()))?;
    }
    Ok(())
}

fn ensure() -> Result<()> {
    let root = host::path(".venv/cargo");
    let stamp = root.join("cargo-cyclonedx.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == VERSION) {
        return Ok(());
    }
    report::usual_step("install cargo-cyclonedx", "2 min, once", || {
        let mut cargo = plan::cargo(&["install", "--quiet", "--locked", "--force", "--version", VERSION, "--root"]);
        process::run_logged(
            cargo.arg(&root).arg("cargo-cyclonedx"),
            "cargo install",
            &host::scratch("log/cyclonedx.log"),
        )?;
        fs::write(&stamp, VERSION).with_context(|| format!("cannot write {}", stamp.display()))
    })
}
