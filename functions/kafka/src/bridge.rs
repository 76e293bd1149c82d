//! One call of a mapping, from the records to the answer.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use acequia_core::event::envelope::{Envelope, Received};
use acequia_core::event::schema::Violation;
use acequia_core::flow::order::send_in_order;
use acequia_core::id::{Stage, TenantId};
use acequia_core::message::Outgoing;
use acequia_core::outcome::stall::Store;
use acequia_core::outcome::{Cause, Outcome, PANICKED, Reason};
use acequia_core::port::{Clock, Queues, SendError, TenantStore, TopicStore};
use acequia_core::queue::{Queue, QueueRole};
use acequia_core::topic::Topic;
use acequia_lambda::{CachedTenants, CurrentTenant, Deadline, SourceMetrics, Telemetry, Timing};
use futures::StreamExt as _;
use jiff::Timestamp;
use serde_json::Value as Json;

use crate::event::{KafkaEvent, Record, answer};
use crate::{binding, letter};

/// How many partitions are worked on at once.
const PARTITIONS: usize = 8;
/// How many records of a partition are sent before it is looked at what became of them: behind one that failed as many
/// at most are sent again.
const STEP: usize = 100;

/// The bridge, wired to its ports.
pub struct Bridge<T, S, Q> {
    /// The tenants' configurations.
    pub tenants: CachedTenants<T>,
    /// Whose the topics are.
    pub topics: S,
    /// SQS.
    pub queues: Q,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The stage that it belongs to.
    pub stage: Stage,
    /// What is told of the work.
    pub telemetry: Telemetry,
}

/// Why a call fails as a whole; the mapping repeats it, and gives its records to the on-failure destination in the end.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// It is no call of a mapping of Kafka's.
    #[error("this is no event of a Kafka event source mapping: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// Nobody says whose a topic is.
    #[error("no stack maps the topic {0} to a tenant: deploy infra/tenant-kafka.yaml for it")]
    NoTenant(Topic),
    /// What a stack says is no intake queue of this stage.
    #[error("what the stack says of the topic {topic} is {queue}, and no intake queue of this stage")]
    NoIntake {
        /// The topic.
        topic: Topic,
        /// What stands there.
        queue: String,
    },
}

/// The records of a partition, with where they go.
struct Partition<'r> {
    /// Its name in the call.
    name: &'r str,
    records: &'r [Record],
    intake: Result<Queue, Cause>,
}

/// What is done with one record.
enum Way {
    Event(Outgoing),
    Dead(Outgoing, Reason),
    /// It cannot be said now, and nothing behind it goes on.
    Stop(Store),
}

/// What came of a partition.
#[derive(Default)]
struct Course {
    failed_from: Option<i64>,
    metrics: SourceMetrics,
}

impl<T: TenantStore, S: TopicStore, Q: Queues> Bridge<T, S, Q> {
    /// Handles one call.
    ///
    /// # Errors
    /// [`BridgeError`] where no partition can be answered by itself.
    pub async fn serve(&self, event: Json, deadline: Deadline) -> Result<Json, BridgeError> {
        let event: KafkaEvent = serde_json::from_value(event)?;
        let timing = Timing { clock: &*self.clock, deadline };
        let mut partitions = Vec::with_capacity(event.records.len());
        for (name, records) in &event.records {
            let Some(first) = records.first() else { continue };
            partitions.push(Partition { name, records, intake: self.intake(&first.topic).await? });
        }
        let work: Vec<_> = partitions.iter().map(|partition| self.forward(partition, timing)).collect();
        let courses: Vec<Course> = futures::stream::iter(work).buffered(PARTITIONS).collect().await;
        self.report(&partitions, &courses);
        let failed = partitions.iter().zip(&courses);
        Ok(answer(failed.filter_map(|(partition, course)| Some((partition.name, course.failed_from?)))))
    }

    /// Where a topic's records go; a cause where the store does not say.
    async fn intake(&self, topic: &Topic) -> Result<Result<Queue, Cause>, BridgeError> {
        match self.topics.intake(topic).await {
            Ok(Some(queue)) => {
                let fits = queue.name.role == QueueRole::Intake && !queue.name.dlq && queue.name.stage == self.stage;
                let wrong = || BridgeError::NoIntake { topic: topic.clone(), queue: queue.arn.to_string() };
                if fits { Ok(Ok(queue)) } else { Err(wrong()) }
            }
            Ok(None) => Err(BridgeError::NoTenant(topic.clone())),
            Err(error) => {
                tracing::warn!(kafka.topic = %topic, error = ?error, "whose the topic is cannot be read");
                Ok(Err(Cause::StoreDown(Store::Secrets)))
            }
        }
    }

    async fn forward(&self, partition: &Partition<'_>, timing: Timing<'_>) -> Course {
        let mut course = Course::default();
        course.metrics.received = partition.records.len() as u64;
        let intake = match &partition.intake {
            Ok(intake) => intake,
            Err(cause) => {
                let first = partition.records.first().map_or(0, |record| record.offset);
                return course.stopped_at(partition.records, first, Some(store_of(cause)));
            }
        };
        let current = self.tenants.current(&intake.name.tenant).await;
        for step in partition.records.chunks(STEP) {
            let mut ways: Vec<Way> =
                step.iter().map(|record| self.way(record, intake, current.as_deref(), &mut course.metrics)).collect();
            let stop = ways.iter().position(|way| matches!(way, Way::Stop(_)));
            let stopped = stop.and_then(|at| ways.drain(at..).next());
            // Where the time is over, some may have been sent all the same; they are sent again.
            let sent = timing.for_effects(self.send(step, &ways, intake, timing)).await;
            let fates = sent.as_deref().unwrap_or_default();
            let failed = (0..ways.len()).find(|at| fates.get(*at).is_none_or(Option::is_none));
            for fate in fates.iter().take(failed.unwrap_or(ways.len())).flatten() {
                match fate {
                    Fate::Accepted => course.metrics.accepted += 1,
                    Fate::Quarantined(reason) => *course.metrics.quarantined.entry(*reason).or_default() += 1,
                }
            }
            let Some(record) = failed.or(stop).and_then(|at| step.get(at)) else { continue };
            let store = match (failed, &sent, stopped) {
                (Some(_), Some(_), _) => Some(Store::Queues),
                (None, _, Some(Way::Stop(store))) => Some(store),
                _ => None,
            };
            return course.stopped_at(partition.records, record.offset, store);
        }
        course
    }

    /// What is done with a record. Reading is our own code over foreign bytes: a panic in it must not hold the
    /// partition up for ever, and is a dead letter.
    fn way(
        &self,
        record: &Record,
        intake: &Queue,
        current: Result<&CurrentTenant, &Cause>,
        metrics: &mut SourceMetrics,
    ) -> Way {
        let now = self.clock.now();
        let mut known = None;
        let read = catch_unwind(AssertUnwindSafe(|| admit(record, &intake.name.tenant, current, now, &mut known)));
        let cause = match read {
            Ok(Ok((envelope, violation))) => {
                if let Some(violation) = violation {
                    metrics.schema_reported += 1;
                    tracing::warn!(tenant.id = %intake.name.tenant, kafka.place = %record.place(), detail = %violation, "violates a schema");
                }
                return Way::Event(letter::of_event(record, &envelope, intake));
            }
            Ok(Err(cause)) => cause,
            Err(_) => Cause::Bug(PANICKED),
        };
        let reason = match cause.outcome() {
            Outcome::Quarantine(reason) => reason,
            _ if matches!(cause, Cause::Bug(_)) => Reason::CrashLoop,
            _ => return Way::Stop(store_of(&cause)),
        };
        refuse(record, known.as_ref(), intake, (reason, &cause), now)
    }

    /// Sends what a step came to; of each record what became of it, or nothing where SQS did not take it.
    async fn send(&self, step: &[Record], ways: &[Way], intake: &Queue, timing: Timing<'_>) -> Vec<Option<Fate>> {
        let mut fates: Vec<Option<Fate>> = ways.iter().map(|_| None).collect();
        let (mut events, mut letters) = (Vec::new(), Vec::new());
        for (index, way) in ways.iter().enumerate() {
            match way {
                Way::Event(message) => events.push((index, message.clone())),
                Way::Dead(message, reason) => letters.push((index, message.clone(), *reason)),
                Way::Stop(_) => {}
            }
        }
        let may_begin = || !timing.deadline.for_effects(timing.clock).is_zero();
        let messages: Vec<Outgoing> = events.iter().map(|(_, message)| message.clone()).collect();
        let answers = send_in_order(&self.queues, &intake.arn, &messages, may_begin).await;
        for ((index, _), answer) in events.into_iter().zip(answers) {
            match answer {
                Ok(_) => note(&mut fates, index, Fate::Accepted),
                // Not this message, in whatever state the queue is; if it is the queue, its dead-letter queue will not
                // take it either.
                Err(SendError::Refused(problem)) => {
                    let Some(record) = step.get(index) else { continue };
                    let cause = Cause::Rejected(problem);
                    if let Way::Dead(message, reason) =
                        refuse(record, None, intake, (Reason::Rejected, &cause), self.clock.now())
                    {
                        letters.push((index, message, reason));
                    }
                }
                Err(SendError::Unavailable(error)) => {
                    tracing::warn!(tenant.id = %intake.name.tenant, error = ?error, "the intake does not answer");
                }
            }
        }
        let messages: Vec<Outgoing> = letters.iter().map(|(_, message, _)| message.clone()).collect();
        let answers =
            if messages.is_empty() { Vec::new() } else { self.queues.send(&intake.dead_letters(), &messages).await };
        for ((index, _, reason), answer) in letters.into_iter().zip(answers) {
            match answer {
                Ok(_) => note(&mut fates, index, Fate::Quarantined(reason)),
                Err(error) => {
                    tracing::error!(tenant.id = %intake.name.tenant, error = ?error, "the dead-letter queue did not take a record");
                }
            }
        }
        fates
    }

    /// A line of metrics for each tenant of the call.
    fn report(&self, partitions: &[Partition<'_>], courses: &[Course]) {
        let mut tenants: BTreeMap<Option<&TenantId>, SourceMetrics> = BTreeMap::new();
        for (partition, course) in partitions.iter().zip(courses) {
            let tenant = partition.intake.as_ref().ok().map(|queue| &queue.name.tenant);
            tenants.entry(tenant).or_default().add(&course.metrics);
        }
        for (tenant, metrics) in tenants {
            self.telemetry.write_source(&self.stage, ("kafka", tenant), self.clock.now(), &metrics);
        }
    }
}

/// The dead letter of a record.
fn refuse(
    record: &Record,
    envelope: Option<&Envelope>,
    intake: &Queue,
    (reason, cause): (Reason, &Cause),
    now: Timestamp,
) -> Way {
    tracing::warn!(tenant.id = %intake.name.tenant, kafka.place = %record.place(), reason = reason.as_str(), detail = %cause, "not taken");
    Way::Dead(letter::of(record, envelope, intake, (reason, cause), now), reason)
}

/// What became of a record that SQS has.
#[derive(Clone, Copy)]
enum Fate {
    Accepted,
    Quarantined(Reason),
}

impl Course {
    /// From this offset on the partition is to be read again; for `store`, where one of ours is why.
    fn stopped_at(mut self, records: &[Record], offset: i64, store: Option<Store>) -> Self {
        let behind = records.iter().skip_while(|record| record.offset != offset).count() as u64;
        self.failed_from = Some(offset);
        self.metrics.retried = behind;
        if let Some(store) = store {
            self.metrics.stalls.add(store, behind);
        }
        self
    }
}

fn note(fates: &mut [Option<Fate>], index: usize, fate: Fate) {
    if let Some(place) = fates.get_mut(index) {
        *place = Some(fate);
    }
}

/// Reads a record, and asks whether the tenant takes it. `known` is what could be read, also where it does not.
fn admit(
    record: &Record,
    tenant: &TenantId,
    current: Result<&CurrentTenant, &Cause>,
    now: Timestamp,
    known: &mut Option<Envelope>,
) -> Result<(Envelope, Option<Violation>), Cause> {
    let current = current.map_err(Clone::clone)?;
    let Received { envelope, irregularity } = binding::read(tenant, now, record, current.tenant.kafka_wrap.as_ref())?;
    let envelope = &*known.insert(envelope.traced(|| record.trace()));
    let violation = current.admits(envelope, irregularity)?;
    Ok((envelope.clone(), violation))
}

/// The store that a cause waits for.
fn store_of(cause: &Cause) -> Store {
    match cause {
        Cause::StoreDown(store) => *store,
        _ => Store::Tenants,
    }
}
