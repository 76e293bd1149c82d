//! The table function over the in-memory ports.
#![expect(clippy::unwrap_used, reason = "a test's own mistake should stop the test where it was made")]

use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::ledger::Status;
use acequia_core::kind::SinkKind;
use acequia_core::message::Incoming;
use acequia_core::outcome::Reason;
use acequia_core::port::{Clock as _, DatabaseTokens, Unavailable};
use acequia_core::queue::QueueRole;
use acequia_core::secret::{Secret, SecretPurpose};
use acequia_core::table::{Authentication, Database, DatabaseAddress};
use acequia_core::time::after;
use acequia_lambda::{BatchLoop, CachedTenants, Deadline, RateLimiter, Reporting, SinkLoop, Telemetry, Widths};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryDelays, InMemoryGrants, InMemoryLedger, InMemoryLines, InMemoryQueues, InMemoryRates,
    InMemorySecrets, InMemoryTables, InMemoryTenants, SeededChance, build,
};
use table::TableSink;

const QUEUE: QueueRole = QueueRole::Sink(SinkKind::Table);
const ADDRESS: &str = "postgresql://acequia@db.example:5432/crm";

/// Answers a token, as IAM does.
struct Tokens;

impl DatabaseTokens for Tokens {
    async fn token(&self, _: &DatabaseAddress) -> Result<Secret, Unavailable> {
        Ok(Secret::new("token"))
    }
}

struct World {
    clock: FixedClock,
    queues: InMemoryQueues,
    ledger: InMemoryLedger,
    lines: InMemoryLines,
    tables: InMemoryTables,
    sink_loop: SinkLoop<InMemory, TableSink<InMemoryTables, InMemorySecrets, InMemoryGrants, Tokens>>,
}

fn database() -> Database {
    let authentication = Authentication::Password(build::secret_name("db"));
    Database { address: ADDRESS.parse().unwrap(), authentication, authorities: None }
}

fn world_with(granted: &str, secrets: InMemorySecrets) -> World {
    let document = serde_json::json!({"tenant": "acme", "name": "Acme", "sinks": [
        {"id": "crm", "kind": "table", "types": ["*"], "database": ADDRESS, "password": "db", "table": "crm.people",
         "columns": {"id": "id", "n": "data.n"}, "retry": ["1m"]},
        {"id": "iam", "kind": "table", "types": ["*"], "database": ADDRESS, "iam": true, "table": "crm.others",
         "columns": {"id": "id"}},
    ]});
    let acme = build::tenant_id("acme");
    let clock = FixedClock::at(build::at(5));
    let time = || Arc::new(clock.clone());
    let tenants = InMemoryTenants::new().with(&acme, document.to_string());
    let (queues, ledger) = (InMemoryQueues::new(clock.clone()), InMemoryLedger::new());
    let (lines, tables) = (InMemoryLines::new(), InMemoryTables::new());
    tables.create(&database(), "crm.people", &[("id", "text"), ("n", "integer")], &["id"]);
    tables.create(&database(), "crm.others", &[("id", "text")], &[]);
    let grants = InMemoryGrants::new().with(&acme, "", granted);
    let sink_loop = SinkLoop {
        common: BatchLoop {
            tenants: CachedTenants::new(tenants, time()),
            ledger: ledger.clone(),
            queues: queues.clone(),
            delays: InMemoryDelays::new(),
            clock: time(),
            chance: Arc::new(SeededChance::new(1)),
            telemetry: Telemetry::new(Reporting::default(), lines.clone()),
        },
        widths: Widths::default(),
        rate_limiter: RateLimiter::new(InMemoryRates::new(), time()),
        breakers: None,
        sink: TableSink { tables: tables.clone(), secrets, grants, tokens: Tokens, clock: time() },
    };
    World { clock, queues, ledger, lines, tables, sink_loop }
}

fn world() -> World {
    let secrets = InMemorySecrets::new().with(
        &build::tenant_id("acme"),
        SecretPurpose::Database,
        &build::secret_name("db"),
        "hunter2",
    );
    world_with(ADDRESS, secrets)
}

/// A delivery of an event with a number.
fn message(sink: &str, event: &str, n: &str) -> Incoming {
    let envelope = build::envelope("acme", event, "action.signed", &format!("{{\"n\":{n}}}"));
    build::incoming_delivery(&build::queue("acme", QUEUE), &format!("{sink}-{event}"), sink, &envelope)
}

impl World {
    async fn handle(&self, messages: &[Incoming]) -> Vec<String> {
        let deadline = Deadline::at(after(self.clock.now(), Duration::from_mins(1)));
        let event = serde_json::from_value(lambda_event(messages)).unwrap();
        let response = self.sink_loop.handle(event, deadline).await.unwrap();
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    /// The ids of a table's rows, as they were written.
    fn ids(&self, table: &str) -> Vec<String> {
        self.tables.rows(&database(), table).into_iter().filter_map(|row| row.get("id").cloned().flatten()).collect()
    }

    fn dead(&self) -> usize {
        self.queues.messages(&build::dead_letter_queue("acme", QUEUE)).len()
    }

    fn attempts(&self, event: &str) -> u32 {
        let record = self.ledger.record(&build::tenant_id("acme"), &build::delivery_key(event, "crm"));
        record.map(|record| record.attempts_used).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_batch_is_one_call_for_each_sink_and_the_table_is_the_receipt() {
    let world = world();
    let batch: Vec<Incoming> = (0..50).map(|n| message("crm", &n.to_string(), "1")).collect();
    assert!(world.handle(&[batch, vec![message("iam", "1", "1")]].concat()).await.is_empty());
    assert_eq!((world.ids("crm.people").len(), world.ids("crm.others").len()), (50, 1));
    assert_eq!(world.tables.calls.calls(), 2);
    let record = world.ledger.record(&build::tenant_id("acme"), &build::delivery_key("7", "crm")).unwrap();
    assert_eq!((record.status, record.receipt.unwrap().id), (Status::Delivered, Some("crm.people".to_owned())));
}

#[tokio::test]
async fn a_batch_that_comes_again_writes_nothing_whatever_became_of_the_first_answer() {
    let world = world();
    let batch: Vec<Incoming> = (0..10).map(|n| message("crm", &n.to_string(), "1")).collect();
    world.tables.answers.go_down();
    assert_eq!(world.handle(&batch).await.len(), 10, "nobody knows that it was written");
    world.tables.answers.mend();
    let turned: Vec<Incoming> = batch.iter().rev().cloned().chain([message("crm", "new", "1")]).collect();
    assert!(world.handle(&turned).await.is_empty());
    assert_eq!(world.ids("crm.people").len(), 11);
}

#[tokio::test]
async fn a_row_that_is_refused_is_quarantined_alone_after_log2_statements() {
    let world = world();
    let batch: Vec<Incoming> =
        (0..64).map(|n| message("crm", &n.to_string(), if n == 37 { "\"very private\"" } else { "1" })).collect();
    assert!(world.handle(&batch).await.is_empty());
    assert_eq!((world.ids("crm.people").len(), world.dead()), (63, 1));
    assert!(world.tables.calls.calls() <= 13, "{}", world.tables.calls.calls());
    let letter = format!("{:?}", world.queues.messages(&build::dead_letter_queue("acme", QUEUE))[0].attributes);
    assert!(letter.contains(Reason::Rejected.as_str()) && letter.contains("22P02"), "{letter}");
    assert!(!letter.contains("very private"), "the value is in the event alone: {letter}");
}

#[tokio::test]
async fn a_row_that_cannot_be_one_costs_its_neighbours_nothing() {
    let world = world();
    let nul = message("crm", "nul", r#""a\u0000b""#);
    let broken = Incoming { body: "no event".to_owned(), ..message("crm", "9", "1") };
    assert!(world.handle(&[nul, broken, message("crm", "1", "1")]).await.is_empty());
    assert_eq!((world.ids("crm.people"), world.dead(), world.tables.calls.calls()), (vec!["1".to_owned()], 2, 1));
}

#[tokio::test]
async fn while_the_database_is_down_all_wait_and_spend_no_attempt() {
    let world = world();
    world.tables.calls.go_down();
    for _ in 0..30 {
        assert_eq!(world.handle(&[message("crm", "1", "1"), message("crm", "2", "2")]).await.len(), 2);
    }
    assert_eq!((world.dead(), world.attempts("1")), (0, 0));
    assert!(world.lines.stalled().is_empty(), "it is the tenant's, and no store of ours");
    world.tables.calls.mend();
    world.clock.advance(Duration::from_mins(30));
    assert!(world.handle(&[message("crm", "1", "1"), message("crm", "2", "2")]).await.is_empty());
    assert_eq!(world.ids("crm.people").len(), 2);
}

#[tokio::test]
async fn a_table_that_does_not_fit_spends_attempts_until_the_schedule_is_over() {
    let world = world();
    world.tables.create(&database(), "crm.people", &[("id", "text")], &["id"]);
    assert_eq!(world.handle(&[message("crm", "1", "1")]).await.len(), 1);
    world.clock.advance(Duration::from_mins(2));
    let again = Incoming { receive_count: 2, ..message("crm", "1", "1") };
    assert!(world.handle(&[again]).await.is_empty());
    let letter = format!("{:?}", world.queues.messages(&build::dead_letter_queue("acme", QUEUE))[0].attributes);
    assert!(letter.contains(Reason::AttemptsExhausted.as_str()), "{letter}");
}

#[tokio::test]
async fn what_the_stack_does_not_allow_is_quarantined_and_a_password_that_is_missing_too() {
    for (world, reason) in [
        (world_with("postgresql://acequia@db.example:5432/other", InMemorySecrets::new()), Reason::NotGranted),
        (world_with("postgresql://acequia@*/crm", InMemorySecrets::new()), Reason::SecretUnusable),
    ] {
        assert!(world.handle(&[message("crm", "1", "1")]).await.is_empty());
        assert_eq!((world.tables.calls.calls(), world.dead()), (0, 1));
        let letter = format!("{:?}", world.queues.messages(&build::dead_letter_queue("acme", QUEUE))[0].attributes);
        assert!(letter.contains(reason.as_str()), "{letter}");
    }
}
