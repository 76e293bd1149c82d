//! A sink that does as it is told, in the real loop over the in-memory ports.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acequia_core::delivery::ledger::{Receipt, Status};
use acequia_core::kind::SinkKind;
use acequia_core::message::Incoming;
use acequia_core::outcome::Cause;
use acequia_core::queue::{QueueArn, QueueRole};
use acequia_core::tenant::Sink as SinkConfig;
use acequia_core::time::after;
use acequia_lambda::{
    Batch, BatchLoop, CachedTenants, Course, Deadline, Job, RateLimiter, Sink, SinkLoop, Telemetry, Widths, Work, each,
};
use acequia_testkit::event::lambda_event;
use acequia_testkit::{
    FixedClock, InMemory, InMemoryDelays, InMemoryLedger, InMemoryQueues, InMemoryRates, InMemoryTenants, SeededChance,
    build,
};
use futures::FutureExt as _;

/// What the sink is told to do, by event id; it delivers what it is told nothing about.
pub(crate) type Orders = Arc<Mutex<BTreeMap<String, Order>>>;

#[derive(Clone)]
pub(crate) enum Order {
    Fail(Cause),
    Panic,
    Hang,
}

pub(crate) struct ObedientSink {
    pub(crate) orders: Orders,
    /// (event id, attempt number) of each effect or failure, in order.
    pub(crate) attempts: Arc<Mutex<Vec<(String, u32)>>>,
}

impl Sink for ObedientSink {
    const KIND: SinkKind = SinkKind::Webhook;
    type Ready = ();

    async fn prepare(&self, _: Batch<'_>, _: &[Arc<SinkConfig>]) {}

    async fn deliver(&self, _: Batch<'_>, (): &(), course: &Course<'_>) {
        let attempt = |job| -> Work<'_> { (BUDGET, self.attempt(job).boxed()) };
        each(course, course.jobs().iter().map(attempt).collect()).await;
    }
}

impl ObedientSink {
    async fn attempt(&self, job: &Job) -> Result<Receipt, Cause> {
        let id = job.delivery.envelope.event.id().to_owned();
        self.attempts.lock().unwrap().push((id.clone(), job.attempt));
        let order = self.orders.lock().unwrap().get(&id).cloned();
        match order {
            None => Ok(Receipt { id: None, status: Some(200) }),
            Some(Order::Fail(cause)) => Err(cause),
            Some(Order::Panic) => panic!("a bug on this message"),
            Some(Order::Hang) => futures::future::pending().await,
        }
    }
}

pub(crate) struct World {
    pub(crate) clock: FixedClock,
    pub(crate) tenants: InMemoryTenants,
    pub(crate) ledger: InMemoryLedger,
    pub(crate) queues: InMemoryQueues,
    pub(crate) orders: Orders,
    pub(crate) attempts: Arc<Mutex<Vec<(String, u32)>>>,
    pub(crate) sink_loop: SinkLoop<InMemory, ObedientSink>,
}

/// The longest an attempt of this sink may take.
pub(crate) const BUDGET: Duration = Duration::from_secs(10);

pub(crate) const QUEUE: QueueRole = QueueRole::Sink(SinkKind::Webhook);

pub(crate) fn document(extra: &str) -> String {
    format!(
        r#"{{"tenant":"acme","name":"Acme","sinks":[{{"id":"crm","kind":"webhook","types":["*"],
        "url":"https://crm.example.org/","secrets":["crm"],"retry":["10s","20s"]{extra}}}]}}"#
    )
}

pub(crate) fn world(extra: &str) -> World {
    let clock = FixedClock::at(build::start());
    let tenants = InMemoryTenants::new().with(&build::tenant_id("acme"), document(extra));
    let (ledger, queues) = (InMemoryLedger::new(), InMemoryQueues::new(clock.clone()));
    let (orders, attempts) = (Orders::default(), Arc::default());
    let sink = ObedientSink { orders: Arc::clone(&orders), attempts: Arc::clone(&attempts) };
    let sink_loop = SinkLoop {
        common: BatchLoop {
            tenants: CachedTenants::new(tenants.clone(), Arc::new(clock.clone())),
            ledger: ledger.clone(),
            queues: queues.clone(),
            delays: InMemoryDelays::new(),
            clock: Arc::new(clock.clone()),
            chance: Arc::new(SeededChance::new(1)),
            telemetry: Telemetry::silent(),
        },
        widths: Widths::default(),
        rate_limiter: RateLimiter::new(InMemoryRates::new(), Arc::new(clock.clone())),
        breakers: None,
        sink,
    };
    World { clock, tenants, ledger, queues, orders, attempts, sink_loop }
}

impl World {
    pub(crate) fn order(&self, event: &str, order: Order) {
        self.orders.lock().unwrap().insert(event.to_owned(), order);
    }

    pub(crate) fn obey_no_more(&self) {
        self.orders.lock().unwrap().clear();
    }

    pub(crate) fn attempts(&self) -> Vec<(String, u32)> {
        self.attempts.lock().unwrap().clone()
    }

    /// Handles a batch; answers the ids of the messages that come back.
    pub(crate) async fn handle(&self, messages: &[Incoming]) -> Vec<String> {
        let event = serde_json::from_value(lambda_event(messages)).unwrap();
        let deadline = Deadline::at(after(acequia_core::port::Clock::now(&self.clock), Duration::from_mins(1)));
        let response = self.sink_loop.handle(event, deadline).await.unwrap();
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    pub(crate) fn dead_letters(&self) -> Vec<Incoming> {
        self.queues.messages(&build::dead_letter_queue("acme", QUEUE))
    }

    pub(crate) fn status(&self, event: &str) -> Option<Status> {
        self.ledger.record(&build::tenant_id("acme"), &build::delivery_key(event, "crm")).map(|record| record.status)
    }
}

pub(crate) fn queue() -> QueueArn {
    build::queue("acme", QUEUE)
}

pub(crate) fn message(id: &str, event: &str) -> Incoming {
    build::incoming_delivery(&queue(), id, "crm", &build::envelope("acme", event, "action.signed", "{}"))
}

pub(crate) fn again(mut message: Incoming, receive_count: u32) -> Incoming {
    message.receive_count = receive_count;
    message
}

pub(crate) fn fail_with(status: u16) -> Order {
    Order::Fail(Cause::Status { code: status, retry_after: None })
}
