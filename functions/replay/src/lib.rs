//! The replay function: once a minute it goes on with the replays that somebody left to the platform, over HTTP or by
//! `acequia replay --detach`.
//!
//! A replay is run in slices of some seconds, a few of them side by side, and those first that waited longest: a long one
//! keeps no other tenant's from its turn. A slice holds its replay by a lease and writes down how far it is, as every
//! runner does ([`acequia_operations::replay::runner`]).
//!
//! Invariants:
//! - A slice that is killed loses nothing: its lease ends, and the next one goes on behind the place that was written down
//!   last.
//! - Nothing is sent before the audit log has who asked for it; a replay leaves the list of those that wait only when the
//!   log has what it came to.
//! - One replay that cannot go on costs the others nothing: it has one slice in an invocation, and is stopped when
//!   [`MOST_FAILED`](acequia_core::replay::MOST_FAILED) on end failed.

mod replayer;
mod slice;

pub use replayer::{Replayer, ReplaysFailed};
