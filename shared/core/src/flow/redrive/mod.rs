//! The runs of [`crate::delivery::redrive`]: a walk through a dead-letter queue, moving its messages back, and deleting
//! them.

mod purge;
mod run;
mod walk;

pub use purge::{Purged, purge, purge_meant};
pub use run::{Order, Redriven, Way, redrive};
pub use walk::{Walked, walk};

/// Who watches a run, and can end it between two steps.
pub trait Observer: Sync {
    /// So many more messages are dealt with.
    fn dealt(&self, more: u64);
    /// Something went wrong with one message; the run goes on.
    fn trouble(&self, text: &str);
    /// Whether the run should end now, in good order.
    fn ends(&self) -> bool;
}
