//! Deliveries to sinks in shadow mode: they are made as ever, and what would have been sent is recorded. They use no rate,
//! ask no circuit, and never become dead letters.

use std::sync::Arc;

use acequia_core::outcome::{Cause, Outcome};
use acequia_core::port::Ports;

use super::{Item, SinkLoop};
use crate::batch_loop::BatchItem as _;
use crate::{Batch, Job, Sink, Timing, unwind};

impl<P: Ports, S: Sink> SinkLoop<P, S> {
    /// Ends the admitted deliveries to sinks in shadow mode.
    pub(super) async fn shadow(&self, batch: Batch<'_>, items: &mut [Item], ready: &Result<S::Ready, Cause>) {
        let timing = Timing { clock: &*self.common.clock, deadline: batch.deadline };
        for item in items {
            let Some((delivery, sink, record)) = item.admitted().filter(|(_, sink, _)| sink.shadow) else {
                continue;
            };
            let attempt = record.attempts_used.saturating_add(1);
            let job = Job { delivery: Arc::clone(delivery), sink: Arc::clone(sink), attempt };
            let made = match ready {
                Ok(ready) => timing.for_effects(unwind(self.sink.shadow(batch, ready, &job))).await,
                Err(cause) => Some(Ok(Err(cause.clone()))),
            };
            item.fail(match made {
                None => Cause::NoTime,
                Some(Err(panic)) => panic,
                Some(Ok(made)) => told(made),
            });
        }
    }
}

/// What is recorded; a store that is down, or a bug, lets the delivery come back.
fn told(made: Result<String, Cause>) -> Cause {
    match made {
        Ok(what) => Cause::Shadowed(format!("shadow: would send {what}")),
        Err(cause) => match cause.outcome() {
            Outcome::Quarantine(reason) => {
                Cause::Shadowed(format!("shadow: would be quarantined as {reason}: {cause}"))
            }
            Outcome::Filtered => Cause::Shadowed(format!("shadow: would not be sent: {cause}")),
            _ => cause,
        },
    }
}

#[cfg(test)]
mod tests {
    use acequia_core::outcome::stall::Store;

    use super::*;

    #[test]
    fn what_would_be_quarantined_is_told_and_what_may_work_later_comes_back() {
        let text = |made| match told(made) {
            Cause::Shadowed(text) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(text(Ok("3 bytes".to_owned())), "shadow: would send 3 bytes");
        let missing = Cause::TemplateVariable { field: "to", line: 1 };
        assert!(
            text(Err(missing)).starts_with("shadow: would be quarantined as template-variable: the template of to")
        );
        assert!(text(Err(Cause::NotWanted("x"))).starts_with("shadow: would not be sent"));
        assert_eq!(told(Err(Cause::StoreDown(Store::Secrets))), Cause::StoreDown(Store::Secrets));
    }
}
