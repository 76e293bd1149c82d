//! What periodic jobs and batches read does not grow with the number of tenants, and is what was agreed.
//!
//! After a wanted change: `ACEQUIA_BLESS=1 cargo test --workspace --test scale`, and look at the difference of
//! tests/bench/scale.txt and of the table in docs/SCALE.md.
#![expect(clippy::disallowed_methods, reason = "a test reads its one switch itself")]

use std::path::Path;

use bench::{document, scale};

#[test]
fn periodic_work_reads_the_same_at_a_hundred_and_at_ten_thousand_tenants() {
    let rows = scale::measure().unwrap();
    assert_eq!(scale::growing(&rows), Vec::<String>::new());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/SCALE.md");
    let mut page = std::fs::read_to_string(&file).unwrap();
    if std::env::var_os("ACEQUIA_BLESS").is_some() {
        std::fs::write(scale::FILE, scale::text(&rows)).unwrap();
        page = document::replaced(&page, "scale", &scale::table(&rows)).unwrap();
        std::fs::write(&file, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(scale::FILE).unwrap(), scale::text(&rows), "see the head of this test");
    assert_eq!(document::part(&page, "scale").unwrap(), scale::table(&rows), "see the head of this test");
}
