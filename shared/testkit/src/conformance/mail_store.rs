//! The suite of the suppression list and the send quota: suppression, failures, and the day's mails.

use std::time::Duration;

use acequia_core::consent::{AddressId, SubjectId, Suppression, SuppressionReason};
use acequia_core::id::TenantId;
use acequia_core::port::{SendQuota, SuppressionList};
use acequia_core::time::after;

use crate::build::{at, start, tenant_id};

fn address(tenant: &TenantId, text: &str) -> AddressId {
    SubjectId::derive(tenant, text)
}

fn because(reason: SuppressionReason) -> Suppression {
    Suppression { reason, since: at(5) }
}

/// More than one call reads, answered in their order.
pub async fn an_address_is_suppressed_until_it_is_forgotten(mail_store: &(impl SuppressionList + SendQuota)) {
    let tenant = tenant_id("m-one");
    let addresses: Vec<AddressId> = (0..120).map(|n| address(&tenant, &n.to_string())).collect();
    let bounce = because(SuppressionReason::Bounce);
    for address in [&addresses[3], &addresses[117]] {
        mail_store.suppress(&tenant, address, &bounce).await.unwrap();
    }
    let found = mail_store.suppressed(&tenant, &addresses).await.unwrap();
    let suppressed: Vec<usize> = (0..120).filter(|n| found[*n].is_some()).collect();
    assert_eq!((found.len(), suppressed), (120, vec![3, 117]));
    assert_eq!(found[3], Some(bounce));
    assert!(mail_store.forget(&tenant, &addresses[3]).await.unwrap());
    assert!(!mail_store.forget(&tenant, &addresses[3]).await.unwrap());
    assert_eq!(mail_store.suppressed(&tenant, &addresses[3..4]).await.unwrap(), [None]);
    assert!(mail_store.suppressed(&tenant, &[]).await.unwrap().is_empty());
}

/// A later one says nothing new.
pub async fn the_first_reason_of_a_suppression_stays(mail_store: &(impl SuppressionList + SendQuota)) {
    let tenant = tenant_id("m-first");
    let ana = address(&tenant, "ana");
    for reason in [SuppressionReason::Complaint, SuppressionReason::Bounce] {
        mail_store.suppress(&tenant, &ana, &because(reason)).await.unwrap();
    }
    let found = mail_store.suppressed(&tenant, &[ana]).await.unwrap();
    assert_eq!(found, [Some(because(SuppressionReason::Complaint))]);
}

/// And suppress nothing.
pub async fn failures_that_may_pass_are_counted(mail_store: &(impl SuppressionList + SendQuota)) {
    let tenant = tenant_id("m-count");
    let ana = address(&tenant, "ana");
    for count in 1..=3 {
        assert_eq!(mail_store.count_failure(&tenant, &ana, start()).await.unwrap(), count);
    }
    assert_eq!(mail_store.suppressed(&tenant, &[ana]).await.unwrap(), [None]);
    assert!(mail_store.forget(&tenant, &ana).await.unwrap());
    assert_eq!(mail_store.count_failure(&tenant, &ana, start()).await.unwrap(), 1);
}

/// Also where many take at once.
pub async fn a_days_cap_is_never_exceeded_and_the_next_day_begins_anew(
    mail_store: &(impl SuppressionList + SendQuota),
) {
    let tenant = tenant_id("m-cap");
    let answers = futures::future::join_all((0..12).map(|_| mail_store.take(&tenant, 5, start()))).await;
    assert_eq!(answers.into_iter().filter(|answer| *answer.as_ref().unwrap()).count(), 5);
    assert!(!mail_store.take(&tenant, 5, at(3600)).await.unwrap());
    assert!(mail_store.take(&tenant, 6, at(3600)).await.unwrap(), "a cap that was raised counts at once");
    mail_store.give_back(&tenant, at(3600)).await.unwrap();
    assert!(
        mail_store.take(&tenant, 6, at(3600)).await.unwrap() && !mail_store.take(&tenant, 6, at(3600)).await.unwrap()
    );
    assert!(mail_store.take(&tenant, 5, after(start(), Duration::from_hours(24))).await.unwrap());
}

/// Each address for itself, also where many ask at once.
pub async fn an_address_is_asked_so_often_a_day_and_no_other_is_the_less_for_it(
    mail_store: &(impl SuppressionList + SendQuota),
) {
    let tenant = tenant_id("m-ask");
    let (ana, ben) = (address(&tenant, "ana"), address(&tenant, "ben"));
    let answers = futures::future::join_all((0..12).map(|_| mail_store.take_ask(&tenant, &ana, 5, start()))).await;
    assert_eq!(answers.into_iter().filter(|answer| *answer.as_ref().unwrap()).count(), 5);
    assert!(!mail_store.take_ask(&tenant, &ana, 5, at(3600)).await.unwrap());
    assert!(mail_store.take_ask(&tenant, &ben, 5, at(3600)).await.unwrap());
    mail_store.give_back_ask(&tenant, &ana, at(3600)).await.unwrap();
    assert!(mail_store.take_ask(&tenant, &ana, 5, start()).await.unwrap());
    assert!(!mail_store.take_ask(&tenant, &ana, 5, start()).await.unwrap());
    assert!(mail_store.take_ask(&tenant, &ana, 5, after(start(), Duration::from_hours(24))).await.unwrap());
    assert_eq!(mail_store.suppressed(&tenant, &[ana]).await.unwrap(), [None]);
}

/// Its addresses, and its day.
pub async fn the_list_of_another_tenant_is_another_list(mail_store: &(impl SuppressionList + SendQuota)) {
    let (one, two) = (tenant_id("m-iso"), tenant_id("m-iso-b"));
    let ana = address(&one, "ana");
    mail_store.suppress(&one, &ana, &because(SuppressionReason::Bounce)).await.unwrap();
    assert_eq!(mail_store.suppressed(&two, &[ana]).await.unwrap(), [None]);
    assert!(mail_store.take(&one, 1, start()).await.unwrap() && !mail_store.take(&one, 1, start()).await.unwrap());
    assert!(mail_store.take(&two, 1, start()).await.unwrap());
    assert!(mail_store.take_ask(&one, &ana, 1, start()).await.unwrap());
    assert!(mail_store.take_ask(&two, &ana, 1, start()).await.unwrap());
}
