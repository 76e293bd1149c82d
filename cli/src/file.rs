//! Files that the command writes: whole, or not at all.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::failure::Failure;
use crate::interrupt::InGoodOrder;

/// Writes a file whole, in place of one that is there.
///
/// # Errors
/// Where it cannot be written; then there is no part of it.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write(path, bytes, std::fs::OpenOptions::new().write(true).create(true).truncate(true))
}

/// Writes a file that only its owner can read, and that was not there before: not through a link, and not over
/// anything.
///
/// # Errors
/// Where something is there, and where it cannot be written; then there is no part of it.
pub(crate) fn write_private_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write(path, bytes, std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600))
}

fn write(path: &Path, bytes: &[u8], options: &std::fs::OpenOptions) -> Result<(), Failure> {
    let _whole = InGoodOrder::begin();
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Failure::Conflict(format!("{} is there already: name another file, or move it away", path.display()))
        }
        _ => Failure::Failed(format!("{} cannot be written: {error}", path.display())),
    };
    let mut file = options.open(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.flush()).map_err(|error| {
        // A device or a pipe is not ours to take away.
        if file.metadata().is_ok_and(|known| known.is_file()) {
            let _ = std::fs::remove_file(path);
        }
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_private_file_is_its_owners_and_takes_nothings_place() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("proof"), folder.path().join("link"));
        write_private_file(&file, b"one").unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &link).unwrap();
        for taken in [&file, &link] {
            assert!(matches!(write_private_file(taken, b"two"), Err(Failure::Conflict(_))), "{}", taken.display());
        }
        assert_eq!(std::fs::read(&file).unwrap(), b"one");
        assert!(!folder.path().join("elsewhere").exists());
    }

    #[test]
    fn what_cannot_be_written_is_an_error_and_a_device_stays() {
        let failure = write_file(Path::new("/dev/full"), b"x").unwrap_err();
        assert!(matches!(&failure, Failure::Failed(text) if text.contains("/dev/full cannot be written")), "{failure}");
        assert!(Path::new("/dev/full").exists());
    }
}
