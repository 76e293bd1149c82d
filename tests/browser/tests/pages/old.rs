//! Links that are too old: a new mail is offered, and sent once in a while.

use acequia_core::consent::SubjectState;
use acequia_core::consent::token::Purpose;

use crate::world::World;

#[tokio::test]
async fn an_expired_link_offers_a_new_mail_and_sends_one_at_a_time() {
    let world = World::new().await;
    let browser = world.browser().await;
    world.expire_links();
    browser.goto(&world.link(Purpose::Accept)).await;
    browser.sees("This link is too old").await;
    assert_eq!((world.site.last_page().status, browser.text("button").await.as_str()), (410, "Send me a new mail"));
    assert_eq!(world.mails(), 1, "looking sends nothing");
    browser.press().await;
    browser.sees("A new mail is on its way").await;
    assert_eq!((world.mails(), world.state()), (2, SubjectState::Confirming));
    browser.goto(&world.link(Purpose::Accept)).await;
    browser.press().await;
    browser.sees("a mail was sent to you a moment ago").await;
    assert_eq!(world.mails(), 2, "not another one so soon");
    world.clock.advance(std::time::Duration::from_mins(11));
    browser.goto(&world.link(Purpose::Accept)).await;
    browser.press().await;
    browser.sees("A new mail is on its way").await;
    assert_eq!(world.mails(), 3);
}

#[tokio::test]
async fn an_expired_link_that_was_answered_says_so_and_offers_no_mail() {
    let world = World::new().await;
    let browser = world.browser().await;
    browser.goto(&world.link(Purpose::Accept)).await;
    browser.press().await;
    browser.sees("Thank you!").await;
    world.expire_links();
    browser.goto(&world.link(Purpose::Accept)).await;
    browser.sees("You have confirmed before.").await;
    assert!(!browser.has("button").await);
}

#[tokio::test]
async fn an_unsubscribe_link_never_grows_too_old() {
    let world = World::new().await;
    let browser = world.browser().await;
    world.clock.advance(std::time::Duration::from_hours(24 * 900));
    browser.goto(&world.link(Purpose::Unsubscribe)).await;
    browser.press().await;
    browser.sees("You will get no more mails from us.").await;
    assert!(world.gets_no_mail().await);
}
