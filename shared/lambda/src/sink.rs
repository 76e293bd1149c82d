//! What a sink is to the loop: something that takes deliveries and says of each what came of it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::delivery::Delivery;
use acequia_core::delivery::breaker::Breaker;
use acequia_core::delivery::ledger::{Receipt, Stages};
use acequia_core::kind::SinkKind;
use acequia_core::outcome::Cause;
use acequia_core::queue::Queue;
use acequia_core::tenant;
use jiff::Timestamp;

use crate::{Course, CurrentTenant, Deadline};

/// What all jobs of one invocation have in common.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The tenant, as its current configuration has it.
    pub current: &'a CurrentTenant,
    /// The queue that the deliveries came from.
    pub queue: &'a Queue,
    /// When the invocation ends.
    pub deadline: Deadline,
}

/// One delivery that is to be attempted now.
#[derive(Debug, Clone)]
pub struct Job {
    /// What to deliver.
    pub delivery: Arc<Delivery>,
    /// Where to, and how.
    pub sink: Arc<tenant::Sink>,
    /// Which attempt this is, 1-based.
    pub attempt: u32,
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    /// The proof, or what went wrong.
    pub result: Result<Receipt, Cause>,
    /// How long it took.
    pub duration: Duration,
    /// When it ended; nothing where it was not begun.
    pub ended_at: Option<Timestamp>,
    /// What its request spent its time on, where it was one and said so ([`crate::note_stages`]).
    pub stages: Option<Stages>,
}

impl Attempted {
    /// An attempt that was not begun.
    pub fn not_begun(cause: Cause) -> Self {
        Self { result: Err(cause), duration: Duration::ZERO, ended_at: None, stages: None }
    }
}

/// An endpoint that may fail as a whole, so that nothing is sent to it for a time
/// ([`acequia_core::delivery::breaker`]).
#[derive(Debug, Clone, Copy)]
pub struct Endpoint<'a> {
    /// Its address: another one under the same sink is another endpoint.
    pub address: &'a str,
    /// When its circuit opens; `None` where it never does.
    pub breaker: Option<&'a Breaker>,
    /// The most requests that an instance has under way to it at once; `None` where only it is the bound.
    pub concurrency: Option<usize>,
}

/// A kind of place to deliver to. Implementations deliver, and decide nothing about messages, retries or the ledger.
pub trait Sink: Send + Sync {
    /// The kind whose queue and configuration this serves.
    const KIND: SinkKind;
    /// What deliveries need beside themselves, such as secrets and grants.
    type Ready: Send + Sync;

    /// The endpoint of a sink of this kind whose circuit is watched; `None` where each failure is the delivery's own.
    fn endpoint(_sink: &tenant::Sink) -> Option<Endpoint<'_>> {
        None
    }

    /// Gets ready to deliver to these sinks: it is asked for while deliveries are claimed, so it has no effect. What
    /// cannot be had is kept as the cause for which deliveries fail.
    fn prepare(&self, batch: Batch<'_>, sinks: &[Arc<tenant::Sink>]) -> impl Future<Output = Self::Ready> + Send;

    /// Makes what a delivery would send, and sends nothing: what that would be, in a few words without personal data and
    /// secrets, or why nothing would be sent.
    fn shadow(
        &self,
        _batch: Batch<'_>,
        _ready: &Self::Ready,
        job: &Job,
    ) -> impl Future<Output = Result<String, Cause>> + Send {
        let bytes = job.delivery.envelope.body.len();
        async move { Ok(format!("{bytes} bytes")) }
    }

    /// Attempts the deliveries of one tenant that are on `course`, and tells it what came of each as soon as that is
    /// known.
    ///
    /// The loop survives a panic in here, but then every job of which nothing was told counts as panicked: use
    /// [`each`](crate::each) to keep one job's panic, or its slowness, to itself.
    fn deliver(&self, batch: Batch<'_>, ready: &Self::Ready, course: &Course<'_>) -> impl Future<Output = ()> + Send;
}
