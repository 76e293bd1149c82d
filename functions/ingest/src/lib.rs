//! The front door: takes events in over HTTP, and answers when SQS has them.
//!
//! One event or a thousand in a request, each with a result of its own: a bad one costs its neighbours nothing. What the
//! router would quarantine is refused here, by the same code. Nothing is stored in between: an event is in the tenant's
//! intake queue, or the answer says that it is not.

mod answer;
mod aws;
pub mod config;
mod door;
mod events;
mod gate;
mod guard;
mod limiter;
mod list;
mod once;
mod openapi;
mod problem;
mod read;
mod replays;
mod route;
mod send;
mod sort;
mod unpack;

pub use answer::{EventResult, Refusal, Results};
pub use aws::Aws;
pub use door::{Door, DoorPorts, Parts};
pub use gate::Gate;
pub use guard::Guard;
pub use problem::Problem;
