//! Sinks: for each kind a file with its fields as written, what they are validated into, and how; here what all kinds
//! have in common.
//!
//! A new kind is a file beside these and a line in `kinds!`. What it must have: a struct of its fields as written (all
//! optional, since which of them are needed is said by its `validate`), and the type that its function works by.

mod archive;
mod email;
mod eventbridge;
mod format;
mod forward;
mod header;
mod retry;
mod table;
mod webhook;
mod written;

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value as Json;

use super::field;
use super::issue::{Findings, Issue};
use super::mail::MailSettings;
use super::pace::validate_rate;
use crate::delivery::Delivery;
use crate::delivery::rate::Rate;
use crate::egress::Egress;
use crate::id::{SinkId, TenantId};
use crate::kind::SinkKind;
use crate::outcome::schedule::RetryPolicy;
use crate::routing::TypeRule;
use crate::table::WRITTEN;
use crate::time::after;

use retry::{validate_expiry, validate_retry};

pub use archive::{ArchiveFormat, ArchiveSink, RawArchive, archive_retention};
pub use email::{Ambiguous, EmailSink, RawEmail};
pub use eventbridge::{BusArn, EventbridgeSink, InvalidBus, RawEventbridge};
pub use format::SinkFormat;
pub use forward::{ForwardSink, ForwardTarget, RawForward};
pub use header::{Header, HeaderValue, RawHeader, RawSecretRef};
pub use table::{RawTable, TableMode, TableSink};
pub use webhook::{RawWebhook, WebhookSink};
pub use written::RawSink;
#[cfg(feature = "schema")]
pub(super) use written::schema;

/// Makes of the kinds' own types the enums of them, and what is done with any kind.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: $raw:ty => $valid:ty,)+) => {
        /// What sinks of one kind alone have, as written.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum RawTarget {
            $($(#[$doc])* $kind($raw),)+
        }

        /// Where a sink delivers, by kind.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Target {
            $($(#[$doc])* $kind($valid),)+
        }

        impl RawTarget {
            /// The names of the fields that sinks of this kind alone have.
            fn fields(kind: SinkKind) -> &'static [&'static str] {
                match kind {
                    $(SinkKind::$kind => field::names::<$raw>(),)+
                }
            }

            /// Reads the fields that are the kind's own; `path` is that of the sink.
            fn read(kind: SinkKind, own: Json, path: &str) -> Result<Self, Issue> {
                let read = match kind {
                    $(SinkKind::$kind => serde_path_to_error::deserialize::<_, $raw>(own).map(Self::$kind),)+
                };
                read.map_err(|error| Issue::of_shape(path, error.path(), error.inner()))
            }

            fn validate(&self, place: &Place<'_>, findings: &mut Findings) -> Option<Target> {
                match self {
                    $(Self::$kind(raw) => raw.validate(place, findings).map(Target::$kind),)+
                }
            }

            /// What an editor may know of the fields that are the kind's own.
            #[cfg(feature = "schema")]
            fn schema(kind: SinkKind, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                match kind {
                    $(SinkKind::$kind => <$raw as schemars::JsonSchema>::json_schema(generator),)+
                }
            }
        }

        impl Target {
            /// The kind of sinks that deliver there.
            pub fn kind(&self) -> SinkKind {
                match self {
                    $(Self::$kind(_) => SinkKind::$kind,)+
                }
            }
        }
    };
}

kinds! {
    /// An HTTPS endpoint.
    Webhook: RawWebhook => WebhookSink,
    /// A mail through SES.
    Email: RawEmail => Box<EmailSink>,
    /// An SQS queue.
    Forward: RawForward => ForwardSink,
    /// An event bus of `EventBridge`.
    Eventbridge: RawEventbridge => EventbridgeSink,
    /// The archive in S3.
    Archive: RawArchive => ArchiveSink,
    /// A table of `PostgreSQL`.
    Table: RawTable => Box<TableSink>,
}

/// One sink of one tenant.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the file, and none says anything of another")]
#[derive(Debug, Clone, PartialEq)]
pub struct Sink {
    /// Its id.
    pub id: SinkId,
    /// Which types of events it takes.
    pub types: Vec<TypeRule>,
    /// Whether deliveries are made; otherwise they are kept in the dead-letter queue.
    pub enabled: bool,
    /// When failed attempts are repeated.
    pub retry: RetryPolicy,
    /// How long after its acceptance an event is still delivered; without, as long as its schedule lasts.
    pub expires_after: Option<Duration>,
    /// Whether each delivery is claimed in the ledger before it is made.
    pub claims: bool,
    /// Whether its deliveries are held back.
    pub paused: bool,
    /// Whether its deliveries are only made and recorded, and not sent.
    pub shadow: bool,
    /// How many deliveries may start in a time, where that is limited.
    pub rate: Option<Rate>,
    /// Where it delivers, and how.
    pub target: Target,
}

impl Sink {
    /// Until when a delivery is made: what the event says or what the sink says, whichever is earlier. The sink's time
    /// counts from when the event was accepted, or from when the replay began that sends it again.
    pub fn expiry(&self, delivery: &Delivery) -> Option<Timestamp> {
        let since = delivery.replay.as_ref().map_or(delivery.envelope.accepted_at, |replay| replay.at);
        let own = self.expires_after.map(|time| after(since, time));
        own.into_iter().chain(delivery.envelope.expires_at).min()
    }

    /// The kind of the sink.
    pub fn kind(&self) -> SinkKind {
        self.target.kind()
    }
}

/// Where a sink stands in its document, and what it can refer to there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// `sinks[1]`, say.
    pub(super) path: &'a str,
    pub(super) tenant: Option<&'a TenantId>,
    pub(super) mail: Option<&'a MailSettings>,
    pub(super) egress: Egress,
}

impl Place<'_> {
    /// The path of one of the sink's fields.
    fn field(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }
}

/// Validates one sink; `None` where something was reported that leaves nothing to go on with.
pub(super) fn validate_sink(raw: &RawSink, place: &Place<'_>, findings: &mut Findings) -> Option<Sink> {
    let id = raw.id.parse::<SinkId>().map_err(|error| findings.report(place.field("id"), error.to_string())).ok();
    if raw.types.is_empty() {
        findings.report(place.field("types"), "there is none: name one at least, or \"*\" for all");
    }
    let mut types = Vec::with_capacity(raw.types.len());
    for (index, text) in raw.types.iter().enumerate() {
        match text.parse::<TypeRule>() {
            Ok(rule) => types.push(rule),
            Err(wants) => findings.report(place.field(&format!("types[{index}]")), format!("{text:?} is not {wants}")),
        }
    }
    let retry = validate_retry(raw.retry.as_deref(), place.path, findings);
    let expires_after = validate_expiry(raw.expires_after.as_deref(), place.path, findings);
    let (Some(kind), Some(own)) = (raw.known_kind(), &raw.own) else {
        let kinds = SinkKind::ALL.map(SinkKind::as_str);
        findings.report(place.field("kind"), format!("{:?} is not {}", raw.kind, one_of(&kinds)));
        return None;
    };
    raw.refuse_foreign_fields(kind, place.path, findings);
    let target = own.validate(place, findings);
    if let Some(Target::Table(table)) = &target
        && table.layout.outbox
        && types.iter().any(|rule| rule.takes(WRITTEN))
    {
        findings.report(
            place.field("types"),
            format!("its outbox tells each row as an event of type {WRITTEN}, and it would take that: name the types that it is to take"),
        );
    }
    // A mail cannot be taken back and its reader cannot drop duplicates: it is always claimed.
    let always = kind.facts().always_claims;
    if always && raw.strict == Some(false) {
        findings.report(place.field("strict"), "mails are always claimed: leave the field out");
    }
    let claims = always || raw.strict.unwrap_or(false);
    let rate = validate_rate(raw.rate.as_deref(), raw.burst, place.path, findings);
    let (enabled, paused) = (raw.enabled.unwrap_or(true), raw.paused.unwrap_or(false));
    let shadow = raw.shadow.unwrap_or(false);
    if shadow && kind == SinkKind::Archive {
        findings.report(place.field("shadow"), "an archive keeps what it gets: leave the field out, or the sink");
    }
    Some(Sink { id: id?, types, enabled, retry, expires_after, claims, paused, shadow, rate, target: target? })
}

/// `a, b or c`.
fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [before @ .., last] => format!("{} or {last}", before.join(", ")),
    }
}
