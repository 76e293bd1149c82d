//! The ledger's rows: what `DynamoDB` leaves unprocessed of a write or a read.

use acequia_aws::{DynamoEndpoints, DynamoLedger};
use acequia_core::delivery::ledger::{DeliveryKey, Record, Status};
use acequia_core::port::{EndpointStore as _, Ledger as _};
use acequia_testkit::build;
use serde_json::json;
use stub::LEDGER_TABLE;

use crate::aws::{Aws, TRIES, Turn, error, leaves, words};

fn ledger(aws: &Aws) -> DynamoLedger {
    DynamoLedger::new(aws.clients().dynamodb, LEDGER_TABLE)
}

fn records(numbers: std::ops::Range<usize>) -> Vec<Record> {
    let record = |number| build::record(&format!("m-{number}"), "crm", Status::Delivered);
    numbers.map(|number| Record::Delivery(Box::new(record(number)))).collect()
}

fn keys(numbers: &[usize]) -> Vec<DeliveryKey> {
    numbers.iter().map(|number| build::delivery_key(&format!("m-{number}"), "crm")).collect()
}

#[tokio::test]
async fn rows_that_are_left_unprocessed_are_written_again_and_no_others() {
    let aws = Aws::new().then("BatchWriteItem", leaves(&[1, 3])).then("BatchWriteItem", leaves(&[3]));
    let answers = ledger(&aws).write(&build::tenant_id("acme"), &records(0..5)).await;
    assert_eq!(words(&answers), ["ok"; 5]);
    assert_eq!(aws.asked("BatchWriteItem"), [vec![0, 1, 2, 3, 4], vec![1, 3], vec![3]]);
}

#[tokio::test]
async fn rows_that_stay_unprocessed_are_given_up_after_five_tries_and_they_alone_are_not_written() {
    let aws = Aws::new().always_leaves("BatchWriteItem", &[1]);
    let answers = ledger(&aws).write(&build::tenant_id("acme"), &records(0..3)).await;
    assert_eq!(words(&answers), ["ok", "Unprocessed", "ok"]);
    let asked = aws.asked("BatchWriteItem");
    assert_eq!((asked.len(), &asked[0], &asked[1]), (TRIES, &vec![0, 1, 2], &vec![1]));
}

#[tokio::test]
async fn a_call_that_fails_behind_one_that_left_rows_over_fails_those_rows_alone() {
    let aws = Aws::new().then("BatchWriteItem", leaves(&[1])).then("BatchWriteItem", error(400, "ValidationException"));
    let answers = ledger(&aws).write(&build::tenant_id("acme"), &records(0..3)).await;
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(aws.asked("BatchWriteItem"), [vec![0, 1, 2], vec![1]]);
}

#[tokio::test]
async fn a_batch_whose_rows_stay_unprocessed_leaves_the_other_batches_alone() {
    let aws = Aws::new().always_leaves("BatchWriteItem", &[27]);
    let answers = ledger(&aws).write(&build::tenant_id("acme"), &records(0..30)).await;
    let failed: Vec<usize> = (0..30).filter(|number| answers[*number].is_err()).collect();
    assert_eq!(failed, [27]);
}

#[tokio::test]
async fn keys_that_are_left_unprocessed_are_read_again_and_answered_in_the_order_of_asking() {
    let aws = Aws::new().then("BatchGetItem", leaves(&[0, 2])).then("BatchGetItem", leaves(&[2]));
    let (ledger, tenant) = (ledger(&aws), build::tenant_id("acme"));
    ledger.write(&tenant, &records(0..3)).await;
    let found = ledger.read(&tenant, &keys(&[2, 7, 0, 1])).await;
    let events: Vec<_> = found.into_iter().map(|record| record.unwrap().map(|record| record.event)).collect();
    let wanted = [Some("m-2"), None, Some("m-0"), Some("m-1")].map(|id| id.map(build::event_id));
    assert_eq!(events, wanted);
    assert_eq!(aws.asked("BatchGetItem"), [vec![2, 7, 0, 1], vec![2, 0], vec![2]]);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_fails_alone() {
    let broken: Turn = Box::new(|_, answer| {
        answer["Responses"][LEDGER_TABLE][1]["status"] = json!({"S": "a status of nobody"});
        200
    });
    let aws = Aws::new().then("BatchGetItem", broken);
    let (ledger, tenant) = (ledger(&aws), build::tenant_id("acme"));
    ledger.write(&tenant, &records(0..3)).await;
    let found = ledger.read(&tenant, &keys(&[0, 1, 2])).await;
    assert_eq!(found.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[tokio::test]
async fn a_state_of_an_endpoint_that_cannot_be_read_fails_alone() {
    let rows: Turn = Box::new(|_, answer| {
        let row = |sink: &str, revision: &str| {
            json!({"pk": {"S": "acme#endpoints"}, "sk": {"S": sink}, "endpoint": {"S": "digest"},
                "revision": {"N": revision}, "circuit": {"S": "closed"}})
        };
        *answer = json!({"Items": [row("a", "1"), row("b", "none"), row("not a sink", "1")], "Count": 3});
        200
    });
    let aws = Aws::new().then("Query", rows);
    let endpoints = DynamoEndpoints::new(aws.clients().dynamodb, LEDGER_TABLE);
    let found = endpoints.states(&build::tenant_id("acme")).await.unwrap();
    let found: Vec<_> = found.iter().map(|(sink, state)| (sink.as_str(), state.is_ok())).collect();
    assert_eq!(found, [("a", true), ("b", false)]);
}

#[tokio::test]
async fn a_key_that_stays_unprocessed_is_no_record_that_is_missing() {
    let aws = Aws::new().always_leaves("BatchGetItem", &[1]);
    let found = ledger(&aws).read(&build::tenant_id("acme"), &keys(&[0, 1])).await;
    assert_eq!(words(&found), ["ok", "Unprocessed"]);
    assert_eq!(aws.asked("BatchGetItem").len(), TRIES);
}
