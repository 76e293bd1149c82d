//! What every function shares: reading its environment, telemetry, the deadline, and the batch loops.
//!
//! A function is a [`Sink`] in a [`SinkLoop`] (or the router), wired to its ports in `main.rs`. Everything between
//! SQS's batch and the answer to it happens here, once: in [`batch_loop`].

/// A third of what a message cost beside hashing was glibc's `malloc`; this takes a third of that (ADR 25).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod alerts;
pub mod batch;
pub mod batch_loop;
mod breakers;
mod course;
mod crash_guard;
mod deadline;
mod dispatch;
pub mod environment;
mod guard;
pub mod http;
mod lanes;
mod message;
#[cfg(feature = "mutation")]
pub mod mutation;
mod rate_limiter;
mod serve;
mod sink;
mod sink_loop;
mod stages;
mod system;
mod telemetry;
mod tenants;
mod widths;

pub use batch_loop::BatchLoop;
pub use breakers::Breakers;
pub use course::{Course, Surroundings};
pub use crash_guard::CrashGuard;
pub use deadline::{Deadline, Timing, within};
pub use dispatch::{Fates, dispatch, dispatch_noting};
pub use environment::Environment;
pub use guard::{log_places_of_panics, unwind};
pub use lanes::{Work, each};
pub use message::{UnusableBatch, read_batch};
pub use rate_limiter::{RateLimiter, SharedRate};
pub use serve::{serve, serve_http, serve_json, serve_schedule};
pub use sink::{Attempted, Batch, Endpoint, Job, Sink};
pub use sink_loop::SinkLoop;
pub use stages::note_stages;
pub use system::{StandardOutput, SystemChance, SystemClock};
pub use telemetry::{
    BatchMetrics, IntakeMetrics, ReplayMetrics, Reporting, SourceMetrics, SweepMetrics, Telemetry, WatchMetrics,
    start_telemetry, subscriber,
};
pub use tenants::{CachedTenants, CurrentTenant};
pub use widths::Widths;
