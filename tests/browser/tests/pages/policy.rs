//! The content security policy: there, strict, kept by our own pages, and enforced on anything else.

use acequia_core::consent::token::Purpose;

use crate::site::{LOGO, PAGES};
use crate::world::World;

#[tokio::test]
async fn every_page_has_a_strict_policy_and_keeps_it() {
    let world = World::new().await;
    let browser = world.browser().await;
    for purpose in [Purpose::Accept, Purpose::AcceptOptIn, Purpose::Reject, Purpose::Unsubscribe] {
        browser.goto(&world.link(purpose)).await;
        let policy = world.site.last_page().answer["content-security-policy"].to_str().unwrap().to_owned();
        for part in [
            "default-src 'none'",
            "style-src 'sha256-",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{part} is not in {policy}");
        }
        assert!(policy.contains(&format!("img-src https://{LOGO};")) && !policy.contains("unsafe"), "{policy}");
    }
    browser.press().await;
    browser.sees("You will get no more mails from us.").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
    let loaded =
        browser.asks("return performance.getEntriesByType('resource').map(entry => new URL(entry.name).host)").await;
    assert!(loaded.as_array().unwrap().iter().all(|host| host == LOGO), "the logo and nothing else: {loaded}");
    // Pages of links that are wrong keep it too; that the page itself was not found is all there is to say.
    browser.goto(&format!("https://{PAGES}/c/acme/nothing")).await;
    let complaints = browser.complaints().await;
    assert!(complaints.iter().all(|complaint| complaint.contains("404")), "{complaints:?}");
}

#[tokio::test]
async fn what_the_policy_does_not_name_is_refused_by_the_browser() {
    let world = World::new().await;
    let browser = world.browser().await;
    browser.goto(&world.link(Purpose::Accept)).await;
    for (attack, word) in [
        (
            "const s = document.createElement('script'); s.textContent = 'window.taken = 1'; document.body.append(s)",
            "script-src",
        ),
        (
            "const s = document.createElement('style'); s.textContent = 'h1 { color: red }'; document.body.append(s)",
            "style-src",
        ),
        (
            "const i = document.createElement('img'); i.src = 'https://evil.example/pixel'; document.body.append(i)",
            "img-src",
        ),
        ("fetch('https://evil.example/').catch(() => 0)", "connect-src"),
        (
            "const f = document.createElement('iframe'); f.src = 'https://evil.example/'; document.body.append(f)",
            "frame-src",
        ),
    ] {
        browser.asks(attack).await;
        browser.complains(&[word]).await;
    }
    assert_eq!(browser.asks("return window.taken === undefined").await, true);
    assert_eq!(world.site.visits("evil.example").len(), 0);
}
