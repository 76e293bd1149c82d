//! The generated parts of docs/PERFORMANCE.md: what stands between two marks is replaced, all else is left alone.

use anyhow::{Result, bail};

/// The document, from the top of the working tree.
pub const FILE: &str = "docs/PERFORMANCE.md";

fn marks(name: &str) -> (String, String) {
    (format!("<!-- measured: {name} -->\n\n"), format!("\n\n<!-- end: {name} -->"))
}

/// What stands between the marks of this name.
///
/// # Errors
/// When the marks are not there.
pub fn part<'t>(text: &'t str, name: &str) -> Result<&'t str> {
    let (begin, end) = marks(name);
    let found = text.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end));
    match found {
        Some((part, _)) => Ok(part),
        None => bail!("{FILE} has no part between {:?} and {:?}", begin.trim(), end.trim()),
    }
}

/// The text with another part between the marks of this name.
///
/// # Errors
/// When the marks are not there.
pub fn replaced(text: &str, name: &str, new: &str) -> Result<String> {
    let old = part(text, name)?;
    let (begin, end) = marks(name);
    Ok(text.replacen(&format!("{begin}{old}{end}"), &format!("{begin}{new}{end}"), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a\n<!-- measured: x -->\n\nold\n\n<!-- end: x -->\nb";

    #[test]
    fn a_part_is_replaced_and_the_rest_is_left() {
        assert_eq!(replaced(TEXT, "x", "new").unwrap(), TEXT.replace("old", "new"));
        assert_eq!(part(TEXT, "x").unwrap(), "old");
    }

    #[test]
    fn a_part_that_is_not_there_is_an_error() {
        assert!(replaced(TEXT, "y", "new").is_err());
    }
}
