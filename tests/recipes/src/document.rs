//! The blocks of a page in Markdown.

/// The first block that is marked with a language.
pub fn block(page: &str, language: &str) -> Option<String> {
    let mut lines = page.lines().skip_while(|line| line.strip_prefix("```") != Some(language));
    lines.next()?;
    let lines: Vec<&str> = lines.take_while(|line| *line != "```").collect();
    Some(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::block;

    #[test]
    fn a_block_is_found_by_its_language_and_ends_at_its_fence() {
        let page = "# A\n```toml\na = 1\n```\n```sh\nls\ncd\n```\nend\n";
        assert_eq!(block(page, "sh").as_deref(), Some("ls\ncd\n"));
        assert_eq!(block(page, "rust"), None);
    }
}
