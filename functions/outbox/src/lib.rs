//! The outbox: carries out what follows from a change of consent. It releases actions to the sinks' queues, puts mails into the e-mail
//! queue, and tells the sinks of changes.
//!
//! It is invoked by the stream of the consents table, and every few minutes by a schedule, for what the stream gave up on and for
//! reminders. A row is deleted when everything that it asks for is in a queue; carried out twice, it makes the same deliveries with the
//! same ids.

pub mod config;
mod event;
mod outbox;
mod publish;

pub use event::{Batch, Failures};
pub use outbox::{Outbox, ServeError, Swept};
