//! The suite of rates that instances and tenants share.

use std::time::Duration;

use acequia_core::port::{Advance, RateStore};

use crate::build::{at, tenant_id};

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

/// A tenant that uses something shared counts for the window, once.
pub async fn those_who_share_count_for_a_while(rates: &impl RateStore) {
    let minute = Duration::from_mins(1);
    let (one, two) = (tenant_id("share-a"), tenant_id("share-b"));
    assert_eq!(rates.active_tenants("mail-test", &one, minute, at(0)).await.unwrap(), 1);
    assert_eq!(rates.active_tenants("mail-test", &two, minute, at(30)).await.unwrap(), 2);
    assert_eq!(rates.active_tenants("mail-test", &two, minute, at(31)).await.unwrap(), 2);
    assert_eq!(rates.active_tenants("other-test", &two, minute, at(31)).await.unwrap(), 1);
    assert_eq!(rates.active_tenants("mail-test", &two, minute, at(100)).await.unwrap(), 1);
}
