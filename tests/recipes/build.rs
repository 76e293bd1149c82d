//! Takes the Rust recipe out of docs/RECEIVERS.md, so that the tests compile the very lines that readers copy.

#[path = "src/document.rs"]
#[expect(unreachable_pub, reason = "it is a module of the library, too")]
mod document;

use std::error::Error;
use std::fs;
use std::path::Path;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/RECEIVERS.md");

#[expect(clippy::disallowed_methods, reason = "cargo says by a variable where a build script writes")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={PAGE}");
    let recipe = document::block(&fs::read_to_string(PAGE)?, "rust").ok_or("docs/RECEIVERS.md has no Rust recipe")?;
    fs::write(Path::new(&std::env::var("OUT_DIR")?).join("recipe.rs"), recipe)?;
    Ok(())
}
