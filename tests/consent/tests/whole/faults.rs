//! Every single call fails once, or loses its answer: the end is the same.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::world::World;
use acequia_testkit::Faults;

/// What there is in the end: the events in the tenant's queue and the mails, each once, and the states.
type End = (BTreeSet<String>, Vec<String>, Vec<String>);

/// Ana accepts (and has signed twice), ben rejects after accepting, eve bounces, dan never answers. A person who is
/// told to try again does so.
async fn story(world: &World) -> End {
    let signed = |event: &str, who: &str| (event.to_owned(), format!("{who}@example.org"));
    world
        .sign(&[signed("1", "ana"), signed("2", "ana"), signed("3", "ben"), signed("4", "eve"), signed("5", "dan")])
        .await;
    world.sign(&[signed("1", "ana"), signed("3", "ben")]).await;
    world.settle().await;
    // Of ana's two actions either may have come first, if the other's call failed.
    let ana = world.mail_to("ana@example.org", "acequia-confirm-1").unwrap();
    world.press(&ana.accept).await;
    let ben = world.mail_to("ben@example.org", "acequia-confirm-1").unwrap();
    world.press(&ben.accept).await;
    world.settle().await;
    world.press(&ben.reject).await;
    let eve = world.mail_to("eve@example.org", "acequia-confirm-1").unwrap();
    while !world.bounce(&eve).await {}
    world.settle().await;
    world.clock.advance(Duration::from_hours(50));
    world.sweep().await;
    // The next run decides what the first could not, and no person is reminded twice.
    world.clock.advance(Duration::from_mins(2));
    world.sweep().await;
    world.settle().await;
    let events = world.out().into_iter().map(|event| format!("{} {}", event["type"], event["data"]["action"]["event"]));
    let events: Vec<String> = events.collect();
    let released =
        world.out().into_iter().filter(|event| event["type"] == "action.signed").map(|event| event["id"].to_string());
    let mut mails: Vec<String> = world.mails().into_iter().map(|mail| format!("{} {}", mail.to, mail.sink)).collect();
    mails.sort();
    let states = ["ana", "ben", "eve", "dan"].map(|who| world.state(&format!("{who}@example.org")));
    (events.into_iter().chain(released).collect(), mails, states.into())
}

#[tokio::test]
async fn with_any_one_call_failing_or_its_answer_lost_the_end_is_the_same() {
    type Switch = fn(&World) -> &Faults;
    let switches: [(&str, Switch); 8] = [
        ("reading consents", |world| &world.consents.reads),
        ("writing consents", |world| &world.consents.writes),
        ("the answer to writing consents", |world| &world.consents.answers),
        ("sending to queues", |world| &world.queues.sends),
        ("secrets", |world| &world.secrets.reads),
        ("the mail_store of addresses", |world| &world.mail_store.calls),
        ("the configuration", |world| &world.tenants.reads),
        ("the ledger's claims", |world| &world.ledger.claims),
    ];
    let calm = World::new();
    let end = story(&calm).await;
    assert_eq!(end.1.len(), 8, "{:?}", end.1);
    for (name, switch) in switches {
        let calls = switch(&calm).calls();
        assert!(calls > 0, "{name} is never called");
        for number in 1..=calls {
            let world = World::new();
            switch(&world).fail_call(number);
            assert_eq!(story(&world).await, end, "with call {number} of {calls} of {name} failing");
        }
    }
}
