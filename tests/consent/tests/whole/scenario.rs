//! A thousand people sign: the counts at the sinks match exactly what they did.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::world::World;

#[tokio::test]
async fn of_a_thousand_that_sign_the_sinks_get_exactly_those_who_confirmed() {
    let world = World::new();
    let who = |number: u32| format!("p{number}@example.org");
    let mut events: Vec<(String, String)> = (0..1000).map(|n| (format!("e{n}"), who(n))).collect();
    // Every twentieth event comes twice, as a producer's own retries make it.
    let again: Vec<_> = events.iter().step_by(20).cloned().collect();
    events.extend(again);
    for batch in events.chunks(50) {
        world.sign(batch).await;
    }
    world.settle().await;
    assert_eq!((world.mails().len(), world.out().len()), (1000, 0), "one question each, and nothing else");

    // Scanners look at every link first.
    for number in 0..1000 {
        let mail = world.mail_to(&who(number), "acequia-confirm-1").unwrap();
        for link in [&mail.accept, &mail.reject] {
            world.request("GET", link, "").await;
            world.request("HEAD", link, "").await;
        }
        match number {
            0..700 => assert_eq!(world.request("POST", &mail.accept, "do=act").await.status_code, 200),
            700..800 => assert_eq!(world.request("POST", &mail.reject, "do=act").await.status_code, 200),
            800..950 => {}
            _ => assert!(world.bounce(&mail).await),
        }
    }
    world.settle().await;

    let mut types: BTreeMap<String, usize> = BTreeMap::new();
    for event in world.out() {
        *types.entry(event["type"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let wanted = [("action.signed", 700), ("acequia.consent.rejected", 100), ("acequia.consent.email_status", 50)];
    assert_eq!(types, wanted.map(|(name, count)| (name.to_owned(), count)).into());
    let mut sinks: BTreeMap<String, usize> = BTreeMap::new();
    for mail in world.mails() {
        *sinks.entry(mail.sink).or_default() += 1;
    }
    assert_eq!(sinks, [("acequia-confirm-1".to_owned(), 1000), ("acequia-thanks-1".to_owned(), 700)].into());

    // Only people who never answered are reminded, and a second run at once reminds none of them.
    world.clock.advance(Duration::from_hours(49));
    let (first, second) = (world.sweep().await, world.sweep().await);
    assert_eq!((first, second), (150, 0));
    world.settle().await;
    assert_eq!(world.mails().len(), 1000 + 700 + 150);
    for number in 800..950 {
        assert!(world.mail_to(&who(number), "acequia-reminder-1").is_some(), "{number}");
    }
    assert!(world.dead_letters().is_empty(), "{:?}", world.dead_letters());
}
