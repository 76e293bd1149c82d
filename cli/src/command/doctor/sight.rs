//! What is seen of the account and the stage: asked side by side, each within its time, and kept with why it is not
//! known.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use acequia_aws::account::{Account, Alarm, Caller, Concurrency, Deployed, Mapping, Stack, Table, Topic};
use acequia_core::id::{Stage, TenantId};
use acequia_core::kind::functions_of_queues;
use acequia_core::port::{GrantStore as _, QueueAddresses as _, StageQueues as _, TenantStore as _, Unavailable};
use acequia_core::queue::{Depth, QueueName};
use acequia_core::tenant::grant::{self, Grants};
use acequia_core::tenant::{RawTarget, RawTenant, Tenant};
use acequia_operations::Ports as _;
use futures::StreamExt as _;

use super::capacity::Secrets;
use super::line::{Seen, Unseen};
use super::mail::{self, Sender, Sending};
use super::permission::{self, Missing};
use super::platform::ALL_TABLES;
use super::tenant::{File, Stored};
use crate::context::{Context, egress};

/// How long anything is waited for. A thousand tenants' queues take a quarter of it.
const LIMIT: Duration = Duration::from_secs(20);
/// Calls of one kind at once.
const CALLS: usize = 16;

/// What the account has, whatever is deployed.
pub(super) struct AccountSight {
    pub(super) missing: Seen<Missing>,
    pub(super) sending: Seen<Sending>,
    pub(super) concurrency: Seen<Concurrency>,
    pub(super) high_throughput: Seen<bool>,
    pub(super) stacks: Seen<Vec<Stack>>,
}

/// What the stage has.
pub(super) struct StageSight {
    pub(super) version: Seen<Option<String>>,
    pub(super) tables: Seen<Vec<Table>>,
    pub(super) functions: Seen<BTreeMap<String, Deployed>>,
    pub(super) alarms: Seen<Vec<Alarm>>,
    pub(super) topics: Seen<Vec<Topic>>,
    pub(super) tenants: Seen<Vec<Stored>>,
    pub(super) queues: Seen<Vec<(QueueName, Depth)>>,
    pub(super) mappings: Seen<Vec<Mapping>>,
    pub(super) secrets: Seen<Secrets>,
}

/// Waits for an answer, for so long and no longer.
pub(super) async fn within<T>(limit: Duration, asked: impl Future<Output = Seen<T>>) -> Seen<T> {
    tokio::time::timeout(limit, asked).await.unwrap_or(Err(Unseen::Late))
}

async fn bounded<T>(asked: impl Future<Output = Result<T, Unavailable>>) -> Seen<T> {
    within(LIMIT, async { asked.await.map_err(Unseen::from) }).await
}

/// Asks one thing of each, some at once, and ends at the first that fails.
async fn each<T, F: Future<Output = Result<T, Unavailable>>>(
    asked: impl IntoIterator<Item = F>,
) -> Result<Vec<T>, Unavailable> {
    let answers: Vec<_> = futures::stream::iter(asked).buffered(CALLS).collect().await;
    answers.into_iter().collect()
}

/// Returns the principal of the credentials: without it nothing else is worth asking.
pub(super) async fn caller(account: &Account) -> Seen<Caller> {
    bounded(account.caller()).await
}

pub(super) async fn of_account(context: &Context, account: &Account, caller: &Caller) -> AccountSight {
    let (missing, sending, concurrency, high_throughput, stacks) = futures::join!(
        within(LIMIT, permission::missing(account, caller, &context.stage)),
        within(LIMIT, mail::sending(&context.ses)),
        bounded(account.concurrency()),
        bounded(account.high_throughput()),
        bounded(account.stacks(&context.stage)),
    );
    AccountSight { missing, sending, concurrency, high_throughput, stacks }
}

pub(super) async fn of_stage(context: &Context, account: &Account) -> StageSight {
    let stage = &context.stage;
    let (version, tables, functions, heard, tenants, queues, mappings, secrets) = futures::join!(
        bounded(account.parameter(stage, "version")),
        bounded(tables(account, stage)),
        bounded(functions(account, stage)),
        heard(account, stage),
        bounded(tenants(context)),
        bounded(queues(context)),
        bounded(account.mappings(stage)),
        bounded(account.secrets(stage)),
    );
    let (alarms, topics) = heard;
    StageSight { version, tables, functions, alarms, topics, tenants, queues, mappings, secrets }
}

async fn tables(account: &Account, stage: &Stage) -> Result<Vec<Table>, Unavailable> {
    let names: Vec<String> = ALL_TABLES.iter().map(|(kind, ..)| format!("acequia-{stage}-{kind}")).collect();
    each(names.iter().map(|name| account.table(name))).await
}

async fn functions(account: &Account, stage: &Stage) -> Result<BTreeMap<String, Deployed>, Unavailable> {
    // The functions that work off tenants' queues: their reservations count.
    let asked = functions_of_queues().map(|function| async move {
        let deployed = account.deployed(&format!("acequia-{stage}-{function}")).await?;
        Ok::<_, Unavailable>(deployed.map(|deployed| (function.to_owned(), deployed)))
    });
    Ok(each(asked).await?.into_iter().flatten().collect())
}

/// Reads the alarms, and the subscribers of the topics that the alarms and the platform publish to.
async fn heard(account: &Account, stage: &Stage) -> (Seen<Vec<Alarm>>, Seen<Vec<Topic>>) {
    let (alarms, own) =
        futures::join!(bounded(account.alarms(stage)), bounded(account.parameter(stage, "topic/notifications")));
    let told = alarms.iter().flatten().flat_map(|alarm| alarm.actions.iter());
    let mut topics: BTreeSet<String> = told.filter(|action| action.contains(":sns:")).cloned().collect();
    match own {
        Ok(own) => topics.extend(own),
        Err(unseen) if topics.is_empty() => return (alarms, Err(unseen)),
        Err(_) => {}
    }
    let topics = bounded(each(topics.iter().map(|topic| account.topic(topic)))).await;
    (alarms, topics)
}

async fn tenants(context: &Context) -> Result<Vec<Stored>, Unavailable> {
    let store = context.tenants();
    let listed = store.list().await?;
    let asked = listed.into_iter().map(|(tenant, version)| {
        let (store, egress) = (&store, egress(&context.stage));
        async move {
            let document = store.version(&tenant, version).await?.map(|stored| stored.document).unwrap_or_default();
            let read = |document: &str| {
                let raw = RawTenant::from_json(document)?;
                Tenant::validate(&raw, egress).map(|_| raw)
            };
            let configuration = read(&document).map_err(|issues| {
                // The first says enough; what else there is may quote the document.
                issues.0.first().map(ToString::to_string).unwrap_or_default()
            });
            Ok::<_, Unavailable>(Stored { tenant, version, configuration })
        }
    });
    each(asked).await
}

async fn queues(context: &Context) -> Result<Vec<(QueueName, Depth)>, Unavailable> {
    let operator = context.stage_queues();
    let names = operator.find(&context.stage, None).await?;
    let Some(first) = names.first() else { return Ok(Vec::new()) };
    let Some(arn) = operator.locate(first).await? else { return Ok(Vec::new()) };
    let asked = names.into_iter().map(|name| {
        let (operator, arn) = (&operator, arn.beside(&name));
        async move { operator.depth(&arn).await.map(|depth| (name, depth)) }
    });
    each(asked).await
}

/// The senders of configurations and files, with what SES knows of them.
pub(super) async fn senders(context: &Context, tenants: &[Stored], files: &[File]) -> Seen<Vec<Sender>> {
    let stored = tenants.iter().filter_map(|stored| stored.configuration.as_ref().ok());
    let all = stored.chain(files.iter().filter_map(|file| file.configuration.as_ref().ok()));
    let addresses: BTreeSet<(String, String)> = all.flat_map(senders_of).collect();
    let asked = addresses.into_iter().map(|(address, tenant)| async move {
        let verified = mail::verified(&context.ses, &address).await?;
        Ok::<_, Unseen>(Sender { domain: mail::domain_of(&address).to_owned(), tenant, verified })
    });
    within(LIMIT, async {
        let answers: Vec<_> = futures::stream::iter(asked).buffered(CALLS).collect().await;
        answers.into_iter().collect()
    })
    .await
}

/// Reads what the stacks allow, of the tenants whose configurations ask for anything that must be granted.
pub(super) async fn grants(context: &Context, tenants: &[Stored]) -> Seen<BTreeMap<TenantId, Grants>> {
    let store = context.grants();
    let asking = tenants.iter().filter(|stored| stored.configuration.as_ref().is_ok_and(grant::is_needed));
    let asked = asking.map(|stored| {
        let store = &store;
        async move { store.grants(&stored.tenant).await.map(|grants| (stored.tenant.clone(), grants)) }
    });
    bounded(async { Ok(each(asked).await?.into_iter().collect()) }).await
}

/// The addresses that a tenant sends from, each with the tenant.
pub(super) fn senders_of(raw: &RawTenant) -> BTreeSet<(String, String)> {
    let shared = raw.mail.as_ref().map(|mail| &mail.from);
    let of_sinks = raw.sinks.iter().filter_map(|sink| match &sink.own {
        Some(RawTarget::Email(email)) => email.from.as_ref().or(shared),
        _ => None,
    });
    let of_consent = raw.consent.as_ref().and(shared);
    let all = of_sinks.chain(of_consent);
    all.map(|sender| (mail::address_of(sender).to_owned(), raw.tenant.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_hangs_costs_itself_alone() {
        let hangs = within(Duration::ZERO, std::future::pending::<Seen<()>>());
        let answers = within(LIMIT, async { Ok(7) });
        assert_eq!(futures::join!(hangs, answers), (Err(Unseen::Late), Ok(7)));
    }

    #[test]
    fn senders_are_those_of_mail_sinks_and_of_consent() {
        let raw = |document: serde_json::Value| RawTenant::from_value(document).unwrap();
        let sinks = raw(serde_json::json!({"tenant": "acme", "name": "A", "sinks": [
            {"id": "a", "kind": "email", "types": ["*"], "from": "Acme <a@acme.example>"},
            {"id": "b", "kind": "email", "types": ["*"], "from": "a@acme.example"},
            {"id": "c", "kind": "webhook", "types": ["*"]}]}));
        assert_eq!(senders_of(&sinks), [("a@acme.example".to_owned(), "acme".to_owned())].into());
    }
}
