//! What a sink is to the loop: something that takes deliveries and says of each what came of it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use acequia_core::config::{self, SinkKind};
use acequia_core::delivery::Delivery;
use acequia_core::ledger::Receipt;
use acequia_core::outcome::Cause;
use acequia_core::port::Clock;
use futures::StreamExt;

use crate::{CurrentTenant, Deadline, unwind};

/// One delivery that is to be attempted now.
#[derive(Debug, Clone)]
pub struct Job {
    /// What to deliver.
    pub delivery: Delivery,
    /// Where to, and how.
    pub sink: Arc<config::Sink>,
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
}

impl Attempted {
    /// An attempt that was not begun.
    pub fn not_begun(cause: Cause) -> Self {
        Self { result: Err(cause), duration: Duration::ZERO }
    }
}

/// A kind of place to deliver to. Implementations deliver, and decide nothing about messages, retries or the ledger.
pub trait Sink: Send + Sync {
    /// The kind whose queue and configuration this serves.
    const KIND: SinkKind;

    /// Attempts deliveries of one tenant; one answer each, in the order of the jobs.
    ///
    /// The loop survives a panic in here, but then every job counts as panicked: use [`each`] to keep one job's panic, or its
    /// slowness, to itself.
    fn deliver(
        &self,
        tenant: &CurrentTenant,
        jobs: &[Job],
        deadline: Deadline,
    ) -> impl Future<Output = Vec<Attempted>> + Send;
}

/// Attempts jobs independently of each other, at most `concurrency` at a time.
///
/// A job begins only if the invocation has `budget(job)` left, gets no more time than that, and keeps a panic to itself.
pub async fn each<'a, F, R>(
    jobs: &'a [Job],
    clock: &dyn Clock,
    deadline: Deadline,
    concurrency: usize,
    budget: impl Fn(&Job) -> Duration,
    attempt: F,
) -> Vec<Attempted>
where
    F: Fn(&'a Job) -> R,
    R: Future<Output = Result<Receipt, Cause>>,
{
    let attempts = jobs.iter().map(|job| {
        let (allowed, work) = (budget(job), attempt(job));
        async move {
            if deadline.for_effects(clock) < allowed {
                return Attempted::not_begun(Cause::NoTime);
            }
            let begun = clock.now();
            let result = match tokio::time::timeout(allowed, unwind(work)).await {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) => Err(panic),
                Err(_) => Err(Cause::Timeout(allowed)),
            };
            let duration = Duration::try_from(clock.now().duration_since(begun)).unwrap_or_default();
            Attempted { result, duration }
        }
    });
    futures::stream::iter(attempts).buffered(concurrency.max(1)).collect().await
}
