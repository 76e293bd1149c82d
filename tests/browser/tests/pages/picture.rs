//! The pictures of the pages in docs/CONSENT.md. `ACEQUIA_BLESS=1` takes them anew.

use std::path::{Path, PathBuf};

use acequia_core::consent::token::Purpose;

use crate::driver::{Browser, Reader};
use crate::site::PAGES;
use crate::world::{ACME, World};

const MOST_BYTES: usize = 60_000;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// Takes a picture, and keeps it where that is wanted. Letters are drawn differently everywhere, so pictures are not
/// compared.
async fn take(browser: &Browser, name: &str) {
    let (picture, file) = (browser.picture().await, docs().join(format!("images/consent-{name}.png")));
    assert!(picture.starts_with(b"\x89PNG") && picture.len() < MOST_BYTES, "{name} has {} bytes", picture.len());
    if bless() {
        std::fs::create_dir_all(docs().join("images")).unwrap();
        std::fs::write(&file, picture).unwrap();
    }
    assert!(file.exists(), "{} is missing: ACEQUIA_BLESS=1 cargo test -p browser --features chromium", file.display());
    let text = std::fs::read_to_string(docs().join("CONSENT.md")).unwrap();
    assert!(text.contains(&format!("](images/consent-{name}.png)")), "docs/CONSENT.md does not show {name}");
}

#[expect(clippy::disallowed_methods, reason = "golden files are renewed on request")]
fn bless() -> bool {
    std::env::var_os("ACEQUIA_BLESS").is_some()
}

#[tokio::test]
async fn the_documents_show_the_pages() {
    let world = World::of(&ACME.replace("Acme <Action>", "Acme Action")).await;
    let browser = Browser::open(&world.site, Reader { width: 640, height: 560, ..Reader::default() }).await;
    browser.goto(&world.link(Purpose::Accept)).await;
    take(&browser, "accept").await;
    browser.goto(&world.link(Purpose::Reject)).await;
    take(&browser, "reject").await;
    world.expire_links();
    browser.goto(&world.link(Purpose::Accept)).await;
    take(&browser, "expired").await;
    world.clock.set(acequia_testkit::build::start());
    browser.goto(&world.link(Purpose::Accept)).await;
    browser.press().await;
    browser.sees("Your confirmation has arrived.").await;
    take(&browser, "done").await;
    browser.goto(&format!("https://{PAGES}/c/acme/cut")).await;
    browser.sees("This link does not work").await;
    take(&browser, "wrong").await;
    let phone = Reader { width: 375, height: 667, languages: "fr", ..Reader::default() };
    let world = World::of(&ACME.replace("Acme <Action>", "Acme Action").replace("#7a1f5c", "#ffd500")).await;
    let browser = Browser::open(&world.site, phone).await;
    browser.goto(&world.link(Purpose::AcceptOptIn)).await;
    take(&browser, "mobile").await;
}
