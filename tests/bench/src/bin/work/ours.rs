//! Runs batches through our own code alone: the real loop and the real sinks over the in-memory ports.
//!
//! What a webhook's request would be is made and signed, and not sent.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::archive::ObjectKey;
use acequia_core::delivery::ledger::Receipt;
use acequia_core::id::TenantId;
use acequia_core::kind::SinkKind;
use acequia_core::outcome::Cause;
use acequia_core::port::{Archive, Clock, Mail, MailError, Mailer, Unavailable};
use acequia_core::secret::SecretPurpose;
use acequia_core::tenant::{self, Target};
use acequia_core::time::after;
use acequia_lambda::{
    Batch, BatchLoop, CachedTenants, Course, Deadline, Job, RateLimiter, Reporting, Sink, SinkLoop, SystemChance,
    SystemClock, Telemetry, Widths, Work, each,
};
use acequia_testkit::{
    FixedClock, InMemory, InMemoryConsents, InMemoryDelays, InMemoryGrants, InMemoryLedger, InMemoryMailStore,
    InMemoryQueues, InMemoryRates, InMemorySecrets, InMemoryTenants,
};
use anyhow::{Context as _, Result, bail, ensure};
use archive::ArchiveSink;
use aws_lambda_events::event::sqs::SqsEvent;
use email::EmailSink;
use forward::ForwardSink;
use futures::FutureExt as _;
use router::Router;
use tokio::sync::OnceCell;
use webhook::request::Sender;

/// A signing secret of no worth.
const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Handles the batches of `events`, so many times; says in the end how much memory it took.
pub(crate) async fn run(function: &str, document: &str, events: &str, rounds: usize) -> Result<()> {
    let tenant: TenantId = stub::TENANT.parse()?;
    let document = std::fs::read_to_string(document).context("the document cannot be read")?;
    let lines = std::fs::read_to_string(events).context("the events cannot be read")?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let tenants = CachedTenants::new(InMemoryTenants::new().with(&tenant, document), Arc::clone(&clock));
    let queues = InMemoryQueues::new(FixedClock::at(clock.now()));
    if function == "router" {
        let router = Router::<InMemory> {
            common: BatchLoop {
                tenants,
                ledger: InMemoryLedger::new(),
                queues,
                delays: InMemoryDelays::new(),
                clock: Arc::clone(&clock),
                chance: Arc::new(SystemChance),
                telemetry: Telemetry::to_stdout(Reporting::default()),
            },
            consents: InMemoryConsents::new(),
        };
        for line in lines.lines() {
            let answer = router.handle(serde_json::from_str(line)?, deadline(&*clock)).await?;
            ensure!(answer.batch_item_failures.is_empty(), "a message was not routed");
        }
        return Ok(());
    }
    let parts = Parts { tenants, queues, clock, lines, rounds };
    match function {
        "archive" => {
            let sink = ArchiveSink { archive: Nowhere, clock: Arc::clone(&parts.clock) };
            parts.run(sink).await?;
            Ok(writeln!(std::io::stdout(), "{}", peak_kilobytes()?)?)
        }
        "email" => {
            let sink = EmailSink {
                mailer: Nowhere,
                secrets: InMemorySecrets::new(),
                grants: InMemoryGrants::new().with(&tenant, "acme.example", ""),
                mail_store: InMemoryMailStore::new(),
                consents: InMemoryConsents::new(),
                clock: Arc::clone(&parts.clock),
                link_base: String::new(),
            };
            parts.run(sink).await
        }
        "forward" => {
            let sink = ForwardSink {
                queues: parts.queues.clone(),
                grants: InMemoryGrants::new(),
                clock: Arc::clone(&parts.clock),
            };
            parts.run(sink).await
        }
        "webhook" => {
            let secrets = InMemorySecrets::new().with(&tenant, SecretPurpose::Webhook, &"crm".parse()?, SECRET);
            let sink = NoHttp { secrets, clock: Arc::clone(&parts.clock) };
            parts.run(sink).await
        }
        _ => bail!("there is no function {function}"),
    }
}

fn deadline(clock: &dyn Clock) -> Deadline {
    Deadline::at(after(clock.now(), Duration::from_mins(1)))
}

struct Parts {
    tenants: CachedTenants<InMemoryTenants>,
    queues: InMemoryQueues,
    clock: Arc<dyn Clock>,
    lines: String,
    rounds: usize,
}

impl Parts {
    async fn run<S: Sink>(self, sink: S) -> Result<()> {
        let sink_loop = SinkLoop::<InMemory, _> {
            common: BatchLoop {
                tenants: self.tenants,
                ledger: InMemoryLedger::new(),
                queues: self.queues,
                delays: InMemoryDelays::new(),
                clock: Arc::clone(&self.clock),
                chance: Arc::new(SystemChance),
                telemetry: Telemetry::to_stdout(Reporting::default()),
            },
            widths: Widths::default(),
            rate_limiter: RateLimiter::new(InMemoryRates::new(), Arc::clone(&self.clock)),
            breakers: None,
            sink,
        };
        for line in std::iter::repeat_n(&self.lines, self.rounds).flat_map(|lines| lines.lines()) {
            let event: SqsEvent = serde_json::from_str(line)?;
            let answer = sink_loop.handle(event, deadline(&*self.clock)).await?;
            ensure!(answer.batch_item_failures.is_empty(), "a message was not delivered");
        }
        Ok(())
    }
}

/// The most memory that this process had.
fn peak_kilobytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

/// Takes every mail, and every object.
struct Nowhere;

impl Archive for Nowhere {
    async fn keep(&self, _: &ObjectKey, _: Vec<u8>) -> Result<bool, Unavailable> {
        Ok(true)
    }
}

impl Mailer for Nowhere {
    async fn send(&self, _: &Mail) -> Result<String, MailError> {
        Ok("0100000000000000-0000".to_owned())
    }
}

/// The webhook sink without its HTTP: each request's headers are made, signature included.
struct NoHttp {
    secrets: InMemorySecrets,
    clock: Arc<dyn Clock>,
}

impl Sink for NoHttp {
    const KIND: SinkKind = SinkKind::Webhook;
    type Ready = ();

    async fn prepare(&self, _: Batch<'_>, _: &[Arc<tenant::Sink>]) {}

    async fn deliver(&self, batch: Batch<'_>, (): &(), course: &Course<'_>) {
        let tenant = &batch.current.tenant.summary.id;
        let sender = OnceCell::new();
        let mut work: Vec<Work<'_>> = Vec::with_capacity(course.jobs().len());
        for job in course.jobs() {
            work.push((Duration::from_secs(10), self.sign(tenant, job, &sender).boxed()));
        }
        each(course, work).await;
    }
}

impl NoHttp {
    async fn sign(
        &self,
        tenant: &TenantId,
        job: &Job,
        sender: &OnceCell<Result<Sender, Cause>>,
    ) -> Result<Receipt, Cause> {
        let Target::Webhook(endpoint) = &job.sink.target else { return Err(Cause::SinkUnknown) };
        let sender = sender.get_or_init(|| Sender::of(&self.secrets, tenant, endpoint)).await;
        sender.as_ref().map_err(Cause::clone)?.headers(&job.delivery, self.clock.now())?;
        Ok(Receipt { id: None, status: Some(204) })
    }
}
