//! What holds for the documents: every link leads somewhere, every document can be reached from README, and decisions
//! have short names.
#![expect(clippy::panic, reason = "a test that cannot read the tree fails")]

mod decision;
mod producer;
mod prose;
mod reach;

use architecture::page::{Page, pages, root};

fn all() -> Vec<Page> {
    pages(&root()).unwrap_or_else(|error| panic!("the documents cannot be read: {error}"))
}

fn page(path: &str, text: &str) -> Page {
    Page { path: path.to_owned(), text: text.to_owned() }
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}
