//! The other half of the ledger's suite: what is written is read, explained and paged, by its tenant alone.

use std::sync::Arc;

use std::collections::BTreeSet;

use acequia_core::delivery::ledger::{
    AttemptNote, DeliveryKey, DeliveryRecord, Receipt, Record, RouteRecord, Stages, Status,
};
use acequia_core::id::TenantId;
use acequia_core::outcome::Reason;
use acequia_core::outcome::fault::Fault;
use acequia_core::port::{Amend, Ledger};

use crate::build::{at, claim, delivery_key, event_id, record, sink_id, start, tenant_id};

fn route(event: &str) -> Record {
    Record::Route(Box::new(RouteRecord {
        event: event_id(event),
        event_type: "action.signed".to_owned(),
        taken: vec![sink_id("crm"), sink_id("mail")],
        filtered: vec![sink_id("analytics")],
        clauses: vec!["types".to_owned()],
        via: Some("sqs AROA:shop".to_owned()),
        unmatched: false,
        reason: None,
        config_version: 3,
        accepted_at: start(),
        updated_at: at(1),
        expires_at: at(1_000_000),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
    }))
}

/// A record with something in every field.
fn full(event: &str, sink: &str) -> DeliveryRecord {
    let mut full = record(event, sink, Status::Delivered);
    full.claim = Some("me".to_owned());
    full.trace_id = Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned());
    full.lease_until = Some(at(60));
    full.due_at = Some(at(70));
    full.reason = Some(Reason::HttpStatus);
    full.receipt = Some(Receipt { id: Some("r-1".to_owned()), status: Some(204) });
    full.route = Some(Arc::from(r#"{"type":"ü"}"#));
    full.attempts_used = 2;
    for number in 1..=2 {
        full.note(AttemptNote {
            number,
            at: at(u64::from(number)),
            outcome: "retry".to_owned(),
            duration_ms: 1_234,
            detail: "übel: 500".to_owned(),
            content: None,
            stages: Some(Stages { dns_ms: Some(1), first_byte_ms: Some(1_200), ..Stages::default() }),
            fault: Some(Fault::Endpoint),
        });
    }
    full
}

fn delivery(record: DeliveryRecord) -> Record {
    Record::Delivery(Box::new(record))
}

async fn write(ledger: &impl Ledger, tenant: &TenantId, records: &[Record]) {
    let answers = ledger.write(tenant, records).await;
    assert_eq!(answers.len(), records.len());
    for answer in answers {
        answer.unwrap();
    }
}

/// A record is changed where it still stands as it was read, and left alone where another writer wrote it since.
pub async fn a_record_is_amended_unless_somebody_wrote_it_since(ledger: &(impl Ledger + Amend)) {
    let tenant = tenant_id("amend");
    let seen = record("e", "mail", Status::Claimed);
    let delivered = DeliveryRecord { status: Status::Delivered, updated_at: at(5), claim: None, ..seen.clone() };
    assert!(!ledger.amend(&tenant, &seen, &delivered).await.unwrap(), "there is none");
    write(ledger, &tenant, &[delivery(seen.clone())]).await;
    assert!(ledger.amend(&tenant, &seen, &delivered).await.unwrap());
    let late = DeliveryRecord { status: Status::Retry, updated_at: at(6), ..seen.clone() };
    assert!(!ledger.amend(&tenant, &seen, &late).await.unwrap(), "it was changed since");
    assert_eq!(read(ledger, &tenant, &[seen.key()]).await, [Some(delivered)]);
}

/// Sixty records go in and come out unchanged and in order, and a key without a record answers none.
pub async fn unconditional_writes_of_more_than_one_batch_are_read_back(ledger: &impl Ledger) {
    let tenant = tenant_id("write-many");
    let records: Vec<DeliveryRecord> = (0..60).map(|n| full(&format!("e {n}"), "crm")).collect();
    write(ledger, &tenant, &records.iter().cloned().map(delivery).collect::<Vec<_>>()).await;
    let mut keys: Vec<DeliveryKey> = records.iter().map(DeliveryRecord::key).collect();
    keys.insert(30, delivery_key("unknown", "crm"));
    let mut read = read(ledger, &tenant, &keys).await;
    assert_eq!(read.remove(30), None);
    assert_eq!(read.into_iter().flatten().collect::<Vec<_>>(), records);
}

/// Nothing of the record before shines through, and a claim does not stand in the way.
pub async fn a_write_replaces_the_whole_record(ledger: &impl Ledger) {
    let tenant = tenant_id("write-over");
    write(ledger, &tenant, &[delivery(full("1", "crm"))]).await;
    let plain = record("1", "crm", Status::Retry);
    write(ledger, &tenant, &[delivery(plain.clone())]).await;
    assert_eq!(read(ledger, &tenant, &[plain.key()]).await, [Some(plain)]);
}

/// The rows of one event and no others, not even of one whose id begins alike.
pub async fn an_event_is_explained_by_its_route_and_each_of_its_deliveries(ledger: &impl Ledger) {
    let tenant = tenant_id("explain");
    let rows = [route("1"), delivery(full("1", "crm")), delivery(record("1", "mail", Status::Retry))];
    write(ledger, &tenant, &rows).await;
    write(ledger, &tenant, &[route("11"), delivery(full("11", "crm"))]).await;
    let found = ledger.explain(&tenant, &event_id("1")).await.unwrap();
    assert_eq!(found.len(), 3);
    assert!(rows.iter().all(|row| found.contains(row)), "{found:?}");
    assert_eq!(ledger.explain(&tenant, &event_id("nothing")).await.unwrap(), []);
}

/// What failed for good is found by its time, newest first, from page to page; what did not, or not within the time, or is
/// another tenant's, is not.
pub async fn what_failed_for_good_is_found_by_its_time(ledger: &impl Ledger) {
    let (tenant, other) = (tenant_id("failed"), tenant_id("failed-b"));
    let at_second = |event: &str, status, second| {
        let mut record = record(event, "crm", status);
        record.updated_at = at(second);
        // So large that twelve are more than the 1 MB of a page of `DynamoDB`'s.
        record.route = Some(Arc::from("x".repeat(100_000)));
        delivery(record)
    };
    let dead = |event: u64| at_second(&event.to_string(), Status::Quarantined, event);
    let dead: Vec<Record> = (1..=12).map(dead).collect();
    write(ledger, &tenant, &dead).await;
    write(ledger, &other, &dead[..1]).await;
    let others = [
        at_second("20", Status::Expired, 20),
        at_second("21", Status::Retry, 5),
        at_second("22", Status::Delivered, 5),
        route("23"),
    ];
    write(ledger, &tenant, &others).await;
    let Record::Route(mut refused) = route("24") else { panic!("it is a route") };
    (refused.reason, refused.updated_at) = (Some(Reason::SchemaViolated), start());
    write(ledger, &tenant, &[Record::Route(refused)]).await;
    // One that is delivered after all is found no more.
    write(ledger, &tenant, &[at_second("12", Status::Delivered, 30)]).await;
    let mut pages = 0;
    let mut all = async |from: u64, to: u64| {
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let page = ledger.failed(&tenant, &(at(from)..=at(to)), start).await.unwrap();
            found.extend(page.records.iter().map(|row| row.event().to_string()));
            pages += 1;
            start = page.next;
            if start.is_none() {
                return found;
            }
        }
    };
    let named = |ids: &[u64]| ids.iter().map(|id| event_id(&id.to_string()).to_string()).collect::<Vec<_>>();
    assert_eq!(all(2, 100).await, named(&[20, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]));
    assert_eq!(all(0, 3).await, named(&[3, 2, 1, 24]));
    assert_eq!(all(13, 19).await, named(&[]));
    assert!(pages > 3, "one of them has more than a page");
}

/// Walking from page to page meets each of sixty rows once, and those of one event together. Together they are larger than a page of 1 MB, which is
/// `DynamoDB`'s.
pub async fn the_pages_hold_every_row_of_the_tenant_once(ledger: &impl Ledger) {
    let (tenant, other) = (tenant_id("page"), tenant_id("page-b"));
    let large = |event: &str| {
        let mut large = full(event, "crm");
        large.attempts[0].detail = "x".repeat(40_000);
        delivery(large)
    };
    let rows: Vec<Record> = (0..30).flat_map(|n| [route(&n.to_string()), large(&n.to_string())]).collect();
    write(ledger, &tenant, &rows).await;
    write(ledger, &other, &rows[..5]).await;
    let (mut seen, mut count, mut pages, mut from) = (BTreeSet::new(), 0, 0, None);
    let mut events = Vec::new();
    loop {
        let page = ledger.page(&tenant, from).await.unwrap();
        (count, pages) = (count + page.records.len(), pages + 1);
        seen.extend(page.records.iter().map(|row| (row.event().to_string(), matches!(row, Record::Route(_)))));
        events.extend(page.records.iter().map(|row| row.event().clone()));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    events.dedup();
    assert_eq!((seen.len(), count, events.len()), (60, 60, 30));
    assert!(pages > 1, "{pages}");
}

/// Two tenants with the same event: each reads its own record, and one without has none.
pub async fn no_tenant_sees_the_rows_of_another(ledger: &impl Ledger) {
    let (one, two, none) = (tenant_id("iso"), tenant_id("iso-b"), tenant_id("iso-c"));
    write(ledger, &one, &[route("1"), delivery(full("1", "crm"))]).await;
    write(ledger, &two, &[delivery(record("1", "crm", Status::Retry))]).await;
    let key = [claim("1", "crm").key];
    let status = |read: Vec<Option<DeliveryRecord>>| read.into_iter().next().flatten().map(|record| record.status);
    assert_eq!(status(read(ledger, &one, &key).await), Some(Status::Delivered));
    assert_eq!(status(read(ledger, &two, &key).await), Some(Status::Retry));
    assert_eq!(status(read(ledger, &none, &key).await), None);
    assert_eq!(ledger.explain(&two, &event_id("1")).await.unwrap().len(), 1);
    assert_eq!(ledger.explain(&none, &event_id("1")).await.unwrap().len(), 0);
    assert_eq!(ledger.page(&none, None).await.unwrap().records, []);
}

/// Empty lists make no call that a service would refuse.
pub async fn nothing_asked_is_nothing_answered(ledger: &impl Ledger) {
    let tenant = tenant_id("nothing");
    assert!(ledger.claim(&tenant, &[]).await.is_empty());
    assert!(ledger.read(&tenant, &[]).await.is_empty());
    assert!(ledger.write(&tenant, &[]).await.is_empty());
}

async fn read(ledger: &impl Ledger, tenant: &TenantId, keys: &[DeliveryKey]) -> Vec<Option<DeliveryRecord>> {
    ledger.read(tenant, keys).await.into_iter().map(Result::unwrap).collect()
}
