//! Two tenants with sinks that take everything, the queues before them, and time that passes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use acequia_core::delivery::ledger::Receipt;
use acequia_core::kind::SinkKind;
use acequia_core::message::{Incoming, Outgoing};
use acequia_core::port::{Clock as _, Queues as _, Sweeping as _};
use acequia_core::queue::{QueueArn, QueueRole};
use acequia_core::tenant::Sink as SinkConfig;
use acequia_core::time::after;
use acequia_lambda::{
    Attempted, Batch, BatchLoop, CachedTenants, Course, Deadline, Job, RateLimiter, SharedRate, Sink, SinkLoop,
    Telemetry, Widths,
};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryDelays, InMemoryLedger, InMemoryQueues, InMemoryRates, InMemoryTenants, SeededChance,
    build,
};
use jiff::Timestamp;

const QUEUE: QueueRole = QueueRole::Sink(SinkKind::Webhook);
pub(crate) const TENANTS: [&str; 2] = ["acme", "birch"];

/// A delivery that began.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) tenant: String,
    pub(crate) sink: String,
    pub(crate) at: Timestamp,
}

/// Takes everything and remembers when.
pub(crate) struct Counter {
    clock: FixedClock,
    starts: Arc<Mutex<Vec<Start>>>,
}

impl Sink for Counter {
    const KIND: SinkKind = SinkKind::Webhook;
    type Ready = ();

    async fn prepare(&self, _: Batch<'_>, _: &[Arc<SinkConfig>]) {}

    async fn deliver(&self, batch: Batch<'_>, (): &(), course: &Course<'_>) {
        let answer = |job: &Job| {
            let (tenant, sink) = (batch.queue.name.tenant.to_string(), job.sink.id.to_string());
            self.starts.lock().unwrap().push(Start { tenant, sink, at: self.clock.now() });
            Attempted {
                result: Ok(Receipt::default()),
                duration: Duration::ZERO,
                ended_at: Some(self.clock.now()),
                stages: None,
            }
        };
        for (place, job) in course.jobs().iter().enumerate() {
            course.tell(place, answer(job));
        }
    }
}

pub(crate) struct World {
    pub(crate) clock: FixedClock,
    pub(crate) tenants: InMemoryTenants,
    pub(crate) ledger: InMemoryLedger,
    pub(crate) queues: InMemoryQueues,
    pub(crate) delays: InMemoryDelays,
    pub(crate) rates: InMemoryRates,
    pub(crate) starts: Arc<Mutex<Vec<Start>>>,
}

/// One instance of the function: each has a memory of its own.
pub(crate) type Instance = SinkLoop<InMemory, Counter>;

/// A tenant with these sinks, each with what it has beside the usual.
pub(crate) fn document_of(tenant: &str, sinks: &[(&str, &str)]) -> String {
    let sink = |(id, extra): &(&str, &str)| {
        format!(
            r#"{{"id":"{id}","kind":"webhook","types":["*"],"url":"https://crm.example.org/","secrets":["crm"],
            "retry":["10s","20s"]{extra}}}"#
        )
    };
    let sinks = sinks.iter().map(sink).collect::<Vec<_>>().join(",");
    format!(r#"{{"tenant":"{tenant}","name":"Acme","sinks":[{sinks}]}}"#)
}

pub(crate) fn document(tenant: &str, extra: &str) -> String {
    document_of(tenant, &[("crm", extra)])
}

pub(crate) fn world(extra: &str) -> World {
    world_of(&[("crm", extra)])
}

pub(crate) fn world_of(sinks: &[(&str, &str)]) -> World {
    let clock = FixedClock::at(build::start());
    let tenants = InMemoryTenants::new();
    for tenant in TENANTS {
        tenants.put(&build::tenant_id(tenant), document_of(tenant, sinks));
    }
    World {
        queues: InMemoryQueues::new(clock.clone()),
        clock,
        tenants,
        ledger: InMemoryLedger::new(),
        delays: InMemoryDelays::new(),
        rates: InMemoryRates::new(),
        starts: Arc::default(),
    }
}

impl World {
    pub(crate) fn instance(&self, shared: Option<SharedRate>) -> Instance {
        SinkLoop {
            common: BatchLoop {
                tenants: CachedTenants::new(self.tenants.clone(), Arc::new(self.clock.clone())),
                ledger: self.ledger.clone(),
                queues: self.queues.clone(),
                delays: self.delays.clone(),
                clock: Arc::new(self.clock.clone()),
                chance: Arc::new(SeededChance::new(1)),
                telemetry: Telemetry::silent(),
            },
            widths: Widths::default(),
            rate_limiter: RateLimiter::new(self.rates.clone(), Arc::new(self.clock.clone())).sharing(shared),
            breakers: None,
            sink: Counter { clock: self.clock.clone(), starts: Arc::clone(&self.starts) },
        }
    }

    pub(crate) fn starts(&self) -> usize {
        self.starts.lock().unwrap().len()
    }

    /// When those began that `wanted` takes.
    pub(crate) fn times(&self, wanted: impl Fn(&Start) -> bool) -> Vec<Timestamp> {
        self.starts.lock().unwrap().iter().filter(|start| wanted(start)).map(|start| start.at).collect()
    }

    /// Puts deliveries to a sink into its tenant's queue.
    pub(crate) async fn enqueue(&self, tenant: &str, sink: &str, from: usize, count: usize) {
        let queue = build::queue(tenant, QUEUE);
        let message = |number: usize| {
            let envelope = build::envelope(tenant, &format!("{sink}-{number}"), "t", "{}");
            let delivery = build::incoming_delivery(&queue, "new", sink, &envelope);
            Outgoing { body: delivery.body, attributes: delivery.attributes, group: None, deduplication: None }
        };
        let messages: Vec<Outgoing> = (from..from + count).map(message).collect();
        assert!(self.queues.send(&queue, &messages).await.iter().all(Result::is_ok));
    }

    /// Lets so many seconds pass. In each, what is delayed and due is sent back each minute, and what is visible is
    /// handled by the instances in turn.
    pub(crate) async fn pass(&self, instances: &[Instance], seconds: u64) {
        for _ in 0..seconds {
            if self.clock.now().as_second() % 60 == 0 {
                self.sweep().await;
            }
            for tenant in TENANTS {
                self.drain(instances, &build::queue(tenant, QUEUE)).await;
            }
            self.clock.advance(Duration::from_secs(1));
        }
    }

    async fn sweep(&self) {
        let rows: Vec<_> = self.delays.rows().into_iter().filter(|row| row.due_at <= self.clock.now()).collect();
        for row in &rows {
            assert!(self.queues.send(&row.queue, &[row.to_send()]).await.iter().all(Result::is_ok));
        }
        assert!(self.delays.release(&rows).await.iter().all(Result::is_ok));
    }

    async fn drain(&self, instances: &[Instance], queue: &QueueArn) {
        for instance in instances.iter().cycle() {
            let received = self.queues.receive(queue, 100, Duration::from_mins(2));
            if received.is_empty() {
                return;
            }
            let event = serde_json::from_value(lambda_event(&received)).unwrap();
            let deadline = Deadline::at(after(self.clock.now(), Duration::from_mins(1)));
            let answer = instance.handle(event, deadline).await.unwrap();
            let back = |message: &Incoming| {
                answer.batch_item_failures.iter().any(|one| one.item_identifier == message.message_id)
            };
            for message in received.iter().filter(|message| !back(message)) {
                assert!(self.queues.delete(queue, &message.receipt_handle));
            }
        }
    }
}

/// The most of these times that lie within any such span.
pub(crate) fn most_within(times: &[Timestamp], span: Duration) -> usize {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let within = |from: &Timestamp| sorted.iter().filter(|at| **at >= *from && **at < after(*from, span)).count();
    sorted.iter().map(within).max().unwrap_or_default()
}

pub(crate) fn messages(tenant: &str, from: usize, count: usize, receive_count: u32) -> Vec<Incoming> {
    let message = |number: usize| {
        let envelope = build::envelope(tenant, &number.to_string(), "t", "{}");
        let id = format!("m-{number}");
        Incoming { receive_count, ..build::incoming_delivery(&build::queue(tenant, QUEUE), &id, "crm", &envelope) }
    };
    (from..from + count).map(message).collect()
}

/// Handles a batch; answers how many come back.
pub(crate) async fn handle(instance: &Instance, clock: &FixedClock, messages: &[Incoming]) -> usize {
    let deadline = Deadline::at(after(clock.now(), Duration::from_mins(1)));
    let event = serde_json::from_value(lambda_event(messages)).unwrap();
    instance.handle(event, deadline).await.unwrap().batch_item_failures.len()
}
