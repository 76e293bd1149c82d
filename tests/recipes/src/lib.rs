//! What the tests of docs/RECEIVERS.md stand on: the blocks of a page. The tests are in `tests/`.

pub mod document;
