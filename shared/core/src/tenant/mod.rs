//! What a tenant asks for: read as it is written ([`RawTenant`]), then validated into a type that cannot hold nonsense
//! ([`Tenant`]).
//!
//! Every problem of a document is reported together, each with the path of its field, what is wrong and what is wanted.

mod admission;
mod auth;
mod consent;
#[cfg(test)]
mod consent_cases;
mod consent_note;
mod event_schema;
mod field;
pub mod grant;
mod intake;
mod issue;
mod mail;
mod pace;
mod raw;
mod redrive;
#[cfg(feature = "schema")]
mod schema;
mod secret_use;
mod settings;
mod sink;
mod source;
#[cfg(feature = "schema")]
mod template_file;
#[cfg(feature = "schema")]
mod text;

pub use auth::{RawAuth, RawIssuers, RawJwt};
pub use consent::{Confirmations, ConsentSettings, RawConsent, RawList, RawReminders, Reminders, Requirement};
pub use consent_note::consent_notes;
pub use event_schema::{EventSchema, EventSchemas, RawEventSchema, SchemaMode};
pub use intake::{Intake, RawIntake, UnknownTypes};
pub use issue::{Issue, Issues};
pub use mail::{Brand, MailSettings, RawMail, RawTemplate, RawTemplates};
pub use pace::{RawBreaker, RawBreakerSettings};
pub use raw::{RawTenant, Recording};
pub use redrive::RawAutoRedrive;
#[cfg(feature = "schema")]
pub use schema::tenant_schema;
pub use secret_use::SecretUse;
pub use settings::Tenant;
pub use sink::*;
pub use source::{RawKafka, RawSources, RawWrap};
