//! What one tenant's trouble does to its neighbours' rows and reminders: nothing.
#![expect(clippy::unwrap_used, reason = "a test's own mistake should stop the test where it was made")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::consent::{
    Action, ActionId, ActionState, Change, Consent, ConsentKey, ListId, OutboxRow, OutboxTask, SubjectId, SubjectState,
};
use acequia_core::id::TenantId;
use acequia_core::kind::SinkKind;
use acequia_core::port::{Agenda as _, Clock as _, Consents as _};
use acequia_core::queue::QueueRole;
use acequia_core::time::after;
use acequia_lambda::{CachedTenants, Deadline, Telemetry};
use acequia_testkit::{
    FixedClock, InMemoryConsents, InMemoryLedger, InMemoryQueues, InMemorySecrets, InMemoryTenants, build,
};
use outbox::{Batch, Outbox, Relayed, Swept};

const WEBHOOK: QueueRole = QueueRole::Sink(SinkKind::Webhook);
const CONSENT: &str = r#""consent":{"types":["action.*"],"subject":"{{ data.email }}","supporter_confirm":true,"keys":["links"],
    "reminders":{"after":"2days","most":1}},"#;

fn document(tenant: &str, consent: &str) -> String {
    format!(
        r#"{{"tenant":"{tenant}","name":"{tenant}",{consent}
        "mail":{{"from":"a@acme.example","to":"{{{{ data.email }}}}","default_locale":"en"}},
        "templates":{{"confirm":{{"en":{{"subject":"x","text":"{{{{ links.accept }}}}"}}}}}},
        "sinks":[{{"id":"crm","kind":"webhook","types":["*"],"url":"https://crm.example.org/","secrets":["crm"]}}]}}"#
    )
}

struct World {
    clock: FixedClock,
    consents: InMemoryConsents,
    queues: InMemoryQueues,
    tenants: InMemoryTenants,
    outbox: Outbox<InMemoryTenants, InMemoryLedger, InMemoryQueues, InMemoryConsents, InMemorySecrets>,
}

/// Acme, and bona, whose stack has no queue for webhooks.
fn world() -> World {
    let clock = FixedClock::default();
    let (consents, queues) = (InMemoryConsents::new(), InMemoryQueues::new(clock.clone()));
    let mut tenants = InMemoryTenants::new();
    for name in ["acme", "bona"] {
        tenants = tenants.with(&build::tenant_id(name), document(name, CONSENT));
    }
    queues.remove(&build::queue("bona", WEBHOOK));
    let outbox = Outbox {
        tenants: CachedTenants::new(tenants.clone(), Arc::new(clock.clone())),
        ledger: InMemoryLedger::new(),
        queues: queues.clone(),
        consents: consents.clone(),
        secrets: InMemorySecrets::new(),
        clock: Arc::new(clock.clone()),
        stage: build::stage(),
        queue_arns: "arn:aws:sqs:us-east-1:000000000000:".to_owned(),
        link_base: "https://confirm.example.org".to_owned(),
        telemetry: Telemetry::silent(),
    };
    World { clock, consents, queues, tenants, outbox }
}

/// The consent of a person, with an action that waits, and what is to be done about it.
fn change(tenant: &TenantId, person: u32, now: jiff::Timestamp, task: Option<OutboxTask>) -> Change {
    let event = build::event_id(&person.to_string());
    let key = ConsentKey {
        subject: SubjectId::derive(tenant, &format!("{person}@example.org")),
        list: ListId::derive(tenant, "all"),
    };
    let id = ActionId::derive(tenant, &event);
    let body = build::body(event.id(), "action.signed", &format!(r#"{{"email":"{person}@example.org"}}"#));
    let action = Action {
        id,
        event,
        state: ActionState::New,
        rank: 0,
        with_consent: true,
        body: Some(body.clone()),
        accepted_at: now,
        trace: None,
    };
    let row = |task| OutboxRow {
        id: format!("{}-00000001-000", key.list),
        key,
        action: id,
        task,
        body: body.clone(),
        accepted_at: now,
        trace: None,
        at: now,
    };
    let consent = Consent {
        version: 1,
        state: SubjectState::Confirming,
        actions: 1,
        waiting: vec![id],
        asked: 1,
        asked_at: Some(now),
        ..Consent::new("all", now)
    };
    Change { key, consent, actions: vec![action], outbox: task.map(row).into_iter().collect() }
}

impl World {
    /// Actions of a tenant that are to be released, in the order of its people.
    async fn release(&self, tenant: &str, people: std::ops::Range<u32>) {
        let tenant = build::tenant_id(tenant);
        for person in people {
            let change = change(&tenant, person, self.clock.now(), Some(OutboxTask::Deliver { repeat: false }));
            self.consents.commit(&tenant, &change).await.unwrap();
        }
    }

    /// People of a tenant who are to be reminded after two days.
    async fn ask(&self, tenant: &str, people: std::ops::Range<u32>) {
        let tenant = build::tenant_id(tenant);
        for person in people {
            let mut change = change(&tenant, person, self.clock.now(), None);
            change.consent.remind_at = Some(after(self.clock.now(), Duration::from_hours(48)));
            self.consents.commit(&tenant, &change).await.unwrap();
        }
    }

    fn deadline(&self) -> Deadline {
        Deadline::at(after(self.clock.now(), Duration::from_mins(1)))
    }

    async fn relay(&self) -> Relayed {
        let record = |(tenant, row): (TenantId, OutboxRow)| {
            serde_json::json!({"dynamodb": {"SequenceNumber": "1", "NewImage": {"pk": {"S": format!("{tenant}#{}", row.key.subject)},
                "sk": {"S": format!("outbox#{}#{}", row.key.list, row.id)}}}})
        };
        let records: Vec<_> = self.consents.stream().into_iter().map(record).collect();
        let batch: Batch = serde_json::from_value(serde_json::json!({ "Records": records })).unwrap();
        self.outbox.handle(batch, self.deadline()).await.unwrap()
    }

    async fn sweep(&self) -> Swept {
        self.outbox.sweep(self.deadline()).await.unwrap()
    }

    fn released(&self, tenant: &str) -> usize {
        self.queues.messages(&build::queue(tenant, WEBHOOK)).len()
    }

    /// How many of a tenant's rows were tried so often.
    async fn tries(&self, tenant: &str) -> BTreeMap<u32, usize> {
        let tenant = build::tenant_id(tenant);
        let rows: Vec<_> = self
            .consents
            .stream()
            .into_iter()
            .filter(|(owner, _)| *owner == tenant)
            .map(|(owner, row)| (owner, row.name()))
            .collect();
        let mut counts = BTreeMap::new();
        for waiting in self.consents.waiting(&rows).await.into_iter().filter_map(Result::unwrap) {
            *counts.entry(waiting.tries).or_default() += 1;
        }
        counts
    }
}

#[tokio::test]
async fn a_row_that_can_never_be_carried_out_repeats_no_neighbours_delivery() {
    let world = world();
    world.release("bona", 0..1).await;
    world.release("acme", 0..3).await;
    assert_eq!(world.relay().await, Relayed { published: 3, left: 1, ..Relayed::default() });
    for _ in 0..20 {
        world.relay().await;
    }
    assert_eq!(world.released("acme"), 3);
}

#[tokio::test]
async fn hundreds_of_rows_of_a_dead_tenant_delay_no_neighbours_row_beyond_one_sweep() {
    for dead in [600, 2000] {
        let world = world();
        world.release("bona", 0..dead).await;
        world.clock.advance(Duration::from_mins(1));
        world.release("acme", 0..1).await;
        world.clock.advance(Duration::from_mins(3));
        let swept = world.sweep().await;
        assert_eq!((swept.published, world.released("acme")), (1, 1), "{swept:?}");
        assert!(swept.failed <= 8 && swept.left > 0, "it tries a few and leaves the rest: {swept:?}");
    }
}

#[tokio::test]
async fn each_sweep_tries_other_rows_of_a_dead_tenant_and_all_are_carried_out_once_it_is_mended() {
    let world = world();
    world.release("bona", 0..30).await;
    world.clock.advance(Duration::from_mins(3));
    let mut failed = 0;
    for _ in 0..3 {
        failed += world.sweep().await.failed;
        world.clock.advance(Duration::from_mins(1));
    }
    assert_eq!(world.tries("bona").await, BTreeMap::from([(0, 30 - failed), (1, failed)]));
    world.queues.restore(&build::queue("bona", WEBHOOK));
    world.sweep().await;
    world.clock.advance(Duration::from_hours(1));
    world.sweep().await;
    assert_eq!((world.released("bona"), world.consents.outbox().len()), (30, 0));
}

#[tokio::test]
async fn what_fails_for_good_is_tried_less_and_less_often() {
    let world = world();
    world.release("bona", 0..1).await;
    let mut tried = 0;
    for _ in 0..24 * 60 {
        world.clock.advance(Duration::from_mins(1));
        tried += world.sweep().await.failed;
    }
    // After 2, 7, 17, 37 and 77 minutes, then once an hour.
    assert_eq!(tried, 4 + 23);
}

#[tokio::test]
async fn what_waits_for_a_store_of_ours_is_carried_out_by_the_next_sweep() {
    let world = world();
    world.release("acme", 0..2).await;
    world.clock.advance(Duration::from_mins(3));
    world.queues.sends.go_down();
    for _ in 0..60 {
        assert_eq!(world.sweep().await.published, 0);
        world.clock.advance(Duration::from_mins(1));
    }
    world.queues.sends.mend();
    assert_eq!(world.sweep().await.published, 2);
}

#[tokio::test]
async fn a_large_backlog_of_one_tenant_is_carried_out_in_one_sweep_with_the_others_between() {
    let world = world();
    world.release("acme", 0..700).await;
    world.clock.advance(Duration::from_mins(3));
    assert_eq!(world.sweep().await, Swept { published: 700, ..Swept::default() });
}

#[tokio::test]
async fn a_row_that_a_process_died_of_is_carried_out_after_all_others() {
    let world = world();
    world.release("acme", 0..3).await;
    let (tenant, first) = world.consents.stream()[0].clone();
    let waiting = world.consents.waiting(&[(tenant.clone(), first.name())]).await.remove(0).unwrap().unwrap();
    // A sweep took it, and was not heard of again.
    assert!(world.consents.take(&tenant, &waiting, after(first.at, Duration::from_secs(1))).await.unwrap());
    world.clock.advance(Duration::from_mins(3));
    assert_eq!(
        world.relay().await,
        Relayed { published: 2, passed_over: 1, ..Relayed::default() },
        "it is the sweep's"
    );
    world.release("acme", 3..5).await;
    world.clock.advance(Duration::from_mins(3));
    assert_eq!(world.sweep().await, Swept { published: 3, ..Swept::default() });
    let bodies: Vec<_> = world.queues.messages(&build::queue("acme", WEBHOOK)).into_iter().map(|it| it.body).collect();
    assert_eq!((bodies.len(), &bodies[4]), (5, &first.body));
}

#[tokio::test]
async fn of_two_sweeps_at_once_one_has_each_row() {
    let world = world();
    world.release("acme", 0..50).await;
    world.clock.advance(Duration::from_mins(3));
    let (one, other) = futures::join!(world.sweep(), world.sweep());
    assert_eq!((one.published + other.published, world.released("acme")), (50, 50));
}

#[tokio::test]
async fn hundreds_of_people_of_a_tenant_that_asks_nobody_any_more_hold_back_no_neighbours_reminder() {
    let world = world();
    world.ask("bona", 0..600).await;
    world.clock.advance(Duration::from_mins(1));
    world.ask("acme", 0..1).await;
    world.tenants.put(&build::tenant_id("bona"), document("bona", ""));
    world.clock.advance(Duration::from_hours(49));
    assert_eq!(world.sweep().await.reminded, 1);
    assert_eq!(world.consents.next_reminder(), None, "they are not looked at again");
}

#[tokio::test]
async fn hundreds_of_reminders_that_cannot_be_decided_hold_back_no_neighbours() {
    for broken in ["{", r#"{"tenant":"bona","name":"bona","sinks":[]}"#] {
        let world = world();
        world.ask("bona", 0..600).await;
        world.clock.advance(Duration::from_mins(1));
        world.ask("acme", 0..1).await;
        world.tenants.put(&build::tenant_id("bona"), broken);
        world.clock.advance(Duration::from_hours(49));
        assert_eq!(world.sweep().await.reminded, 1);
        world.tenants.put(&build::tenant_id("bona"), document("bona", CONSENT));
        world.clock.advance(Duration::from_hours(1));
        assert_eq!(world.sweep().await.reminded, 600, "none of them is lost");
    }
}
