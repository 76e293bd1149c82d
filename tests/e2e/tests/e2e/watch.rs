//! The watch over the queues of tenants without alarms of their own: what it tells the operators by the deployed SNS.

use e2e::wait::{AFTER_LEASE, eventually_within};
use e2e::world::watch;
use e2e::{eventually, world};

#[test]
fn the_operators_are_told_of_dead_letters_with_tenant_queue_reason_and_command_once() {
    let world = world();
    let notices = world.notices("e2e-told-of-trouble");
    // Kafka's test leaves dead letters of this queue, too: of a record that is not JSON, and of one without a value.
    let body = "this is not JSON, and the watch tells of it";
    world.send("birch", &[body]);
    eventually("it is quarantined", || world.quarantined("birch", "intake", body));
    let line = "birch, intake: ";
    let holding = |text: &str| notices().into_iter().filter(|(_, told)| told.contains(text)).collect::<Vec<_>>();
    // One look a minute: where the schedule's was just before, a later call looks.
    let told = eventually_within(AFTER_LEASE, "the operators are told", || {
        watch();
        holding(line).first().cloned()
    });
    let command = format!("acequia dlq list birch --queue intake --stage {}", world.environment.stage);
    assert!(told.1.contains(&command), "{told:?}");
    assert!(told.0.starts_with(&format!("Acequia {}: ", world.environment.stage)), "{told:?}");
    let listed = world.read(&["dlq", "list", "birch", "--queue", "intake"]);
    assert!(told.1.contains("in the dead-letter queue, most of them for not-json"), "{told:?}");
    assert!((1..=3).contains(&listed["count"].as_u64().unwrap()), "the look took nothing: {listed}");
    assert_eq!(holding(line).len(), 1, "once");
}
