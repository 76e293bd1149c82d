//! What must hold of every reader of foreign bytes, whatever the bytes are: one function each, which `cargo fuzz` calls
//! from `tests/fuzz`, and the test `bounded` with seeds and changes of them. It says whether the bytes were taken, so that
//! a test can see that its seeds are.
//!
//! Each function panics where a reader panics, or where one of these is broken:
//!
//! - *envelope*: what is read as an event is read the same once more from the text that goes on; its identity is whole.
//! - *door*: an answer for each event of a body, in order; SQS has what was accepted and nothing else, as it was sent;
//!   nothing is larger than what a body may become.
//! - *token*: what verifies is the one good token, of its tenant and of a key that is known.
//! - *schema*: a schema that can be used says the same of an event each time; what it says has no value of the event.
//! - *link*: what is read is what was signed, to the letter.
//! - *kafka*: each record is an event or a dead letter, and holds nobody up.

mod door;
mod envelope;
mod kafka;
mod link;
mod schema;
mod token;

pub use door::door;
pub use envelope::envelope;
pub use kafka::kafka;
pub use link::link;
pub use schema::schema;
pub use token::token;

use acequia_core::id::{Stage, TenantId};

/// A target: a reader with what must hold of it. It says whether the bytes were taken.
pub type Target = fn(&[u8]) -> bool;

/// All targets, by the names of their folders of seeds.
pub const TARGETS: [(&str, Target); 6] =
    [("door", door), ("envelope", envelope), ("kafka", kafka), ("link", link), ("schema", schema), ("token", token)];

fn tenant() -> Option<TenantId> {
    "acme".parse().ok()
}

fn stage() -> Option<Stage> {
    "local".parse().ok()
}

/// Runs to its end what waits for nothing but the in-memory ports.
fn finish<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::runtime::Builder::new_current_thread().enable_time().build().ok().map(|executor| executor.block_on(work))
}
