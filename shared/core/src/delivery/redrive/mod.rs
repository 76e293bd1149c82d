//! Looking into dead-letter queues, moving messages back, and deleting them: what an operator does, killed at any
//! moment.
//!
//! SQS cannot move a message: it is sent to the queue it came from, and deleted here afterwards. So that a run that is
//! killed in between does not double it, every dead letter gets an entry in a journal first
//! ([`crate::port::RedriveJournal`]), under its `MessageId`, which it keeps for as long as it lies here. The way of one
//! dead letter:
//!
//! 1. *begun*: the entry is written on condition that there is none. Only who wrote it sends the message.
//! 2. sent to its queue, with the attribute [`crate::wire::REDRIVEN`] = the dead letter's id.
//! 3. *sent*: the entry says so.
//! 4. deleted.
//!
//! What a later run finds, and does:
//!
//! | entry | the copy was | so |
//! |---|---|---|
//! | none | not sent | it is sent |
//! | sent | sent | it is deleted, and not sent again |
//! | begun, and the ledger says delivered | sent, and more | it is deleted |
//! | begun, to a FIFO queue, minutes ago | sent or not | it is sent again; SQS drops the second by its deduplication id |
//! | begun | sent or not | it stays here, *unsure*, until an operator decides |
//!
//! Invariants, whenever a run is killed and however often it is run again:
//! - Nothing is lost: a message is deleted only after its copy was accepted.
//! - Nothing is doubled: without `resend_unsure` no dead letter is sent twice.
//! - A message that comes back to the dead-letter queue while the run lasts is not moved again by this run.
//!
//! Not guaranteed: that an unsure one can be told apart. It was in the call (at most ten messages) that was under way
//! when the run was killed or its answer was lost.

mod auto;
mod decide;
mod filter;
mod letter;

pub use auto::{AutoRedrive, AutoVerdict, decide_auto, may_be_due};
pub use decide::{Standing, Verdict, decide};
pub use filter::Filter;
pub use letter::{Letter, Received, restored};
