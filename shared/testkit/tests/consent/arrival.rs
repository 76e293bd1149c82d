//! Events that need consent come in.

use acequia_core::consent::{ActionState as A, Answer, EmailStatus, MAX_WAITING, SubjectAction, SubjectState as S};
use acequia_core::flow::consent::ConsentError;
use acequia_core::outcome::Cause;

use crate::world::World;

#[tokio::test]
async fn a_first_action_waits_and_its_subject_is_asked() {
    let world = World::new();
    assert_eq!(world.sign("1", "ana", "trees").await, Answer::Done);
    assert_eq!(world.standing("1", "ana", "trees"), (A::New, S::Confirming, EmailStatus::None));
    assert_eq!(world.outbox(), ["confirm-1 of 1"]);
}

#[tokio::test]
async fn the_lists_false_beats_the_tenants_true() {
    let world = World::new();
    world.sign("1", "ana", "open").await;
    assert_eq!((world.standing("1", "ana", "open").0, world.outbox()), (A::Delivered, vec!["deliver 1".to_owned()]));
}

#[tokio::test]
async fn the_lists_true_beats_the_tenants_false() {
    let world = World::but(r#""supporter_confirm":true"#, r#""supporter_confirm":false"#);
    world.sign("1", "ana", "trees").await;
    world.sign("2", "ana", "moderated").await;
    assert_eq!(world.outbox(), ["deliver 1", "moderate 2"]);
}

#[tokio::test]
async fn the_same_event_again_changes_nothing_and_sends_nothing() {
    let world = World::new();
    for answer in [Answer::Done, Answer::Waits, Answer::Waits] {
        assert_eq!(world.sign("1", "ana", "trees").await, answer);
    }
    world.act("1", "ana", "trees", SubjectAction::Accept { opt_in: false }).await;
    assert_eq!(world.sign("1", "ana", "trees").await, Answer::Already);
    assert_eq!(world.outbox(), ["confirm-1 of 1", "deliver 1"]);
    assert_eq!(world.consent("ana", "trees").actions, 1);
}

#[tokio::test]
async fn who_signs_again_at_once_waits_and_gets_no_second_mail() {
    let world = World::new();
    world.sign("1", "ana", "trees").await;
    assert_eq!(world.sign("2", "ana", "trees").await, Answer::Waits);
    assert_eq!(world.outbox(), ["confirm-1 of 1"]);
    world.days(1);
    world.sign("3", "ana", "trees").await;
    assert_eq!(world.outbox(), ["confirm-1 of 1", "duplicate-1 of 3"], "a day later the question is asked again");
}

#[tokio::test]
async fn nobody_can_have_an_address_flooded() {
    let world = World::new();
    for n in 0..MAX_WAITING {
        world.sign(&n.to_string(), "ana", "trees").await;
        world.days(1);
    }
    assert_eq!(world.outbox().len(), 10);
    let refused = world.try_sign("one more", "ana", "trees", 0).await;
    assert!(matches!(refused, Err(ConsentError::Refused(Cause::CannotWait(_)))), "{refused:?}");
}

#[tokio::test]
async fn an_event_that_is_too_large_to_wait_is_refused() {
    let world = World::new();
    let refused = world.try_sign("1", "ana", "trees", 64 * 1024).await;
    assert!(matches!(refused, Err(ConsentError::Refused(Cause::CannotWait(_)))), "{refused:?}");
    assert!(world.outbox().is_empty());
}

#[tokio::test]
async fn the_next_action_of_an_accepted_subject_is_released_as_a_repeat() {
    let world = World::new();
    world.sign("1", "ana", "trees").await;
    world.act("1", "ana", "trees", SubjectAction::Accept { opt_in: false }).await;
    world.sign("2", "ana", "trees").await;
    assert_eq!(world.outbox(), ["confirm-1 of 1", "deliver 1", "repeat 2"]);
    world.sign("3", "ana", "other").await;
    assert_eq!(world.outbox()[3], "confirm-1 of 3", "another list is another consent");
}

#[tokio::test]
async fn an_action_of_a_rejected_subject_goes_nowhere() {
    let world = World::new();
    world.sign("1", "ana", "trees").await;
    world.act("1", "ana", "trees", SubjectAction::Reject).await;
    assert_eq!(world.sign("2", "ana", "trees").await, Answer::Declined);
    assert_eq!(world.standing("2", "ana", "trees").0, A::Rejected);
    assert_eq!(world.outbox(), ["confirm-1 of 1", "acequia.consent.rejected reject"]);
}

#[tokio::test]
async fn with_the_answer_of_the_store_lost_nothing_is_written_twice() {
    let world = World::new();
    world.consents.answers.fail_next(1);
    assert!(matches!(world.try_sign("1", "ana", "trees", 0).await, Err(ConsentError::Unavailable(_))));
    assert_eq!(world.sign("1", "ana", "trees").await, Answer::Waits);
    world.consents.answers.fail_next(1);
    assert!(world.try_act("1", "ana", "trees", SubjectAction::Accept { opt_in: true }).await.is_err());
    assert_eq!(world.act("1", "ana", "trees", SubjectAction::Accept { opt_in: true }).await, Some(Answer::Already));
    assert_eq!(world.outbox(), ["confirm-1 of 1", "deliver 1", "acequia.consent.email_status accept-opt-in"]);
}

#[tokio::test]
async fn with_the_store_down_nothing_is_written() {
    let world = World::new();
    world.consents.writes.go_down();
    assert!(matches!(world.try_sign("1", "ana", "trees", 0).await, Err(ConsentError::Unavailable(_))));
    world.consents.writes.mend();
    world.consents.reads.go_down();
    assert!(matches!(world.try_sign("1", "ana", "trees", 0).await, Err(ConsentError::Unavailable(_))));
    assert!(world.outbox().is_empty());
}

#[tokio::test]
async fn in_a_closed_set_of_lists_no_event_makes_another_one() {
    let world = World::but(r#""keys":["links"],"#, r#""keys":["links"],"lists_closed":true,"#);
    assert!(world.try_sign("1", "ana", "open", 0).await.is_ok());
    let refused = world.try_sign("2", "ana", "made-up", 0).await;
    let named = matches!(&refused, Err(ConsentError::Refused(Cause::CannotWait(why))) if why.contains("consent.lists"));
    assert!(named, "{refused:?}");
    assert!(world.outbox().iter().all(|row| !row.ends_with(" 2")), "{:?}", world.outbox());
}
