//! What a run moves, how fast, and what it counts.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use acequia_core::delivery::redrive::Filter;
use acequia_core::flow::redrive::{Observer, Order, Walked, purge, redrive, walk};
use acequia_core::message::Attribute;
use acequia_core::port::{Clock as _, Queues as _};
use acequia_core::wire::REDRIVEN;
use acequia_testkit::{IMMORTAL, Mortal, build};
use futures::FutureExt as _;

use crate::world::{Nobody, World};

fn event(number: u64) -> Filter {
    Filter { event: Some(build::event_id(&format!("{number:03}"))), ..Filter::default() }
}

#[test]
fn every_message_goes_back_with_the_id_of_the_dead_letter_that_it_was() {
    let world = World::with(25, false);
    let ids: Vec<String> =
        world.queues.messages(&world.way.dead_letters).into_iter().map(|message| message.message_id).collect();
    let run = world.run("one", IMMORTAL, &Order::default()).unwrap();
    assert_eq!((run.moved, run.finished, run.unsure, run.failed), (25, 0, 0, 0));
    assert!(world.dead().is_empty());
    let marks: Vec<Attribute> = world.attributes().iter().map(|attributes| attributes[REDRIVEN].clone()).collect();
    assert_eq!(marks, ids.into_iter().map(Attribute::text).collect::<Vec<_>>());
}

#[test]
fn a_filter_and_a_limit_leave_the_others_visible_at_once() {
    let world = World::with(25, false);
    let run = world.run("one", IMMORTAL, &Order { filter: event(17), ..Order::default() }).unwrap();
    assert_eq!((run.moved, world.sent().len()), (1, 1));
    let mortal = Mortal::new(&world.queues, &world.journal, IMMORTAL);
    let order = Order { limit: Some(12), run: "two".to_owned(), ..Order::default() };
    let ports = (&mortal, &mortal, &world.ledger, &world.clock);
    let run = redrive(ports, &world.way, &order, &Nobody).now_or_never().unwrap();
    assert_eq!((run.moved, world.queues.depth(&world.way.dead_letters).visible), (12, 12));
}

#[test]
fn a_message_that_is_not_taken_stays_and_the_next_run_moves_it() {
    let world = World::with(3, false);
    world.queues.sends.go_down();
    let run = world.run("one", IMMORTAL, &Order::default()).unwrap();
    assert_eq!((run.moved, run.failed, world.dead().len()), (0, 3, 3));
    world.queues.sends.mend();
    let run = world.run("two", IMMORTAL, &Order::default()).unwrap();
    assert_eq!((run.moved, run.unsure, world.dead().len()), (3, 0, 0));
}

#[test]
fn a_lost_answer_leaves_messages_unsure_and_not_doubled() {
    let world = World::with(3, false);
    let mortal = Mortal::new(&world.queues, &world.journal, IMMORTAL);
    mortal.deaf.store(true, Ordering::Relaxed);
    let run = world.run_in(&mortal, "one", &Order::default()).unwrap();
    assert_eq!((run.moved, run.unsure), (0, 3));
    let run = world.run("two", IMMORTAL, &Order::default()).unwrap();
    assert_eq!((run.moved, run.unsure), (0, 3));
    assert!(world.sent().values().all(|count| *count == 1));
}

#[test]
fn without_the_journal_nothing_is_sent() {
    let world = World::with(3, false);
    world.journal.begins.go_down();
    let run = world.run("one", IMMORTAL, &Order::default()).unwrap();
    assert_eq!((run.failed, world.sent().len(), world.dead().len()), (3, 0, 3));
}

#[test]
fn without_a_record_of_the_sending_deleting_still_ends_it() {
    let world = World::with(3, false);
    world.journal.writes.go_down();
    let run = world.run("one", IMMORTAL, &Order::default()).unwrap();
    assert_eq!((run.moved, world.sent().len(), world.dead().len()), (3, 3, 0));
}

/// Quarantines everything again as soon as it was sent back.
struct Relapse<'a>(&'a World, Mutex<u64>);

impl Observer for Relapse<'_> {
    fn dealt(&self, _: u64) {
        let World { queues, way, .. } = self.0;
        for message in queues.receive(&way.source, 100, Duration::from_mins(5)) {
            let again = acequia_core::wire::quarantined(
                &message,
                acequia_core::outcome::Reason::HttpStatus,
                "again",
                1,
                build::start(),
            );
            queues.send(&way.dead_letters, &[again.unwrap()]).now_or_never().unwrap();
            queues.delete(&way.source, &message.receipt_handle);
            *self.1.lock().unwrap() += 1;
        }
    }
    fn trouble(&self, _: &str) {}
    fn ends(&self) -> bool {
        false
    }
}

#[test]
fn what_fails_again_at_once_is_not_moved_round_and_round() {
    let mut world = World::with(15, false);
    world.way.depth = 1_000;
    let watch = Relapse(&world, Mutex::new(0));
    let mortal = Mortal::new(&world.queues, &world.journal, IMMORTAL);
    let order = Order { run: "one".to_owned(), ..Order::default() };
    let ports = (&mortal, &mortal, &world.ledger, &world.clock);
    let run = redrive(ports, &world.way, &order, &watch).now_or_never().unwrap();
    assert_eq!((run.moved, *watch.1.lock().unwrap()), (15, 15));
    assert_eq!(world.queues.depth(&world.way.dead_letters).visible, 15);
}

#[test]
fn a_rate_is_held() {
    let world = World::with(25, false);
    let begin = world.clock.now();
    let order = Order { rate: Some(5), run: "one".to_owned(), ..Order::default() };
    let mortal = Mortal::new(&world.queues, &world.journal, IMMORTAL);
    let ports = (&mortal, &mortal, &world.ledger, &world.clock);
    let mut run = Box::pin(redrive(ports, &world.way, &order, &Nobody));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    while run.as_mut().poll(&mut context).is_pending() {
        let next = world.clock.next_sleeper().expect("only the rate makes it wait");
        world.clock.set(next);
        let passed = world.clock.now().duration_since(begin).as_millis();
        let sent = world.sent().len() as i128;
        assert!(sent <= 1 + passed / 200, "{sent} within {passed} ms");
    }
    assert_eq!(world.sent().len(), 25);
    assert!(world.clock.now().duration_since(begin).as_millis() >= 24 * 200);
}

#[test]
fn a_dry_run_counts_each_message_once_and_shows_all_of_them_again_at_once() {
    let world = World::with(250, false);
    let queue = &world.way.dead_letters;
    let mut seen = Vec::new();
    let take = |one: acequia_core::delivery::redrive::Received, _| {
        seen.push(one.message.message_id);
        true
    };
    let walked = walk(&world.queues, queue, 250, &Filter::default(), &Nobody, take).now_or_never().unwrap().unwrap();
    assert_eq!(walked, Walked { seen: 250, taken: 250, to_the_end: true, shown: true });
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 250);
    assert_eq!(world.queues.depth(queue).visible, 250);
    let walked = walk(&world.queues, queue, 250, &event(7), &Nobody, |_, _| true).now_or_never().unwrap().unwrap();
    assert_eq!((walked.seen, walked.taken), (250, 1));
}

#[test]
fn a_purge_deletes_what_is_meant_and_nothing_else() {
    let world = World::with(25, false);
    let queue = &world.way.dead_letters;
    let purged = purge(&world.queues, queue, 25, &event(3), None, &Nobody).now_or_never().unwrap();
    assert_eq!((purged.purged, purged.failed, world.dead().len()), (1, 0, 24));
    assert_eq!(world.queues.depth(queue).visible, 24);
    let purged = purge(&world.queues, queue, 24, &Filter::default(), Some(4), &Nobody).now_or_never().unwrap();
    assert_eq!((purged.purged, world.queues.depth(queue).visible), (4, 20));
    let purged = purge(&world.queues, queue, 20, &Filter::default(), None, &Nobody).now_or_never().unwrap();
    assert_eq!((purged.purged, world.dead().len()), (20, 0));
    assert!(world.sent().is_empty());
}

#[test]
fn in_a_fifo_queue_nothing_overtakes_a_letter_that_a_call_did_not_take() {
    let world = World::with(6, true);
    // The queues of these tests take each message by itself: of the first call, the first message fails and the second
    // does not.
    world.queues.sends.fail_call(world.queues.sends.calls() + 1);
    assert_eq!(world.run("one", IMMORTAL, &Order::default()).expect("it ends").failed, 1);
    world.run("two", IMMORTAL, &Order::default()).expect("it ends");
    let sent: Vec<String> = world.queues.messages(&world.way.source).into_iter().map(|message| message.body).collect();
    for group in 0..2 {
        let wanted: Vec<String> = [group, group + 2, group + 4].map(|number| world.letter(number).body).into();
        let of_group: Vec<String> = sent.iter().filter(|body| wanted.contains(body)).cloned().collect();
        assert_eq!(of_group, wanted);
    }
    assert!(world.dead().is_empty());
}
