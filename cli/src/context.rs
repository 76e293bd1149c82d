//! What commands that call AWS share: the clients, the stage, and the names that follow from it.

use std::pin::Pin;
use std::time::Duration;

use acequia_aws::account::Account;
use acequia_aws::operator::OperatorQueues;
use acequia_aws::{
    Clients, DynamoConsents, DynamoDelays, DynamoEndpoints, DynamoJournal, DynamoLedger, DynamoMailStore,
    DynamoTenants, SqsQueues, SsmGrants, SsmSecrets, clients,
};
use acequia_core::egress::Egress;
use acequia_core::id::{Stage, TenantId};
use acequia_core::port::{Clock, StageQueues as _, StoredTenant, TenantStore as _, Unavailable};
use acequia_core::queue::{QueueArn, QueueName};
use acequia_core::tenant::RawTenant;
use jiff::Timestamp;

use crate::exit::{Failure, describe, is_denied, is_of_no_platform};

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

/// One stage on AWS.
pub(crate) struct Context {
    pub(crate) stage: Stage,
    pub(crate) region: String,
    /// Sends the mails of `template send-test`.
    pub(crate) ses: aws_sdk_sesv2::Client,
    clients: Clients,
    account: Account,
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
        Ok(Self { stage: stage.clone(), region, ses, clients, account })
    }

    pub(crate) fn account(&self) -> Account {
        self.account.clone()
    }

    pub(crate) fn tenants(&self) -> DynamoTenants {
        DynamoTenants::new(self.clients.dynamodb.clone(), format!("acequia-{}-tenants", self.stage))
    }

    pub(crate) fn ledger(&self) -> DynamoLedger {
        DynamoLedger::new(self.clients.dynamodb.clone(), format!("acequia-{}-ledger", self.stage))
    }

    pub(crate) fn endpoints(&self) -> DynamoEndpoints {
        DynamoEndpoints::new(self.clients.dynamodb.clone(), format!("acequia-{}-ledger", self.stage))
    }

    pub(crate) fn delays(&self) -> DynamoDelays {
        DynamoDelays::new(self.clients.dynamodb.clone(), format!("acequia-{}-delayed", self.stage))
    }

    pub(crate) fn journal(&self) -> DynamoJournal {
        DynamoJournal::new(self.clients.dynamodb.clone(), format!("acequia-{}-ledger", self.stage))
    }

    pub(crate) fn consents(&self) -> DynamoConsents {
        DynamoConsents::new(self.clients.dynamodb.clone(), format!("acequia-{}-consents", self.stage))
    }

    pub(crate) fn mail_store(&self) -> DynamoMailStore {
        DynamoMailStore::new(self.clients.dynamodb.clone(), format!("acequia-{}-consents", self.stage))
    }

    pub(crate) fn queues(&self) -> SqsQueues {
        SqsQueues::new(self.clients.sqs.clone())
    }

    pub(crate) fn operator(&self) -> OperatorQueues {
        OperatorQueues::new(self.clients.sqs.clone())
    }

    pub(crate) fn secrets(&self) -> SsmSecrets<SystemClock> {
        SsmSecrets::new(self.clients.ssm.clone(), self.stage.clone(), SystemClock)
    }

    pub(crate) fn grants(&self) -> SsmGrants<SystemClock> {
        SsmGrants::new(self.clients.ssm.clone(), self.stage.clone(), SystemClock)
    }

    /// The tenant's current configuration, which must be there.
    pub(crate) async fn configuration(&self, tenant: &TenantId) -> Result<(StoredTenant, RawTenant), Failure> {
        let stored = self.tenants().current(tenant).await?.ok_or_else(|| self.no_configuration(tenant))?;
        let raw = RawTenant::from_json(&stored.document).map_err(|issues| {
            Failure::Failed(format!("version {} of {tenant} cannot be read: {issues}", stored.version))
        })?;
        Ok((stored, raw))
    }

    pub(crate) fn no_configuration(&self, tenant: &TenantId) -> Failure {
        Failure::NotFound(format!(
            "tenant {tenant} has no configuration in stage {}; `acequia tenant apply FILE` writes one, `acequia tenant list` shows all",
            self.stage
        ))
    }

    /// That the stage has a platform, as far as may be seen: where its tables may not be read, nothing is said.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) async fn platform(&self) -> Result<(), Failure> {
        match self.look_for_platform().await {
            Err(error) if is_of_no_platform(&error) => Err(Failure::no_platform(&self.stage, &self.region)),
            _ => Ok(()),
        }
    }

    /// That the stage has a platform, though it has no queues. Who may not read its tables is no operator of it, as a rule because the
    /// stage or the region is another one.
    ///
    /// # Errors
    /// Where none can be seen, or AWS does not answer.
    pub(crate) async fn platform_without_queues(&self) -> Result<(), Failure> {
        match self.look_for_platform().await {
            Err(error) if is_denied(&error) => {
                let Self { stage, region, .. } = self;
                Err(Failure::NotFound(format!(
                    "no platform of stage {stage} in region {region} can be seen: there are no queues, and {}",
                    describe(&error)
                )))
            }
            answer => Ok(answer?),
        }
    }

    /// Any tenant's row will do: it is the table that is asked for.
    async fn look_for_platform(&self) -> Result<(), Unavailable> {
        let Ok(nobody) = "nobody".parse() else { return Ok(()) };
        self.tenants().current_version(&nobody).await.map(drop)
    }

    /// The address of a queue, which must be there.
    pub(crate) async fn locate(&self, name: &QueueName) -> Result<QueueArn, Failure> {
        if let Some(queue) = self.operator().locate(name).await? {
            return Ok(queue);
        }
        self.platform().await?;
        Err(Failure::NotFound(format!(
            "there is no queue {name} in region {}; is the stack of tenant {} deployed in stage {}?",
            self.region, name.tenant, self.stage
        )))
    }

    /// The queues of a tenant, of which there must be some, with their addresses.
    pub(crate) async fn queues_of(&self, tenant: &TenantId) -> Result<Vec<(QueueName, QueueArn)>, Failure> {
        let queues = self.find_queues(Some(tenant)).await?;
        if queues.is_empty() {
            self.platform().await?;
            let Self { stage, region, .. } = self;
            return Err(Failure::NotFound(format!(
                "tenant {tenant} has no queues in stage {stage} in region {region}: is its stack deployed?"
            )));
        }
        Ok(queues)
    }

    /// The queues of one tenant, or of all, with their addresses.
    pub(crate) async fn find_queues(&self, tenant: Option<&TenantId>) -> Result<Vec<(QueueName, QueueArn)>, Failure> {
        let names = self.operator().find(&self.stage, tenant).await?;
        let Some(first) = names.first() else { return Ok(Vec::new()) };
        let arn = self.locate(first).await?;
        Ok(names.into_iter().map(|name| (name.clone(), arn.beside(&name))).collect())
    }
}

/// What endpoints a stage allows: those of the machine itself only in the local environment.
pub(crate) fn egress(stage: &Stage) -> Egress {
    if stage.as_str() == "local" { Egress::Local } else { Egress::Public }
}

/// A time as people and scripts read it.
pub(crate) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
