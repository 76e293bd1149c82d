//! The suite of delayed messages: delays, the operator's view of it, and sweeping.

use acequia_core::delivery::delay::{Delayed, DelayedKey, Look, SHARDS};
use acequia_core::message::Attribute;
use acequia_core::port::{DelayStore, DelayedMessages, Sweeping};
use jiff::Timestamp;

use crate::build::{at, delayed, sink_id, tenant_id};

/// What a store of delayed messages is.
pub trait Store: DelayStore + DelayedMessages + Sweeping {}

impl<S: DelayStore + DelayedMessages + Sweeping> Store for S {}

async fn delay(store: &impl Store, rows: &[Delayed]) {
    for row in rows {
        let answers = store.delay(&row.key.tenant, std::slice::from_ref(row)).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }
}

/// The keys of a tenant that are due, page by page; the index may be a moment behind, so it is asked until it knows
/// `most`.
async fn due(store: &impl Store, tenant: &str, now: Timestamp, most: usize) -> Vec<DelayedKey> {
    let mut found = Vec::new();
    for _ in 0..50 {
        found.clear();
        for shard in 0..SHARDS {
            let mut from = None;
            loop {
                let page = store.due(shard, now, from, 3).await.unwrap();
                found.extend(page.keys.into_iter().filter(|key| key.tenant.as_str() == tenant));
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
        }
        if found.len() >= most {
            break;
        }
    }
    found.sort();
    found
}

fn keys(rows: &[Delayed]) -> Vec<DelayedKey> {
    let mut keys: Vec<_> = rows.iter().map(|row| row.key.clone()).collect();
    keys.sort();
    keys
}

/// From the moment of its due time on, in pages that hold each once.
pub async fn what_is_delayed_is_found_when_it_is_due_and_not_before(store: &impl Store) {
    let rows: Vec<_> = (0..20).map(|n| delayed("p-due", Some("crm"), &format!("m-{n}"), 1_000 + n)).collect();
    let later = delayed("p-due", None, "later", 5_000);
    delay(store, &rows).await;
    delay(store, std::slice::from_ref(&later)).await;
    assert_eq!(due(store, "p-due", at(1_019), 20).await, keys(&rows));
    assert_eq!(due(store, "p-due", at(999), 0).await, []);
    assert_eq!(due(store, "p-due", at(1_004), 5).await, keys(&rows[..5]));
}

/// Body, attributes and times, whatever its size.
pub async fn a_delayed_message_is_read_back_as_it_was(store: &impl Store) {
    let mut small = delayed("p-read", None, "small", 60);
    let raw = acequia_core::message::AttributeValue::Binary(vec![0, 159, 255]);
    let raw = Attribute { data_type: "Binary.raw".to_owned(), value: raw };
    small.message.attributes.insert("raw".to_owned(), raw);
    let mut large = delayed("p-read", Some("crm"), "large", 60);
    large.message.body = "\u{e9}\u{20ac}".repeat(200_000);
    delay(store, &[small.clone(), large.clone()]).await;
    let absent = DelayedKey { message_id: "absent".to_owned(), ..small.key.clone() };
    let loaded = store.load(&[large.key.clone(), absent, small.key.clone()]).await;
    let loaded: Vec<_> = loaded.into_iter().map(Result::unwrap).collect();
    assert!(loaded == [Some(large.clone()), None, Some(small)]);
    assert!(store.release(&[large.clone()]).await[0].is_ok());
    assert!(store.load(&[large.key.clone()]).await.pop().unwrap().unwrap().is_none());
    assert_eq!(store.waiting(&large.key.tenant).await.unwrap().len(), 1);
}

/// The second delay of a message replaces the first.
pub async fn a_message_that_is_delayed_twice_is_there_once(store: &impl Store) {
    let first = delayed("p-twice", Some("crm"), "m-1", 60);
    let second = Delayed { due_at: at(90), ..first.clone() };
    delay(store, &[first.clone(), second.clone()]).await;
    assert_eq!(store.load(std::slice::from_ref(&first.key)).await.pop().unwrap().unwrap(), Some(second));
    assert_eq!(due(store, "p-twice", at(90), 1).await, [first.key]);
}

/// Also where it was not there any more.
pub async fn what_is_released_is_gone(store: &impl Store) {
    let rows: Vec<_> = (0..30).map(|n| delayed("p-gone", Some("crm"), &format!("m-{n}"), 60)).collect();
    delay(store, &rows).await;
    for _ in 0..2 {
        assert!(store.release(&rows[1..]).await.iter().all(Result::is_ok));
    }
    let left = store.waiting(&tenant_id("p-gone")).await.unwrap();
    assert_eq!(left.iter().map(|waiting| waiting.count).collect::<Vec<_>>(), [1]);
}

/// With all its parts, whatever is due; what is gone already is no error.
pub async fn what_is_erased_of_a_tenants_is_gone_and_no_other(store: &impl Store) {
    let mut rows: Vec<_> = (0..12).map(|n| delayed("p-erase", Some("crm"), &format!("m-{n}"), 60)).collect();
    rows.push(delayed("p-erase", None, "large", 60));
    rows[12].message.body = "x".repeat(900_000);
    let other = delayed("p-erase-b", Some("crm"), "m-1", 60);
    delay(store, &rows).await;
    delay(store, std::slice::from_ref(&other)).await;
    let tenant = tenant_id("p-erase");
    let mut found = store.keys(&tenant).await.unwrap();
    found.sort();
    assert_eq!(found, keys(&rows));
    let read = store.read(&found).await;
    assert!(read.iter().all(|row| matches!(row, Ok(Some(_)))), "{read:?}");
    for _ in 0..2 {
        assert!(store.erase(&rows[1..]).await.iter().all(Result::is_ok));
    }
    assert_eq!(store.keys(&tenant).await.unwrap(), [rows[0].key.clone()]);
    assert!(matches!(store.read(&[rows[12].key.clone()]).await[..], [Ok(None)]));
    assert_eq!(store.keys(&tenant_id("p-erase-b")).await.unwrap(), [other.key]);
}

/// By sink, with the next due time.
pub async fn an_operator_sees_what_waits_by_sink_and_of_his_tenant_alone(store: &impl Store) {
    let rows = [
        delayed("p-see", Some("crm"), "m-1", 500),
        delayed("p-see", Some("crm"), "m-2", 300),
        delayed("p-see", Some("crm-b"), "m-3", 100),
        delayed("p-see", None, "m-4", 200),
        delayed("p-see-b", Some("crm"), "m-5", 10),
    ];
    delay(store, &rows).await;
    let seen = store.waiting(&tenant_id("p-see")).await.unwrap();
    let seen: Vec<_> = seen.into_iter().map(|one| (one.sink, one.count, one.next_due_at)).collect();
    let expected = [(None, 1, at(200)), (Some(sink_id("crm")), 2, at(300)), (Some(sink_id("crm-b")), 1, at(100))];
    assert_eq!(seen, expected);
}

/// Whole, however large, and with the count of all.
pub async fn an_operator_looks_at_those_that_are_due_first_of_his_tenant_and_sink(store: &impl Store) {
    let mut large = delayed("p-look", Some("crm"), "m-2", 300);
    large.message.body = "\u{e9}\u{20ac}".repeat(200_000);
    let rows = [
        delayed("p-look", Some("crm"), "m-1", 500),
        large,
        delayed("p-look", Some("crm-b"), "m-3", 100),
        delayed("p-look", None, "m-4", 400),
    ];
    delay(store, &rows).await;
    delay(store, &[delayed("p-look-b", Some("crm"), "m-5", 10)]).await;
    let tenant = tenant_id("p-look");
    let by_due = |numbers: &[usize]| numbers.iter().map(|number| rows[*number].clone()).collect::<Vec<_>>();
    let all = store.look(&tenant, None, 10).await.unwrap();
    assert!(all == Look { first: by_due(&[2, 1, 3, 0]), total: 4 });
    let some = store.look(&tenant, None, 2).await.unwrap();
    assert!(some == Look { first: by_due(&[2, 1]), total: 4 });
    let of_sink = store.look(&tenant, Some(&sink_id("crm")), 10).await.unwrap();
    assert!(of_sink == Look { first: by_due(&[1, 0]), total: 2 });
    assert_eq!(store.look(&tenant, Some(&sink_id("none")), 10).await.unwrap(), Look::default());
}

/// Of one sink of one tenant, and marked as brought forward.
pub async fn a_sinks_messages_are_expedited_and_no_others(store: &impl Store) {
    let ours = delayed("p-haste", Some("crm"), "m-1", 90_000);
    let others = [delayed("p-haste", Some("crm-b"), "m-2", 90_000), delayed("p-haste-b", Some("crm"), "m-3", 90_000)];
    delay(store, std::slice::from_ref(&ours)).await;
    delay(store, &others).await;
    assert_eq!(store.expedite(&tenant_id("p-haste"), &sink_id("crm"), at(50)).await.unwrap(), 1);
    assert_eq!(due(store, "p-haste", at(60), 1).await, keys(std::slice::from_ref(&ours)));
    let expedited = store.load(std::slice::from_ref(&ours.key)).await.pop().unwrap().unwrap();
    assert_eq!(expedited, Some(Delayed { due_at: at(50), expedited: true, ..ours }));
    assert_eq!(due(store, "p-haste-b", at(60), 0).await, []);
}

/// Until it ends, or its holder takes it again; each by its name.
pub async fn one_holder_at_a_time_has_a_lease(store: &impl Store) {
    let take = async |what: &str, holder: &str, now: u64, until: u64| {
        store.lease(what, holder, at(now), at(until)).await.unwrap().is_some()
    };
    assert!(take("p-sweep", "one", 0, 60).await);
    assert!(take("p-sweep", "one", 1, 60).await);
    assert!(!take("p-sweep", "two", 59, 200).await);
    assert!(take("p-another", "two", 59, 200).await);
    assert!(take("p-sweep", "two", 60, 200).await);
    assert!(!take("p-sweep", "one", 61, 300).await);
}

/// Where it stopped, and from when on; who lost the lease says nothing of it any more.
pub async fn who_has_a_lease_next_goes_on_where_the_last_one_stopped(store: &impl Store) {
    let mark = async |holder: &str, now: u64, until: u64| {
        store.lease("p-mark", holder, at(now), at(until)).await.unwrap().map(|lease| lease.mark)
    };
    assert_eq!(mark("one", 0, 60).await, Some(None));
    store.stop_at("p-mark", "one", at(60), Some("here")).await.unwrap();
    assert_eq!(mark("two", 59, 120).await, None);
    store.stop_at("p-mark", "one", at(10), Some("there")).await.unwrap();
    assert_eq!(mark("two", 10, 120).await, Some(Some("there".to_owned())));
    store.stop_at("p-mark", "one", at(11), None).await.unwrap();
    assert_eq!(mark("three", 11, 120).await, None);
    store.stop_at("p-mark", "two", at(12), None).await.unwrap();
    assert_eq!(mark("three", 12, 120).await, Some(None));
}

/// Each by its name; no sweep holds it.
pub async fn a_turn_is_taken_once_until_its_time_is_over(store: &impl Store) {
    assert!(store.turn("p-one", at(0), at(60)).await.unwrap());
    assert!(!store.turn("p-one", at(59), at(200)).await.unwrap());
    assert!(store.turn("p-another", at(59), at(200)).await.unwrap());
    assert!(store.turn("p-one", at(60), at(200)).await.unwrap());
    assert!(!store.turn("p-one", at(61), at(300)).await.unwrap());
}
