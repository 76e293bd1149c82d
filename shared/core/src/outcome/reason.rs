//! Why a message is in a dead-letter queue, as a code that stands on it, and what an operator does about it.

use serde::{Deserialize, Serialize};

use crate::event::EnvelopeError;

/// The reason of messages that SQS moved by itself, after too many receives: it gives none.
pub const RECEIVED_TOO_OFTEN: &str = "received-too-often";

/// Why a message can never succeed as it is; the code stands on it in the dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The body is not UTF-8.
    NotUtf8,
    /// The body is not JSON.
    NotJson,
    /// The event is larger than the limit.
    TooLarge,
    /// The event nests deeper than the limit.
    TooDeep,
    /// The body is no `CloudEvents` object.
    NotCloudEvents,
    /// Another version of `CloudEvents`.
    SpecVersion,
    /// A required attribute is missing.
    MissingAttribute,
    /// An attribute is not of its form.
    BadAttribute,
    /// The body names another tenant than the queue.
    ForeignTenant,
    /// The event does not fit the tenant's schema of its type.
    SchemaViolated,
    /// The tenant has no schema for the event's type, and takes no other types.
    TypeUnknown,
    /// A message in a sink's queue that is no delivery of the router's.
    NotADelivery,
    /// The tenant has no configuration.
    UnknownTenant,
    /// The tenant's configuration has no such sink.
    UnknownSink,
    /// The sink, or its endpoint, is disabled.
    SinkDisabled,
    /// Matching the event with the tenant's patterns failed.
    MatchFailed,
    /// The endpoint answered with a status that says that this payload will never be taken, or that the sink calls
    /// permanent.
    HttpStatus,
    /// The endpoint answered 410: it is gone.
    EndpointGone,
    /// The endpoint's address is not one that may be called.
    EgressRefused,
    /// The template needs a variable that the event does not have.
    TemplateVariable,
    /// The template fails on this event.
    TemplateFailed,
    /// The sink's service refused the request for good.
    Rejected,
    /// A secret that the sink names does not exist, or cannot be used.
    SecretUnusable,
    /// The tenant's stack does not allow the sender, or the queue outside.
    NotGranted,
    /// The address that the mail needs is encrypted, and the tenant's key is not there or does not fit.
    AddressEncrypted,
    /// The address of the mail is none that mails can be sent to.
    AddressUnusable,
    /// The event needs consent, and cannot wait for it.
    CannotWait,
    /// Another event with the same identity and another content was delivered before.
    PayloadConflict,
    /// Nobody knows whether it happened, and the tenant wants a person to decide.
    Ambiguous,
    /// The tenant has no queue for this kind of sink.
    QueueMissing,
    /// The last attempt of the schedule failed too.
    AttemptsExhausted,
    /// Each invocation that handled it died.
    CrashLoop,
}

impl Reason {
    /// The code, such as `not-json`: what the attribute `acequia-reason` holds.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not-utf8",
            Self::NotJson => "not-json",
            Self::TooLarge => "too-large",
            Self::TooDeep => "too-deep",
            Self::NotCloudEvents => "not-cloud-events",
            Self::SpecVersion => "spec-version",
            Self::MissingAttribute => "missing-attribute",
            Self::BadAttribute => "bad-attribute",
            Self::ForeignTenant => "foreign-tenant",
            Self::SchemaViolated => "schema-violated",
            Self::TypeUnknown => "type-unknown",
            Self::NotADelivery => "not-a-delivery",
            Self::UnknownTenant => "unknown-tenant",
            Self::UnknownSink => "unknown-sink",
            Self::SinkDisabled => "sink-disabled",
            Self::MatchFailed => "match-failed",
            Self::HttpStatus => "http-status",
            Self::EndpointGone => "endpoint-gone",
            Self::EgressRefused => "egress-refused",
            Self::TemplateVariable => "template-variable",
            Self::TemplateFailed => "template-failed",
            Self::Rejected => "rejected",
            Self::SecretUnusable => "secret-unusable",
            Self::NotGranted => "not-granted",
            Self::AddressEncrypted => "address-encrypted",
            Self::AddressUnusable => "address-unusable",
            Self::CannotWait => "cannot-wait",
            Self::PayloadConflict => "payload-conflict",
            Self::Ambiguous => "ambiguous",
            Self::QueueMissing => "queue-missing",
            Self::AttemptsExhausted => "attempts-exhausted",
            Self::CrashLoop => "crash-loop",
        }
    }

    /// What an operator does about it, in one sentence.
    pub fn advice(self) -> &'static str {
        match self {
            Self::NotUtf8
            | Self::NotJson
            | Self::TooLarge
            | Self::TooDeep
            | Self::NotCloudEvents
            | Self::SpecVersion
            | Self::MissingAttribute
            | Self::BadAttribute => "the producer must send a valid event; this one cannot be redriven as it is",
            Self::ForeignTenant => {
                "the producer wrote to another tenant's queue: find it and send the event to the right one"
            }
            Self::SchemaViolated => {
                "the producer must send data that fit the schema; if the schema is wrong, mend it, apply, then redrive"
            }
            Self::TypeUnknown => {
                "the producer must send a type that [schemas] names; if the type is missing there, add it, apply, then redrive"
            }
            Self::NotADelivery => {
                "something other than the router wrote to a sink's queue: find it and revoke its permission"
            }
            Self::UnknownTenant => "apply the tenant's configuration, then redrive",
            Self::UnknownSink => "put the sink back into the configuration and redrive, or leave the message to expire",
            Self::SinkDisabled | Self::EndpointGone => "mend the endpoint, resume the sink, then redrive",
            Self::MatchFailed => "simplify the patterns or the event, apply, then redrive",
            Self::HttpStatus | Self::Rejected => "find out from the receiver why it refuses the request, then redrive",
            Self::EgressRefused => "give the endpoint a public https address, apply, then redrive",
            Self::TemplateVariable | Self::TemplateFailed => {
                "mend the template (a default for what may be absent), apply, then redrive"
            }
            Self::SecretUnusable => "put the secret into the parameter store (acequia secret put), then redrive",
            Self::NotGranted => {
                "if the sender or the queue is the tenant's own, deploy the tenant's stack with it in SenderDomains or ForwardTargets, then redrive"
            }
            Self::AddressEncrypted => {
                "put the tenant's private key into the parameter store and name it (mail.personal_key), then redrive"
            }
            Self::AddressUnusable => {
                "nobody can get a mail at this address: mend the template of to if it gives the wrong text, or leave the message to expire"
            }
            Self::CannotWait => {
                "the producer must send it smaller, its subject answer first, or its list be named in consent.lists; then redrive"
            }
            Self::PayloadConflict => "the producer used one id for two events: give the second an id of its own",
            Self::Ambiguous => "find out whether it arrived; redrive it if not, leave it to expire if so",
            Self::QueueMissing => "deploy the tenant's stack with this kind of sink enabled, then redrive",
            Self::AttemptsExhausted => "mend the endpoint, then redrive",
            Self::CrashLoop => {
                "a bug of ours, or a process that had too little memory: find why the function died, mend it, then redrive"
            }
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&EnvelopeError> for Reason {
    fn from(error: &EnvelopeError) -> Self {
        match error {
            EnvelopeError::TooLarge { .. } => Self::TooLarge,
            EnvelopeError::TooDeep => Self::TooDeep,
            EnvelopeError::NotUtf8 { .. } => Self::NotUtf8,
            EnvelopeError::NotJson { .. } => Self::NotJson,
            EnvelopeError::NotCloudEvents(_) => Self::NotCloudEvents,
            EnvelopeError::SpecVersion => Self::SpecVersion,
            EnvelopeError::Missing(_) => Self::MissingAttribute,
            EnvelopeError::Malformed { .. } | EnvelopeError::Extension { .. } => Self::BadAttribute,
            EnvelopeError::ForeignTenant => Self::ForeignTenant,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_a_reason_is_what_it_serialises_to() {
        for reason in [
            Reason::NotUtf8,
            Reason::NotCloudEvents,
            Reason::SpecVersion,
            Reason::AttemptsExhausted,
            Reason::CrashLoop,
            Reason::HttpStatus,
            Reason::SchemaViolated,
            Reason::TypeUnknown,
        ] {
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{}\"", reason.as_str()));
        }
    }
}
