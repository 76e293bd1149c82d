//! Links that are none of ours: human words, a 404, and nothing of any tenant.

use acequia_core::consent::token::Purpose;

use crate::site::PAGES;
use crate::wcag;
use crate::world::World;

#[tokio::test]
async fn a_link_that_was_cut_changed_or_carried_to_another_tenant_is_answered_in_human_words() {
    let world = World::new().await;
    let (browser, before) = (world.browser().await, world.known());
    let link = world.link(Purpose::Accept);
    let mut flipped = link.clone().into_bytes();
    // One bit in the middle of the token, which stays a letter of base64.
    let place = link.rfind('/').unwrap() + (link.len() - link.rfind('/').unwrap()) / 2;
    flipped[place] ^= if flipped[place].is_ascii_alphabetic() { 0x20 } else { 0x01 };
    for wrong in [
        link.chars().take(link.len() - 5).collect(),
        String::from_utf8(flipped).unwrap(),
        link.replace("/acme/", "/bona/"),
        link.replace("/acme/", "/nobody/"),
        format!("https://{PAGES}/c/acme/"),
    ] {
        browser.goto(&wrong).await;
        browser.sees("This link does not work").await;
        browser.sees("Please copy the whole link from the mail").await;
        let page = world.site.last_page();
        assert_eq!((page.method.as_str(), page.status), ("GET", 404), "{wrong}");
        assert!(!browser.has("button").await && !browser.has("img").await && !browser.has("footer").await, "{wrong}");
        assert_eq!(wcag::flaws(&browser).await, Vec::<String>::new());
        assert_eq!(world.known(), before);
    }
}
