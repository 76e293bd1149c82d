//! The outbox: carries out what follows from a change of consent. It releases actions to the sinks' queues, puts mails
//! into the e-mail queue, and tells the sinks of changes.
//!
//! It is invoked by the stream of the consents table, and every minute by a schedule, for what the stream left and for
//! reminders. A row is read before it is carried out, and deleted when everything that it asks for is in a queue;
//! carried out twice, it makes the same deliveries with the same ids.

pub mod config;
mod event;
mod outbox;
mod publish;
mod sweep;

pub use event::Batch;
pub use outbox::{Outbox, Relayed, ServeError};
pub use sweep::Swept;
