//! Why a use case did not do what it was asked to.

use acequia_core::access::KeyChangeRefused;
use acequia_core::consent::SubjectId;
use acequia_core::id::{EventId, ReplayId, SinkId, Stage, TenantId};
use acequia_core::port::{PublishError, Unavailable};
use acequia_core::queue::{QueueName, QueueRole};
use acequia_core::replay::InvalidQuery;
use acequia_core::tenant::Issues;
use jiff::Timestamp;

use crate::paused::Paused;
use crate::time;

/// Why a use case did not do what it was asked to. Each says what is wrong and where; what to do, the caller says in
/// its own way.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The stage has no platform.
    #[error("there is no platform of stage {stage}")]
    NoPlatform {
        /// The stage.
        stage: Stage,
    },
    /// Nothing of the stage can be seen: it has no queues, and its tables may not be read.
    #[error("no platform of stage {stage} can be seen: there are no queues, and its tables may not be read")]
    HiddenPlatform {
        /// The stage.
        stage: Stage,
        /// What the tables' refusal says.
        #[source]
        source: Unavailable,
    },
    /// The tenant has no queues.
    #[error("tenant {tenant} has no queues in stage {stage}")]
    NoQueues {
        /// The tenant.
        tenant: TenantId,
        /// The stage.
        stage: Stage,
    },
    /// One queue is not there.
    #[error("there is no queue {name}")]
    NoQueue {
        /// Its name.
        name: QueueName,
    },
    /// The tenant has no dead-letter queue that was asked for.
    #[error("tenant {tenant} has no dead-letter queue{}", role.map(|role| format!(" of {role}")).unwrap_or_default())]
    NoDeadLetterQueue {
        /// The tenant.
        tenant: TenantId,
        /// The queue in front of it, where one was named.
        role: Option<QueueRole>,
    },
    /// The tenant has no configuration.
    #[error("tenant {tenant} has no configuration in stage {stage}")]
    NoConfiguration {
        /// The tenant.
        tenant: TenantId,
        /// The stage.
        stage: Stage,
    },
    /// A replay's query cannot be asked.
    #[error("the replay of {tenant} cannot be asked for: {source}")]
    Query {
        /// The tenant.
        tenant: TenantId,
        /// What of it, and why.
        source: Box<InvalidQuery>,
    },
    /// The tenant has no such replay.
    #[error("tenant {tenant} has no replay {replay}")]
    NoReplay {
        /// The tenant.
        tenant: TenantId,
        /// Which one.
        replay: ReplayId,
    },
    /// All of it is sent already.
    #[error("replay {replay} of {tenant} is done")]
    ReplayDone {
        /// The tenant.
        tenant: TenantId,
        /// Which one.
        replay: ReplayId,
    },
    /// A replay is under way.
    #[error("replay {replay} of {tenant} is under way{}", until.map(|until| format!(", and held until {}", time::text(until))).unwrap_or_default())]
    ReplayBusy {
        /// The tenant.
        tenant: TenantId,
        /// Which one.
        replay: ReplayId,
        /// Until when its runner holds it, where that is what was asked for.
        until: Option<Timestamp>,
    },
    /// Others write a replay all the time.
    #[error("replay {replay} of {tenant} is changed by somebody else at this moment")]
    ReplayContested {
        /// The tenant.
        tenant: TenantId,
        /// Which one.
        replay: ReplayId,
    },
    /// The tenant's configuration has no such version.
    #[error("tenant {tenant} has no version {version}")]
    NoVersion {
        /// The tenant.
        tenant: TenantId,
        /// The version.
        version: u64,
    },
    /// A stored configuration is none that this release reads.
    #[error("version {version} of {tenant} cannot be read")]
    UnreadableConfiguration {
        /// The tenant.
        tenant: TenantId,
        /// The version.
        version: u64,
        /// What is wrong with it.
        #[source]
        issues: Issues,
    },
    /// The tenant's configuration has no such sink.
    #[error("tenant {tenant} has no sink {sink}; it has {}", known.join(", "))]
    NoSink {
        /// The tenant.
        tenant: TenantId,
        /// The sink.
        sink: SinkId,
        /// The sinks that it has.
        known: Vec<String>,
    },
    /// The ledger has nothing of an event.
    #[error("the ledger has nothing of event {event} of tenant {tenant}")]
    NothingRecorded {
        /// The tenant.
        tenant: TenantId,
        /// The event.
        event: EventId,
        /// The sinks that are paused: one may hold it.
        paused: Vec<Paused>,
    },
    /// No dead letter that was asked for can be seen.
    #[error("tenant {tenant} has no dead letter {} that can be seen", asked(event.as_ref(), message.as_deref()))]
    NoDeadLetter {
        /// The tenant.
        tenant: TenantId,
        /// The event whose letters were asked for.
        event: Option<EventId>,
        /// The message that was asked for.
        message: Option<String>,
    },
    /// Nothing is known of a subject.
    #[error("tenant {tenant} knows nothing of this subject ({subject})")]
    UnknownSubject {
        /// The tenant.
        tenant: TenantId,
        /// The subject.
        subject: SubjectId,
    },
    /// Who watches it ended it before its end; nothing was changed.
    #[error("it was ended before its end, and changed nothing")]
    Ended,
    /// A configuration asks for senders or queues outside that the tenant's stack does not allow.
    #[error("the configuration of {tenant} wants what is not granted")]
    NotGranted {
        /// The tenant.
        tenant: TenantId,
        /// What it wants, field by field.
        #[source]
        issues: Issues,
    },
    /// Others write the state of a sink's endpoint at the same time, again and again.
    #[error("the state of {sink} changes all the time")]
    Contested {
        /// The tenant.
        tenant: TenantId,
        /// The sink.
        sink: SinkId,
    },
    /// The keys of a tenant cannot be changed so.
    #[error("the keys of {tenant} were not changed: {source}")]
    KeyChange {
        /// The tenant.
        tenant: TenantId,
        /// Why.
        source: KeyChangeRefused,
    },
    /// Others change the keys of a tenant at the same time, again and again.
    #[error("the keys of {tenant} change all the time")]
    KeysContested {
        /// The tenant.
        tenant: TenantId,
    },
    /// A configuration was not published.
    #[error("the configuration of {tenant} was not published")]
    Publish {
        /// The tenant.
        tenant: TenantId,
        /// Why.
        #[source]
        source: PublishError,
    },
    /// A service does not answer, or refuses. It names the operation.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What was asked for, in words.
fn asked(event: Option<&EventId>, message: Option<&str>) -> String {
    event.map(|event| format!("of event {event}")).or(message.map(str::to_owned)).unwrap_or_default()
}
