//! What an attempt says of the stages of its request, told from deep within it to the lane that makes it.

use std::cell::Cell;
use std::future::Future;

use acequia_core::delivery::ledger::Stages;

tokio::task_local! {
    static STAGES: Cell<Option<Stages>>;
}

/// Notes what the request of this attempt spent its time on; the last word counts. Outside of an attempt it does nothing.
pub fn note_stages(stages: Stages) {
    let _ = STAGES.try_with(|of_attempt| of_attempt.set(Some(stages)));
}

/// Makes an attempt, and hands over besides what it noted: also where it was given up.
pub(crate) async fn noting<T>(attempt: impl Future<Output = T>) -> (T, Option<Stages>) {
    let noted = async { (attempt.await, STAGES.with(Cell::get)) };
    STAGES.scope(Cell::new(None), noted).await
}
