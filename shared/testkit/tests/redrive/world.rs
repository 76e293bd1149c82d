//! A tenant with dead letters, and an operator that redrives them.

use std::collections::BTreeMap;
use std::time::Duration;

use acequia_core::flow::redrive::{Observer, Order, Redriven, Way, redrive};
use acequia_core::message::{Attributes, Outgoing};
use acequia_core::outcome::Reason;
use acequia_core::port::Queues as _;
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_core::wire::quarantined;
use acequia_testkit::{FixedClock, InMemoryJournal, InMemoryLedger, InMemoryQueues, Mortal, build};
use futures::FutureExt as _;

pub(crate) struct World {
    pub(crate) clock: FixedClock,
    pub(crate) queues: InMemoryQueues,
    pub(crate) journal: InMemoryJournal,
    pub(crate) ledger: InMemoryLedger,
    pub(crate) way: Way,
}

/// An observer that ignores what it sees.
pub(crate) struct Nobody;

impl Observer for Nobody {
    fn dealt(&self, _: u64) {}
    fn trouble(&self, _: &str) {}
    fn ends(&self) -> bool {
        false
    }
}

impl World {
    /// `count` dead letters of the webhook sink `crm`, or of a FIFO queue of the tenant's own, in two groups.
    pub(crate) fn with(count: u64, fifo: bool) -> Self {
        let clock = FixedClock::default();
        let role = if fifo { QueueRole::Out } else { QueueRole::Sink(acequia_core::kind::SinkKind::Webhook) };
        let name = QueueName { fifo, ..QueueName::new(&build::stage(), &build::tenant_id("acme"), role) };
        let (source, dead_letters) = (build::named_queue(&name), build::named_queue(&name.dead_letter()));
        let way = Way { tenant: build::tenant_id("acme"), dead_letters, source, depth: count };
        let queues = InMemoryQueues::new(clock.clone());
        let world = Self { clock, queues, journal: InMemoryJournal::new(), ledger: InMemoryLedger::new(), way };
        let letters: Vec<Outgoing> = (0..count).map(|n| world.letter(n)).collect();
        for answer in world.queues.send(&world.way.dead_letters, &letters).now_or_never().unwrap() {
            answer.unwrap();
        }
        world
    }

    pub(crate) fn letter(&self, number: u64) -> Outgoing {
        let envelope = build::envelope("acme", &format!("{number:03}"), "t", "{}");
        let before = build::incoming_delivery(&self.way.source, "m", "crm", &envelope);
        let dead = quarantined(&before, Reason::HttpStatus, "the endpoint answered 400", 1, build::start()).unwrap();
        let fifo = self.way.source.is_fifo();
        let (group, deduplication) = (format!("group-{}", number % 2), format!("dead-{number}"));
        Outgoing { group: fifo.then_some(group), deduplication: fifo.then_some(deduplication), ..dead }
    }

    /// Runs until the end or, after so many steps, its death; the hidden messages are visible again then.
    pub(crate) fn run(&self, run: &str, steps: u32, order: &Order) -> Option<Redriven> {
        let mortal = Mortal::new(&self.queues, &self.journal, steps);
        self.run_in(&mortal, run, order)
    }

    pub(crate) fn run_in(&self, mortal: &Mortal<'_>, run: &str, order: &Order) -> Option<Redriven> {
        let order = Order { run: run.to_owned(), ..order.clone() };
        let ports = (mortal, mortal, &self.ledger, &self.clock);
        let ended = redrive(ports, &self.way, &order, &Nobody).now_or_never();
        self.clock.advance(Duration::from_secs(100));
        ended
    }

    /// How often each body lies in a queue.
    pub(crate) fn count(&self, queue: &QueueArn) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for message in self.queues.messages(queue) {
            *counts.entry(message.body).or_default() += 1;
        }
        counts
    }

    pub(crate) fn sent(&self) -> BTreeMap<String, usize> {
        self.count(&self.way.source)
    }

    pub(crate) fn dead(&self) -> BTreeMap<String, usize> {
        self.count(&self.way.dead_letters)
    }

    /// The attributes of all messages that went back, in their order.
    pub(crate) fn attributes(&self) -> Vec<Attributes> {
        self.queues.messages(&self.way.source).into_iter().map(|message| message.attributes).collect()
    }
}
