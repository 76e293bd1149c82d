//! Where the cause of a failure is to be looked for: the first question of who is woken by one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::outcome::Cause;
use crate::outcome::connection::ConnectionFailure;

/// Where the cause of a failure is to be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// In Acequia, or in the account that it runs in.
    Acequia,
    /// At the endpoint, or the service: it answered, or was not there, or did not answer.
    Endpoint,
    /// Between the two: the network, a name server, a firewall.
    Network,
    /// In the tenant's configuration, its secrets or its stack.
    Configuration,
    /// In the event itself.
    Event,
}

impl Fault {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acequia => "acequia",
            Self::Endpoint => "endpoint",
            Self::Network => "network",
            Self::Configuration => "configuration",
            Self::Event => "event",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Cause {
    /// Where this cause is to be looked for; `None` where nothing is wrong: it waits for its turn, or nobody wants it.
    pub fn fault(&self) -> Option<Fault> {
        Some(match self {
            Self::Envelope(_)
            | Self::SchemaViolated(_)
            | Self::TypeUnknown { .. }
            | Self::PayloadConflict
            | Self::TemplateVariable { .. }
            | Self::AddressEncrypted(_)
            | Self::AddressUnusable(_)
            | Self::CannotWait(_) => Fault::Event,
            Self::ConfigurationInvalid(_)
            | Self::TenantUnknown
            | Self::SinkUnknown
            | Self::SinkDisabled(_)
            | Self::QueueRefused(_)
            | Self::EgressRefused(_)
            | Self::TemplateFailed { .. }
            | Self::SecretMissing(_)
            | Self::SecretMalformed(..)
            | Self::SenderNotGranted(_)
            | Self::TargetNotGranted(_)
            | Self::MailHeld(_) => Fault::Configuration,
            Self::Status { .. }
            | Self::Permanent { .. }
            | Self::Rejected(_)
            | Self::Throttled(_)
            | Self::DatabaseUnready(_)
            | Self::Timeout(_) => Fault::Endpoint,
            Self::Connection(failure) => match failure {
                ConnectionFailure::Refused
                | ConnectionFailure::NameUnknown
                | ConnectionFailure::CertificateUntrusted
                | ConnectionFailure::CertificateExpired
                | ConnectionFailure::CertificateName
                | ConnectionFailure::Tls
                | ConnectionFailure::NotHttp => Fault::Endpoint,
                ConnectionFailure::Unreachable
                | ConnectionFailure::ConnectTimeout
                | ConnectionFailure::Reset
                | ConnectionFailure::Unmade => Fault::Network,
            },
            Self::NoAnswer => Fault::Network,
            Self::NotADelivery(_)
            | Self::StoreDown(_)
            | Self::MatchFailed(_)
            | Self::Ambiguous
            | Self::CrashLoop
            | Self::NoTime
            | Self::Bug(_) => Fault::Acequia,
            Self::AlreadyDone
            | Self::InProgress { .. }
            | Self::AlreadyQuarantined(_)
            | Self::NotDue { .. }
            | Self::Held { .. }
            | Self::Expired
            | Self::Repeated
            | Self::NotWanted(_)
            | Self::Shadowed(_)
            | Self::Yielded { .. }
            | Self::GroupStopped => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::cause::table;

    #[test]
    fn what_spends_an_attempt_has_a_fault_and_what_waits_has_none() {
        for (cause, _, spends) in table() {
            assert!(!spends || cause.fault().is_some(), "{cause}");
        }
        let status = Cause::Status { code: 500, retry_after: None };
        assert_eq!(status.fault().map(Fault::as_str), Some("endpoint"));
        assert_eq!(Cause::Connection(ConnectionFailure::Reset).fault(), Some(Fault::Network));
        assert_eq!(Cause::AlreadyDone.fault(), None);
    }
}
