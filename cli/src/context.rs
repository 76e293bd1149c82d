//! What commands that call AWS share: the clients, and the stage with its ports.

use std::pin::Pin;
use std::time::Duration;

use acequia_archive::compact::Compactable;
use acequia_aws::account::Account;
use acequia_aws::operator::OperatorQueues;
use acequia_aws::{
    Clients, DynamoApiKeys, DynamoConsents, DynamoDelays, DynamoEndpoints, DynamoJournal, DynamoLedger,
    DynamoMailStore, DynamoReplays, DynamoTenants, RdsTokens, S3ArchiveEraser, S3ArchiveUpkeep, SdkConfig, SqsQueues,
    SsmGrants, SsmSecrets, clients,
};
use acequia_core::egress::Egress;
use acequia_core::id::Stage;
use acequia_core::port::{
    ApiKeys, ArchiveEraser, Chance, Clock, Consents, DeadLetters, DelayedMessages, EndpointStore, GrantStore, Ledger,
    Platform, Queues, RedriveJournal, ReplayStore, SecretCatalog, StageQueues, SuppressionList, TenantStore,
};
use acequia_core::queue::QueueArn;
use acequia_operations::Ports;
use jiff::Timestamp;

use crate::failure::Failure;

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else takes as a port")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(time))
    }
}

/// The operating system's chance.
#[derive(Debug, Clone, Copy)]
struct SystemChance;

impl Chance for SystemChance {
    fn unit(&self) -> f64 {
        rand::random()
    }

    fn token(&self) -> String {
        format!("{:032x}", rand::random::<u128>())
    }

    fn bytes(&self) -> [u8; 32] {
        rand::random()
    }
}

/// One stage on AWS.
pub(crate) struct Context {
    pub(crate) stage: Stage,
    pub(crate) region: String,
    /// Sends the mails of `template send-test`.
    pub(crate) ses: aws_sdk_sesv2::Client,
    tokens: RdsTokens<SystemClock>,
    clients: Clients,
    account: Account,
    config: SdkConfig,
}

impl Context {
    /// The stage, with the credentials and the region that the environment has.
    ///
    /// # Errors
    /// Where no region is named: no call could be made, and none is tried.
    pub(crate) async fn load(stage: &Stage, region: Option<&String>) -> Result<Self, Failure> {
        let config = clients::operator_config(region.cloned()).await;
        let region = config.region().map(ToString::to_string).ok_or_else(|| {
            Failure::Usage(
                "no region is set: pass --region, or set AWS_REGION, or the region of your profile".to_owned(),
            )
        })?;
        let clients = Clients::new(&config);
        let account = Account::new(&config, &clients);
        let ses = aws_sdk_sesv2::Client::new(&config);
        let tokens = RdsTokens::new(&config, SystemClock);
        Ok(Self { stage: stage.clone(), region, ses, tokens, clients, account, config })
    }

    /// Makes the tokens by which IAM's users enter databases, by the operator's own credentials.
    pub(crate) fn database_tokens(&self) -> RdsTokens<SystemClock> {
        self.tokens.clone()
    }

    pub(crate) fn account(&self) -> Account {
        self.account.clone()
    }

    /// The parameter store's secrets, which `secret put` writes.
    pub(crate) fn secrets(&self) -> SsmSecrets<SystemClock> {
        SsmSecrets::new(self.clients.ssm.clone(), self.stage.clone(), SystemClock)
    }

    /// SQS as producers see it.
    pub(crate) fn queues(&self) -> SqsQueues {
        SqsQueues::new(self.clients.sqs.clone())
    }

    fn operator_queues(&self) -> OperatorQueues {
        OperatorQueues::new(self.clients.sqs.clone())
    }

    fn dynamo_tenants(&self) -> DynamoTenants {
        DynamoTenants::new(self.clients.dynamodb.clone(), self.table("tenants"))
    }

    fn table(&self, kind: &str) -> String {
        format!("acequia-{}-{kind}", self.stage)
    }
}

impl Ports for Context {
    fn stage(&self) -> &Stage {
        &self.stage
    }

    fn clock(&self) -> impl Clock {
        SystemClock
    }

    fn chance(&self) -> impl Chance {
        SystemChance
    }

    fn api_keys(&self) -> impl ApiKeys {
        DynamoApiKeys::new(self.clients.dynamodb.clone(), self.table("tenants"), self.table("ledger"))
    }

    fn platform(&self) -> impl Platform {
        self.dynamo_tenants()
    }

    fn tenants(&self) -> impl TenantStore {
        self.dynamo_tenants()
    }

    fn grants(&self) -> impl GrantStore {
        SsmGrants::new(self.clients.ssm.clone(), self.stage.clone(), SystemClock)
    }

    fn secret_catalog(&self) -> impl SecretCatalog {
        self.secrets()
    }

    fn stage_queues(&self) -> impl StageQueues {
        self.operator_queues()
    }

    fn dead_letters(&self) -> impl DeadLetters {
        self.operator_queues()
    }

    fn journal(&self) -> impl RedriveJournal {
        DynamoJournal::new(self.clients.dynamodb.clone(), self.table("ledger"))
    }

    fn sending(&self) -> impl Queues {
        self.queues()
    }

    fn archive(&self, beside: &QueueArn) -> impl ArchiveEraser {
        let bucket = format!("acequia-{}-archive-{}-{}", self.stage, beside.account(), beside.region());
        S3ArchiveEraser::new(&self.config, &bucket)
    }

    fn archive_upkeep(&self, beside: &QueueArn) -> impl Compactable {
        let bucket = format!("acequia-{}-archive-{}-{}", self.stage, beside.account(), beside.region());
        S3ArchiveUpkeep::new(&self.config, &bucket)
    }

    fn replays(&self) -> impl ReplayStore {
        DynamoReplays::new(self.clients.dynamodb.clone(), self.table("tenants"))
    }

    fn ledger(&self) -> impl Ledger {
        DynamoLedger::new(self.clients.dynamodb.clone(), self.table("ledger"))
    }

    fn delayed_messages(&self) -> impl DelayedMessages {
        DynamoDelays::new(self.clients.dynamodb.clone(), self.table("delayed"))
    }

    fn endpoints(&self) -> impl EndpointStore {
        DynamoEndpoints::new(self.clients.dynamodb.clone(), self.table("ledger"))
    }

    fn consents(&self) -> impl Consents {
        DynamoConsents::new(self.clients.dynamodb.clone(), self.table("consents"))
    }

    fn suppression_list(&self) -> impl SuppressionList {
        DynamoMailStore::new(self.clients.dynamodb.clone(), self.table("consents"))
    }
}

/// Returns the endpoints that a stage allows: those of the machine itself only in the local environment.
pub(crate) fn egress(stage: &Stage) -> Egress {
    if stage.as_str() == "local" { Egress::Local } else { Egress::Public }
}
