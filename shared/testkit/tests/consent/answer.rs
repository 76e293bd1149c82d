//! People, mail programs and SES answer.

use acequia_core::consent::{ActionState as A, Answer, EmailStatus as E, SubjectAction, SubjectState as S};
use acequia_core::port::Consents as _;

use crate::world::World;

const ACCEPT: SubjectAction = SubjectAction::Accept { opt_in: false };

#[tokio::test]
async fn accepting_releases_the_action_at_once_and_all_others_of_that_subject_that_wait() {
    let world = World::new();
    for event in ["1", "2", "3"] {
        world.sign(event, "ana", "trees").await;
    }
    world.sign("4", "ben", "trees").await;
    world.sign("5", "ana", "other").await;
    assert_eq!(world.act("2", "ana", "trees", ACCEPT).await, Some(Answer::Done));
    let mut released = world.outbox().split_off(3);
    released.sort();
    assert_eq!(released, ["deliver 1", "repeat 2", "repeat 3"]);
    assert!(world.consent("ana", "trees").waiting.is_empty());
    assert_eq!(world.standing("4", "ben", "trees").1, S::Confirming, "another subject still waits");
    assert_eq!(world.standing("5", "ana", "other").1, S::Confirming, "so does another list");
}

#[tokio::test]
async fn what_was_released_is_kept_in_the_outbox_alone() {
    let world = World::new();
    world.sign("1", "ana", "trees").await;
    let action = || world.consents.action(&world.tenant, &world.key("ana", "trees"), &world.id("1")).unwrap();
    assert!(action().body.is_some());
    world.act("1", "ana", "trees", ACCEPT).await;
    assert!(action().body.is_none());
}

#[tokio::test]
async fn reject_after_delivery_rejects_both_notifies_once_and_says_so_the_second_time() {
    let world = World::new();
    world.sign("1", "ana", "trees").await;
    world.act("1", "ana", "trees", SubjectAction::Accept { opt_in: true }).await;
    assert_eq!(world.standing("1", "ana", "trees"), (A::Delivered, S::Accepted, E::DoubleOptIn));
    let before = world.outbox().len();
    assert_eq!(world.act("1", "ana", "trees", SubjectAction::Reject).await, Some(Answer::Done));
    assert_eq!(world.standing("1", "ana", "trees"), (A::Rejected, S::Rejected, E::Unsub));
    assert_eq!(world.act("1", "ana", "trees", SubjectAction::Reject).await, Some(Answer::Already));
    assert_eq!(world.outbox().split_off(before), ["acequia.consent.rejected reject"]);
}

#[tokio::test]
async fn rejecting_rejects_all_that_wait() {
    let world = World::new();
    for event in ["1", "2"] {
        world.sign(event, "ana", "trees").await;
    }
    world.act("1", "ana", "trees", SubjectAction::Reject).await;
    assert_eq!(world.standing("2", "ana", "trees").0, A::Rejected);
    assert_eq!(world.act("2", "ana", "trees", ACCEPT).await, Some(Answer::Declined));
    assert_eq!(world.outbox(), ["confirm-1 of 1", "acequia.consent.rejected reject"]);
}

#[tokio::test]
async fn a_bounce_or_a_complaint_rejects_what_is_pending_and_tells_the_sinks_once() {
    for (subject_action, status) in [(SubjectAction::Bounce, E::Bounce), (SubjectAction::Complaint, E::Spam)] {
        let world = World::new();
        world.sign("1", "ana", "trees").await;
        for answer in [Answer::Done, Answer::Already] {
            assert_eq!(world.act("1", "ana", "trees", subject_action.clone()).await, Some(answer));
        }
        assert_eq!(world.standing("1", "ana", "trees"), (A::Rejected, S::Rejected, status));
        let notice = format!("acequia.consent.email_status {}", subject_action.as_str());
        assert_eq!(world.outbox(), ["confirm-1 of 1".to_owned(), notice]);
    }
}

#[tokio::test]
async fn a_bounce_after_the_answer_changes_what_is_known_of_the_address_and_nothing_else() {
    let world = World::new();
    world.sign("1", "ana", "trees").await;
    world.act("1", "ana", "trees", ACCEPT).await;
    world.act("1", "ana", "trees", SubjectAction::Bounce).await;
    assert_eq!(world.standing("1", "ana", "trees"), (A::Delivered, S::Accepted, E::Bounce));
}

#[tokio::test]
async fn a_moderator_is_asked_after_the_subject_and_releases() {
    let world = World::new();
    world.sign("1", "ana", "moderated").await;
    world.act("1", "ana", "moderated", ACCEPT).await;
    assert_eq!(world.outbox(), ["confirm-1 of 1", "moderate 1"]);
    assert_eq!(world.standing("1", "ana", "moderated").0, A::Confirming);
    assert_eq!(world.act("1", "ana", "moderated", SubjectAction::Approve).await, Some(Answer::Done));
    assert_eq!(world.act("1", "ana", "moderated", SubjectAction::Decline).await, Some(Answer::TooLate));
    assert_eq!(world.outbox().last().unwrap(), "deliver 1");
}

#[tokio::test]
async fn who_did_what_when_on_which_text_is_kept_as_proof() {
    let world = World::new();
    world.sign("1", "ana", "trees").await;
    world.days(1);
    world.act("1", "ana", "trees", ACCEPT).await;
    world.act("1", "ana", "trees", ACCEPT).await;
    let proofs = world.consent("ana", "trees").proofs;
    let told: Vec<_> = proofs.iter().map(|p| (&*p.what, &*p.by, p.config_version, p.key.as_deref())).collect();
    assert_eq!(told, [("asked", "mail", 7, None), ("accept", "link", 7, Some("links"))]);
    assert!(proofs[0].at < proofs[1].at);
}

#[tokio::test]
async fn after_erasing_an_answer_finds_nothing() {
    let world = World::new();
    world.sign("1", "ana", "trees").await;
    let key = world.key("ana", "trees");
    assert_eq!(world.consents.erase(&world.tenant, &key.subject).await.unwrap(), 3);
    assert_eq!(world.act("1", "ana", "trees", ACCEPT).await, None);
}

#[tokio::test]
async fn an_expired_link_gets_a_new_mail_but_not_too_often_and_not_after_the_answer() {
    let world = World::new();
    world.sign("1", "ana", "trees").await;
    assert_eq!(world.ask_again("1", "ana", "trees").await, Some(Answer::Already));
    world.days(40);
    assert_eq!(world.ask_again("1", "ana", "trees").await, Some(Answer::Done));
    assert_eq!(world.ask_again("1", "ana", "trees").await, Some(Answer::Already));
    assert_eq!(world.outbox(), ["confirm-1 of 1", "confirm-2 of 1"]);
    world.act("1", "ana", "trees", ACCEPT).await;
    world.days(40);
    assert_ne!(world.ask_again("1", "ana", "trees").await, Some(Answer::Done));
}
