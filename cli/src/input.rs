//! What commands read: files and stdin, as text, whatever editor or shell wrote it.
//!
//! A byte order mark is taken off. What is no UTF-8 is refused with the name of what it seems to be, and how to convert
//! it.

use std::io::{BufRead as _, Read as _};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::position::line_at;

/// Why bytes are no text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misencoded {
    /// The line of the first byte that does not fit, where there are lines.
    pub(crate) line: Option<usize>,
    pub(crate) problem: String,
}

impl Misencoded {
    /// The same of a file.
    pub(crate) fn of(&self, name: &str) -> Failure {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        Failure::Invalid(format!("{name}{line}: {}", self.problem))
    }
}

/// Reads a file, or stdin where there is none or it is `-`; answers how it is called, too.
///
/// # Errors
/// Where there is no such file, where it cannot be read, and where it is no text.
pub(crate) fn read(source: Option<&Path>) -> Result<(String, String), Failure> {
    let (name, bytes) = match source.filter(|path| path.as_os_str() != "-") {
        None => ("stdin".to_owned(), stdin(u64::MAX)?),
        Some(path) => {
            exists(path)?;
            (path.display().to_string(), std::fs::read(path).map_err(|error| unreadable(path, &error))?)
        }
    };
    let text = decode(bytes).map_err(|misencoded| misencoded.of(&name))?;
    Ok((name, text))
}

/// Reads at most so many bytes of stdin.
pub(crate) fn stdin(most: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(most).read_to_end(&mut bytes);
    read.map(|_| bytes).map_err(|error| Failure::Failed(format!("stdin cannot be read: {error}")))
}

/// Reads one line of stdin.
pub(crate) fn stdin_line() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().read_until(b'\n', &mut bytes);
    read.map_err(|error| Failure::Failed(format!("stdin cannot be read: {error}")))?;
    decode(bytes).map_err(|misencoded| misencoded.of("stdin"))
}

/// Says which of the files that a command line names are not there.
///
/// # Errors
/// With all that are missing.
pub(crate) fn all_exist(paths: &[PathBuf]) -> Result<(), Failure> {
    let missing: Vec<String> = paths.iter().filter_map(|path| exists(path).err()).map(|it| it.to_string()).collect();
    if missing.is_empty() { Ok(()) } else { Err(Failure::NotFound(missing.join("\n"))) }
}

/// Says whether the file that a command line names is there.
///
/// # Errors
/// Where it is not.
pub(crate) fn exists(path: &Path) -> Result<(), Failure> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Failure::NotFound(format!("there is no file {}", path.display())))
        }
        // The code that reads the file reports everything else that is wrong with it.
        _ => Ok(()),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("{} cannot be read: {error}", path.display()))
}

/// The text that bytes are.
///
/// # Errors
/// Where they are none.
pub(crate) fn decode(bytes: Vec<u8>) -> Result<String, Misencoded> {
    let in_all = |problem: &str| Err(Misencoded { line: None, problem: problem.to_owned() });
    match bytes.as_slice() {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return in_all(UTF_32),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return in_all(UTF_16),
        // No text begins with a NUL, and hardly one has one as its second character.
        [first, 0, third, ..] if *first != 0 && *third != 0 => return in_all(UTF_16_LE),
        [0, second, ..] if *second != 0 => return in_all(UTF_16_BE),
        _ => {}
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let byte = error.as_bytes().get(at).copied().unwrap_or_default();
            let line = line_at(&String::from_utf8_lossy(error.as_bytes()), at);
            let problem = format!(
                "the byte 0x{byte:02x} is no UTF-8. The text looks like Latin-1 (ISO-8859-1 or Windows-1252): save it as UTF-8, or \
                 convert it by `iconv -f WINDOWS-1252 -t UTF-8`"
            );
            Err(Misencoded { line: Some(line), problem })
        }
    }
}

const UTF_16: &str =
    "the text is UTF-16, and must be UTF-8: save it as UTF-8, or convert it by `iconv -f UTF-16 -t UTF-8`";
const UTF_16_LE: &str =
    "the text is UTF-16, and must be UTF-8: save it as UTF-8, or convert it by `iconv -f UTF-16LE -t UTF-8`";
const UTF_16_BE: &str =
    "the text is UTF-16, and must be UTF-8: save it as UTF-8, or convert it by `iconv -f UTF-16BE -t UTF-8`";
const UTF_32: &str =
    "the text is UTF-32, and must be UTF-8: save it as UTF-8, or convert it by `iconv -f UTF-32 -t UTF-8`";

#[cfg(test)]
mod tests {
    use super::*;

    fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn a_byte_order_mark_is_taken_off_and_nothing_else_is_changed() {
        for text in ["", "a", "\u{feff}a", "a\r\nb\r\n", "é\u{feff}"] {
            let wanted = text.strip_prefix('\u{feff}').unwrap_or(text);
            assert_eq!(decode(text.as_bytes().to_vec()).as_deref(), Ok(wanted));
        }
    }

    #[test]
    fn other_encodings_are_named_with_the_command_that_converts_them() {
        let text = "tenant = \"acme\"\n";
        for (bytes, line, named) in [
            (utf_16(&format!("\u{feff}{text}"), u16::to_le_bytes), None, "-f UTF-16 "),
            (utf_16(&format!("\u{feff}{text}"), u16::to_be_bytes), None, "-f UTF-16 "),
            (utf_16(text, u16::to_le_bytes), None, "-f UTF-16LE "),
            (utf_16(text, u16::to_be_bytes), None, "-f UTF-16BE "),
            (vec![0xff, 0xfe, 0, 0, b'a', 0, 0, 0], None, "-f UTF-32 "),
            (b"a\nb\nFundaci\xf3n".to_vec(), Some(3), "0xf3 is no UTF-8. The text looks like Latin-1"),
        ] {
            let refused = decode(bytes).unwrap_err();
            assert_eq!(refused.line, line, "{refused:?}");
            assert!(refused.problem.contains(named), "{refused:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_told_from_one_that_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("nowhere.json");
        assert!(matches!(read(Some(&missing)), Err(Failure::NotFound(text)) if text.contains("nowhere.json")));
        assert!(matches!(read(Some(folder.path())), Err(Failure::Failed(text)) if text.contains("cannot be read")));
        let both = all_exist(&[folder.path().to_owned(), missing.clone(), missing]).unwrap_err().to_string();
        assert_eq!(both.lines().count(), 2, "{both}");
    }
}
