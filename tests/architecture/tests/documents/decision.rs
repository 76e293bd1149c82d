//! Decisions: a number of its own, a name of at most five words, a title with the number, and a row in the list.

use architecture::page::Page;

use super::{all, assert_none, page};

const WORDS: usize = 5;

fn flaws(pages: &[Page]) -> Vec<String> {
    let list = pages.iter().find(|page| page.path == "docs/adr/README.md").map_or("", |page| page.text.as_str());
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for page in pages {
        let Some(file) = page.path.strip_prefix("docs/adr/").filter(|file| *file != "README.md") else { continue };
        let mut flaw = |text: &str| found.push(format!("{}: {text}", page.path));
        let (number, name) = file.trim_end_matches(".md").split_once('-').unwrap_or((file, ""));
        if number.len() != 4 || !number.chars().all(|c| c.is_ascii_digit()) {
            flaw("its name begins with a number of four digits");
        }
        if name.is_empty() || name.split('-').count() > WORDS {
            flaw("its name has one to five words behind the number");
        }
        if seen.contains(&number) {
            flaw("another decision has its number");
        }
        seen.push(number);
        if !page.text.starts_with(&format!("# {}. ", number.trim_start_matches('0'))) {
            flaw("its title begins with its number, as in `# 7. `");
        }
        if !list.contains(&format!("({file})")) {
            flaw("docs/adr/README.md has a row for it");
        }
    }
    found
}

#[test]
fn every_decision_has_a_number_a_short_name_and_a_row_in_the_list() {
    let pages = all();
    assert!(pages.iter().filter(|page| page.path.starts_with("docs/adr/")).count() > 50, "decisions are found");
    assert_none(&flaws(&pages));
}

#[test]
fn a_decision_with_a_long_name_a_used_number_or_no_row_is_found() {
    let list = page(
        "docs/adr/README.md",
        "[a](0001-short-name.md) [b](0002-one-two-three-four-five-six.md) [c](0001-other.md)",
    );
    let check = |path: &str, text: &str| {
        flaws(&[list.clone(), page("docs/adr/0001-short-name.md", "# 1. A\n"), page(path, text)])
    };

    assert_eq!(flaws(&[list.clone(), page("docs/adr/0001-short-name.md", "# 1. A\n")]), Vec::<String>::new());
    assert_eq!(check("docs/adr/0002-one-two-three-four-five-six.md", "# 2. B\n").len(), 1);
    assert_eq!(check("docs/adr/0001-other.md", "# 1. C\n").len(), 1);
    assert_eq!(check("docs/adr/0003-no-row.md", "# 3. D\n").len(), 1);
    assert_eq!(check("docs/adr/0002-one-two-three-four-five-six.md", "# 4. E\n").len(), 2);
}
