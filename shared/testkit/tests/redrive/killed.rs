//! A redrive that is killed at every step and run again.

use std::time::Duration;

use acequia_core::delivery::ledger::{DeliveryRecord, Record, Status};
use acequia_core::flow::redrive::Order;
use acequia_core::port::Ledger as _;
use acequia_testkit::{IMMORTAL, build};
use futures::FutureExt as _;

use crate::world::World;

/// Two calls of each kind.
const LETTERS: u64 = 12;
/// The most that one call sends.
const CALL: u64 = 10;

/// The steps that a run of this world has, from the first at which it lives to its end.
fn steps(fifo: bool) -> u32 {
    let lives = |steps: &u32| World::with(LETTERS, fifo).run("one", *steps, &Order::default()).is_some();
    (0..1_000).find(lives).expect("a run ends")
}

/// Kills a first run at every step, a second one at every fourth, and lets a third one finish.
fn for_every_two_deaths(fifo: bool, check: impl Fn(&World, &acequia_core::flow::redrive::Redriven, (u32, u32))) {
    let steps = steps(fifo);
    assert!(steps > 50, "{steps} steps are too few to be the protocol");
    for first in 0..steps {
        // Every fourth, and each of the four somewhere: all pairs would take four times as long and show the same.
        for second in (first % 4..=steps).step_by(4) {
            let world = World::with(LETTERS, fifo);
            assert!(world.run("one", first, &Order::default()).is_none(), "it lives with {first} steps");
            world.run("two", second, &Order::default());
            let last = world.run("three", IMMORTAL, &Order::default()).expect("it ends");
            check(&world, &last, (first, second));
        }
    }
}

#[test]
fn killed_at_every_step_and_run_again_it_neither_loses_nor_doubles_a_message() {
    for_every_two_deaths(false, |world, last, deaths| {
        let (sent, dead) = (world.sent(), world.dead());
        for number in 0..LETTERS {
            let body = world.letter(number).body;
            let (sent, dead) = (sent.get(&body).copied(), dead.get(&body).copied());
            assert!(sent.is_some() || dead.is_some(), "{deaths:?}: {body} is lost");
            assert!(sent.unwrap_or(1) == 1 && dead.unwrap_or(1) == 1, "{deaths:?}: {body} is there twice");
        }
        // What is still here is unsure, and said to be.
        assert_eq!(last.unsure, dead.len() as u64, "{deaths:?}");
        assert_eq!(last.failed, 0, "{deaths:?}");
    });
}

#[test]
fn only_a_death_while_it_sends_leaves_something_unsure() {
    let order = Order::default();
    let unsure = |steps: u32| {
        let world = World::with(LETTERS, false);
        world.run("one", steps, &order);
        world.run("two", IMMORTAL, &order).expect("it ends").unsure
    };
    let counts: Vec<u64> = (0..steps(false)).map(unsure).collect();
    // Two steps of the receive, then one before each beginning.
    assert_eq!(counts[..4], [0, 0, 0, 1], "{counts:?}");
    assert!(counts.iter().all(|count| *count <= CALL), "{counts:?}");
    assert_eq!(counts.last(), Some(&0), "{counts:?}");
}

#[test]
fn killed_at_every_step_a_fifo_queue_gets_each_message_once_and_in_order() {
    for_every_two_deaths(true, |world, last, deaths| {
        let sent: Vec<String> =
            world.queues.messages(&world.way.source).into_iter().map(|message| message.body).collect();
        let wanted: Vec<String> = (0..LETTERS).map(|number| world.letter(number).body).collect();
        assert_eq!(sent, wanted, "{deaths:?}");
        assert_eq!((last.unsure, world.dead().len()), (0, 0), "{deaths:?}");
    });
}

#[test]
fn unsure_ones_are_sent_again_when_the_operator_says_so() {
    let order = Order { resend_unsure: true, ..Order::default() };
    for steps in 0..steps(false) {
        let world = World::with(LETTERS, false);
        world.run("one", steps, &Order::default());
        let unsure = world.run("two", IMMORTAL, &Order::default()).expect("it ends").unsure;
        world.run("three", IMMORTAL, &order);
        assert!(world.dead().is_empty(), "{steps}");
        let copies: usize = world.sent().values().sum();
        assert_eq!(world.sent().len() as u64, LETTERS, "{steps}: something is lost");
        assert!(copies as u64 <= LETTERS + unsure, "{steps}: more is doubled than was unsure");
    }
}

#[test]
fn an_unsure_one_that_the_ledger_says_was_delivered_is_only_deleted() {
    for steps in 0..steps(false) {
        let world = World::with(LETTERS, false);
        world.run("one", steps, &Order::default());
        let sent = world.sent();
        for number in 0..LETTERS {
            let body = world.letter(number).body;
            if sent.contains_key(&body) {
                let digest = acequia_core::id::digest(body.as_bytes());
                let record = build::record(&format!("{number:03}"), "crm", Status::Delivered);
                let record = Record::Delivery(Box::new(DeliveryRecord { digest, ..record }));
                let written = world.ledger.write(&world.way.tenant, &[record]).now_or_never().expect("at once");
                assert!(written.iter().all(Result::is_ok));
            }
        }
        let second = world.run("two", IMMORTAL, &Order::default()).expect("it ends");
        // What was not sent before and was begun stays unsure: the ledger cannot know it.
        assert_eq!(second.unsure, world.dead().len() as u64, "{steps}");
        for body in world.dead().keys() {
            assert!(!world.sent().contains_key(body), "{steps}: {body} was sent, delivered, and not deleted");
        }
        assert!(world.sent().values().all(|count| *count == 1), "{steps}");
    }
}

#[test]
fn after_the_five_minutes_of_deduplication_a_fifo_queues_unsure_ones_stay() {
    let world = World::with(LETTERS, true);
    // It dies while it sends the second: after two steps of the receive, eleven of beginning, and one sending.
    world.run("one", 14, &Order::default());
    assert_eq!(world.sent().len(), 1);
    world.clock.advance(Duration::from_mins(10));
    let second = world.run("two", IMMORTAL, &Order::default()).expect("it ends");
    // The first blocks what stands behind it: nothing may overtake it.
    assert_eq!((second.unsure, second.moved, world.dead().len()), (1, 0, 12));
}
