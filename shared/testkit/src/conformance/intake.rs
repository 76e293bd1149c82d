//! The suite of what the door took before.

use std::time::Duration;

use acequia_core::intake::{Entry, EntryKey, Once, State};
use acequia_core::port::IntakeStore;

use crate::build::{at, event_id, tenant_id};

fn running(content: &str, claim: &str) -> Entry {
    Entry {
        content: content.to_owned(),
        state: State::Running,
        claim: claim.to_owned(),
        lease_until: at(30),
        answer: None,
        expires_at: at(1000),
    }
}

fn ended(state: State, claim: &str) -> Entry {
    Entry { state, answer: Some("[\"answer\"]".to_owned()), ..running("c", claim) }
}

async fn one(intake: &impl IntakeStore, tenant: &str, key: &EntryKey, entry: Entry, now: u64) -> Once {
    let entries = [(key.clone(), entry)];
    intake.begin(&tenant_id(tenant), &entries, at(now)).await.pop().unwrap().unwrap()
}

/// A request begins once, runs until its lease ends, and is then taken over.
pub async fn an_entry_begins_once_and_is_taken_over_after_its_lease(intake: &impl IntakeStore) {
    let key = EntryKey::request("k");
    assert_eq!(one(intake, "i-lease", &key, running("c", "a"), 0).await, Once::Begun(None));
    assert_eq!(one(intake, "i-lease", &key, running("c", "a"), 1).await, Once::Begun(None), "the same asks again");
    assert_eq!(one(intake, "i-lease", &key, running("c", "b"), 10).await, Once::Running(Duration::from_secs(20)));
    assert_eq!(one(intake, "i-lease", &key, running("c", "b"), 31).await, Once::Begun(None));
}

/// What was ended is told again, another content is a conflict, and after its time all begins anew.
pub async fn what_is_done_is_told_again_until_it_expires(intake: &impl IntakeStore) {
    let (tenant, key) = (tenant_id("i-done"), EntryKey::request("k"));
    assert_eq!(one(intake, "i-done", &key, running("c", "a"), 0).await, Once::Begun(None));
    intake.end(&tenant, &[(key.clone(), ended(State::Done, "a"))]).await.pop().unwrap().unwrap();
    let answer = Some("[\"answer\"]".to_owned());
    assert_eq!(one(intake, "i-done", &key, running("c", "b"), 500).await, Once::Done(answer));
    assert_eq!(one(intake, "i-done", &key, running("d", "b"), 500).await, Once::Conflict);
    assert_eq!(one(intake, "i-done", &key, running("d", "b"), 1000).await, Once::Begun(None));
}

/// A part that was not taken begins again, with the answer of the last time, and once.
pub async fn what_was_done_in_part_goes_on_with_its_answer(intake: &impl IntakeStore) {
    let (tenant, key) = (tenant_id("i-part"), EntryKey::request("k"));
    assert_eq!(one(intake, "i-part", &key, running("c", "a"), 0).await, Once::Begun(None));
    intake.end(&tenant, &[(key.clone(), ended(State::Partial, "a"))]).await.pop().unwrap().unwrap();
    let answer = Some("[\"answer\"]".to_owned());
    assert_eq!(one(intake, "i-part", &key, running("c", "b"), 5).await, Once::Begun(answer));
    assert_eq!(one(intake, "i-part", &key, running("c", "d"), 6).await, Once::Running(Duration::from_secs(24)));
}

/// What was forgotten begins anew.
pub async fn what_is_forgotten_begins_anew(intake: &impl IntakeStore) {
    let (tenant, key) = (tenant_id("i-forget"), EntryKey::event(&event_id("1")));
    assert_eq!(one(intake, "i-forget", &key, running("c", "a"), 0).await, Once::Begun(None));
    intake.forget(&tenant, std::slice::from_ref(&key)).await.pop().unwrap().unwrap();
    assert_eq!(one(intake, "i-forget", &key, running("d", "b"), 1).await, Once::Begun(None));
}

/// Sixty events begin at once; of a second sixty, those that are new begin and the others are told as they are.
pub async fn many_entries_at_once_get_an_answer_each_in_their_order(intake: &impl IntakeStore) {
    let tenant = tenant_id("i-many");
    let entries = |from: usize, claim: &str| -> Vec<(EntryKey, Entry)> {
        (from..from + 60).map(|number| (EntryKey::event(&event_id(&number.to_string())), running("c", claim))).collect()
    };
    let first: Vec<Once> =
        intake.begin(&tenant, &entries(0, "a"), at(0)).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(first, vec![Once::Begun(None); 60]);
    let second = intake.begin(&tenant, &entries(30, "b"), at(10)).await;
    let second: Vec<Once> = second.into_iter().map(Result::unwrap).collect();
    assert_eq!(second[..30], vec![Once::Running(Duration::from_secs(20)); 30]);
    assert_eq!(second[30..], vec![Once::Begun(None); 30]);
    assert!(intake.begin(&tenant, &[], at(0)).await.is_empty() && intake.end(&tenant, &[]).await.is_empty());
}

/// Of two that begin at once one does, also where both take over what expired.
pub async fn of_two_at_once_exactly_one_begins(intake: &impl IntakeStore) {
    let key = EntryKey::request("race");
    for now in [0, 2000_u64] {
        let entry = |who: &str| Entry {
            lease_until: at(now + 30),
            expires_at: at(now + 1000),
            ..running("c", &format!("{who}-{now}"))
        };
        let (a, b) =
            futures::join!(one(intake, "i-race", &key, entry("a"), now), one(intake, "i-race", &key, entry("b"), now));
        let begun = [&a, &b].into_iter().filter(|once| matches!(once, Once::Begun(_))).count();
        assert_eq!(begun, 1, "{a:?} {b:?}");
    }
}

/// The entries of one tenant are none of another.
pub async fn the_entries_of_another_tenant_are_others(intake: &impl IntakeStore) {
    let key = EntryKey::request("k");
    for tenant in ["i-iso", "i-iso-b"] {
        assert_eq!(one(intake, tenant, &key, running("c", tenant), 0).await, Once::Begun(None));
    }
    intake.forget(&tenant_id("i-iso-b"), std::slice::from_ref(&key)).await.pop().unwrap().unwrap();
    assert_eq!(one(intake, "i-iso", &key, running("c", "z"), 1).await, Once::Running(Duration::from_secs(29)));
}
