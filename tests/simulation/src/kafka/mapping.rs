//! The part of Lambda's event source mapping for Kafka: hands records of several partitions to a call, each partition's
//! in order and in one call at a time; takes the answer, and reads from the first offset that failed again
//! (<https://docs.aws.amazon.com/lambda/latest/dg/kafka-retry-configurations.html>).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use acequia_core::port::Clock as _;
use acequia_core::queue::QueueRole;
use acequia_core::time::after;
use acequia_lambda::Deadline;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kafka::BridgeError;
use serde_json::{Value as Json, json};

use super::function::Function;
use super::topic;
use crate::mutation::Mutation;
use crate::task::Task;
use crate::world::World;

/// A call may take this long: as in the templates.
const TIMEOUT: Duration = Duration::from_mins(1);
/// How long a partition waits that failed.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(20)];
/// The most records of a partition in a call, and the most calls at once.
const MOST_RECORDS: usize = 8;
const MOST_CALLS: usize = 3;
/// The first number of a call; those of other invocations are smaller.
const FIRST_CALL: u64 = 1_000_000;

/// Tenant and partition.
type Place = (usize, usize);

struct Call {
    number: u64,
    tenant: usize,
    /// By partition: from where on, and up to where.
    read: BTreeMap<usize, (usize, usize)>,
    function: Arc<Function>,
    task: Task<Result<Json, BridgeError>>,
    deadline: Timestamp,
    /// Whether its partitions have gone to another reader meanwhile.
    stale: bool,
}

/// The mappings of all tenants' topics.
pub struct Mappings {
    world: World,
    /// The tenants, each with its topic.
    topics: Vec<String>,
    partitions: usize,
    /// From where on each partition is read.
    offsets: BTreeMap<Place, usize>,
    /// Until when a partition waits that failed.
    waits: BTreeMap<Place, Timestamp>,
    idle: Vec<Arc<Function>>,
    calls: Vec<Call>,
    issued: u64,
}

impl Mappings {
    /// The mappings of a world whose producers send to topics.
    pub fn new(world: &World) -> Self {
        let (tenants, partitions) = {
            let scenario = &world.lock().history.scenario;
            (scenario.tenants.clone(), scenario.partitions)
        };
        let topics =
            if partitions == 0 { Vec::new() } else { tenants.iter().map(|one| topic(one.id.as_str())).collect() };
        for (tenant, topic) in tenants.iter().zip(&topics) {
            world.topics.put(topic, tenant.queue(QueueRole::Intake));
        }
        Self {
            world: world.clone(),
            topics,
            partitions,
            offsets: BTreeMap::new(),
            waits: BTreeMap::new(),
            idle: Vec::new(),
            calls: Vec::new(),
            issued: FIRST_CALL,
        }
    }

    /// Whether there are any.
    pub fn are_there(&self) -> bool {
        !self.topics.is_empty()
    }

    /// Does one thing that can be done now; whether there was one.
    pub fn step(&mut self) -> bool {
        self.end_overdue();
        if self.world.lock().dice.happens(0.4) && self.begin() {
            return true;
        }
        let is_ready = |index: &usize| self.calls.get(*index).is_some_and(|one| one.task.is_ready());
        let ready: Vec<usize> = (0..self.calls.len()).filter(is_ready).collect();
        let chosen = self.world.lock().dice.pick(&ready).copied();
        match chosen {
            Some(index) => {
                self.poll(index);
                true
            }
            None => self.begin(),
        }
    }

    /// When something can happen again.
    pub fn next_time(&self) -> impl Iterator<Item = Timestamp> {
        let now = self.world.clock.now();
        let open = if self.calls.len() < MOST_CALLS { self.unread() } else { Vec::new() };
        let waits = open.into_iter().map(|place| self.waits.get(&place).copied().unwrap_or(now).max(now));
        let deadlines: Vec<Timestamp> = self.calls.iter().map(|one| one.deadline).collect();
        waits.chain(deadlines).collect::<Vec<_>>().into_iter()
    }

    /// Whether every topic is read to its end.
    pub fn is_quiet(&self) -> bool {
        self.calls.is_empty() && self.unread().is_empty()
    }

    /// The partitions with records that no call has.
    fn unread(&self) -> Vec<Place> {
        let topics = self.world.lock().history.topics.clone();
        let taken = |(tenant, partition): &Place| {
            self.calls.iter().any(|one| !one.stale && one.tenant == *tenant && one.read.contains_key(partition))
        };
        let more = |place: &Place| topics.get(place).map_or(0, Vec::len) > self.offset(*place);
        let all = (0..self.topics.len()).flat_map(|tenant| (0..self.partitions).map(move |part| (tenant, part)));
        all.filter(|place| more(place) && !taken(place)).collect()
    }

    fn offset(&self, place: Place) -> usize {
        self.offsets.get(&place).copied().unwrap_or_default()
    }

    /// Begins a call for some partitions of a topic.
    fn begin(&mut self) -> bool {
        self.rebalance();
        let now = self.world.clock.now();
        let mut open = self.unread();
        open.retain(|place| self.waits.get(place).is_none_or(|until| *until <= now));
        if self.calls.len() >= MOST_CALLS || open.is_empty() {
            return false;
        }
        let read = {
            let dice = &mut self.world.lock().dice;
            let first = dice.pick(&open).copied();
            open.retain(|place| Some(place.0) == first.map(|first| first.0));
            let mut read = BTreeMap::new();
            for _ in 0..=dice.below(open.len()) {
                read.extend(dice.draw(&mut open).map(|place| (place, 1 + dice.below(MOST_RECORDS))));
            }
            read
        };
        let Some(tenant) = read.keys().next().map(|(tenant, _)| *tenant) else { return false };
        let read: BTreeMap<usize, (usize, usize)> = read
            .into_iter()
            .map(|((tenant, partition), most)| {
                let from = self.offset((tenant, partition));
                let end = self.world.lock().history.topics.get(&(tenant, partition)).map_or(0, Vec::len);
                (partition, (from, end.min(from + most)))
            })
            .collect();
        self.call(tenant, read);
        true
    }

    fn call(&mut self, tenant: usize, read: BTreeMap<usize, (usize, usize)>) {
        self.issued += 1;
        let number = self.issued;
        let function = self.idle.pop().unwrap_or_else(|| Arc::new(Function::start(&self.world)));
        function.instance.begin(number);
        let deadline = after(self.world.clock.now(), TIMEOUT);
        let event = self.event(tenant, &read);
        {
            let history = &mut self.world.lock().history;
            history.begin(number);
            history.note(number, format_args!("begins on the topic of tenant {tenant} with {read:?}"));
        }
        let task = Task::new(Box::pin({
            let function = Arc::clone(&function);
            async move { function.serve(event, Deadline::at(deadline)).await }
        }));
        self.calls.push(Call { number, tenant, read, function, task, deadline, stale: false });
    }

    /// What the mapping calls with
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/with-kafka-process.html>).
    fn event(&self, tenant: usize, read: &BTreeMap<usize, (usize, usize)>) -> Json {
        let history = &self.world.lock().history;
        let topic = self.topics.get(tenant).cloned().unwrap_or_default();
        let mut records = serde_json::Map::new();
        for (partition, (from, to)) in read {
            let log = history.topics.get(&(tenant, *partition)).and_then(|log| log.get(*from..*to)).unwrap_or_default();
            let record = |(offset, event): (usize, &usize)| {
                let plan = history.event(*event)?;
                Some(json!({
                    "topic": topic, "partition": partition, "offset": offset, "timestamp": 1_767_225_600_000_i64,
                    "timestampType": "CREATE_TIME", "value": STANDARD.encode(&plan.body), "headers": [],
                    "key": plan.group.as_ref().map(|key| STANDARD.encode(key)),
                }))
            };
            let all: Vec<Json> = (*from..).zip(log).filter_map(record).collect();
            records.insert(format!("{topic}-{partition}"), all.into());
        }
        json!({"eventSource": "SelfManagedKafka", "bootstrapServers": "broker:9092", "records": records})
    }

    fn poll(&mut self, index: usize) {
        let Some(one) = self.calls.get_mut(index) else { return };
        let polled = one.task.poll();
        if one.function.instance.has_crashed() {
            let one = self.calls.swap_remove(index);
            self.fail(&one, "a call of the mapping CRASHES");
        } else if let Poll::Ready(answer) = polled {
            let one = self.calls.swap_remove(index);
            match answer {
                Ok(answer) => self.take(&one, &answer),
                Err(error) => {
                    self.world.lock().history.report(one.number, format_args!("the whole call failed: {error}"));
                }
            }
            self.idle.push(one.function);
        }
    }

    fn end_overdue(&mut self) {
        let now = self.world.clock.now();
        while let Some(index) = self.calls.iter().position(|one| one.deadline <= now) {
            let one = self.calls.swap_remove(index);
            self.fail(&one, "a call of the mapping TIMES OUT");
        }
    }

    /// It ends without an answer: all of it is read again.
    fn fail(&mut self, one: &Call, how: &str) {
        self.finish(one, how);
        for partition in one.read.keys() {
            self.wait((one.tenant, *partition));
        }
    }

    fn finish(&self, one: &Call, how: &str) {
        let history = &mut self.world.lock().history;
        history.running.remove(&one.number);
        history.note(one.number, format_args!("{how}"));
    }

    fn wait(&mut self, place: Place) {
        let [least, most] = WAITS;
        let wait = self.world.lock().dice.between(least, most);
        self.waits.insert(place, after(self.world.clock.now(), wait));
    }

    /// Takes an answer: a partition is read on behind its records, or from the first that failed.
    fn take(&mut self, one: &Call, answer: &Json) {
        self.finish(one, "a call of the mapping ends");
        let failures = answer.get("batchItemFailures").and_then(Json::as_array).cloned().unwrap_or_default();
        let mut failed = BTreeMap::new();
        for failure in &failures {
            let part = |name: &str| failure.pointer(&format!("/itemIdentifier/{name}"));
            let partition = one.read.keys().find(|partition| {
                let name = self.topics.get(one.tenant).map(|topic| format!("{topic}-{partition}"));
                part("partition").and_then(Json::as_str) == name.as_deref()
            });
            let offset = part("offset").and_then(Json::as_u64).and_then(|offset| usize::try_from(offset).ok());
            failed.extend(partition.copied().zip(offset));
        }
        if failed.len() < failures.len() {
            let words = format_args!("the answer names what was not in the call, or twice: {answer}");
            return self.world.lock().history.report(one.number, words);
        }
        for (partition, (from, to)) in &one.read {
            let next = failed.get(partition).copied().filter(|_| self.world.mutation != Some(Mutation::PassFailed));
            if failed.contains_key(partition) {
                self.wait((one.tenant, *partition));
            }
            self.pass(one, *partition, *from, next.unwrap_or(*to), *to);
        }
    }

    /// Notes from where on a partition is read; now and then the note is lost, and that of a call whose partitions have
    /// gone to another reader is refused.
    fn pass(&mut self, one: &Call, partition: usize, from: usize, next: usize, to: usize) {
        if !(from..=to).contains(&next) {
            let words =
                format_args!("the answer names offset {next} of partition {partition}, which was not in the call");
            return self.world.lock().history.report(one.number, words);
        }
        let place = (one.tenant, partition);
        {
            let state = &mut *self.world.lock();
            let passed = state.history.topics.get(&place).and_then(|log| log.get(from..next)).unwrap_or_default();
            let lacking = passed
                .iter()
                .find(|event| !state.history.arrived.contains(event) && !state.history.dead.contains_key(event));
            if let Some(event) = lacking.copied() {
                let words =
                    format_args!("the offset of event {event} in {place:?} was passed, and SQS has NOTHING of it");
                return state.history.report(one.number, words);
            }
            if one.stale || state.dice.happens(state.weather.undeleted) {
                state.history.note(one.number, format_args!("what it passed of {place:?} is not noted"));
                return;
            }
        }
        self.offsets.insert(place, next);
    }

    /// Now and then partitions go to another reader while calls are under way.
    fn rebalance(&mut self) {
        let happens = {
            let state = &mut *self.world.lock();
            let happens = state.dice.happens(state.weather.unrest * 0.1);
            if happens {
                state.history.note(0, format_args!("all partitions go to other readers"));
            }
            happens
        };
        if happens {
            self.calls.iter_mut().for_each(|one| one.stale = true);
        }
    }
}
