//! Accepting, rejecting and unsubscribing: looking changes nothing, the button does, and a second look says so.

use acequia_core::consent::SubjectState;
use acequia_core::consent::token::Purpose;
use fantoccini::key::Key;

use crate::driver::{Browser, Reader};
use crate::site::PAGES;
use crate::world::{ACME, World};

#[tokio::test]
async fn opening_and_reloading_a_link_changes_nothing() {
    let world = World::new().await;
    let (browser, before) = (world.browser().await, world.known());
    for purpose in [Purpose::Accept, Purpose::AcceptOptIn, Purpose::Reject, Purpose::Unsubscribe] {
        browser.goto(&world.link(purpose)).await;
        browser.reload().await;
        assert!(browser.has("button").await);
        assert_eq!(world.known(), before, "{purpose:?}");
    }
    assert_eq!(world.consents.writes.calls(), 1, "the signature alone was written");
    assert!(!world.gets_no_mail().await);
}

#[tokio::test]
async fn the_button_confirms_and_the_link_says_afterwards_that_it_is_done() {
    let world = World::new().await;
    let browser = world.browser().await;
    browser.goto(&world.link(Purpose::Accept)).await;
    browser.press().await;
    browser.sees("Your confirmation has arrived.").await;
    assert_eq!(world.state(), SubjectState::Accepted);
    let known = world.known();
    browser.goto(&world.link(Purpose::Accept)).await;
    browser.sees("You have confirmed before.").await;
    assert!(!browser.has("button").await, "there is nothing left to do");
    assert_eq!(world.known(), known);
}

#[tokio::test]
async fn who_rejects_is_believed_even_after_a_confirmation_and_for_good() {
    let world = World::new().await;
    let browser = world.browser().await;
    browser.goto(&world.link(Purpose::Accept)).await;
    browser.press().await;
    browser.sees("Thank you!").await;
    browser.goto(&world.link(Purpose::Reject)).await;
    browser.press().await;
    browser.sees("Your signature was taken back.").await;
    assert_eq!(world.state(), SubjectState::Rejected);
    browser.goto(&world.link(Purpose::Reject)).await;
    browser.sees("taken back before").await;
    browser.goto(&world.link(Purpose::Accept)).await;
    browser.sees("You declined before, and that stays so.").await;
    assert!(!browser.has("button").await);
}

#[tokio::test]
async fn the_button_of_the_unsubscribe_page_ends_the_mails() {
    let world = World::new().await;
    let browser = world.browser().await;
    browser.goto(&world.link(Purpose::Unsubscribe)).await;
    browser.sees("No more mails?").await;
    browser.press().await;
    browser.sees("You will get no more mails from us.").await;
    assert!(world.gets_no_mail().await);
}

#[tokio::test]
async fn the_one_click_of_a_mail_program_ends_the_mails_in_either_form() {
    for form in ["multipart/form-data", "application/x-www-form-urlencoded"] {
        let world = World::new().await;
        let browser = world.browser().await;
        browser.goto(&world.link(Purpose::Unsubscribe)).await;
        // What a mail program posts (RFC 8058), put together by Chromium.
        let script = format!(
            "const [form] = document.forms; form.enctype = '{form}';
            form.elements.do.name = 'List-Unsubscribe'; form.elements['List-Unsubscribe'].value = 'One-Click'"
        );
        browser.asks(&script).await;
        browser.press().await;
        browser.sees("You will get no more mails from us.").await;
        assert!(world.site.last_page().headers["content-type"].to_str().unwrap().starts_with(form));
        assert!(world.known().contains("mail-program"), "the proof says by what means");
        assert!(world.gets_no_mail().await);
    }
}

#[tokio::test]
async fn the_pages_work_without_scripts() {
    let world = World::new().await;
    let browser = Browser::open(&world.site, Reader { scripts: false, ..Reader::default() }).await;
    browser.goto("data:text/html,<title>off</title><script>document.title='on'</script>").await;
    assert_eq!(browser.title().await, "off", "scripts do not run in this browser");
    browser.goto(&world.link(Purpose::Accept)).await;
    browser.press().await;
    browser.sees("Your confirmation has arrived.").await;
    assert_eq!(world.state(), SubjectState::Accepted);
}

#[tokio::test]
async fn the_keyboard_alone_is_enough() {
    let world = World::new().await;
    let browser = world.browser().await;
    browser.goto(&world.link(Purpose::Accept)).await;
    browser.key(Key::Tab).await;
    assert_eq!(browser.asks("return document.activeElement.tagName").await, "BUTTON", "the first Tab finds the button");
    browser.key(Key::Enter).await;
    browser.sees("Your confirmation has arrived.").await;
    assert_eq!(world.state(), SubjectState::Accepted);
}

/// Acme, with pages of its own to go on to.
fn with_pages_of_its_own() -> String {
    let pages = r#""redirect_hosts":["acme.example","www.acme.example"],"accepted_url":"https://acme.example/thanks",
        "rejected_url":"https://www.acme.example/sorry","#;
    ACME.replace(r#""keys":"#, &format!(r#"{pages}"keys":"#))
}

#[tokio::test]
async fn who_answers_is_led_to_the_tenants_own_page_and_takes_no_token_along() {
    let world = World::of(&with_pages_of_its_own()).await;
    let browser = world.browser().await;
    browser.goto(&world.link(Purpose::Accept)).await;
    browser.press().await;
    browser.sees("This is acme.example").await;
    assert_eq!(browser.address().await, "https://acme.example/thanks");
    assert_eq!(world.site.last_page().status, 303);
    assert_eq!(world.state(), SubjectState::Accepted);
    browser.goto(&world.link(Purpose::Accept)).await;
    browser.sees("You have confirmed before.").await;
    browser.follow().await;
    browser.sees("This is acme.example").await;
    browser.goto(&world.link(Purpose::Reject)).await;
    browser.press().await;
    browser.sees("This is www.acme.example").await;
    for host in ["acme.example", "www.acme.example"] {
        // What the tenant's page itself asks for has that page as its referrer.
        let visits = world.site.visits(host).into_iter().map(|visit| format!("{:?}", visit.headers.get("referer")));
        assert!(visits.into_iter().all(|referrer| !referrer.contains(PAGES)), "no other site may learn a link");
    }
    assert!(browser.complaints().await.is_empty());
}

#[tokio::test]
async fn nothing_leads_to_a_host_that_the_tenant_did_not_allow() {
    let world = World::of(&with_pages_of_its_own()).await;
    let browser = world.browser().await;
    // What a link asks for does not count: neither in its address, nor in the form.
    let lured = format!("{}?redirect=https://evil.example/&accepted_url=//evil.example", world.link(Purpose::Accept));
    browser.goto(&lured).await;
    browser
        .asks("const field = document.createElement('input'); field.name = 'redirect'; field.value = 'https://evil.example/';
            document.forms[0].append(field);")
        .await;
    browser.press().await;
    browser.sees("This is acme.example").await;
    // A configuration that names a foreign host is not valid, and is not followed should it get into the store.
    let world = World::new().await;
    let foreign = with_pages_of_its_own().replace("https://acme.example/thanks", "https://evil.example/");
    world.tenants.put(&acequia_testkit::build::tenant_id("acme"), foreign);
    let second = world.browser().await;
    second.goto(&world.link(Purpose::Accept)).await;
    second.sees("Something does not work here").await;
    assert!(!second.has("button").await && !second.has("a").await);
    assert_eq!(world.site.visits("evil.example").len(), 0);
    // And were a page made to post elsewhere, the browser would not.
    let world = World::new().await;
    let third = world.browser().await;
    third.goto(&world.link(Purpose::Accept)).await;
    third.asks("document.forms[0].action = 'https://evil.example/'").await;
    third.press_in_vain().await;
    third.complains(&["form-action"]).await;
    assert!(third.address().await.starts_with(&format!("https://{PAGES}/")));
    assert_eq!(world.site.visits("evil.example").len(), 0);
}

#[tokio::test]
async fn the_browser_and_its_driver_are_gone_when_the_test_is() {
    let world = World::new().await;
    let browser = world.browser().await;
    let processes = browser.processes();
    drop(browser);
    for process in processes {
        let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let alive = !state.is_empty() && !state.contains(") Z ") && !state.contains(") X ");
        assert!(!alive, "{state}");
    }
}
