//! The local AWS as the tests see it: each call makes tables, queues and stages of its own, so tests never meet.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what a test builds on fails by panicking")]

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use acequia_aws::operator::OperatorQueues;
use acequia_aws::{
    Clients, DynamoApiKeys, DynamoConsents, DynamoDelays, DynamoEndpoints, DynamoFindings, DynamoIntake, DynamoJournal,
    DynamoLedger, DynamoMailStore, DynamoRates, DynamoReplays, DynamoTenants, ParameterKind, PutClaims, SqsQueues,
    SsmGrants, SsmSecrets, SsmTopics,
};
use acequia_core::access::{KeyId, KeyRing};
use acequia_core::audit::AuditNote;
use acequia_core::id::{SecretName, Stage, TenantId};
use acequia_core::message::{Incoming, Outgoing};
use acequia_core::port::{
    ApiKeys, GrantStore, KeyError, Platform, Presence, QueueAddresses as _, Queues, SecretCatalog, SecretError,
    Secrets, SendError, TenantStore, TopicStore, Unavailable,
};
use acequia_core::queue::{Queue, QueueArn, QueueName, QueueRole};
use acequia_core::secret::{Secret, SecretNames, SecretPurpose};
use acequia_core::tenant::grant::Grants;
use acequia_core::topic::Topic;
use acequia_testkit::conformance::api_keys::KeysInTest;
use acequia_testkit::conformance::grants::GrantsInTest;
use acequia_testkit::conformance::operator::PlatformInTest;
use acequia_testkit::conformance::queues::QueuesInTest;
use acequia_testkit::conformance::secrets::SecretsInTest;
use acequia_testkit::conformance::topics::TopicsInTest;
use acequia_testkit::{FixedClock, build};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use aws_sdk_sqs::config::Credentials;
use aws_sdk_sqs::types::QueueAttributeName;
use jiff::Timestamp;

/// A local AWS with a name that nothing else on it has.
pub(crate) struct World {
    pub(crate) config: SdkConfig,
    pub(crate) clients: Clients,
    pub(crate) stage: Stage,
}

impl World {
    /// Connects to the local AWS.
    pub(crate) async fn load() -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test has no configuration to read it in")]
        let endpoint = std::env::var("ACEQUIA_TEST_ENDPOINT").expect(
            "ACEQUIA_TEST_ENDPOINT is not set: these tests need a local AWS, \
             such as tools/local/local_aws.py --port 4566, and its address, http://127.0.0.1:4566",
        );
        let config = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .load()
            .await;
        // A new hasher's key is random, which is all that a name needs.
        let random = RandomState::new().hash_one(0);
        let stage = format!("t{:09x}", random & 0x000f_ffff_ffff).parse().unwrap();
        Self { clients: Clients::new(&config), stage, config }
    }

    pub(crate) async fn table(&self, kind: &str) -> String {
        let name = format!("acequia-{}-{kind}", self.stage);
        let mut request =
            self.clients.dynamodb.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
        for (attribute, role) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
            let definition =
                AttributeDefinition::builder().attribute_name(attribute).attribute_type(ScalarAttributeType::S);
            let element = KeySchemaElement::builder().attribute_name(attribute).key_type(role);
            request = request.attribute_definitions(definition.build().unwrap()).key_schema(element.build().unwrap());
        }
        request.send().await.unwrap();
        name
    }

    pub(crate) async fn ledger(&self) -> DynamoLedger {
        DynamoLedger::new(self.clients.dynamodb.clone(), self.ledger_table().await)
    }

    pub(crate) async fn ledger_of_puts(&self) -> DynamoLedger<PutClaims> {
        let (client, table) = (self.clients.dynamodb.clone(), self.ledger_table().await);
        DynamoLedger::with_writer(client.clone(), table.clone(), PutClaims::new(client, table))
    }

    pub(crate) async fn tenants(&self) -> DynamoTenants {
        DynamoTenants::new(self.clients.dynamodb.clone(), self.table("tenants").await)
    }

    pub(crate) async fn api_keys(&self) -> RealKeys {
        let (client, tenants) = (self.clients.dynamodb.clone(), self.table("tenants").await);
        let used = DynamoApiKeys::new(client.clone(), &tenants, self.table("ledger").await);
        RealKeys { used, tenants: DynamoTenants::new(client, tenants) }
    }

    pub(crate) async fn platform(&self) -> RealPlatform {
        RealPlatform { used: self.tenants().await, clients: self.clients.clone() }
    }

    pub(crate) async fn replays(&self) -> DynamoReplays {
        DynamoReplays::new(self.clients.dynamodb.clone(), self.table("tenants").await)
    }

    pub(crate) async fn endpoints(&self) -> DynamoEndpoints {
        DynamoEndpoints::new(self.clients.dynamodb.clone(), self.table("ledger").await)
    }

    pub(crate) async fn rates(&self) -> DynamoRates {
        DynamoRates::new(self.clients.dynamodb.clone(), self.table("ledger").await)
    }

    pub(crate) async fn intake(&self) -> DynamoIntake {
        DynamoIntake::new(self.clients.dynamodb.clone(), self.table("ledger").await)
    }

    pub(crate) async fn journal(&self) -> DynamoJournal {
        DynamoJournal::new(self.clients.dynamodb.clone(), self.table("ledger").await)
    }

    async fn consents_table(&self) -> String {
        self.indexed(
            "consents",
            ("due", ProjectionType::KeysOnly),
            [("due_kind", ScalarAttributeType::S), ("due_at", ScalarAttributeType::N)],
        )
        .await
    }

    async fn ledger_table(&self) -> String {
        self.indexed(
            "ledger",
            ("failed", ProjectionType::All),
            [("failed", ScalarAttributeType::S), ("failed_at", ScalarAttributeType::N)],
        )
        .await
    }

    /// A table with an index of these two keys: as in template.yaml.
    async fn indexed(
        &self,
        kind: &str,
        (index, projection): (&str, ProjectionType),
        keys: [(&str, ScalarAttributeType); 2],
    ) -> String {
        let name = format!("acequia-{}-{kind}", self.stage);
        let element = |attribute: &str, role| {
            KeySchemaElement::builder().attribute_name(attribute).key_type(role).build().unwrap()
        };
        let [first, second] = &keys;
        let index = GlobalSecondaryIndex::builder()
            .index_name(index)
            .key_schema(element(first.0, KeyType::Hash))
            .key_schema(element(second.0, KeyType::Range))
            .projection(Projection::builder().projection_type(projection).build());
        let mut request =
            self.clients.dynamodb.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
        let own = [("pk", ScalarAttributeType::S), ("sk", ScalarAttributeType::S)];
        for (attribute, kind) in own.into_iter().chain(keys.clone()) {
            let definition = AttributeDefinition::builder().attribute_name(attribute).attribute_type(kind);
            request = request.attribute_definitions(definition.build().unwrap());
        }
        let request = request
            .key_schema(element("pk", KeyType::Hash))
            .key_schema(element("sk", KeyType::Range))
            .global_secondary_indexes(index.build().unwrap());
        request.send().await.unwrap();
        name
    }

    pub(crate) async fn consents(&self) -> DynamoConsents {
        DynamoConsents::new(self.clients.dynamodb.clone(), self.consents_table().await)
    }

    pub(crate) async fn mail_store(&self) -> DynamoMailStore {
        DynamoMailStore::new(self.clients.dynamodb.clone(), self.consents_table().await)
    }

    pub(crate) async fn findings(&self) -> DynamoFindings {
        DynamoFindings::new(self.clients.dynamodb.clone(), self.table("delayed").await)
    }

    /// The table of delayed messages, with its index: as in template.yaml.
    pub(crate) async fn delays(&self) -> DynamoDelays {
        let keys = [("shard", ScalarAttributeType::N), ("due_at", ScalarAttributeType::N)];
        let name = self.indexed("delayed", ("due", ProjectionType::KeysOnly), keys).await;
        DynamoDelays::new(self.clients.dynamodb.clone(), name)
    }

    pub(crate) fn secrets(self) -> (RealSecrets, FixedClock) {
        let clock = FixedClock::default();
        let make = || SsmSecrets::new(self.clients.ssm.clone(), self.stage.clone(), clock.clone());
        (RealSecrets { used: make(), other: make() }, clock.clone())
    }

    pub(crate) fn grants(self) -> RealGrants {
        let used = SsmGrants::new(self.clients.ssm.clone(), self.stage.clone(), FixedClock::default());
        RealGrants { used, world: self }
    }

    pub(crate) fn topics(self) -> RealTopics {
        let used = SsmTopics::new(self.clients.ssm.clone(), self.stage.clone(), FixedClock::default());
        RealTopics { used, world: self }
    }

    pub(crate) fn queues(self) -> RealQueues {
        RealQueues {
            used: SqsQueues::new(self.clients.sqs.clone()),
            operator: OperatorQueues::new(self.clients.sqs.clone()),
            world: self,
        }
    }
}

/// API keys, and the configurations beside them.
pub(crate) struct RealKeys {
    used: DynamoApiKeys,
    tenants: DynamoTenants,
}

impl ApiKeys for RealKeys {
    async fn keys(&self, tenant: &TenantId) -> Result<KeyRing, Unavailable> {
        self.used.keys(tenant).await
    }

    async fn change(&self, tenant: &TenantId, ring: &KeyRing, note: &AuditNote) -> Result<(), KeyError> {
        self.used.change(tenant, ring, note).await
    }

    async fn used(&self, tenant: &TenantId, key: &KeyId, hour: Timestamp) -> Result<(), Unavailable> {
        self.used.used(tenant, key, hour).await
    }

    async fn last_uses(&self, tenant: &TenantId) -> Result<BTreeMap<KeyId, Timestamp>, Unavailable> {
        self.used.last_uses(tenant).await
    }
}

impl KeysInTest for RealKeys {
    fn tenants(&self) -> impl TenantStore {
        self.tenants.clone()
    }
}

/// The tenants table, by which the platform is found.
pub(crate) struct RealPlatform {
    used: DynamoTenants,
    clients: Clients,
}

impl Platform for RealPlatform {
    async fn presence(&self) -> Result<Presence, Unavailable> {
        self.used.presence().await
    }
}

impl PlatformInTest for RealPlatform {
    fn elsewhere(&self) -> Self {
        let used = DynamoTenants::new(self.clients.dynamodb.clone(), "acequia-nosuch-tenants");
        Self { used, clients: self.clients.clone() }
    }
}

/// The parameter store, and a second handle that shares no memory with the first.
pub(crate) struct RealSecrets {
    used: SsmSecrets<FixedClock>,
    other: SsmSecrets<FixedClock>,
}

impl RealSecrets {
    pub(crate) async fn change_behind_its_back(
        &self,
        tenant: &TenantId,
        purpose: SecretPurpose,
        name: &SecretName,
        value: &str,
    ) {
        self.other.put(tenant, purpose, name, &Secret::new(value)).await.unwrap();
    }
}

impl Secrets for RealSecrets {
    async fn secret(
        &self,
        tenant: &TenantId,
        purpose: SecretPurpose,
        name: &SecretName,
    ) -> Result<Secret, SecretError> {
        self.used.secret(tenant, purpose, name).await
    }
}

impl SecretCatalog for RealSecrets {
    async fn names(&self, tenant: &TenantId) -> Result<SecretNames, Unavailable> {
        self.used.names(tenant).await
    }
}

impl SecretsInTest for RealSecrets {
    async fn put(&self, tenant: &TenantId, purpose: SecretPurpose, name: &SecretName, value: &str) {
        self.used.put(tenant, purpose, name, &Secret::new(value)).await.unwrap();
    }
}

/// The parameter store with what tenants' stacks write there.
pub(crate) struct RealGrants {
    used: SsmGrants<FixedClock>,
    world: World,
}

impl GrantStore for RealGrants {
    async fn grants(&self, tenant: &TenantId) -> Result<Grants, Unavailable> {
        self.used.grants(tenant).await
    }
}

impl GrantsInTest for RealGrants {
    async fn put(&self, tenant: &TenantId, senders: &str, targets: &str) {
        let value = format!(r#"{{"senders":"{senders}","targets":"{targets}"}}"#);
        let name = format!("/acequia/{}/grants/{tenant}", self.world.stage);
        assert!(self.world.clients.ssm.put(&name, &value, ParameterKind::Plain, true).await.unwrap());
    }
}

/// The parameter store with what stacks write there that map topics.
pub(crate) struct RealTopics {
    used: SsmTopics<FixedClock>,
    world: World,
}

impl TopicStore for RealTopics {
    async fn intake(&self, topic: &Topic) -> Result<Option<Queue>, Unavailable> {
        self.used.intake(topic).await
    }
}

impl TopicsInTest for RealTopics {
    async fn put(&self, topic: &str, intake: &QueueArn) {
        let name = format!("/acequia/{}/kafka/{topic}", self.world.stage);
        let value = intake.to_string();
        assert!(self.world.clients.ssm.put(&name, &value, ParameterKind::Plain, true).await.unwrap());
    }
}

/// SQS, and what a test needs beside the port.
pub(crate) struct RealQueues {
    used: SqsQueues,
    pub(crate) operator: OperatorQueues,
    pub(crate) world: World,
}

impl Queues for RealQueues {
    async fn send(&self, queue: &QueueArn, messages: &[Outgoing]) -> Vec<Result<String, SendError>> {
        self.used.send(queue, messages).await
    }

    async fn hide(&self, queue: &QueueArn, messages: &[(String, Duration)]) -> Vec<Result<(), Unavailable>> {
        self.used.hide(queue, messages).await
    }

    async fn delete(&self, queue: &QueueArn, handles: &[String]) -> Vec<Result<(), Unavailable>> {
        self.used.delete(queue, handles).await
    }
}

impl QueuesInTest for RealQueues {
    async fn make(&self, name: &QueueName) -> QueueArn {
        let name = QueueName { stage: self.world.stage.clone(), ..name.clone() };
        let mut request = self.world.clients.sqs.create_queue().queue_name(name.to_string());
        if name.fifo {
            request = request.attributes(QueueAttributeName::FifoQueue, "true");
        }
        request.send().await.unwrap();
        self.operator.locate(&name).await.unwrap().unwrap()
    }

    fn missing(&self) -> QueueArn {
        let name = QueueName::new(&self.world.stage, &build::tenant_id("missing"), QueueRole::Out);
        build::named_queue(&name)
    }

    async fn receive(&self, queue: &QueueArn) -> Vec<Incoming> {
        self.operator.receive(queue, Duration::from_mins(5)).await.unwrap()
    }
}
