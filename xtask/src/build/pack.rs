//! Packed functions beside a template that points to them: what `sam deploy` takes, without Rust.
//!
//! Zips have no times in them, so that the same program makes the same zip, and a deployment changes only what changed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::{Architecture, FUNCTIONS, MAX_ZIP_BYTES, Profile, Programs, is_newer};
use crate::setup::Tools;
use crate::{host, process};

/// What was packed.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    /// The template to deploy.
    pub(crate) template: PathBuf,
    /// Each function's packed size in bytes.
    pub(crate) zip_bytes: Vec<(&'static str, u64)>,
}

/// Packs the functions into `folder`, and writes the template there; `version` goes into the template where it is
/// known.
///
/// # Errors
/// Where a function of a release is larger than it may be.
pub(crate) fn pack(
    programs: &Programs,
    architecture: Architecture,
    folder: &Path,
    version: Option<&str>,
) -> Result<Packed> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let source = fs::read_to_string(host::path("template.yaml")).context("cannot read template.yaml")?;
    let text = with_local_code(&with_defaults(&source, architecture, version)?)?;
    let zip_bytes = FUNCTIONS
        .iter()
        .copied()
        .map(|name| Ok((name, pack_one(programs, name, folder)?)))
        .collect::<Result<Vec<_>>>()?;
    let template = folder.join("template.yaml");
    fs::write(&template, text).with_context(|| format!("cannot write {}", template.display()))?;
    Ok(Packed { template, zip_bytes })
}

/// Packs one function, unless that was done; answers the zip's size in bytes.
///
/// # Errors
/// Where a function of a release is larger than it may be.
pub(crate) fn pack_one(programs: &Programs, name: &str, folder: &Path) -> Result<u64> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (program, zip) = (programs.path(name), folder.join(format!("{name}.zip")));
    if !is_newer(&zip, &program) {
        let mut python = process::command(Tools::Sam.program("python"));
        python.arg(host::path("tools/pack.py")).arg(&program).arg(&zip);
        if programs.profile == Profile::Quick {
            // These are not downloaded: packing takes 5 s instead of 14.
            python.arg("1");
        }
        process::output(&mut python, "packing", "")?;
    }
    let bytes = fs::metadata(&zip).with_context(|| format!("cannot read {}", zip.display()))?.len();
    if programs.profile == Profile::Release && bytes >= MAX_ZIP_BYTES {
        bail!("the packed function {name} has {bytes} bytes; it must stay below {MAX_ZIP_BYTES}");
    }
    Ok(bytes)
}

/// Every `CodeUri` of a function's folder becomes its zip.
fn with_local_code(template: &str) -> Result<String> {
    FUNCTIONS.iter().copied().try_fold(template.to_owned(), |text, name| {
        replace_once(&text, &format!("CodeUri: functions/{name}\n"), &format!("CodeUri: {name}.zip\n"))
    })
}

/// The template is of one architecture and one version from here on.
fn with_defaults(template: &str, architecture: Architecture, version: Option<&str>) -> Result<String> {
    let default = "Default: x86_64\n    AllowedValues: [x86_64, arm64]\n";
    let built = architecture.as_str();
    let text = replace_once(template, default, &format!("Default: {built}\n    AllowedValues: [{built}]\n"))?;
    let Some(version) = version else { return Ok(text) };
    replace_once(&text, "Default: unversioned\n", &format!("Default: {version}\n"))
}

fn replace_once(text: &str, old: &str, new: &str) -> Result<String> {
    let count = text.matches(old).count();
    if count != 1 {
        bail!("template.yaml has {:?} {count} times, and must have it exactly once", old.trim_end());
    }
    Ok(text.replace(old, new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> String {
        fs::read_to_string(host::path("template.yaml")).unwrap()
    }

    #[test]
    fn every_function_of_the_template_points_to_its_zip() {
        let text = with_local_code(&template()).unwrap();
        assert!(!text.contains("CodeUri: functions/"));
        assert_eq!(text.matches("CodeUri: ").count(), FUNCTIONS.len());
        assert!(text.contains("CodeUri: router.zip\n"));
    }

    #[test]
    fn a_packed_template_takes_no_other_architecture_and_names_its_version() {
        let text = with_defaults(&template(), Architecture::Arm, Some("1.2.3-abc")).unwrap();
        assert!(text.contains("Default: arm64\n    AllowedValues: [arm64]\n"));
        assert!(text.contains("Default: 1.2.3-abc\n"));
        assert_eq!(with_defaults(&template(), Architecture::X86, None).unwrap().matches("unversioned").count(), 1);
    }

    #[test]
    fn what_cannot_be_replaced_is_said() {
        let error = replace_once("a\n", "CodeUri: functions/x\n", "").unwrap_err();
        assert_eq!(
            error.to_string(),
            "template.yaml has \"CodeUri: functions/x\" 0 times, and must have it exactly once"
        );
    }
}
