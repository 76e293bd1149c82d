//! What waits because something of *ours* is down: which store a cause blames, and how many it holds up.
//!
//! The way in which messages wait hides them: one that was received three times or more counts no longer for the age of
//! a standard queue's oldest message, and one that is delayed is in no queue. So whatever could not go on because a
//! store, a queue or SES did not do what it was asked is counted here, by whom it waits for; an endpoint that fails is
//! the tenant's, and is not.

use std::collections::BTreeMap;
use std::fmt;

use crate::kind::SinkKind;
use crate::outcome::Cause;

/// Something of ours that everybody's deliveries wait for while it is down, throttles, or may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Store {
    /// The table of tenants' configurations.
    Tenants,
    /// The ledger's table: records and claims, rates, circuits, crash markers, the journal of redriving.
    Ledger,
    /// The table of delayed messages.
    Delays,
    /// The table of consents: consents, the outbox, what is known of addresses.
    Consents,
    /// The parameter store.
    Secrets,
    /// SQS, as far as the queues are the installation's.
    Queues,
    /// SES, and the standing of the account with it.
    Ses,
    /// The bucket of the archive.
    Archive,
}

impl Store {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Tenants,
        Self::Ledger,
        Self::Delays,
        Self::Consents,
        Self::Secrets,
        Self::Queues,
        Self::Ses,
        Self::Archive,
    ];

    /// The word for it in metrics and in the names of alarms.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tenants => "tenants",
            Self::Ledger => "ledger",
            Self::Delays => "delays",
            Self::Consents => "consents",
            Self::Secrets => "secrets",
            Self::Queues => "queues",
            Self::Ses => "ses",
            Self::Archive => "archive",
        }
    }

    /// What people call it.
    pub fn described(self) -> &'static str {
        match self {
            Self::Tenants => "the store of tenants",
            Self::Ledger => "the ledger",
            Self::Delays => "the store of delayed messages",
            Self::Consents => "the store of consents",
            Self::Secrets => "the parameter store",
            Self::Queues => "a queue of ours",
            Self::Ses => "SES",
            Self::Archive => "the archive",
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Cause {
    /// The store of ours that this wait is for; `None` for what goes on, and for what waits for somebody else. `kind`
    /// is the kind of the sink: no answer of SES is told by the same cause as none of an endpoint.
    pub fn stalled_by(&self, kind: Option<SinkKind>) -> Option<Store> {
        match self {
            // What this version cannot read is held up like what cannot be read at all.
            Self::ConfigurationInvalid(_) => Some(Store::Tenants),
            Self::StoreDown(store) => Some(*store),
            Self::MailHeld(_) => Some(Store::Ses),
            Self::Throttled(_) | Self::Timeout(_) | Self::NoAnswer | Self::Connection(_) => {
                kind.is_some_and(|kind| kind.facts().sends_by_ses).then_some(Store::Ses)
            }
            Self::Envelope(_)
            | Self::SchemaViolated(_)
            | Self::TypeUnknown { .. }
            | Self::NotADelivery(_)
            | Self::TenantUnknown
            | Self::SinkUnknown
            | Self::SinkDisabled(_)
            | Self::MatchFailed(_)
            | Self::QueueRefused(_)
            | Self::AlreadyDone
            | Self::InProgress { .. }
            | Self::PayloadConflict
            | Self::Ambiguous
            | Self::AlreadyQuarantined(_)
            | Self::NotDue { .. }
            | Self::Held { .. }
            | Self::Expired
            | Self::Repeated
            | Self::Status { .. }
            | Self::Permanent { .. }
            | Self::DatabaseUnready(_)
            | Self::Rejected(_)
            | Self::EgressRefused(_)
            | Self::TemplateVariable { .. }
            | Self::TemplateFailed { .. }
            | Self::AddressEncrypted(_)
            | Self::AddressUnusable(_)
            | Self::NotWanted(_)
            | Self::Shadowed(_)
            | Self::CannotWait(_)
            | Self::SecretMissing(_)
            | Self::SecretMalformed(..)
            | Self::SenderNotGranted(_)
            | Self::TargetNotGranted(_)
            | Self::Yielded { .. }
            | Self::GroupStopped
            | Self::CrashLoop
            | Self::NoTime
            | Self::Bug(_) => None,
        }
    }
}

/// How many messages, rows or requests each store held up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stalls(BTreeMap<Store, u64>);

impl Stalls {
    /// Adds so many for a store.
    pub fn add(&mut self, store: Store, count: u64) {
        if count > 0 {
            *self.0.entry(store).or_default() += count;
        }
    }

    /// Adds one for what a cause blames, if that is ours.
    pub fn add_cause(&mut self, cause: &Cause, kind: Option<SinkKind>) {
        if let Some(store) = cause.stalled_by(kind) {
            self.add(store, 1);
        }
    }

    /// Adds all of another.
    pub fn add_all(&mut self, other: &Self) {
        for (store, count) in other.iter() {
            self.add(store, count);
        }
    }

    /// What was held up, by store; nothing where all goes well.
    pub fn iter(&self) -> impl Iterator<Item = (Store, u64)> + '_ {
        self.0.iter().map(|(store, count)| (*store, *count))
    }
}

/// Why SES takes no mail of the account, or none of the sender, for now. None of these is about the mail itself: when
/// the account's standing is mended, the mail goes out as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailHold {
    /// The account is in the sandbox, and the recipient is none of the few that may be written to.
    #[error(
        "the account is in SES's sandbox in this region, where only verified addresses get mail: \
         look at ProductionAccessEnabled in `aws sesv2 get-account`, and ask for production access"
    )]
    Sandbox,
    /// The sender's identity is not verified in this region.
    #[error(
        "the sender's identity is not verified with SES in this region: \
         `aws sesv2 get-email-identity --email-identity DOMAIN` says what is missing"
    )]
    SenderUnverified,
    /// The sender's own MAIL FROM domain has no valid MX record.
    #[error(
        "the sender's MAIL FROM domain is not verified with SES: \
         look at MailFromAttributes in `aws sesv2 get-email-identity --email-identity DOMAIN`"
    )]
    MailFromUnverified,
    /// The account may not send any more.
    #[error("SES has suspended the account: look at EnforcementStatus in `aws sesv2 get-account`")]
    Suspended,
    /// Sending is paused for the account, the configuration set, or SES's tenant.
    #[error(
        "sending is paused for the account or the configuration set: look at SendingEnabled in `aws sesv2 get-account` \
         and at SendingOptions in `aws sesv2 get-configuration-set`"
    )]
    Paused,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::outcome::connection::ConnectionFailure;

    #[test]
    fn what_is_ours_is_blamed_and_an_endpoint_is_not() {
        let (email, webhook) = (Some(SinkKind::Email), Some(SinkKind::Webhook));
        for (cause, kind, store) in [
            (Cause::StoreDown(Store::Tenants), None, Some(Store::Tenants)),
            (Cause::ConfigurationInvalid(String::new()), webhook, Some(Store::Tenants)),
            (Cause::StoreDown(Store::Ledger), webhook, Some(Store::Ledger)),
            (Cause::StoreDown(Store::Consents), email, Some(Store::Consents)),
            (Cause::StoreDown(Store::Secrets), webhook, Some(Store::Secrets)),
            (Cause::StoreDown(Store::Queues), None, Some(Store::Queues)),
            (Cause::MailHeld(MailHold::Sandbox), email, Some(Store::Ses)),
            (Cause::Throttled(String::new()), email, Some(Store::Ses)),
            (Cause::Throttled(String::new()), Some(SinkKind::Forward), None),
            (Cause::NoAnswer, email, Some(Store::Ses)),
            (Cause::Connection(ConnectionFailure::Unmade), email, Some(Store::Ses)),
            (Cause::Connection(ConnectionFailure::Unmade), webhook, None),
            (Cause::Timeout(Duration::ZERO), webhook, None),
            (Cause::Status { code: 503, retry_after: None }, webhook, None),
            (Cause::NoTime, email, None),
        ] {
            assert_eq!(cause.stalled_by(kind), store, "{cause:?} at {kind:?}");
        }
    }

    #[test]
    fn stalls_add_up_by_store_and_nothing_is_none() {
        let mut stalls = Stalls::default();
        stalls.add(Store::Queues, 0);
        stalls.add_cause(&Cause::NoTime, None);
        assert_eq!(stalls, Stalls::default());
        stalls.add_cause(&Cause::StoreDown(Store::Ledger), None);
        stalls.add(Store::Ledger, 2);
        let mut all = Stalls::default();
        all.add_all(&stalls);
        assert_eq!(all.iter().collect::<Vec<_>>(), [(Store::Ledger, 3)]);
    }
}
