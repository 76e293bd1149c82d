//! The blocks of a page in Markdown.

/// The first block that is marked with a language.
pub fn block(page: &str, language: &str) -> Option<String> {
    blocks(page, language).next()
}

/// All blocks that are marked with a language, in the page's order.
pub fn blocks(page: &str, language: &str) -> impl Iterator<Item = String> {
    let mut lines = page.lines();
    std::iter::from_fn(move || {
        lines.find(|line| line.strip_prefix("```") == Some(language))?;
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        Some(block.join("\n") + "\n")
    })
}

#[cfg(test)]
mod tests {
    use super::{block, blocks};

    #[test]
    fn a_block_is_found_by_its_language_and_ends_at_its_fence() {
        let page = "# A\n```toml\na = 1\n```\n```sh\nls\ncd\n```\nend\n";
        assert_eq!(block(page, "sh").as_deref(), Some("ls\ncd\n"));
        assert_eq!(block(page, "rust"), None);
    }

    #[test]
    fn blocks_of_a_language_come_in_the_pages_order() {
        let page = "```sql\n1\n```\n```sh\nsql\n```\n```sql\n2\n```\n";
        assert_eq!(blocks(page, "sql").collect::<Vec<_>>(), ["1\n", "2\n"]);
    }
}
