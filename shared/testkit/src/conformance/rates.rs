//! The suite of rates that instances and tenants share.

use acequia_core::delivery::share::Bucket;
use acequia_core::port::{Advance, RateStore};

use crate::build::tenant_id;

/// A mark moves only from where it stands, and a caller with another value learns where that is.
pub async fn a_mark_moves_only_from_where_it_stands(rates: &impl RateStore) {
    let tenant = tenant_id("rate-mark");
    assert_eq!(rates.advance(&tenant, "crm", Some(7), 9).await.unwrap(), Advance::Stands(None));
    assert_eq!(rates.advance(&tenant, "crm", None, 1_800_000_000_000_000).await.unwrap(), Advance::Moved);
    assert_eq!(rates.advance(&tenant, "crm", None, 5).await.unwrap(), Advance::Stands(Some(1_800_000_000_000_000)));
    assert_eq!(rates.advance(&tenant, "crm", Some(1_800_000_000_000_000), 5).await.unwrap(), Advance::Moved);
    assert_eq!(rates.advance(&tenant, "crm", Some(0), 6).await.unwrap(), Advance::Stands(Some(5)));
}

/// Of many at once exactly one moves it.
pub async fn of_many_who_move_a_mark_at_once_one_does(rates: &impl RateStore) {
    let tenant = tenant_id("rate-race");
    let moves = (1..=8).map(|next| rates.advance(&tenant, "crm", None, next));
    let answers = futures::future::join_all(moves).await;
    let winners = answers.iter().filter(|answer| matches!(answer, Ok(Advance::Moved))).count();
    assert_eq!(winners, 1);
}

/// Sinks and tenants have marks of their own.
pub async fn a_rate_is_of_one_sink_of_one_tenant(rates: &impl RateStore) {
    let (one, two) = (tenant_id("rate-iso"), tenant_id("rate-iso-b"));
    assert_eq!(rates.advance(&one, "crm", None, 5).await.unwrap(), Advance::Moved);
    assert_eq!(rates.advance(&one, "crm-b", None, 6).await.unwrap(), Advance::Moved);
    assert_eq!(rates.advance(&two, "crm", None, 7).await.unwrap(), Advance::Moved);
    assert_eq!(rates.advance(&one, "crm", None, 8).await.unwrap(), Advance::Stands(Some(5)));
}

/// A tenant that uses something shared counts for this bucket and the next, once.
pub async fn those_who_share_count_for_a_while(rates: &impl RateStore) {
    let (one, two, first) = (tenant_id("share-a"), tenant_id("share-b"), Bucket(1_000));
    let next = |by: i64| Bucket(first.0 + by);
    assert!(rates.join("mail-test", &one, first).await.unwrap());
    assert!(!rates.join("mail-test", &one, first).await.unwrap(), "it is there already");
    assert_eq!(rates.sharers("mail-test", first).await.unwrap(), 1);
    assert!(rates.join("mail-test", &two, first).await.unwrap());
    assert!(!rates.join("mail-test", &two, next(1)).await.unwrap(), "it was there before");
    assert!(rates.join("other-test", &two, first).await.unwrap());
    let of = |what: &'static str, by: i64| rates.sharers(what, next(by));
    assert_eq!((of("mail-test", 0).await.unwrap(), of("mail-test", 1).await.unwrap()), (2, 2));
    assert_eq!((of("mail-test", 2).await.unwrap(), of("mail-test", 3).await.unwrap()), (1, 0));
    assert_eq!(of("other-test", 1).await.unwrap(), 1);
    assert!(rates.join("mail-test", &one, next(2)).await.unwrap(), "it paused for a bucket");
    assert_eq!(of("mail-test", 2).await.unwrap(), 2);
}

/// However many join at once, each counts once.
pub async fn of_many_who_join_at_once_each_counts_once(rates: &impl RateStore) {
    let tenants: Vec<_> = (0..40).map(|number| tenant_id(&format!("share-many-{number}"))).collect();
    let twice = tenants.iter().chain(&tenants).map(|tenant| rates.join("many-test", tenant, Bucket(1_000)));
    let answers: Vec<bool> = futures::future::join_all(twice).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.into_iter().filter(|is_new| *is_new).count(), 40);
    assert_eq!(rates.sharers("many-test", Bucket(1_000)).await.unwrap(), 40);
    assert_eq!(rates.sharers("many-test", Bucket(1_001)).await.unwrap(), 40);
}
