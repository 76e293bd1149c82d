//! Claims in batches: what `DynamoDB` says of each statement.

use acequia_aws::DynamoLedger;
use acequia_core::delivery::ledger::{ClaimRequest, Record, Status, Verdict};
use acequia_core::port::Ledger as _;
use acequia_testkit::build;
use stub::LEDGER_TABLE;

use crate::aws::{Aws, Turn, leaves, statements_fail, word, words};

/// How often a claim is written at most: once, and again after each of three lost races.
const WRITES: usize = 4;

fn ledger(aws: &Aws) -> DynamoLedger {
    DynamoLedger::new(aws.clients().dynamodb, LEDGER_TABLE)
}

fn claims(count: usize) -> Vec<ClaimRequest> {
    (0..count).map(|number| build::claim(&format!("m-{number}"), "crm")).collect()
}

/// The service answers for the first statements alone.
fn answers_only(count: usize) -> Turn {
    Box::new(move |_, answer| {
        answer["Responses"].as_array_mut().unwrap().truncate(count);
        200
    })
}

#[tokio::test]
async fn of_statements_that_fail_each_for_its_own_reason_each_claim_has_its_own_verdict() {
    let failures = &[(1, "ConditionalCheckFailed"), (2, "ThrottlingError"), (3, "DuplicateItem")];
    let aws = Aws::new().then("BatchExecuteStatement", statements_fail(failures));
    let (ledger, tenant) = (ledger(&aws), build::tenant_id("acme"));
    let delivered = |event| Record::Delivery(Box::new(build::record(event, "crm", Status::Delivered)));
    ledger.write(&tenant, &[delivered("m-1"), delivered("m-3")]).await;
    let verdicts = ledger.claim(&tenant, &claims(5)).await;
    assert_eq!(words(&verdicts), ["ok", "ok", "ThrottlingError", "ok", "ok"]);
    let claimed = |number: usize| matches!(verdicts[number], Ok(Verdict::Claimed { ambiguous: false, .. }));
    assert!(claimed(0) && claimed(4));
    assert!(matches!((&verdicts[1], &verdicts[3]), (Ok(Verdict::Done), Ok(Verdict::Done))));
    // A claim that was granted or throttled is not written again; one that lost reads the record that is there.
    assert_eq!(aws.asked("BatchExecuteStatement"), [vec![0, 1, 2, 3, 4]]);
    assert_eq!(aws.asked("BatchGetItem"), [vec![1, 3]]);
}

#[tokio::test]
async fn who_loses_a_race_to_nobody_claims_again_and_alone() {
    let aws = Aws::new().then("BatchExecuteStatement", statements_fail(&[(1, "ConditionalCheckFailed")]));
    let verdicts = ledger(&aws).claim(&build::tenant_id("acme"), &claims(3)).await;
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Ok(Verdict::Claimed { .. }))), "{verdicts:?}");
    assert_eq!(aws.asked("BatchExecuteStatement"), [vec![0, 1, 2], vec![1]]);
}

#[tokio::test]
async fn a_claim_that_always_loses_is_given_up_after_four_writes_and_granted_to_nobody() {
    let mut aws = Aws::new();
    for _ in 0..2 * WRITES {
        aws = aws.then("BatchExecuteStatement", statements_fail(&[(1, "ConditionalCheckFailed")]));
    }
    let verdicts = ledger(&aws).claim(&build::tenant_id("acme"), &claims(2)).await;
    assert!(matches!(verdicts[0], Ok(Verdict::Claimed { .. })));
    assert_eq!(word(&verdicts[1]), "Contested");
    assert_eq!(aws.asked("BatchExecuteStatement").len(), WRITES);
}

#[tokio::test]
async fn a_claim_of_which_the_answer_says_nothing_is_not_granted() {
    let aws = Aws::new().then("BatchExecuteStatement", answers_only(2));
    let verdicts = ledger(&aws).claim(&build::tenant_id("acme"), &claims(3)).await;
    assert_eq!(words(&verdicts), ["ok", "ok", "Missing"]);
}

#[tokio::test]
async fn a_claim_that_lost_waits_for_its_record_where_reading_leaves_it_over() {
    let aws = Aws::new()
        .then("BatchExecuteStatement", statements_fail(&[(0, "DuplicateItem")]))
        .then("BatchGetItem", leaves(&[0]));
    let (ledger, tenant) = (ledger(&aws), build::tenant_id("acme"));
    ledger.write(&tenant, &[Record::Delivery(Box::new(build::record("m-0", "crm", Status::Delivered)))]).await;
    let verdicts = ledger.claim(&tenant, &claims(1)).await;
    assert!(matches!(verdicts[0], Ok(Verdict::Done)), "{verdicts:?}");
    assert_eq!(aws.asked("BatchExecuteStatement").len(), 1);
}
