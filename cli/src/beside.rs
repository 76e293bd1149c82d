//! Files beside a tenant's file, which it names: read when it is, so that the configuration has all of them in it.

use std::path::{Component, Path};

use serde_json::Value as Json;

use crate::input;

/// Reads the file of this name in the tenant's folder or below it, of `most` bytes.
///
/// # Errors
/// Why it is not read.
pub(crate) fn read(name: &Json, folder: Option<&Path>, most: usize) -> Result<String, String> {
    let name = name.as_str().ok_or("it must be the name of a file")?;
    let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside || name.is_empty() {
        return Err(format!("{name:?} must be a file in the tenant's folder or below it"));
    }
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let path = folder.join(name);
    let unreadable = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    // A symbolic link is where it leads to.
    let real = path.canonicalize().map_err(unreadable)?;
    if !real.starts_with(folder.canonicalize().map_err(unreadable)?) {
        return Err(format!("{name:?} leads out of the tenant's folder: put the file itself there, or below"));
    }
    let file = std::fs::metadata(&real).map_err(unreadable)?;
    if !file.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    let size = file.len();
    if size > most as u64 {
        return Err(format!("{} has {size} bytes; at most {most} are taken", path.display()));
    }
    let bytes = std::fs::read(&real).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let text = input::decode(bytes).map_err(|misencoded| misencoded.of(&path.display().to_string()).to_string())?;
    // The same file on Windows is the same version of the configuration.
    Ok(text.replace("\r\n", "\n"))
}
