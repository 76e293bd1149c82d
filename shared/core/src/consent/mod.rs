//! Consent: whose agreement an event needs before any sink may have it, and what follows from what people do.
//!
//! Words: an *action* is an event that needs consent. It is of one *subject* (a person, known by a digest) on one *list* (what the
//! person agrees to: a campaign, say). [`decide`] is the whole state machine: one total function without I/O.

pub mod address;
pub mod agenda;
mod decide;
mod desk;
mod id;
pub mod link;
pub mod notice;
pub mod plan;
mod port;
mod record;
mod state;
#[cfg(test)]
mod table;
pub mod token;

pub use agenda::{Due, DuePage, RowKey, Waiting};
pub use decide::{Answer, Decision, Emit, Input, decide};
pub use desk::{Desk, DeskError};
pub use id::{ActionId, ConsentKey, InvalidDigest, ListId, SubjectId};
pub use plan::{Deed, Means};
pub use port::{Agenda, CommitError, Consents, MailBook};
pub use record::{
    Action, AddressId, Change, Consent, Dossier, Errand, MAX_HELD_BYTES, MAX_WAITING, OutboxRow, Proof, Snapshot,
    Suppression, SuppressionReason,
};
pub use state::{ActionState, Asks, EmailStatus, Standing, SubjectState};
