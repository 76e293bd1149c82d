//! Consent: whose agreement an event needs before any sink may have it, and what follows from what people do.
//!
//! Words: an *action* is an event that needs consent. It is of one *subject* (a person, known by a digest) on one *list*
//! (what the person agrees to: a campaign, say). [`decide`] is the whole state machine: one total function without I/O.

pub mod address;
pub mod agenda;
mod decide;
mod id;
pub mod link;
pub mod notice;
pub mod plan;
mod record;
mod state;
#[cfg(test)]
mod table;
pub mod token;

pub use agenda::{Due, DuePage, RowKey, Waiting};
pub use decide::{Answer, Decision, Emit, Input, decide};
pub use id::{ActionId, ConsentKey, InvalidDigest, ListId, SubjectId};
pub use plan::{Origin, SubjectAction};
pub use record::{
    Action, AddressId, Change, Consent, Dossier, MAX_HELD_BYTES, MAX_WAITING, OutboxRow, OutboxTask, Proof, Snapshot,
    Suppression, SuppressionReason,
};
pub use state::{ActionState, EmailStatus, Standing, SubjectState};
