//! The audit function over copies in memory: rows as the table's stream shows them.
#![expect(clippy::unwrap_used, reason = "a test's own mistake should stop the test where it was made")]

use std::sync::Arc;
use std::time::Duration;

use acequia_core::audit::{AuditAction, AuditNote, AuditRow};
use acequia_core::port::Clock as _;
use acequia_core::time::after;
use acequia_lambda::{Deadline, Reporting, Telemetry};
use acequia_testkit::{FixedClock, InMemoryAuditCopies, InMemoryLines, build};
use audit::Audit;
use serde_json::{Value as Json, json};

struct World {
    copies: InMemoryAuditCopies,
    lines: InMemoryLines,
    audit: Audit<InMemoryAuditCopies>,
}

fn world(has_bucket: bool) -> World {
    let (copies, lines, clock) = (InMemoryAuditCopies::new(), InMemoryLines::new(), FixedClock::default());
    let audit = Audit {
        copies: has_bucket.then(|| copies.clone()),
        clock: Arc::new(clock),
        stage: build::stage(),
        telemetry: Telemetry::new(Reporting::default(), lines.clone()),
    };
    World { copies, lines, audit }
}

fn row(summary: &str) -> AuditRow {
    let (action, actor) = (AuditAction::Purge, "ana (role Operator of 000000000000)".to_owned());
    AuditRow::of(&AuditNote { action, actor, at: build::at(7), summary: summary.to_owned() }, 3, "before")
}

fn record(number: &str, row: &AuditRow) -> Json {
    let text = |text: &str| json!({ "S": text });
    json!({"eventName": "INSERT", "dynamodb": {"SequenceNumber": number, "NewImage": {
        "pk": text("acme"), "sk": text("audit#1"), "at": {"N": row.at.as_millisecond().to_string()},
        "actor": text(&row.actor), "action": text(row.action.as_str()), "from": {"N": row.from.to_string()},
        "to": {"N": row.to.to_string()}, "summary": text(&row.summary), "previous": text(&row.previous),
        "hash": text(&row.hash),
    }}})
}

impl World {
    async fn serve(&self, records: Vec<Json>) -> Json {
        let deadline = Deadline::at(after(FixedClock::default().now(), Duration::from_mins(1)));
        self.audit.serve(json!({ "Records": records }), deadline).await.unwrap()
    }

    fn lines(&self) -> Vec<Json> {
        self.lines.written().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn each_row_is_a_line_and_a_copy_also_without_a_bucket() {
    for has_bucket in [true, false] {
        let world = world(has_bucket);
        let rows = [row("one"), row("two")];
        let answer = world.serve(vec![record("1", &rows[0]), record("2", &rows[1])]).await;
        assert_eq!(answer, json!({ "batchItemFailures": [] }));
        let lines = world.lines();
        assert_eq!(lines.len(), 2);
        for (line, row) in lines.iter().zip(&rows) {
            assert_eq!((&line["audit"], &line["tenant.id"]), (&"purge".into(), &"acme".into()), "{line}");
            assert_eq!(
                (&line["audit.summary"], &line["audit.hash"]),
                (&row.summary.as_str().into(), &row.hash.as_str().into())
            );
            assert_eq!((&line["audit_rows"], line.get("audit_rows_bent")), (&1.into(), None), "{line}");
        }
        assert_eq!(world.copies.rows().len(), if has_bucket { 2 } else { 0 });
    }
}

#[tokio::test]
async fn a_row_that_the_bucket_does_not_take_comes_again_with_those_behind_it_and_is_told_once() {
    let world = world(true);
    let rows = [row("one"), row("two"), row("three")];
    let records = || vec![record("1", &rows[0]), record("2", &rows[1]), record("3", &rows[2])];
    world.copies.writes.fail_call(2);
    assert_eq!(world.serve(records()).await, json!({ "batchItemFailures": [{ "itemIdentifier": "2" }] }));
    assert_eq!((world.copies.rows().len(), world.lines().len()), (1, 1));
    world.serve(records().split_off(1)).await;
    assert_eq!((world.copies.rows().len(), world.lines().len()), (3, 3));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_holds_up_no_other_and_one_that_was_bent_is_counted() {
    let world = world(true);
    let bent = AuditRow { summary: "nothing happened".to_owned(), ..row("one") };
    let unreadable = json!({"dynamodb": {"SequenceNumber": "1", "NewImage": {"pk": {"S": "acme"}}}});
    let answer = world.serve(vec![unreadable, record("2", &bent)]).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    assert_eq!(world.lines()[0]["audit_rows_bent"], 1);
    assert_eq!(world.copies.rows().len(), 1);
    assert!(world.audit.serve(json!({}), Deadline::at(FixedClock::default().now())).await.is_err());
}
