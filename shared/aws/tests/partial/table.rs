//! Crash markers, delayed messages, the journal and people's rows: what `DynamoDB` leaves unprocessed.

use acequia_aws::{DynamoConsents, DynamoDelays, DynamoJournal, DynamoLedger, DynamoMailStore};
use acequia_core::consent::SubjectId;
use acequia_core::delivery::crash::CrashMarker;
use acequia_core::delivery::delay::Delayed;
use acequia_core::delivery::redrive::Standing;
use acequia_core::port::{
    Consents as _, CrashMarkers as _, DelayStore as _, RedriveJournal as _, SuppressionList as _, Sweeping as _,
};
use acequia_core::queue::QueueRole;
use acequia_testkit::build;
use serde_json::json;
use stub::LEDGER_TABLE;

use crate::aws::{Aws, TRIES, Turn, error, leaves, word, words};

fn ledger(aws: &Aws) -> DynamoLedger {
    DynamoLedger::new(aws.clients().dynamodb, LEDGER_TABLE)
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("m-{number}")).collect()
}

fn crash_markers(count: usize) -> Vec<CrashMarker> {
    let crash_marker =
        |message_id| CrashMarker { message_id, alone: 1, until: build::at(60), expires_at: build::at(600) };
    ids(count).into_iter().map(crash_marker).collect()
}

fn delayed(count: usize) -> Vec<Delayed> {
    ids(count).iter().map(|id| build::delayed("acme", Some("crm"), id, 60)).collect()
}

#[tokio::test]
async fn crash_markers_that_are_left_unprocessed_are_written_and_taken_back_again_and_no_others() {
    let aws = Aws::new().then("BatchWriteItem", leaves(&[0, 2]));
    let (ledger, tenant) = (ledger(&aws), build::tenant_id("acme"));
    assert_eq!(words(&ledger.mark(&tenant, &crash_markers(3)).await), ["ok"; 3]);
    assert_eq!(aws.asked("BatchWriteItem"), [vec![0, 1, 2], vec![0, 2]]);
    let aws = aws.then("BatchWriteItem", leaves(&[1]));
    assert_eq!(words(&ledger.clear_markers(&tenant, &ids(3)).await), ["ok"; 3]);
    assert_eq!(aws.asked("BatchWriteItem")[2..], [vec![0, 1, 2], vec![1]]);
}

#[tokio::test]
async fn crash_markers_that_stay_unprocessed_are_given_up_after_five_tries_and_they_alone_are_not_written() {
    let aws = Aws::new().always_leaves("BatchWriteItem", &[2]);
    let answers = ledger(&aws).mark(&build::tenant_id("acme"), &crash_markers(3)).await;
    assert_eq!(words(&answers), ["ok", "ok", "Unprocessed"]);
    let asked = aws.asked("BatchWriteItem");
    assert_eq!((asked.len(), &asked[1]), (TRIES, &vec![2]));
}

#[tokio::test]
async fn crash_markers_of_a_call_that_fails_behind_one_that_left_some_over_fail_alone() {
    let aws = Aws::new().then("BatchWriteItem", leaves(&[0])).then("BatchWriteItem", error(400, "ValidationException"));
    let answers = ledger(&aws).mark(&build::tenant_id("acme"), &crash_markers(2)).await;
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn crash_markers_that_are_left_unprocessed_are_read_again_and_answered_in_the_order_of_asking() {
    let aws = Aws::new().then("BatchGetItem", leaves(&[0])).then("BatchGetItem", leaves(&[0]));
    let (ledger, tenant) = (ledger(&aws), build::tenant_id("acme"));
    ledger.mark(&tenant, &crash_markers(2)).await;
    let found = ledger.crash_markers(&tenant, &ids(3)).await.unwrap();
    let [first, second] = crash_markers(2).try_into().unwrap();
    assert_eq!(found, [Some(first), Some(second), None]);
    assert_eq!(aws.asked("BatchGetItem"), [vec![0, 1, 2], vec![0], vec![0]]);
}

#[tokio::test]
async fn a_crash_marker_that_cannot_be_read_says_that_its_message_is_suspect_and_costs_no_other_one() {
    let broken: Turn = Box::new(|_, answer| {
        answer["Responses"][LEDGER_TABLE][0]["alone"] = json!({"S": "once"});
        200
    });
    let aws = Aws::new().then("BatchGetItem", broken);
    let (ledger, tenant) = (ledger(&aws), build::tenant_id("acme"));
    ledger.mark(&tenant, &crash_markers(2)).await;
    let found = ledger.crash_markers(&tenant, &ids(2)).await.unwrap();
    let alone: Vec<_> = found.iter().map(|marker| marker.as_ref().map(|marker| marker.alone)).collect();
    assert_eq!(alone, [Some(0), Some(1)]);
}

#[tokio::test]
async fn what_was_read_at_the_last_try_is_read_though_there_is_nothing() {
    let mut aws = Aws::new();
    for _ in 1..TRIES {
        aws = aws.then("BatchGetItem", leaves(&[0]));
    }
    assert_eq!(ledger(&aws).crash_markers(&build::tenant_id("acme"), &ids(1)).await.unwrap(), [None]);
}

#[tokio::test]
async fn crash_markers_that_stay_unread_are_given_up_after_five_tries_and_are_no_crash_markers_that_are_missing() {
    let aws = Aws::new().always_leaves("BatchGetItem", &[0]);
    assert_eq!(word(&ledger(&aws).crash_markers(&build::tenant_id("acme"), &ids(1)).await), "Unprocessed");
    assert_eq!(aws.asked("BatchGetItem").len(), TRIES);
}

#[tokio::test]
async fn a_message_of_which_a_part_stays_unwritten_is_not_delayed_and_its_neighbour_is() {
    let aws = Aws::new().always_leaves("BatchWriteItem", &[0]);
    let mut rows = delayed(2);
    rows[0].message.body = "x".repeat(400 * 1024);
    let answers = DynamoDelays::new(aws.clients().dynamodb, LEDGER_TABLE).delay(&build::tenant_id("acme"), &rows).await;
    assert_eq!(words(&answers), ["Unprocessed", "ok"]);
    // The part of the one, time and again, and then the first row of the other: never the first row of the one.
    let asked = aws.asked("BatchWriteItem");
    assert_eq!((asked.len(), asked.last()), (TRIES + 1, Some(&vec![1])));
}

#[tokio::test]
async fn delayed_messages_that_stay_undeleted_are_answered_so_and_are_read_again_with_the_rest() {
    let aws = Aws::new().then("BatchGetItem", leaves(&[1]));
    let (lot, rows) = (DynamoDelays::new(aws.clients().dynamodb, LEDGER_TABLE), delayed(3));
    lot.delay(&build::tenant_id("acme"), &rows).await;
    let aws = aws.always_leaves("BatchWriteItem", &[1]);
    assert_eq!(words(&lot.release(&rows).await), ["ok", "Unprocessed", "ok"]);
    let keys: Vec<_> = rows.iter().map(|row| row.key.clone()).collect();
    let loaded: Vec<_> = lot.load(&keys).await.into_iter().map(|row| row.unwrap().unwrap()).collect();
    assert_eq!(loaded, rows, "the stub forgets nothing");
    assert_eq!(aws.asked("BatchGetItem"), [vec![0, 1, 2], vec![1]]);
}

#[tokio::test]
async fn entries_of_the_journal_that_are_left_unprocessed_are_settled_and_forgotten_again_and_no_others() {
    let aws = Aws::new()
        .then("BatchWriteItem", leaves(&[1]))
        .then("BatchWriteItem", leaves(&[]))
        .then("BatchWriteItem", leaves(&[0]));
    let journal = DynamoJournal::new(aws.clients().dynamodb, LEDGER_TABLE);
    let (tenant, queue) = (build::tenant_id("acme"), build::dead_letter_queue("acme", QueueRole::Intake));
    journal.settle(&tenant, &queue, &ids(3), build::start()).await.unwrap();
    journal.forget(&tenant, &queue, &ids(2)).await.unwrap();
    assert_eq!(aws.asked("BatchWriteItem"), [vec![0, 1, 2], vec![1], vec![0, 1], vec![0]]);
}

#[tokio::test]
async fn a_journal_that_leaves_an_entry_unprocessed_five_times_says_so() {
    let aws = Aws::new().always_leaves("BatchWriteItem", &[1]);
    let journal = DynamoJournal::new(aws.clients().dynamodb, LEDGER_TABLE);
    let (tenant, queue) = (build::tenant_id("acme"), build::dead_letter_queue("acme", QueueRole::Intake));
    assert_eq!(word(&journal.settle(&tenant, &queue, &ids(3), build::start()).await), "Unprocessed");
    assert_eq!(aws.asked("BatchWriteItem").len(), TRIES);
    let begun = journal.begin(&tenant, &queue, &ids(1), "run", build::start()).await;
    assert!(matches!(begun[..], [Ok(Standing::Mine)]), "{begun:?}");
}

/// Two rows of the subject.
fn two_rows() -> Turn {
    Box::new(|_, answer| {
        let row = |number: usize| json!({"pk": {"S": "acme#subject"}, "sk": {"S": format!("m-{number}")}});
        *answer = json!({"Items": [row(0), row(1)], "Count": 2, "ScannedCount": 2});
        200
    })
}

#[tokio::test]
async fn rows_of_a_subject_that_are_left_unprocessed_are_erased_again() {
    let aws = Aws::new().then("Query", two_rows()).then("BatchWriteItem", leaves(&[1]));
    let consents = DynamoConsents::new(aws.clients().dynamodb, LEDGER_TABLE);
    let tenant = build::tenant_id("acme");
    assert_eq!(consents.erase(&tenant, &SubjectId::derive(&tenant, "ana")).await.unwrap(), 2);
    assert_eq!(aws.asked("BatchWriteItem"), [vec![0, 1], vec![1]]);
}

#[tokio::test]
async fn an_erasure_that_leaves_a_row_behind_says_so() {
    let aws = Aws::new().then("Query", two_rows()).always_leaves("BatchWriteItem", &[1]);
    let consents = DynamoConsents::new(aws.clients().dynamodb, LEDGER_TABLE);
    let tenant = build::tenant_id("acme");
    assert_eq!(word(&consents.erase(&tenant, &SubjectId::derive(&tenant, "ana")).await), "Unprocessed");
}

/// All keys are left over.
fn leaves_all() -> Turn {
    Box::new(|request, answer| {
        answer["UnprocessedKeys"] = request["RequestItems"].clone();
        200
    })
}

#[tokio::test]
async fn addresses_that_are_left_unprocessed_are_looked_up_again_and_stay_unknown_if_that_goes_on() {
    let aws = Aws::new().then("BatchGetItem", leaves_all());
    let mail_store = DynamoMailStore::new(aws.clients().dynamodb, LEDGER_TABLE);
    let tenant = build::tenant_id("acme");
    let addresses = ["ana", "ben"].map(|person| SubjectId::derive(&tenant, person));
    assert_eq!(mail_store.suppressed(&tenant, &addresses).await.unwrap(), [None, None]);
    assert_eq!(aws.asked("BatchGetItem").len(), 2);
    let aws = (0..TRIES).fold(aws, |aws, _| aws.then("BatchGetItem", leaves_all()));
    assert_eq!(word(&mail_store.suppressed(&tenant, &addresses).await), "Unprocessed");
    assert_eq!(aws.asked("BatchGetItem").len(), 2 + TRIES);
}
