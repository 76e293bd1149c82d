//! What a page shows of its tenant, and on which screens.

use acequia_core::consent::token::Purpose;

use crate::driver::{Browser, Reader};
use crate::site::LOGO;
use crate::wcag;
use crate::world::{ACME, World};

#[tokio::test]
async fn a_page_wears_the_tenants_name_logo_and_colour_and_says_what_it_is_about() {
    let world = World::new().await;
    let browser = world.browser().await;
    browser.goto(&world.link(Purpose::Accept)).await;
    assert_eq!(browser.title().await, "Please confirm your signature – Acme <Action>");
    assert_eq!(browser.attribute("header img", "alt").await, "Acme <Action>");
    let loaded = browser
        .asks("const logo = document.querySelector('header img'); return logo.complete && logo.naturalWidth")
        .await;
    assert_eq!(loaded, 280, "the logo is seen");
    assert!(world.site.visits(LOGO).iter().all(|visit| visit.headers.get("referer").is_none()));
    let colour = browser.asks("return getComputedStyle(document.querySelector('button')).backgroundColor").await;
    assert_eq!(colour, "rgb(122, 31, 92)");
    assert_eq!(browser.text("main strong").await, "Clean rivers");
    assert!(browser.text("footer").await.starts_with("Acme <Action> wrote to you because somebody signed"));
}

#[tokio::test]
async fn a_tenant_without_a_logo_is_named_in_words() {
    let world = World::of(&ACME.replace(r#""logo":"https://cdn.acme.example/logo.svg","#, "")).await;
    let browser = world.browser().await;
    browser.goto(&world.link(Purpose::Accept)).await;
    assert_eq!(browser.text("header").await, "Acme <Action>");
    assert_eq!(world.site.visits(LOGO).len(), 0);
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn small_screens_and_large_letters_need_no_scrolling_to_the_side() {
    let long = ACME.replace("Acme <Action>", "Donaudampfschifffahrtsgesellschaftskapitänsmützenverein");
    let world = World::of(&long).await;
    let browser = Browser::open(&world.site, Reader { width: 375, height: 667, ..Reader::default() }).await;
    // 320 is what WCAG asks for (1.4.10), and what 400 % of a window of 1280 comes to.
    for (width, letters) in [(375, "100%"), (320, "100%"), (375, "200%"), (1280, "400%")] {
        browser.size(width, 667).await;
        browser.goto(&world.link(Purpose::AcceptOptIn)).await;
        browser.asks("const sheet = document.styleSheets[0]; sheet.insertRule('html { font-size: 100% }', sheet.cssRules.length)").await;
        let enlarge = format!("document.documentElement.style.setProperty('font-size', '{letters}')");
        browser.asks(&enlarge).await;
        let wide =
            browser.asks("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        assert_eq!(wide, 0, "{width} px with letters of {letters}");
        assert_eq!(wcag::flaws(&browser).await, Vec::<String>::new());
    }
}
