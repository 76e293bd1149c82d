//! What became of an attempt, and what happens to the message then: the one decision table of the product.
//!
//! Code that fails says *what* happened by a [`Cause`]. [`Cause::outcome`] says what that comes to, and [`decide`] what
//! is done with the message; where that could not be done, [`fallback`] says what is done instead. Nothing else in the
//! project decides either. There are only two kinds of failure: those that may pass by themselves (retry) and those
//! that never will (quarantine).

mod cause;
pub mod connection;
mod decide;
mod disabled;
pub mod fault;
mod hold;
mod reason;
pub mod schedule;
pub mod stall;
mod wait;

pub use cause::{Cause, Outcome, PANICKED};
pub use decide::{Disposition, Situation, Undone, decide, fallback, of_follower};
pub use disabled::DisabledBy;
pub use hold::Hold;
pub use reason::{RECEIVED_TOO_OFTEN, Reason};
pub use wait::{EXTRA_HIDDEN, LONGEST_HIDDEN, SPARE_RECEIVES, Stay};

#[cfg(test)]
mod status_cases;
