//! What the simulator saw happen, and what was wrong with it: every observation is checked as it comes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use acequia_core::delivery::breaker::Circuit;
use acequia_core::delivery::ledger::{DeliveryKey, DeliveryRecord};
use acequia_core::id::{DeliveryId, EventId, SinkId, TenantId};
use acequia_core::time::after;
use acequia_testkit::{FixedClock, build};
use jiff::Timestamp;

use acequia_core::delivery::crash::DEATHS_ALONE;
use acequia_core::outcome::{Cause, PANICKED};
use acequia_core::port::Clock as _;

use crate::limit::{self, Circuits, Starts};
use crate::ordered::order::{self, Order};
use crate::scenario::{EventPlan, Scenario, SinkPlan};
use crate::story::{Effect, Schedules, Story};
use crate::trace::{Trace, since};

/// How far an instance's clock may be from the true time.
pub const SKEW: Duration = Duration::from_secs(1);
/// How long an invocation may take, with the skew of its clock.
const INVOCATION: Duration = Duration::from_secs(62);

/// Which delivery: the identity of its event, and the place of its sink in the tenant's plan.
pub type StoryKey = (usize, usize);

/// What a message holds: its event, and in a sink's queue the sink.
pub type Content = (usize, Option<String>);

/// All that was seen in a run.
#[derive(Debug)]
pub struct History {
    clock: FixedClock,
    /// What the run began with, and the versions that were published since.
    pub scenario: Scenario,
    /// The trace.
    pub trace: Trace,
    /// What must not have happened.
    pub violations: Vec<String>,
    /// The story of each delivery.
    pub stories: BTreeMap<StoryKey, Story>,
    /// The invocations that run now.
    pub running: BTreeSet<u64>,
    /// When each invocation began.
    began: HashMap<u64, Timestamp>,
    /// When each event was first accepted.
    pub accepted: BTreeMap<usize, Timestamp>,
    /// The events whose intake message was acknowledged.
    pub routed: BTreeSet<usize>,
    /// The events that came to lie in their intake's dead-letter queue, and how often.
    pub dead: BTreeMap<usize, u32>,
    /// The events that an intake got from the bridge.
    pub arrived: BTreeSet<usize>,
    /// The records of topics, by tenant and partition: the event at each offset.
    pub topics: BTreeMap<(usize, usize), Vec<usize>>,
    /// By tenant, when each version was published.
    pub published: Vec<Vec<Timestamp>>,
    /// What each message holds that was received: its event, and in a sink's queue the sink.
    pub held: BTreeMap<String, Content>,
    /// How many invocations ended without order while they had this content.
    pub deaths: BTreeMap<Content, u32>,
    /// The identities whose routing could not be recorded.
    pub unrecorded: BTreeSet<usize>,
    /// The contents, by their digest, whose expiry could not be recorded.
    pub expired_unwritten: BTreeSet<(StoryKey, String)>,
    /// The deliveries whose last record could not be written.
    pub unsettled: BTreeSet<StoryKey>,
    /// Which invocations delayed which events, of which sink.
    pub delayed: BTreeSet<(u64, usize, Option<String>)>,
    /// The messages whose place a delayed one took.
    delayed_ids: BTreeSet<String>,
    circuits: Circuits,
    /// By tenant and place of the sink, the attempts at sinks that have a rate.
    starts: HashMap<(usize, usize), Starts<StoryKey>>,
    /// The order of groups, where a tenant's stack keeps it.
    pub order: Order,
    by_body: HashMap<String, usize>,
    by_delivery: HashMap<DeliveryId, StoryKey>,
    by_identity: HashMap<(TenantId, EventId), usize>,
}

impl History {
    /// The history of a scenario that begins now.
    pub fn new(clock: FixedClock, scenario: Scenario, keep_trace: bool) -> Self {
        let mut history = Self {
            published: scenario.tenants.iter().map(|_| vec![clock.now()]).collect(),
            clock,
            trace: Trace::new(keep_trace),
            violations: Vec::new(),
            stories: BTreeMap::new(),
            running: BTreeSet::new(),
            began: HashMap::new(),
            accepted: BTreeMap::new(),
            routed: BTreeSet::new(),
            dead: BTreeMap::new(),
            arrived: BTreeSet::new(),
            topics: BTreeMap::new(),
            held: BTreeMap::new(),
            deaths: BTreeMap::new(),
            unrecorded: BTreeSet::new(),
            expired_unwritten: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            delayed: BTreeSet::new(),
            delayed_ids: BTreeSet::new(),
            circuits: Circuits::default(),
            starts: HashMap::new(),
            order: Order::default(),
            by_body: HashMap::new(),
            by_delivery: HashMap::new(),
            by_identity: HashMap::new(),
            scenario: Scenario::default(),
        };
        for (index, event) in scenario.events.iter().enumerate() {
            history.by_body.insert(event.body.clone(), index);
            let Some(tenant) = scenario.tenants.get(event.tenant) else { continue };
            history.by_identity.insert((tenant.id.clone(), event.event.clone()), event.identity);
            for (place, sink) in tenant.sinks.iter().enumerate() {
                let delivery = DeliveryId::derive(&tenant.id, &sink.id, &event.event);
                history.by_delivery.insert(delivery, (event.identity, place));
            }
        }
        history.scenario = scenario;
        history
    }

    /// Adds a line to the trace.
    pub fn note(&mut self, who: u64, what: fmt::Arguments<'_>) {
        self.trace.note(since(build::start(), self.clock.now()), who, what);
    }

    /// Reports what must not have happened.
    pub fn report(&mut self, who: u64, what: fmt::Arguments<'_>) {
        self.note(who, format_args!("VIOLATION: {what}"));
        self.violations.push(what.to_string());
    }

    /// The event of a body, which must be of this tenant: whatever was seen in a queue, a mail or a request of the
    /// tenant's.
    pub fn event_of(&mut self, who: u64, tenant: &TenantId, body: &str) -> Option<usize> {
        let Some(index) = self.by_body.get(body).copied() else {
            self.report(who, format_args!("a message of {tenant} has a body that nobody sent"));
            return None;
        };
        let owner = self.event(index).map(|event| event.tenant);
        if owner.and_then(|owner| self.scenario.tenants.get(owner)).is_none_or(|owner| owner.id != *tenant) {
            self.report(who, format_args!("event {index} is another tenant's, and was seen with {tenant}"));
            return None;
        }
        Some(index)
    }

    /// An invocation that had this message ended without order, or seems to have.
    pub fn died(&mut self, message_id: &str) {
        if let Some(content) = self.held.get(message_id) {
            *self.deaths.entry(content.clone()).or_default() += 1;
        }
    }

    /// An invocation that seemed to have died with this message did not.
    pub fn forgiven(&mut self, message_id: &str) {
        let deaths = self.held.get(message_id).and_then(|content| self.deaths.get_mut(content));
        if let Some(deaths) = deaths {
            *deaths = deaths.saturating_sub(1);
        }
    }

    /// Whether the function that handles this event dies.
    pub fn kills(&self, event: usize, in_sink: bool) -> bool {
        self.event(event).is_some_and(|event| event.flaw.kills(in_sink))
    }

    /// A message is quarantined because invocations died of it: that must be true, or look true three times.
    pub fn quarantined(&mut self, who: u64, content: &Content) {
        let kills = self.kills(content.0, content.1.is_some());
        let deaths = self.deaths.get(content).copied().unwrap_or_default();
        if !kills && deaths <= DEATHS_ALONE {
            self.report(who, format_args!("{content:?} is quarantined as a crash loop after {deaths} deaths"));
        }
    }

    /// The event at this place of the scenario.
    pub fn event(&self, index: usize) -> Option<&EventPlan> {
        self.scenario.events.get(index)
    }

    /// Whether an event's time was over so long ago, by a clock that may go a second fast.
    pub fn is_over(&self, event: usize, ago: Duration) -> bool {
        let expires_at = self.event(event).and_then(|event| event.expires_at);
        let now = self.clock.now();
        expires_at.is_some_and(|at| if ago.is_zero() { at <= after(now, SKEW) } else { after(at, ago) < now })
    }

    /// The delivery of an event to a sink of this id.
    pub fn story_of(&self, event: usize, sink: &str) -> Option<StoryKey> {
        let event = self.event(event)?;
        let sinks = &self.scenario.tenants.get(event.tenant)?.sinks;
        Some((event.identity, sinks.iter().position(|plan| plan.id.as_str() == sink)?))
    }

    /// The delivery of this id, which must be one of this event.
    pub fn delivery(&mut self, who: u64, id: &DeliveryId, event: usize) -> Option<StoryKey> {
        let found = self.by_delivery.get(id).copied();
        let identity = self.event(event).map(|event| event.identity);
        if found.is_none_or(|(of, _)| Some(of) != identity) {
            self.report(who, format_args!("event {event} was sent under the delivery id {id}, which is not its own"));
            return None;
        }
        found
    }

    /// The plan of a delivery's sink.
    pub fn plan(&self, key: StoryKey) -> Option<SinkPlan> {
        let event = self.scenario.events.iter().find(|event| event.identity == key.0)?;
        self.scenario.tenants.get(event.tenant)?.sinks.get(key.1).cloned()
    }

    /// The identity of a tenant's event.
    pub fn identity(&self, tenant: &TenantId, event: &EventId) -> Option<usize> {
        self.by_identity.get(&(tenant.clone(), event.clone())).copied()
    }

    /// The delivery of a key of the ledger.
    pub fn story_of_key(&self, tenant: &TenantId, key: &DeliveryKey) -> Option<StoryKey> {
        let identity = self.identity(tenant, &key.event)?;
        let tenant = self.scenario.tenants.iter().find(|plan| plan.id == *tenant)?;
        Some((identity, tenant.sinks.iter().position(|plan| plan.id == key.sink)?))
    }

    /// An attempt is made at a sink; it is spent unless [`Story::spare`] says otherwise.
    pub fn attempt(&mut self, who: u64, key: StoryKey, spends: bool) {
        let now = self.clock.now();
        self.note(who, format_args!("attempts {key:?}"));
        let Some(plan) = self.plan(key) else { return };
        let story = self.stories.entry(key).or_default();
        let held = story.attempt(&plan, now);
        if spends {
            story.fail(who, now);
        }
        self.hold(who, key, held);
        let held = self.limits(who, key, &plan, now);
        self.hold(who, key, held);
        let held = order::attempt(self, key);
        self.hold(who, key, held);
    }

    /// An invocation begins.
    pub fn begin(&mut self, who: u64) {
        self.running.insert(who);
        self.began.insert(who, self.clock.now());
    }

    fn began(&self, who: u64) -> Timestamp {
        self.began.get(&who).copied().unwrap_or_else(build::start)
    }

    /// A change of an endpoint's circuit landed in its row.
    pub fn turned(&mut self, who: u64, tenant: &TenantId, sink: &SinkId, circuit: &Circuit) {
        let turned = self.circuits.turned(who, (tenant.clone(), sink.clone()), circuit, self.clock.now());
        if let Err(broken) = turned {
            self.report(who, format_args!("{tenant}/{sink}: {broken}"));
        }
    }

    /// Checks an attempt against the pause, the circuit and the rate of its sink.
    fn limits(&mut self, who: u64, key: StoryKey, plan: &SinkPlan, now: Timestamp) -> Result<(), String> {
        let began = self.began(who);
        limit::check_pause(self, key, began).map_err(|broken| format!("an attempt though {broken}"))?;
        let Some(event) = self.scenario.events.iter().find(|event| event.identity == key.0) else { return Ok(()) };
        let Some(tenant) = self.scenario.tenants.get(event.tenant) else { return Ok(()) };
        self.circuits.check(who, &(tenant.id.clone(), plan.id.clone()), began)?;
        let starts = self.starts.entry((event.tenant, key.1)).or_default();
        plan.rate().map_or(Ok(()), |rate| starts.add(rate, key, began, now))
    }

    /// A claim was granted.
    pub fn claimed(&mut self, who: u64, key: StoryKey, record: &DeliveryRecord) {
        self.stories.entry(key).or_default().claimed(record);
        let held = limit::check_pause(self, key, self.began(who));
        self.hold(who, key, held.map_err(|broken| format!("a claim though {broken}")));
    }

    /// The attempt failed just now, and is spent.
    pub fn fail(&mut self, who: u64, key: StoryKey) {
        let now = self.clock.now();
        self.stories.entry(key).or_default().fail(who, now);
    }

    /// The attempt did not fail, or is not spent.
    pub fn spare(&mut self, who: u64, key: StoryKey) {
        self.stories.entry(key).or_default().spare(who);
    }

    /// The outside world took an event.
    pub fn effect(&mut self, who: u64, key: StoryKey, event: usize) {
        let at = self.clock.now();
        self.note(who, format_args!("EFFECT of event {event} {key:?}"));
        let Some(plan) = self.plan(key) else { return };
        // Whether it is over is asked when the delivery is admitted, and an invocation has a minute from then on.
        if self.is_over(event, INVOCATION) {
            self.report(who, format_args!("event {event} had an effect after it expired"));
        }
        let effect = Effect { at, by: who, event, settled: None };
        let held = self.stories.entry(key).or_default().effect(&plan, effect, &self.running);
        self.hold(who, key, held);
    }

    /// A record landed in the ledger.
    pub fn written(&mut self, who: u64, key: StoryKey, record: &DeliveryRecord) {
        self.note(who, format_args!("records {key:?} as {:?}, {} spent", record.status, record.attempts_used));
        self.unsettled.remove(&key);
        // The loop survives a sink that panics, so that its record is all that is to be seen of it.
        if record.attempts.last().is_some_and(|note| note.detail == Cause::Bug(PANICKED).to_string()) {
            self.report(who, format_args!("a panic: the sink of {key:?} did, or what it calls"));
        }
        let Some(plan) = self.plan(key) else { return };
        let schedules = Schedules::of(&self.scenario, key);
        let held = self.stories.entry(key).or_default().write(&plan, who, record, &schedules);
        self.hold(who, key, held);
    }

    fn hold(&mut self, who: u64, key: StoryKey, held: Result<(), String>) {
        if let Err(broken) = held {
            let sink = self.plan(key).map(|plan| plan.id.to_string()).unwrap_or_default();
            self.report(who, format_args!("delivery {key:?} to {sink}: {broken}"));
        }
    }

    /// A message of this event was delayed.
    pub fn delayed(&mut self, who: u64, event: usize, sink: Option<&str>, message_id: &str) {
        self.delayed.insert((who, event, sink.map(str::to_owned)));
        let is_new = self.delayed_ids.insert(message_id.to_owned());
        if let Some(key) = sink.and_then(|sink| self.story_of(event, sink)) {
            self.stories.entry(key).or_default().delayed += u32::from(is_new);
        }
    }

    /// A message of this event came back from its delay.
    pub fn returned(&mut self, event: usize, sink: Option<&str>) {
        if let Some(key) = sink.and_then(|sink| self.story_of(event, sink)) {
            let story = self.stories.entry(key).or_default();
            story.returned += 1;
            // One row was sent twice: between the two, the sweeper died or could not delete it.
            story.duplicated |= story.returned > story.delayed;
        }
    }

    /// A message is handed out.
    pub fn received(&mut self, event: usize, sink: Option<&str>, message_id: &str) {
        if let Some(key) = sink.and_then(|sink| self.story_of(event, sink)) {
            // It was delayed and not acknowledged, so there are two of it now.
            self.stories.entry(key).or_default().duplicated |= self.delayed_ids.contains(message_id);
        }
    }
}
