//! Mails: read back from SES, once each.

use e2e::wait::{AFTER_LEASE, eventually_within};
use e2e::world::event;
use e2e::{eventually, world};
use serde_json::json;

fn mail(id: &str, address: &str) -> String {
    event("mail", id, &json!({"email": address, "first_name": "Ada <b>"}))
}

#[test]
fn a_mail_is_rendered_from_the_event_and_html_is_escaped() {
    let world = world();
    world.send("alder", &[&mail("rendered", "rendered@example.org")]);
    let mails = eventually("the mail", || Some(world.mails("rendered@example.org")).filter(|mails| !mails.is_empty()));
    assert_eq!(mails[0]["Source"], "Alder <hello@alder.example>");
    assert_eq!(mails[0]["Subject"], "Thank you, Ada <b>");
    assert_eq!(mails[0]["BodyText"].as_str().unwrap().trim_end(), "Dear Ada <b>,\nthank you.\nAlder of the tests");
    assert_eq!(mails[0]["BodyHtml"], "<p>Dear Ada &lt;b&gt;</p>");
}

#[test]
fn the_same_event_sent_twice_in_one_batch_and_again_later_gives_one_mail() {
    let world = world();
    let body = mail("twice", "twice@example.org");
    world.send("alder", &[&body, &body]);
    eventually("the mail", || (!world.mails("twice@example.org").is_empty()).then_some(()));
    // Two batches at once, and a later message as the proof that both are through.
    world.send("alder", &[&body]);
    world.send("alder", &[&body]);
    world.send("alder", &[&mail("twice-proof", "twice-proof@example.org")]);
    eventually("the proof", || (!world.mails("twice-proof@example.org").is_empty()).then_some(()));
    // A copy that met the claim of another one comes back after its lease.
    eventually_within(AFTER_LEASE, "the queues are empty", || {
        let empty = ["intake", "email"]
            .iter()
            .all(|queue| world.peek("alder", queue).iter().all(|message| message["Body"] != body.as_str()));
        empty.then_some(())
    });
    assert_eq!(world.mails("twice@example.org").len(), 1);
}

#[test]
fn a_variable_that_the_event_lacks_quarantines_the_mail_and_sends_nothing() {
    let world = world();
    let body = event("mail", "hole", &json!({"email": "hole@example.org"}));
    let good = mail("beside-hole", "beside-hole@example.org");
    world.send("alder", &[&body, &good]);
    let reason = eventually("it is quarantined", || world.quarantined("alder", "email", &body));
    assert_eq!(reason, "template-variable");
    eventually("its neighbour is sent", || (!world.mails("beside-hole@example.org").is_empty()).then_some(()));
    assert!(world.mails("hole@example.org").is_empty());
}
