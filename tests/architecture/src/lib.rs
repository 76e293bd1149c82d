//! What tests read of the documents: pages, links, headings and commands. The tests of the architecture itself are in
//! `tests/`.

pub mod page;
pub mod shell;
