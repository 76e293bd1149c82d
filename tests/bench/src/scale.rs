//! What each periodic job, and each batch, reads and writes at a hundred and at ten thousand tenants.
//!
//! The real jobs run over the real adapters against the stub's tables that keep what is written ([`stub::Store`]). Each
//! tenant has a hundred versions with their audit rows. What is due is the same at both sizes, so that the counts must be
//! equal, call by call: where they are not, something reads what grows. Only the list of all tenants may grow.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acequia_aws::clients::function_config;
use acequia_aws::operator::OperatorQueues;
use acequia_aws::{Clients, DynamoDelays, DynamoJournal, DynamoLedger, DynamoRates, DynamoTenants, SqsQueues};
use acequia_core::delivery::share::{Bucket, ROWS};
use acequia_core::egress::{Authorities, Reach};
use acequia_core::id::TenantId;
use acequia_core::outcome::stall::Stalls;
use acequia_core::port::{DelayStore as _, RateStore as _, TenantStore as _};
use acequia_core::time::after;
use acequia_lambda::{Deadline, Reporting, Telemetry};
use acequia_testkit::{FixedClock, InMemoryLines, SeededChance, build};
use anyhow::{Context as _, Result};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use serde_json::json;
use stub::{Counts, LEDGER_TABLE, Latencies, Store, Stub, TENANTS_TABLE, Tally, World};
use sweeper::{Afterwards as _, AutoRedriver, Sweeper};

use crate::table::{grouped, markdown};

/// The numbers of tenants that are compared.
pub const SIZES: [u64; 2] = [100, 10_000];
/// How many versions each tenant has, and how large the document of each is.
const VERSIONS: u64 = 100;
const DOCUMENT_BYTES: u64 = 2_000;
/// How many tenants want automatic redrive, and how many delayed messages are due: the same at each size.
const REDRIVEN: u64 = 20;
const DUE: u64 = 200;
/// The table of delayed messages.
const DELAYED_TABLE: &str = "bench-delayed";
/// The job that may read more where there are more tenants.
pub const LIST: &str = "the list of all tenants";

/// The agreed counts: a table in the form of tools/stub/counts.txt.
pub const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scale.txt");

/// Job and operation, with the number of tenants.
pub type Key = (String, String, u64);
/// Calls, items and units of each.
pub type Rows = BTreeMap<Key, [u64; 3]>;

/// AWS with so many tenants.
struct Aws {
    stub: Stub,
    clients: Clients,
    clock: FixedClock,
    chance: Arc<SeededChance>,
}

fn tenant(number: u64) -> Result<TenantId> {
    Ok(format!("tenant-{number:05}").parse()?)
}

/// The tables as this many tenants leave them. Of histories only their sizes are kept: nothing may read them.
fn store(tenants: u64, now: Bucket) -> Result<Store> {
    let mut store = Store::default();
    for number in 0..tenants {
        let id = tenant(number)?;
        let document = build::webhook_document(id.as_str(), "https://crm.example/");
        store
            .put(TENANTS_TABLE, &json!({"pk": id.as_str(), "sk": "latest", "version": VERSIONS, "document": document}));
        store.put(TENANTS_TABLE, &json!({"pk": id.as_str(), "sk": "current", "version": VERSIONS, "audit_hash": "0"}));
        store.put(
            TENANTS_TABLE,
            &json!({"pk": id.as_str(), "sk": format!("config#{VERSIONS:020}"), "version": VERSIONS, "document": document}),
        );
        let history = 2 * VERSIONS - 1;
        store.bury(TENANTS_TABLE, id.as_str(), history, usize::try_from(history * DOCUMENT_BYTES)?);
        store.put(TENANTS_TABLE, &json!({"pk": "@tenants", "sk": id.as_str(), "version": VERSIONS}));
        if number % (tenants / REDRIVEN) == 0 {
            store.put(
                TENANTS_TABLE,
                &json!({"pk": "@auto-redriven", "sk": id.as_str(), "settings": "{\"after\":\"1h\",\"times\":2}"}),
            );
        }
    }
    // All of them send mails, in this minute and in the last.
    for (row, bucket) in (0..ROWS).flat_map(|row| [now.before(), now].map(|bucket| (row, bucket))) {
        let key = (format!("@shared#mail#{row}"), format!("{:012}", bucket.0));
        let members = tenants / u64::from(ROWS);
        store.put(LEDGER_TABLE, &json!({"pk": key.0, "sk": key.1, "members": members, "fresh": 0}));
    }
    Ok(store)
}

impl Aws {
    fn new(tenants: u64) -> Result<(Self, u64)> {
        let clock = FixedClock::at(build::at(10_000));
        let store = store(tenants, Bucket::at(build::at(10_000)))?;
        let rows = store.rows(TENANTS_TABLE);
        let stub = Stub::start(|_| World::keeping(Arc::new(Mutex::new(store))), Latencies::NONE)?;
        let endpoint = Some(format!("http://{}", stub.address()));
        let reach = Reach { region: "us-east-1".to_owned(), endpoint, authorities: Authorities::Built };
        let credentials = SharedCredentialsProvider::new(Credentials::new("bench", "bench", None, None, "bench"));
        let config = function_config(&reach).into_builder().credentials_provider(credentials).build();
        Ok((Self { stub, clients: Clients::new(&config), clock, chance: Arc::new(SeededChance::new(1)) }, rows))
    }

    fn deadline(&self) -> Deadline {
        Deadline::at(after(acequia_core::port::Clock::now(&self.clock), Duration::from_mins(1)))
    }

    fn delays(&self) -> DynamoDelays {
        DynamoDelays::new(self.clients.dynamodb.clone(), DELAYED_TABLE)
    }

    fn tenants(&self) -> DynamoTenants {
        DynamoTenants::new(self.clients.dynamodb.clone(), TENANTS_TABLE)
    }

    async fn sweep(&self) -> Result<()> {
        let sweeper = Sweeper {
            stage: build::stage(),
            delayed: self.delays(),
            queues: SqsQueues::new(self.clients.sqs.clone()),
            afterwards: (),
            clock: Arc::new(self.clock.clone()),
            chance: self.chance.clone(),
            telemetry: Telemetry::new(Reporting::default(), InMemoryLines::new()),
        };
        Ok(sweeper.handle(self.deadline()).await?)
    }

    async fn redrive(&self) {
        let dynamodb = &self.clients.dynamodb;
        let redriver = AutoRedriver {
            stage: build::stage(),
            leases: self.delays(),
            tenants: self.tenants(),
            dead_letters: OperatorQueues::new(self.clients.sqs.clone()),
            journal: DynamoJournal::new(dynamodb.clone(), LEDGER_TABLE),
            ledger: DynamoLedger::new(dynamodb.clone(), LEDGER_TABLE),
            clock: Arc::new(self.clock.clone()),
            chance: self.chance.clone(),
        };
        redriver.run(self.deadline(), &mut Stalls::default()).await;
    }

    /// Runs every job; answers the counts of each.
    async fn jobs(&self) -> Result<Vec<(&'static str, Counts)>> {
        let mut jobs = Vec::new();
        let mut done = |job: &'static str| {
            jobs.push((job, self.stub.take_counts()?));
            anyhow::Ok(())
        };
        self.sweep().await?;
        done("a sweep with nothing due")?;
        for number in 0..DUE {
            let row = build::delayed("tenant-00001", Some("crm"), &format!("m-{number}"), 10);
            for answer in self.delays().delay(&row.key.tenant, std::slice::from_ref(&row)).await {
                answer?;
            }
        }
        self.stub.take_counts()?;
        self.sweep().await?;
        done("a sweep with 200 due")?;
        self.redrive().await;
        done("a round of automatic redrive, 20 want it")?;
        self.redrive().await;
        done("automatic redrive between rounds")?;
        let (one, now) = (tenant(1)?, Bucket::at(build::at(10_000)));
        self.tenants().current(&one).await?.context("the tenant has a configuration")?;
        done("a batch: the tenant's configuration")?;
        self.tenants().current_version(&one).await?;
        done("a batch: is it the same version")?;
        let rates = DynamoRates::new(self.clients.dynamodb.clone(), LEDGER_TABLE);
        rates.join("mail", &one, now).await?;
        rates.sharers("mail", now).await?;
        done("a batch of mails: the share of the rate")?;
        self.tenants().list().await?;
        done(LIST)?;
        Ok(jobs)
    }
}

/// Counts every job at each of the [`SIZES`].
///
/// # Errors
/// When a job fails, or makes a call that the stub refuses.
pub fn measure() -> Result<Rows> {
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut rows = Rows::new();
    for tenants in SIZES {
        let (aws, stored) = Aws::new(tenants)?;
        anyhow::ensure!(stored >= tenants * 2 * VERSIONS, "the history of {tenants} tenants is not stored");
        for (job, counts) in executor.block_on(aws.jobs())? {
            for (operation, Tally { calls, items, units, .. }) in counts.iter() {
                rows.insert((job.to_owned(), operation.to_owned(), tenants), [calls, items, units]);
            }
        }
    }
    Ok(rows)
}

/// The jobs whose counts differ between the sizes, though what is due is the same.
pub fn growing(rows: &Rows) -> Vec<String> {
    let mut by_operation: BTreeMap<(&str, &str), Vec<[u64; 3]>> = BTreeMap::new();
    for ((job, operation, _), counts) in rows.iter().filter(|((job, ..), _)| job != LIST) {
        by_operation.entry((job, operation)).or_default().push(*counts);
    }
    let grows =
        |counts: &[[u64; 3]]| counts.len() != SIZES.len() || counts.iter().any(|one| Some(one) != counts.first());
    let found = by_operation.into_iter().filter(|(_, counts)| grows(counts));
    found.map(|((job, operation), counts)| format!("{job}: {operation}: {counts:?}")).collect()
}

/// The counts as the agreed file has them.
pub fn text(rows: &Rows) -> String {
    let mut text = "\
# What each periodic job and each batch reads and writes, by the number of tenants: exact, and agreed. Each tenant has a
# hundred versions. The test `scale` of tests/bench compares with it, and that only the list of all tenants grows.
# After a wanted change: ACEQUIA_BLESS=1 cargo test --workspace --test scale
"
    .to_owned();
    let titles = ["# job", "operation", "tenants", "calls", "items", "units"].map(str::to_owned);
    let lines = rows.iter().map(|((job, operation, tenants), counts)| {
        let [calls, items, units] = counts.map(|count| count.to_string());
        [job.clone(), operation.clone(), tenants.to_string(), calls, items, units]
    });
    for line in std::iter::once(titles).chain(lines) {
        let widths = [41, 34, 7, 5, 6, 5];
        let padded: Vec<String> = line.iter().zip(widths).map(|(part, width)| format!("{part:width$}")).collect();
        text.push_str(padded.join(" | ").trim_end());
        text.push('\n');
    }
    text
}

/// The counts as a table: a row for each job and operation, with the figures of each size side by side.
pub fn table(rows: &Rows) -> String {
    let shown = |key: &Key| match rows.get(key) {
        Some([calls, items, units]) => format!("{} / {} / {}", grouped(*calls), grouped(*items), grouped(*units)),
        None => "none".to_owned(),
    };
    let [few, many] = SIZES;
    let mut keys: Vec<(String, String)> =
        rows.keys().map(|(job, operation, _)| (job.clone(), operation.clone())).collect();
    keys.dedup();
    let lines = keys.into_iter().map(|(job, operation)| {
        let of = |tenants| shown(&(job.clone(), operation.clone(), tenants));
        vec![job.clone(), operation.clone(), of(few), of(many)]
    });
    markdown(&["job", "operation", "calls / items / units at 100 tenants", "at 10,000"], 2, lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_reads_more_where_there_are_more_tenants_is_found_and_the_list_of_all_is_not() {
        let key = |job: &str, tenants| (job.to_owned(), "dynamodb:Query(tenants)".to_owned(), tenants);
        let mut rows = Rows::from([(key("a job", 100), [1, 1, 1]), (key("a job", 10_000), [1, 1, 1])]);
        rows.extend([(key(LIST, 100), [1, 100, 1]), (key(LIST, 10_000), [1, 10_000, 100])]);
        assert_eq!(growing(&rows), Vec::<String>::new());
        rows.insert(key("a job", 10_000), [1, 2, 1]);
        assert_eq!(growing(&rows), ["a job: dynamodb:Query(tenants): [[1, 1, 1], [1, 2, 1]]"]);
        rows.remove(&key("a job", 10_000));
        assert_eq!(growing(&rows).len(), 1);
    }
}
