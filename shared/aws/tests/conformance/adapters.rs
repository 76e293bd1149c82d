//! What the suites cannot ask of every implementation.

use acequia_aws::{DynamoLedger, PartiqlClaims};
use acequia_core::delivery::ledger::{Record, Status};
use acequia_core::id::SecretName;
use acequia_core::message::Outgoing;
use acequia_core::port::{
    DeadLetters as _, Ledger as _, QueueAddresses as _, Queues as _, Secrets as _, StageQueues as _,
};
use acequia_core::queue::{Depth, QueueName, QueueRole};
use acequia_core::secret::SecretPurpose::Webhook;
use acequia_testkit::build;
use acequia_testkit::conformance::queues::QueuesInTest as _;
use acequia_testkit::conformance::secrets::SecretsInTest as _;

use crate::world::World;

#[tokio::test]
async fn a_secret_is_remembered_for_a_minute_and_then_read_again() {
    let (secrets, clock) = World::load().await.secrets();
    let (tenant, name): (_, SecretName) = (build::tenant_id("memory"), build::secret_name("crm"));
    secrets.put(&tenant, Webhook, &name, "old").await;
    assert_eq!(secrets.secret(&tenant, Webhook, &name).await.unwrap().expose(), "old");
    secrets.change_behind_its_back(&tenant, Webhook, &name, "new").await;
    assert_eq!(secrets.secret(&tenant, Webhook, &name).await.unwrap().expose(), "old");
    clock.advance(std::time::Duration::from_mins(1));
    assert_eq!(secrets.secret(&tenant, Webhook, &name).await.unwrap().expose(), "new");
}

#[tokio::test]
async fn that_a_secret_does_not_exist_is_remembered_for_ten_seconds() {
    let (secrets, clock) = World::load().await.secrets();
    let (tenant, name): (_, SecretName) = (build::tenant_id("absent"), build::secret_name("crm"));
    assert!(secrets.secret(&tenant, Webhook, &name).await.is_err());
    secrets.change_behind_its_back(&tenant, Webhook, &name, "new").await;
    clock.advance(std::time::Duration::from_secs(9));
    assert!(secrets.secret(&tenant, Webhook, &name).await.is_err());
    clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(secrets.secret(&tenant, Webhook, &name).await.unwrap().expose(), "new");
}

#[tokio::test]
async fn an_operator_finds_measures_and_empties_a_tenants_queues_and_no_others() {
    let queues = World::load().await.queues();
    let name = |tenant: &str| QueueName::new(&queues.world.stage, &build::tenant_id(tenant), QueueRole::Intake);
    let ours = queues.make(&name("op").dead_letter()).await;
    for other in [name("op"), name("op-b")] {
        queues.make(&other).await;
    }
    let operator = &queues.operator;
    let found = operator.find(&queues.world.stage, Some(&build::tenant_id("op"))).await.unwrap();
    assert_eq!(found, [name("op"), name("op").dead_letter()]);
    assert_eq!(operator.find(&queues.world.stage, None).await.unwrap().len(), 3);
    assert_eq!(operator.locate(&name("nobody")).await.unwrap(), None);
    let message = Outgoing { body: "x".to_owned(), ..Outgoing::default() };
    assert!(queues.send(&ours, &vec![message; 3]).await.iter().all(Result::is_ok));
    let received = queues.receive(&ours).await;
    assert_eq!(operator.depth(&ours).await.unwrap(), Depth { visible: 0, in_flight: 3, not_yet_visible: 0 });
    let handles: Vec<String> = received.into_iter().map(|message| message.receipt_handle).collect();
    assert!(operator.delete(&ours, &handles).await.iter().all(Result::is_ok));
    assert!(operator.delete(&ours, &[]).await.is_empty());
    assert_eq!(operator.depth(&ours).await.unwrap(), Depth::default());
}

#[tokio::test]
async fn a_ledger_that_does_not_answer_fails_every_entry_with_the_operation() {
    let clients = World::load().await.clients;
    let writer = PartiqlClaims::new(clients.dynamodb.clone(), "no-such-table");
    let ledger = DynamoLedger::with_writer(clients.dynamodb, "no-such-table", writer);
    let tenant = build::tenant_id("nowhere");
    let claims: Vec<_> = (0..30).map(|n| build::claim(&n.to_string(), "crm")).collect();
    for verdict in ledger.claim(&tenant, &claims).await {
        assert_eq!(verdict.unwrap_err().to_string(), "cannot claim deliveries in the ledger");
    }
    let record = Record::Delivery(Box::new(build::record("1", "crm", Status::Delivered)));
    assert!(ledger.write(&tenant, &[record]).await.remove(0).is_err());
    assert!(ledger.read(&tenant, &[build::delivery_key("1", "crm")]).await.remove(0).is_err());
}
