//! Pages that everybody can read and use, in any colour that a tenant may have.

use acequia_core::consent::token::Purpose;
use fantoccini::key::Key;

use crate::wcag;
use crate::world::{ACME, World};

#[tokio::test]
async fn any_colour_of_a_tenant_makes_a_page_that_can_be_read() {
    for colour in ["#ffee00", "#0b1f4b", "#7a1f5c", "#ffffff", "#000000", "#767676", "#e4572e", "#00b894", "#808080"] {
        let world = World::of(&ACME.replace("#7a1f5c", colour)).await;
        let browser = world.browser().await;
        for purpose in [Purpose::Accept, Purpose::Reject] {
            browser.goto(&world.link(purpose)).await;
            assert_eq!(wcag::flaws(&browser).await, Vec::<String>::new(), "{colour}");
        }
        browser.press().await;
        browser.sees("Your signature was taken back.").await;
        assert_eq!(wcag::flaws(&browser).await, Vec::<String>::new(), "{colour}");
    }
}

#[tokio::test]
async fn every_page_passes_what_can_be_measured() {
    let pages = r#""redirect_hosts":["acme.example"],"accepted_url":"https://acme.example/thanks","keys":"#;
    let world = World::of(&ACME.replace(r#""keys":"#, pages)).await;
    let browser = world.browser().await;
    for purpose in Purpose::ALL {
        browser.goto(&world.link(purpose)).await;
        assert_eq!(wcag::flaws(&browser).await, Vec::<String>::new(), "{purpose:?}");
    }
    world.expire_links();
    for press in [false, true, true] {
        browser.goto(&world.link(Purpose::Accept)).await;
        if press {
            browser.press().await;
            browser.sees("mail").await;
        }
        assert_eq!(wcag::flaws(&browser).await, Vec::<String>::new(), "expired");
    }
    world.clock.set(acequia_testkit::build::start());
    browser.goto(&world.link(Purpose::Accept)).await;
    browser.press().await;
    browser.sees("This is acme.example").await;
    browser.goto(&world.link(Purpose::Accept)).await;
    browser.sees("You have confirmed before.").await;
    assert_eq!(wcag::flaws(&browser).await, Vec::<String>::new(), "with a link");
    assert_eq!(browser.attribute("main p", "role").await, "status", "it is read out");
}

#[tokio::test]
async fn the_focus_is_seen_when_the_keyboard_put_it_there() {
    let world = World::new().await;
    let browser = world.browser().await;
    browser.goto(&world.link(Purpose::Accept)).await;
    let unfocused = browser.picture().await;
    browser.key(Key::Tab).await;
    let outline = browser.asks("const style = getComputedStyle(document.activeElement); return style.outlineStyle + ' ' + style.outlineColor").await;
    assert_eq!(outline, "solid rgb(31, 35, 40)");
    assert!(browser.picture().await != unfocused, "something is drawn");
}

#[tokio::test]
async fn the_checks_find_what_is_wrong() {
    let world = World::new().await;
    let browser = world.browser().await;
    browser.goto(&world.link(Purpose::Accept)).await;
    for (harm, criterion) in [
        ("document.documentElement.lang = ''", "3.1.1"),
        ("document.title = ''", "2.4.2"),
        ("document.querySelector('img').alt = ''", "1.1.1"),
        ("document.querySelector('button').style.color = '#7a1f5c'", "1.4.3"),
        ("document.querySelector('button').style.outline = 'none'", "2.4.7"),
        ("document.querySelector('button').style.borderColor = '#eeeeee'", "1.4.11"),
        ("document.querySelector('main').append(document.createElement('h1'))", "1.3.1"),
    ] {
        browser.reload().await;
        browser.asks(harm).await;
        let flaws = wcag::flaws(&browser).await;
        assert!(flaws.iter().any(|flaw| flaw.starts_with(criterion)), "{criterion}: {flaws:?}");
    }
}
