//! The suite of replays.

use acequia_core::id::ReplayId;
use acequia_core::port::{Begun, Queued, ReplayStore};
use acequia_core::replay::{Place, Plan, Query, RATE, Replay, State};
use acequia_core::wire::ReplayIds;

use crate::build::{at, event_id, sink_id, start, tenant_id};

fn replay(id: &str, began: u64) -> Replay {
    let query = Query {
        types: vec!["action.*".to_owned()],
        pattern: Some(r#"{"data":{"country":["FR"]}}"#.to_owned()),
        events: vec![event_id("1")],
        sinks: vec![sink_id("crm")],
        ..Query::between(start(), at(3_600))
    };
    let plan = Plan { query, ids: ReplayIds::Fresh, rate: RATE, config_version: 3, as_of: at(4_000) };
    Replay::begin(id.parse::<ReplayId>().unwrap(), plan, "ana", at(began)).held("me", at(began))
}

/// All that is known of it.
pub async fn a_replay_is_read_back_as_it_was_written(store: &impl ReplayStore) {
    let (tenant, first) = (tenant_id("read-back"), replay("r1", 10));
    assert_eq!(store.load(&tenant, &first.id).await.unwrap(), None);
    assert_eq!(store.begin(&tenant, &first, true).await.unwrap(), Begun::Yes);
    assert_eq!(store.load(&tenant, &first.id).await.unwrap(), Some(first.clone()));
    let mut next = first.held("me", at(11));
    next.progress.place = Some(Place { object: "x".to_owned(), lines: 7, version: Some("v".to_owned()) });
    next.progress.tally.choose("action.signed", &sink_id("crm"), 100);
    assert!(store.save(&tenant, &next).await.unwrap());
    assert_eq!(store.load(&tenant, &next.id).await.unwrap(), Some(next));
}

/// Each learns of the other.
pub async fn of_two_writers_of_one_revision_one_writes(store: &impl ReplayStore) {
    let (tenant, first) = (tenant_id("two-writers"), replay("r1", 10));
    assert_eq!(store.begin(&tenant, &first, true).await.unwrap(), Begun::Yes);
    let again = replay("r1", 11);
    assert_eq!(store.begin(&tenant, &again, true).await.unwrap(), Begun::Changed);
    let (mine, other) = (first.clone().held("me", at(12)), first.ended(State::Stopped, "bob", at(12)));
    assert!(store.save(&tenant, &other).await.unwrap());
    assert!(!store.save(&tenant, &mine).await.unwrap());
    assert_eq!(store.load(&tenant, &other.id).await.unwrap(), Some(other));
}

/// Unless that is told; one that is stopped or done is in nobody's way, and goes on when none is.
pub async fn a_tenant_has_one_under_way(store: &impl ReplayStore) {
    let (tenant, first, second) = (tenant_id("one-at-once"), replay("r1", 10), replay("r2", 20));
    assert_eq!(store.begin(&tenant, &first, true).await.unwrap(), Begun::Yes);
    assert_eq!(store.begin(&tenant, &second, true).await.unwrap(), Begun::Busy(first.id.clone()));
    let beside = replay("r3", 15);
    assert_eq!(store.begin(&tenant, &beside, false).await.unwrap(), Begun::Yes);
    let stopped = first.ended(State::Stopped, "bob", at(21));
    assert!(store.save(&tenant, &stopped).await.unwrap());
    assert_eq!(store.begin(&tenant, &second, true).await.unwrap(), Begun::Yes);
    let on = stopped.clone().held("you", at(22));
    assert_eq!(store.begin(&tenant, &on, true).await.unwrap(), Begun::Busy(second.id.clone()));
    assert!(store.save(&tenant, &second.clone().ended(State::Done, "ana", at(23))).await.unwrap());
    assert_eq!(store.begin(&tenant, &on, true).await.unwrap(), Begun::Yes);
    let ids: Vec<ReplayId> = store.list(&tenant).await.unwrap().into_iter().map(|replay| replay.id).collect();
    assert_eq!(ids, [second.id, beside.id, on.id], "the last one first");
}

/// Nor does one tenant's stand in another's way.
pub async fn no_tenant_sees_the_replays_of_another(store: &impl ReplayStore) {
    let (one, other, replay) = (tenant_id("ours"), tenant_id("ours-2"), replay("r1", 10));
    assert_eq!(store.begin(&one, &replay, true).await.unwrap(), Begun::Yes);
    assert_eq!(store.load(&other, &replay.id).await.unwrap(), None);
    assert!(store.list(&other).await.unwrap().is_empty());
    assert_eq!(store.begin(&other, &replay, true).await.unwrap(), Begun::Yes);
}

/// From when it waits until somebody takes it out, and not longer than it is wanted.
pub async fn what_waits_is_queued_until_it_is_taken_out_and_again_when_it_waits_anew(store: &impl ReplayStore) {
    let (tenant, other) = (tenant_id("in-a-queue"), tenant_id("in-a-queue-2"));
    let queued = async || -> Vec<Queued> {
        let all = store.queued(1_000).await.unwrap();
        all.into_iter().filter(|one| one.tenant == tenant || one.tenant == other).collect()
    };
    let waiting = |id: &str| Replay { platform: true, state: State::Waiting, hold: None, ..replay(id, 10) };
    let (first, beside) = (waiting("r1"), waiting("r1"));
    assert_eq!(store.begin(&tenant, &first, true).await.unwrap(), Begun::Yes);
    assert_eq!(store.begin(&other, &beside, false).await.unwrap(), Begun::Yes);
    assert_eq!(store.begin(&other, &beside, false).await.unwrap(), Begun::Changed);
    let id = first.id.clone();
    let one = |of: &acequia_core::id::TenantId, revision| Queued { tenant: of.clone(), id: id.clone(), revision };
    assert_eq!(queued().await, [one(&tenant, 1), one(&other, 1)]);
    assert_eq!(store.queued(1).await.unwrap().len(), 1);
    assert_eq!(store.begin(&tenant, &waiting("r2"), true).await.unwrap(), Begun::Busy(first.id.clone()));
    // One that runs, or ends, is in the list until somebody takes it out.
    let stopped = first.held("me", at(11)).ended(State::Stopped, "bob", at(12));
    assert!(!store.save(&tenant, &stopped).await.unwrap(), "it left a revision out");
    let stopped = Replay { revision: 2, ..stopped };
    assert!(store.save(&tenant, &stopped).await.unwrap());
    let again = stopped.waiting(at(13));
    assert_eq!(store.begin(&tenant, &again, false).await.unwrap(), Begun::Yes);
    assert_eq!(store.load(&tenant, &again.id).await.unwrap(), Some(again));
    store.unqueue(&one(&tenant, 1)).await.unwrap();
    assert_eq!(queued().await, [one(&tenant, 3), one(&other, 1)], "it waits anew");
    store.unqueue(&one(&tenant, 3)).await.unwrap();
    store.unqueue(&one(&tenant, 3)).await.unwrap();
    assert_eq!(queued().await, [one(&other, 1)]);
    store.unqueue(&one(&other, 1)).await.unwrap();
}
