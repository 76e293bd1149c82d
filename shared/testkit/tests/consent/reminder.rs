//! Reminders: when they are due, and which subjects get none.

use acequia_core::consent::agenda::SHARDS;
use acequia_core::consent::{Answer, SubjectAction};
use acequia_core::port::{Agenda as _, Clock as _};

use crate::world::World;

impl World {
    /// One run of the sweep; answers how many reminders it sent.
    async fn sweep(&self) -> usize {
        let before = self.outbox().len();
        for shard in 0..SHARDS {
            for due in self.consents.to_remind(shard, self.clock.now(), None, 100).await.unwrap().found {
                for who in ["ana", "ben", "eve"] {
                    if self.key(who, "trees") == due.key {
                        self.remind(who, "trees").await;
                    }
                }
            }
        }
        self.outbox().len() - before
    }
}

#[tokio::test]
async fn who_does_not_answer_is_reminded_three_times_two_days_apart_and_then_no_more() {
    let world = World::new();
    world.sign("1", "ana", "trees").await;
    let mut sent = Vec::new();
    for _ in 0..10 {
        world.days(1);
        sent.push(world.sweep().await);
    }
    assert_eq!(sent, [0, 1, 0, 1, 0, 1, 0, 0, 0, 0]);
    assert_eq!(world.outbox(), ["confirm-1 of 1", "reminder-1 of 1", "reminder-2 of 1", "reminder-3 of 1"]);
}

#[tokio::test]
async fn a_second_run_at_once_sends_none() {
    let world = World::new();
    world.sign("1", "ana", "trees").await;
    world.days(2);
    assert_eq!((world.sweep().await, world.sweep().await), (1, 0));
    // Nor does one that found it due before the first run was through.
    assert_eq!(world.remind("ana", "trees").await, Some(Answer::Waits));
}

#[tokio::test]
async fn who_accepted_or_rejected_or_bounced_is_not_reminded() {
    let world = World::new();
    for (event, who, subject_action) in [
        ("1", "ana", SubjectAction::Accept { opt_in: false }),
        ("2", "ben", SubjectAction::Reject),
        ("3", "eve", SubjectAction::Bounce),
    ] {
        world.sign(event, who, "trees").await;
        world.act(event, who, "trees", subject_action).await;
    }
    world.days(3);
    assert_eq!(world.sweep().await, 0);
}

#[tokio::test]
async fn who_was_asked_a_short_while_ago_is_reminded_later() {
    let world = World::new();
    world.sign("1", "ana", "trees").await;
    world.days(1);
    world.sign("2", "ana", "trees").await;
    world.days(1);
    assert_eq!(world.sweep().await, 0, "the second question is a day old");
    world.days(1);
    assert_eq!(world.sweep().await, 1);
}

#[tokio::test]
async fn a_tenant_without_reminders_sends_none() {
    let world = World::but(r#","reminders":{"after":"2days","most":3}"#, "");
    world.sign("1", "ana", "trees").await;
    world.days(5);
    assert_eq!(world.sweep().await, 0);
}
