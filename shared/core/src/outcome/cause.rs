//! What happened to a message or an attempt, and what that comes to: the left and the middle column of the decision
//! table.

use std::time::Duration;

use crate::address::AddressProblem;
use crate::event::EnvelopeError;
use crate::event::schema::Violation;
use crate::id::SecretName;
use crate::kind::SinkKind;
use crate::outcome::connection::ConnectionFailure;
use crate::outcome::disabled::DisabledBy;
use crate::outcome::hold::Hold;
use crate::outcome::reason::Reason;
use crate::outcome::stall::{MailHold, Store};
use crate::secret::UnusableSecret;

/// The bug where the code panicked.
pub const PANICKED: &str = "the code panicked on this message";

/// What happened, at whatever stage: the left column of the decision table.
///
/// The texts are stored and logged: they never hold a secret, an address of a person or a payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// Parsing: the body is not an event.
    #[error("{0}")]
    Envelope(#[from] EnvelopeError),
    /// Parsing: the event does not fit the tenant's schema of its type.
    #[error("{0}")]
    SchemaViolated(Box<Violation>),
    /// Parsing: the tenant has no schema for the event's type, and takes no other types.
    #[error("no schema{} names the event's type, and [intake] unknown_types refuses others", version.map(|version| format!(" in version {version} of the configuration")).unwrap_or_default())]
    TypeUnknown {
        /// The version of the configuration; `None` where it was never applied.
        version: Option<u64>,
    },
    /// Parsing: a sink's queue holds something that the router did not write.
    #[error("not a delivery of the router's: {0}")]
    NotADelivery(&'static str),
    /// A store of ours does not answer: the message waits for it, and uses no attempt.
    #[error("{} does not answer", .0.described())]
    StoreDown(Store),
    /// Configuration: what is stored cannot be read by this version.
    #[error("the stored configuration is not valid for this version of Acequia: {0}")]
    ConfigurationInvalid(String),
    /// Configuration: there is no such tenant.
    #[error("the tenant has no configuration")]
    TenantUnknown,
    /// Configuration: the tenant has no such sink (any more).
    #[error("the tenant's configuration has no such sink")]
    SinkUnknown,
    /// Configuration: the sink or its endpoint is disabled.
    #[error("the sink is disabled: {0}")]
    SinkDisabled(DisabledBy),
    /// Routing: the match itself failed.
    #[error("matching failed: {0}")]
    MatchFailed(&'static str),
    /// Routing: the tenant has no queue for this kind of sink, or the queue refuses the delivery for good.
    #[error("the queue of the tenant's {0} sinks does not exist or refuses deliveries")]
    QueueRefused(SinkKind),
    /// Claim: the delivery was done before.
    #[error("delivered before")]
    AlreadyDone,
    /// Claim: another invocation is doing it.
    #[error("in progress elsewhere")]
    InProgress {
        /// How long its lease still runs.
        remaining: Duration,
    },
    /// Claim: the same identity came with another content.
    #[error("another content came under the same event id")]
    PayloadConflict,
    /// Claim: an earlier attempt died on the way, and the tenant wants a person to decide.
    #[error("an earlier attempt ended without a record: it may have happened or not")]
    Ambiguous,
    /// Claim: an earlier attempt failed for good. The dead-letter queue did not take the message then, or took another
    /// copy of it.
    #[error("an earlier attempt failed for good ({0}): this copy goes where the other one is")]
    AlreadyQuarantined(Reason),
    /// Schedule: the message came back before its time.
    #[error("not due yet")]
    NotDue {
        /// How long it still has to wait.
        remaining: Duration,
    },
    /// Nothing is sent to the sink now; the delivery waits without spending an attempt.
    #[error("held back: {by}")]
    Held {
        /// What holds it.
        by: Hold,
        /// For how long.
        remaining: Duration,
    },
    /// Expiry: the time up to which the event was to be delivered is over.
    #[error("the delivery expired before it could be made")]
    Expired,
    /// The same delivery stands in this batch a second time; it shares the fate of the first.
    #[error("the same delivery stands in this batch twice, and the first was not delivered")]
    Repeated,
    /// Sink: no answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// Sink: the call ended without an answer: the service has done it or not.
    #[error("the service did not answer: it has done it or not")]
    NoAnswer,
    /// Sink: no connection, or it broke.
    #[error("connection failed: {0}")]
    Connection(ConnectionFailure),
    /// Sink: it answered with this HTTP status, which is not a success.
    #[error("the endpoint answered {code}{}", redirect(*.code))]
    Status {
        /// The status code.
        code: u16,
        /// What its Retry-After said.
        retry_after: Option<Duration>,
    },
    /// Sink: it answered with this HTTP status, which the sink's configuration calls permanent.
    #[error("the endpoint answered {code}, which is permanent for this sink")]
    Permanent {
        /// The status code.
        code: u16,
    },
    /// Sink: the service throttles us or is down.
    #[error("the service throttles or is unavailable: {0}")]
    Throttled(String),
    /// Sink: SES takes no mail of the account, or of the sender, for now.
    #[error("SES does not take the mail: {0}")]
    MailHeld(MailHold),
    /// Sink: the database is not as the sink needs it: a table, a column, a privilege, the password.
    #[error("the database does not fit the sink: {0}")]
    DatabaseUnready(String),
    /// Sink: the service refused the request, and will again.
    #[error("the service refused the request: {0}")]
    Rejected(String),
    /// Sink: the endpoint's address is not one that may be called.
    #[error("the endpoint's address may not be called: {0}")]
    EgressRefused(&'static str),
    /// Sink: the template needs a variable that the event lacks.
    #[error("the template of {field} needs a variable that the event does not have (line {line})")]
    TemplateVariable {
        /// The field of the configuration that holds the template.
        field: &'static str,
        /// The line in the template, 1-based.
        line: usize,
    },
    /// Sink: the template fails on this event.
    #[error("the template of {field} fails: {problem} (line {line})")]
    TemplateFailed {
        /// The field of the configuration that holds the template.
        field: &'static str,
        /// What kind of failure.
        problem: String,
        /// The line in the template, 1-based.
        line: usize,
    },
    /// Sink: the address is sealed, and the tenant's key to it is not there.
    #[error("the address is encrypted: {0}")]
    AddressEncrypted(&'static str),
    /// Sink: what the template of `to` gives is no address that SES can send to. What is wrong is said, not the
    /// address.
    #[error("the template of to does not give one mail address that SES can send to: {0}")]
    AddressUnusable(#[from] AddressProblem),
    /// Sink: the one who would get it does not want it, or it is void by now.
    #[error("not wanted: {0}")]
    NotWanted(&'static str),
    /// Sink: it is in shadow mode. What would have been sent, or why nothing would have been, without personal data.
    #[error("{0}")]
    Shadowed(String),
    /// Consent: the event cannot wait for its subject.
    #[error("the event cannot wait for consent: {0}")]
    CannotWait(&'static str),
    /// Sink: a secret does not exist.
    #[error("the secret \"{0}\" does not exist in the parameter store")]
    SecretMissing(SecretName),
    /// Sink: a secret is not of the form that it must have.
    #[error("the secret \"{0}\" cannot be used: {1}")]
    SecretMalformed(SecretName, UnusableSecret),
    /// Sink: the tenant's stack does not allow it to send mail from this domain ([`crate::tenant::grant`]).
    #[error("the tenant's stack does not allow mail from {0} (its parameter SenderDomains)")]
    SenderNotGranted(String),
    /// Sink: the tenant's stack does not allow it to fill this queue.
    #[error("the tenant's stack does not allow deliveries to {0} (its parameter ForwardTargets)")]
    TargetNotGranted(String),
    /// A message that may have ended earlier invocations is handled alone, and this one makes way
    /// ([`crate::delivery::crash`]).
    #[error("it makes way for a message that may have ended earlier invocations")]
    Yielded {
        /// For how long.
        wait: Duration,
    },
    /// In a FIFO queue: a message of its group that stands before it is to come back ([`crate::delivery::order`]).
    #[error("a message before it, of the same group, is to come back")]
    GroupStopped,
    /// Each time that the message was handled, alone, the invocation died ([`crate::delivery::crash`]).
    #[error("each invocation that handled this message, at last alone, died")]
    CrashLoop,
    /// Too little time was left in the invocation to start.
    #[error("too little time was left in the invocation")]
    NoTime,
    /// A bug of ours, and what it is.
    #[error("a bug: {0}")]
    Bug(&'static str),
}

/// What one attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The sink has it.
    Delivered,
    /// It was delivered before.
    Duplicate,
    /// The sink does not want it.
    Filtered,
    /// Nobody wants it any more: its time is over, and it is not sent.
    Expired,
    /// The sink is in shadow mode: it was made, and not sent.
    Shadowed,
    /// It may succeed later, and not before this time has passed. Spends no attempt.
    RetryAfter(Duration),
    /// It may succeed later; the schedule says when.
    Retry,
    /// It will never succeed as it is.
    Quarantine(Reason),
    /// The sink is switched off: the message is kept, with this reason.
    Disabled,
    /// It may have happened or not. What a sink can drop or do twice is attempted again, as after [`Outcome::Retry`].
    Unknown,
}

impl Outcome {
    /// The word for it in the ledger, in logs and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Duplicate => "duplicate",
            Self::Filtered => "filtered",
            Self::Expired => "expired",
            Self::Shadowed => "shadowed",
            Self::RetryAfter(_) => "retry-after",
            Self::Retry => "retry",
            Self::Quarantine(_) => "quarantined",
            Self::Disabled => "disabled",
            Self::Unknown => "unknown",
        }
    }
}

impl Cause {
    /// The decision table: what this cause comes to.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Envelope(error) => Outcome::Quarantine(error.into()),
            Self::SchemaViolated(_) => Outcome::Quarantine(Reason::SchemaViolated),
            Self::TypeUnknown { .. } => Outcome::Quarantine(Reason::TypeUnknown),
            Self::NotADelivery(_) => Outcome::Quarantine(Reason::NotADelivery),
            Self::TenantUnknown => Outcome::Quarantine(Reason::UnknownTenant),
            Self::SinkUnknown => Outcome::Quarantine(Reason::UnknownSink),
            Self::SinkDisabled(_) => Outcome::Disabled,
            Self::MatchFailed(_) => Outcome::Quarantine(Reason::MatchFailed),
            Self::QueueRefused(_) => Outcome::Quarantine(Reason::QueueMissing),
            Self::AlreadyDone => Outcome::Duplicate,
            Self::Expired => Outcome::Expired,
            // Never acknowledged: if the other invocation dies, this message is the one that brings the delivery back.
            Self::InProgress { remaining } | Self::NotDue { remaining } | Self::Held { remaining, .. } => {
                Outcome::RetryAfter(*remaining)
            }
            Self::PayloadConflict => Outcome::Quarantine(Reason::PayloadConflict),
            Self::Ambiguous => Outcome::Quarantine(Reason::Ambiguous),
            Self::AlreadyQuarantined(reason) => Outcome::Quarantine(*reason),
            Self::Yielded { wait } => Outcome::RetryAfter(*wait),
            Self::CrashLoop => Outcome::Quarantine(Reason::CrashLoop),
            Self::Status { code: 410, .. } => Outcome::Quarantine(Reason::EndpointGone),
            // These say that this payload will never be taken. All other codes may be a deployment, a gateway or a
            // wrong setting, which pass.
            Self::Status { code: 400 | 413 | 415 | 422, .. } | Self::Permanent { .. } => {
                Outcome::Quarantine(Reason::HttpStatus)
            }
            Self::Rejected(_) => Outcome::Quarantine(Reason::Rejected),
            Self::EgressRefused(_) => Outcome::Quarantine(Reason::EgressRefused),
            Self::TemplateVariable { .. } => Outcome::Quarantine(Reason::TemplateVariable),
            Self::TemplateFailed { .. } => Outcome::Quarantine(Reason::TemplateFailed),
            Self::AddressEncrypted(_) => Outcome::Quarantine(Reason::AddressEncrypted),
            Self::AddressUnusable(_) => Outcome::Quarantine(Reason::AddressUnusable),
            Self::NotWanted(_) => Outcome::Filtered,
            Self::Shadowed(_) => Outcome::Shadowed,
            Self::CannotWait(_) => Outcome::Quarantine(Reason::CannotWait),
            Self::SecretMissing(_) | Self::SecretMalformed(..) => Outcome::Quarantine(Reason::SecretUnusable),
            Self::SenderNotGranted(_) | Self::TargetNotGranted(_) => Outcome::Quarantine(Reason::NotGranted),
            Self::StoreDown(_)
            | Self::ConfigurationInvalid(_)
            | Self::Connection(_)
            | Self::Status { .. }
            | Self::Throttled(_)
            | Self::DatabaseUnready(_)
            | Self::MailHeld(_)
            | Self::Repeated
            | Self::NoTime
            | Self::GroupStopped
            | Self::Bug(_) => Outcome::Retry,
            Self::Timeout(_) | Self::NoAnswer => Outcome::Unknown,
        }
    }

    /// Whether the sink's attempt was used up: only what happened at the sink, or a bug, counts.
    pub fn spends_attempt(&self) -> bool {
        matches!(
            self,
            Self::Timeout(_)
                | Self::NoAnswer
                | Self::Connection(_)
                | Self::Status { .. }
                | Self::Permanent { .. }
                | Self::DatabaseUnready(_)
                | Self::Bug(_)
        )
    }

    /// The place in the event that it is about, as a JSON pointer, if it is about one.
    pub fn pointer(&self) -> Option<String> {
        match self {
            Self::Envelope(error) => error.pointer(),
            Self::SchemaViolated(violation) => Some(violation.misfit.pointer.clone()),
            Self::TypeUnknown { .. } => Some("/type".to_owned()),
            _ => None,
        }
    }

    /// Whether a message comes back after this, unless its attempts are used up.
    pub fn comes_back(&self) -> bool {
        matches!(self.outcome(), Outcome::Retry | Outcome::RetryAfter(_) | Outcome::Unknown)
    }

    /// Whether the verdict that it comes to must be remembered until the dead-letter queue takes the message: to
    /// attempt it again meanwhile would be one attempt too many.
    pub fn is_final(&self) -> bool {
        self.spends_attempt() || matches!(self, Self::Ambiguous | Self::AlreadyQuarantined(_))
    }

    /// Whether the receiver, or what stands before it, is overloaded or too slow, so that the next attempt waits
    /// longer.
    pub(super) fn is_overload(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::NoAnswer | Self::Connection(ConnectionFailure::ConnectTimeout) => true,
            Self::Status { code, .. } => matches!(code, 429 | 502 | 504),
            _ => false,
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What is said beside the status of an answer that sends somewhere else.
fn redirect(code: u16) -> &'static str {
    match code {
        300..=303 | 305..=399 => ": redirects are not followed",
        _ => "",
    }
}

#[cfg(test)]
pub(super) use tests::table;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::schema::{Misfit, Rule};

    fn violation() -> Violation {
        let misfit = Misfit { pointer: "/data".to_owned(), rule: Rule::Required };
        Violation { misfit, types: "t".to_owned(), version: None }
    }

    /// The decision table, row by row: (cause, outcome, whether an attempt is spent).
    pub(crate) fn table() -> Vec<(Cause, Outcome, bool)> {
        let second = Duration::from_secs(1);
        let quarantine = Outcome::Quarantine;
        let name: SecretName = "crm".parse().unwrap();
        vec![
            (Cause::Envelope(EnvelopeError::TooDeep), quarantine(Reason::TooDeep), false),
            (Cause::Envelope(EnvelopeError::ForeignTenant), quarantine(Reason::ForeignTenant), false),
            (Cause::Envelope(EnvelopeError::SpecVersion), quarantine(Reason::SpecVersion), false),
            (Cause::SchemaViolated(Box::new(violation())), quarantine(Reason::SchemaViolated), false),
            (Cause::TypeUnknown { version: None }, quarantine(Reason::TypeUnknown), false),
            (Cause::NotADelivery("x"), quarantine(Reason::NotADelivery), false),
            (Cause::StoreDown(Store::Tenants), Outcome::Retry, false),
            (Cause::ConfigurationInvalid(String::new()), Outcome::Retry, false),
            (Cause::TenantUnknown, quarantine(Reason::UnknownTenant), false),
            (Cause::SinkUnknown, quarantine(Reason::UnknownSink), false),
            (Cause::SinkDisabled(DisabledBy::Configuration), Outcome::Disabled, false),
            (Cause::MatchFailed("x"), quarantine(Reason::MatchFailed), false),
            (Cause::StoreDown(Store::Queues), Outcome::Retry, false),
            (Cause::QueueRefused(SinkKind::Email), quarantine(Reason::QueueMissing), false),
            (Cause::StoreDown(Store::Ledger), Outcome::Retry, false),
            (Cause::AlreadyDone, Outcome::Duplicate, false),
            (Cause::InProgress { remaining: second }, Outcome::RetryAfter(second), false),
            (Cause::NotDue { remaining: second }, Outcome::RetryAfter(second), false),
            (Cause::Held { by: Hold::Rate, remaining: second }, Outcome::RetryAfter(second), false),
            (Cause::Expired, Outcome::Expired, false),
            (Cause::PayloadConflict, quarantine(Reason::PayloadConflict), false),
            (Cause::Ambiguous, quarantine(Reason::Ambiguous), false),
            (Cause::AlreadyQuarantined(Reason::HttpStatus), quarantine(Reason::HttpStatus), false),
            (Cause::Repeated, Outcome::Retry, false),
            (Cause::Timeout(second), Outcome::Unknown, true),
            (Cause::NoAnswer, Outcome::Unknown, true),
            (Cause::Connection(ConnectionFailure::Refused), Outcome::Retry, true),
            (Cause::Permanent { code: 404 }, quarantine(Reason::HttpStatus), true),
            (Cause::Throttled(String::new()), Outcome::Retry, false),
            (Cause::DatabaseUnready(String::new()), Outcome::Retry, true),
            (Cause::MailHeld(MailHold::Sandbox), Outcome::Retry, false),
            (Cause::Rejected(String::new()), quarantine(Reason::Rejected), false),
            (Cause::EgressRefused("x"), quarantine(Reason::EgressRefused), false),
            (Cause::TemplateVariable { field: "text", line: 1 }, quarantine(Reason::TemplateVariable), false),
            (
                Cause::TemplateFailed { field: "text", problem: String::new(), line: 1 },
                quarantine(Reason::TemplateFailed),
                false,
            ),
            (Cause::AddressEncrypted("x"), quarantine(Reason::AddressEncrypted), false),
            (Cause::AddressUnusable(AddressProblem::Domain), quarantine(Reason::AddressUnusable), false),
            (Cause::NotWanted("x"), Outcome::Filtered, false),
            (Cause::Shadowed("x".to_owned()), Outcome::Shadowed, false),
            (Cause::StoreDown(Store::Consents), Outcome::Retry, false),
            (Cause::CannotWait("x"), quarantine(Reason::CannotWait), false),
            (Cause::SecretMissing(name.clone()), quarantine(Reason::SecretUnusable), false),
            (Cause::SecretMalformed(name, UnusableSecret::Signing), quarantine(Reason::SecretUnusable), false),
            (Cause::SenderNotGranted(String::new()), quarantine(Reason::NotGranted), false),
            (Cause::TargetNotGranted(String::new()), quarantine(Reason::NotGranted), false),
            (Cause::StoreDown(Store::Secrets), Outcome::Retry, false),
            (Cause::Yielded { wait: second }, Outcome::RetryAfter(second), false),
            (Cause::GroupStopped, Outcome::Retry, false),
            (Cause::CrashLoop, quarantine(Reason::CrashLoop), false),
            (Cause::NoTime, Outcome::Retry, false),
            (Cause::Bug("x"), Outcome::Retry, true),
        ]
    }

    #[test]
    fn every_row_of_the_decision_table_holds() {
        for (cause, outcome, spends) in table() {
            assert_eq!(cause.outcome(), outcome, "{cause:?}");
            assert_eq!(cause.spends_attempt(), spends, "{cause:?}");
        }
    }
}
