//! Takes in what SES tells of mails, from a queue: bounces and complaints suppress the address and answer for its
//! subject; the rest is counted.
//!
//! SES publishes the events of a configuration set. A message that does not come from one of ours is refused: the
//! queue's policy lets only our topic write, and a message that got in all the same may have any author.

pub mod config;
mod feedback;
mod notice;

pub use feedback::Feedback;
pub use notice::{Happened, Notice, NoticeError};
