//! What the simulator saw happen, and what was wrong with it: every observation is checked as it comes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use acequia_core::breaker::Circuit;
use acequia_core::id::{DeliveryId, EventId, SinkId, TenantId};
use acequia_core::ledger::{DeliveryKey, DeliveryRecord, after};
use acequia_testkit::{FixedClock, build};
use jiff::Timestamp;

use acequia_core::port::Clock as _;
use acequia_core::strikes::DEATHS_ALONE;

use crate::limit;
use crate::ordered::order::{self, Order};
use crate::scenario::{EventPlan, Scenario, SinkPlan};
use crate::story::{Effect, Schedules, Story};
use crate::trace::{Trace, since};

/// How far an instance's clock may be from the true time.
const SKEW: Duration = Duration::from_secs(1);
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
    /// When each event was first accepted.
    pub accepted: BTreeMap<usize, Timestamp>,
    /// The events whose intake message was acknowledged.
    pub routed: BTreeSet<usize>,
    /// The events that came to lie in their intake's dead-letter queue, and how often.
    pub dead: BTreeMap<usize, u32>,
    /// By tenant, when each version was published.
    pub published: Vec<Vec<Timestamp>>,
    /// What each message holds that was received: its event, and in a sink's queue the sink.
    pub held: BTreeMap<String, Content>,
    /// How many invocations ended without order while they had this content.
    pub deaths: BTreeMap<Content, u32>,
    /// The identities whose routing could not be recorded.
    pub unrecorded: BTreeSet<usize>,
    /// The deliveries whose last record could not be written.
    pub unsettled: BTreeSet<StoryKey>,
    /// Which invocations parked which events, of which sink.
    parked: BTreeSet<(u64, usize, Option<String>)>,
    /// The messages whose place a parked one took.
    parked_ids: BTreeSet<String>,
    /// How the circuits stand.
    pub circuits: HashMap<(TenantId, SinkId), Circuit>,
    /// By tenant and place of the sink, when attempts were made.
    attempts: HashMap<(usize, usize), Vec<(StoryKey, Timestamp)>>,
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
            accepted: BTreeMap::new(),
            routed: BTreeSet::new(),
            dead: BTreeMap::new(),
            held: BTreeMap::new(),
            deaths: BTreeMap::new(),
            unrecorded: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            parked: BTreeSet::new(),
            parked_ids: BTreeSet::new(),
            circuits: HashMap::new(),
            attempts: HashMap::new(),
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

    /// The event of a body, which must be of this tenant: whatever was seen in a queue, a mail or a request of the tenant's.
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

    /// Whether the function that handles this event dies.
    pub fn kills(&self, event: usize, in_sink: bool) -> bool {
        self.event(event).is_some_and(|event| event.flaw.kills(in_sink))
    }

    /// A message is quarantined because invocations died of it: that must be true, or look true three times.
    pub fn condemned(&mut self, who: u64, content: &Content) {
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
        let held = self.limits(key, &plan, now);
        self.hold(who, key, held);
        let held = order::attempt(self, key);
        self.hold(who, key, held);
    }

    /// Checks an attempt against the rate and the circuit of its sink.
    fn limits(&mut self, key: StoryKey, plan: &SinkPlan, now: Timestamp) -> Result<(), String> {
        let Some(event) = self.scenario.events.iter().find(|event| event.identity == key.0) else { return Ok(()) };
        let Some(tenant) = self.scenario.tenants.get(event.tenant) else { return Ok(()) };
        let circuit = self.circuits.get(&(tenant.id.clone(), plan.id.clone()));
        limit::check_circuit(circuit, now)?;
        let attempts = self.attempts.entry((event.tenant, key.1)).or_default();
        attempts.push((key, now));
        plan.rate().map_or(Ok(()), |rate| rate.check(attempts))
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
        self.note(who, format_args!("records {key:?} as {:?}, {} spent", record.status, record.spent));
        self.unsettled.remove(&key);
        let Some(plan) = self.plan(key) else { return };
        let schedules = self.schedules(key);
        let held = self.stories.entry(key).or_default().write(&plan, who, record, &schedules);
        self.hold(who, key, held);
    }

    fn schedules(&self, key: StoryKey) -> Schedules {
        let event = self.scenario.events.iter().find(|event| event.identity == key.0);
        let tenant = event.and_then(|event| self.scenario.tenants.get(event.tenant));
        let versions = tenant.map(|tenant| tenant.versions.as_slice()).unwrap_or_default();
        Schedules(versions.iter().filter_map(|sinks| sinks.get(key.1)).map(|sink| sink.waits).collect())
    }

    fn hold(&mut self, who: u64, key: StoryKey, held: Result<(), String>) {
        if let Err(broken) = held {
            let sink = self.plan(key).map(|plan| plan.id.to_string()).unwrap_or_default();
            self.report(who, format_args!("delivery {key:?} to {sink}: {broken}"));
        }
    }

    /// A message of this event was parked.
    pub fn parked(&mut self, who: u64, event: usize, sink: Option<&str>, message_id: &str) {
        self.parked.insert((who, event, sink.map(str::to_owned)));
        let is_new = self.parked_ids.insert(message_id.to_owned());
        if let Some(key) = sink.and_then(|sink| self.story_of(event, sink)) {
            self.stories.entry(key).or_default().parked += u32::from(is_new);
        }
    }

    /// A message of this event came back from parking.
    pub fn returned(&mut self, event: usize, sink: Option<&str>) {
        if let Some(key) = sink.and_then(|sink| self.story_of(event, sink)) {
            let story = self.stories.entry(key).or_default();
            story.returned += 1;
            // One row was sent twice: between the two, the sweeper died or could not delete it.
            story.duplicated |= story.returned > story.parked;
        }
    }

    /// A message is handed out.
    pub fn received(&mut self, event: usize, sink: Option<&str>, message_id: &str) {
        if let Some(key) = sink.and_then(|sink| self.story_of(event, sink)) {
            // It was parked and not acknowledged, so there are two of it now.
            self.stories.entry(key).or_default().duplicated |= self.parked_ids.contains(message_id);
        }
    }

    /// A message that held this event was acknowledged: in a sink's queue, or (without a sink) in the intake queue.
    pub fn acknowledged(&mut self, who: u64, event: usize, sink: Option<&str>) {
        if self.parked.contains(&(who, event, sink.map(str::to_owned))) {
            return;
        }
        let Some(sink) = sink else { return self.acknowledged_intake(who, event) };
        let Some(key) = self.story_of(event, sink) else { return };
        if self.is_over(event, Duration::ZERO) {
            return;
        }
        let plan = self.plan(key);
        let story = plan.as_ref().zip(self.stories.get(&key));
        if !story.is_some_and(|(plan, story)| story.is_safe(plan, event)) {
            self.report(
                who,
                format_args!(
                    "a message of event {event} to {sink} {key:?} was acknowledged without effect or dead letter"
                ),
            );
        }
    }

    fn acknowledged_intake(&mut self, who: u64, event: usize) {
        self.routed.insert(event);
        if self.dead.contains_key(&event) || self.versions_of(event).any(|version| self.is_routed_by(event, version)) {
            return;
        }
        self.report(who, format_args!("event {event} was acknowledged without all its deliveries"));
    }

    /// The versions by which an event may have been routed so far: all since it was accepted, and those that an instance could
    /// still have in memory then (5 s, and its clock's skew).
    pub fn versions_of(&self, event: usize) -> impl Iterator<Item = usize> {
        let plan = self.event(event);
        let published = plan.and_then(|plan| self.published.get(plan.tenant)).map(Vec::as_slice).unwrap_or_default();
        let accepted = self.accepted.get(&event).copied().unwrap_or_else(build::start);
        let since = accepted.checked_sub(Duration::from_secs(10)).unwrap_or(accepted);
        let first = published.iter().rposition(|at| *at <= since).unwrap_or(0);
        first..published.len()
    }

    fn is_routed_by(&self, event: usize, version: usize) -> bool {
        let Some(plan) = self.event(event) else { return false };
        let tenant = self.scenario.tenants.get(plan.tenant);
        let sinks = tenant.and_then(|tenant| tenant.versions.get(version)).into_iter().flatten();
        sinks.enumerate().filter(|(_, sink)| sink.takes(plan)).all(|(place, _)| {
            self.stories.get(&(plan.identity, place)).is_some_and(|story| story.sent.contains_key(&event))
        })
    }
}
