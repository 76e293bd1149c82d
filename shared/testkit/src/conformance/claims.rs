//! The claiming half of the ledger's suite: which invocation may perform a delivery.

use acequia_core::delivery::ledger::{AttemptNote, ClaimRequest, DeliveryRecord, RETENTION, Record, Status, Verdict};
use acequia_core::id::TenantId;
use acequia_core::outcome::Reason;
use acequia_core::port::{Ledger, Unavailable};
use acequia_core::time::after;
use acequia_core::wire::Redrive;

use crate::build::{at, claim, record, start, tenant_id};

fn by(token: &str, request: ClaimRequest) -> ClaimRequest {
    ClaimRequest { token: token.to_owned(), ..request }
}

fn later(seconds: u64, request: ClaimRequest) -> ClaimRequest {
    ClaimRequest { now: at(seconds), lease_until: at(seconds + 60), ..request }
}

async fn claim_one(ledger: &impl Ledger, tenant: &TenantId, request: ClaimRequest) -> Verdict {
    let mut verdicts = ledger.claim(tenant, &[request]).await;
    assert_eq!(verdicts.len(), 1);
    verdicts.remove(0).unwrap()
}

async fn write(ledger: &impl Ledger, tenant: &TenantId, record: DeliveryRecord) {
    for answer in ledger.write(tenant, &[Record::Delivery(Box::new(record))]).await {
        answer.unwrap();
    }
}

fn granted(verdict: &Verdict) -> (&DeliveryRecord, bool) {
    match verdict {
        Verdict::Claimed { record, ambiguous } => (record, *ambiguous),
        other => panic!("it was not granted: {other:?}"),
    }
}

/// The first claimant gets it; while its lease runs the next one is told how long.
pub async fn a_claim_is_granted_once_and_then_in_progress(ledger: &impl Ledger) {
    let tenant = tenant_id("claim-once");
    let first = claim_one(ledger, &tenant, claim("1", "mail")).await;
    let (record, ambiguous) = granted(&first);
    assert_eq!((record.attempts_used, record.claim.as_deref(), ambiguous), (0, Some("me"), false));
    let second = claim_one(ledger, &tenant, later(20, by("you", claim("1", "mail")))).await;
    assert_eq!(second, Verdict::InProgress(std::time::Duration::from_secs(40)));
    let stored = ledger.read(&tenant, &[claim("1", "mail").key]).await.remove(0).unwrap().unwrap();
    assert_eq!((stored.status, stored.claim.as_deref()), (Status::Claimed, Some("me")));
}

/// A call whose answer was lost is repeated, and must not stand in its own way.
pub async fn a_claimant_that_asks_again_has_its_claim_still(ledger: &impl Ledger) {
    let tenant = tenant_id("claim-again");
    for _ in 0..2 {
        assert!(!granted(&claim_one(ledger, &tenant, claim("1", "mail")).await).1);
    }
}

/// An invocation that claims after the lease gets the delivery, and knows that the effect may have happened.
pub async fn a_lease_that_ran_out_is_taken_over_and_is_ambiguous(ledger: &impl Ledger) {
    let tenant = tenant_id("claim-lease");
    claim_one(ledger, &tenant, claim("1", "mail")).await;
    let taken = claim_one(ledger, &tenant, later(60, by("you", claim("1", "mail")))).await;
    assert!(granted(&taken).1);
    let stored = ledger.read(&tenant, &[claim("1", "mail").key]).await.remove(0).unwrap().unwrap();
    assert_eq!((stored.claim.as_deref(), stored.lease_until), (Some("you"), Some(at(120))));
    let late = claim_one(ledger, &tenant, later(61, claim("1", "mail"))).await;
    assert!(matches!(late, Verdict::InProgress(_)), "{late:?}");
}

/// A record of a delivery that was made, or that waits for its time, grants nothing.
pub async fn what_was_delivered_is_done_and_what_is_not_due_waits(ledger: &impl Ledger) {
    let tenant = tenant_id("claim-done");
    write(ledger, &tenant, record("1", "mail", Status::Delivered)).await;
    write(
        ledger,
        &tenant,
        DeliveryRecord { due_at: Some(at(300)), attempts_used: 2, ..record("2", "mail", Status::Retry) },
    )
    .await;
    assert_eq!(claim_one(ledger, &tenant, later(100, claim("1", "mail"))).await, Verdict::Done);
    let waiting = claim_one(ledger, &tenant, later(100, claim("2", "mail"))).await;
    assert_eq!(waiting, Verdict::NotDue(std::time::Duration::from_secs(200)));
    let due = claim_one(ledger, &tenant, later(300, claim("2", "mail"))).await;
    let (record, ambiguous) = granted(&due);
    assert_eq!((record.attempts_used, record.due_at, ambiguous), (2, None, false));
    let stored = ledger.read(&tenant, &[claim("2", "mail").key]).await.remove(0).unwrap().unwrap();
    assert_eq!(stored, *record, "what is stored is what was granted");
}

/// The same event id with another content is told apart, delivered or not.
pub async fn another_content_under_the_same_identity_is_a_conflict(ledger: &impl Ledger) {
    let tenant = tenant_id("claim-conflict");
    write(ledger, &tenant, record("1", "mail", Status::Delivered)).await;
    let other = ClaimRequest { digest: "another".to_owned(), ..claim("1", "mail") };
    assert_eq!(claim_one(ledger, &tenant, other).await, Verdict::Conflict);
}

/// A message that came back from the dead-letter queue begins with no attempt spent, and its history stays.
pub async fn a_redriven_delivery_starts_over_and_keeps_its_history(ledger: &impl Ledger) {
    let tenant = tenant_id("claim-redrive");
    let mut dead = record("1", "mail", Status::Quarantined);
    dead.attempts_used = 9;
    dead.reason = Some(Reason::AttemptsExhausted);
    dead.note(AttemptNote {
        number: 9,
        at: start(),
        outcome: "retry".to_owned(),
        duration_ms: 12,
        detail: "the endpoint answered 500".to_owned(),
        content: None,
        stages: None,
        fault: None,
    });
    write(ledger, &tenant, dead.clone()).await;
    let copy = claim_one(ledger, &tenant, later(10, claim("1", "mail"))).await;
    assert_eq!(copy, Verdict::Quarantined(Reason::AttemptsExhausted), "it is not the message that was moved back");
    let redrive = Redrive { id: "letter-1".to_owned(), at: at(10) };
    let redriven = ClaimRequest { redrives: vec![redrive.clone()], ..claim("1", "mail") };
    let verdict = claim_one(ledger, &tenant, later(10, redriven)).await;
    let (record, _) = granted(&verdict);
    assert_eq!((record.attempts_used, &record.attempts, record.reason), (0, &dead.attempts, None));
    assert_eq!((&record.redrives, record.attempts_used_before), (&vec![redrive], 9));
    let stored = ledger.read(&tenant, &[claim("1", "mail").key]).await.remove(0).unwrap().unwrap();
    assert_eq!(stored, *record);
}

/// More than one batch holds: every third is done before, the others are granted, each answer in its place.
pub async fn sixty_claims_at_once_get_a_verdict_each_in_their_order(ledger: &impl Ledger) {
    let tenant = tenant_id("claim-sixty");
    let events: Vec<String> = (0..60).map(|n| format!("event-{n}")).collect();
    for event in events.iter().step_by(3) {
        write(ledger, &tenant, record(event, "mail", Status::Delivered)).await;
    }
    let requests: Vec<ClaimRequest> = events.iter().map(|event| claim(event, "mail")).collect();
    let verdicts = ledger.claim(&tenant, &requests).await;
    assert_eq!(verdicts.len(), 60);
    for (n, verdict) in verdicts.into_iter().enumerate() {
        match verdict.unwrap() {
            Verdict::Done => assert_eq!(n % 3, 0),
            Verdict::Claimed { record, .. } => assert_eq!((n % 3 != 0, record.event.id()), (true, &*events[n])),
            other => panic!("{n}: {other:?}"),
        }
    }
}

/// Lets two claimants race for the same thirty deliveries, and checks that each has exactly one winner.
async fn race(ledger: &impl Ledger, tenant: &TenantId, requests: Vec<ClaimRequest>) {
    let of = |token: &str| -> Vec<ClaimRequest> { requests.iter().map(|request| by(token, request.clone())).collect() };
    let (ours, theirs) = (of("ours"), of("theirs"));
    let (ours, theirs) = futures::join!(ledger.claim(tenant, &ours), ledger.claim(tenant, &theirs));
    let keys: Vec<_> = requests.iter().map(|request| request.key.clone()).collect();
    let stored: Vec<_> = ledger.read(tenant, &keys).await.into_iter().map(Result::unwrap).collect();
    let won = |verdict: &Result<Verdict, Unavailable>| match verdict {
        Ok(Verdict::Claimed { .. }) => true,
        Ok(Verdict::InProgress(_)) => false,
        other => panic!("{other:?}"),
    };
    for (n, record) in stored.into_iter().enumerate() {
        let winner = match (won(&ours[n]), won(&theirs[n])) {
            (true, false) => "ours",
            (false, true) => "theirs",
            both => panic!("delivery {n}: {both:?}"),
        };
        assert_eq!(record.unwrap().claim.as_deref(), Some(winner));
    }
}

/// Nothing is stored yet.
pub async fn of_two_claimants_at_once_exactly_one_wins(ledger: &impl Ledger) {
    let requests = (0..30).map(|n| claim(&n.to_string(), "mail")).collect();
    race(ledger, &tenant_id("race-new"), requests).await;
}

/// A claim is stored whose lease ran out.
pub async fn of_two_claimants_of_a_lease_that_ran_out_exactly_one_wins(ledger: &impl Ledger) {
    let tenant = tenant_id("race-lease");
    let first: Vec<ClaimRequest> = (0..30).map(|n| by("dead", claim(&n.to_string(), "mail"))).collect();
    assert!(ledger.claim(&tenant, &first).await.iter().all(Result::is_ok));
    race(ledger, &tenant, first.into_iter().map(|request| later(90, request)).collect()).await;
}

/// A record without a claim is stored: a retry that is due.
pub async fn of_two_claimants_of_a_settled_record_exactly_one_wins(ledger: &impl Ledger) {
    let tenant = tenant_id("race-settled");
    for n in 0..30 {
        write(ledger, &tenant, record(&n.to_string(), "mail", Status::Retry)).await;
    }
    race(ledger, &tenant, (0..30).map(|n| later(90, claim(&n.to_string(), "mail"))).collect()).await;
}

/// The store may still hold a record whose time is over; it is as if it were not there.
pub async fn an_expired_record_counts_for_nothing(ledger: &impl Ledger) {
    let tenant = tenant_id("claim-expired");
    let mut old = record("1", "mail", Status::Delivered);
    "of another content".clone_into(&mut old.digest);
    write(ledger, &tenant, old).await;
    let late = after(after(start(), RETENTION), std::time::Duration::from_secs(1));
    let request = ClaimRequest { now: late, lease_until: after(late, RETENTION), ..claim("1", "mail") };
    let verdict = claim_one(ledger, &tenant, request).await;
    assert_eq!((granted(&verdict).0.attempts.len(), granted(&verdict).1), (0, false));
}

/// The same event id and sink id of two tenants are two deliveries, also where one tenant's name begins with the
/// other's.
pub async fn a_claim_is_the_tenants_own(ledger: &impl Ledger) {
    for tenant in ["own", "own-b", "own-b-c"] {
        granted(&claim_one(ledger, &tenant_id(tenant), claim("1", "mail")).await);
    }
}
