//! `acequia tenant resume`: delivers to a sink again that was paused, or whose endpoint was disabled or has an open circuit, and makes
//! what waits delayed for it due now.

use std::time::Duration;

use acequia_core::delivery::breaker::{Circuit, EndpointState};
use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::{Clock, DelayedMessages, EndpointStore};
use serde::Serialize;

use super::apply::actor;
use super::pause;
use crate::args::SwitchArgs;
use crate::context::{Context, SystemClock};
use crate::exit::Failure;
use crate::output::{Report, count, note};

#[derive(Serialize)]
struct Answer<'a> {
    tenant: &'a TenantId,
    sink: &'a SinkId,
    resumed: bool,
    expedited: u64,
}

/// For how long functions go by the configuration that they read last (`CachedTenants`).
const CACHED: Duration = Duration::from_secs(5);

/// What a batch takes, as a rule, that began at the end of that time: until then it may delay by the configuration before. One that
/// is slow may delay later still (docs/GUARANTEES.md), and is not waited for: it may take a minute.
const MARGIN: Duration = Duration::from_secs(2);

/// Nothing of a FIFO queue is delayed: it is hidden there, an hour at a time, and cannot be shown before.
const ORDERED: &str = " What waits in the queue of an ordered tenant comes back within an hour.";

/// How often a state is written that others change at the same time.
const TRIES: usize = 5;

pub(super) async fn run(context: &Context, arguments: &SwitchArgs) -> Result<Report, Failure> {
    let SwitchArgs { tenant, sink, actor: by } = arguments;
    let configuration = context.configuration(tenant).await?;
    let before = configuration.0.version;
    let may_be_ordered = pause::may_be_ordered(&configuration.1, sink);
    let version = pause::switch(&context.tenants(), configuration, arguments, false, &actor(by.as_deref())).await?;
    let unpaused = version != before;
    let healed = heal(&context.endpoints(), tenant, sink).await?;
    note(&format!(
        "waiting {} s for the functions to see it: what comes until then may still be delayed. Stopped, run it again",
        (CACHED + MARGIN).as_secs()
    ));
    let expedited = bring_back(&context.delays(), &SystemClock, tenant, sink).await?;
    let mut text = match (unpaused, healed) {
        (false, false) => format!("{tenant}: {sink} was neither paused nor disabled, and its circuit is closed."),
        (true, false) => format!("{tenant}: {sink} is no longer paused (version {version})."),
        (_, true) => {
            format!(
                "{tenant}: {sink} is on again. `acequia dlq redrive {tenant}` brings back what went to the dead-letter queue."
            )
        }
    };
    if expedited > 0 {
        let due = count(expedited, "delayed message is due now and comes", "delayed messages are due now and come");
        text = format!("{text} {due} back within a minute or two.");
    }
    if may_be_ordered {
        text.push_str(ORDERED);
    }
    Ok(Report::new(&Answer { tenant, sink, resumed: unpaused || healed, expedited }, text))
}

/// Waits until functions go by the current configuration, then makes due what is delayed for the sink.
///
/// Not earlier: what comes while they go by the one before is delayed for an hour, and what was brought forward would be once more.
/// It waits in every run, because one before may have been stopped after it wrote the configuration.
async fn bring_back(
    delays: &impl DelayedMessages,
    clock: &impl Clock,
    tenant: &TenantId,
    sink: &SinkId,
) -> Result<u64, Failure> {
    clock.sleep(CACHED + MARGIN).await;
    Ok(delays.expedite(tenant, sink, clock.now()).await?)
}

/// Writes that the sink's endpoint is healthy; answers whether that changes anything.
async fn heal(endpoints: &impl EndpointStore, tenant: &TenantId, sink: &SinkId) -> Result<bool, Failure> {
    for _ in 0..TRIES {
        let Some(known) = endpoints.state(tenant, sink).await? else { return Ok(false) };
        if known.disabled.is_none() && known.failing.is_none() && known.circuit == Circuit::Closed {
            return Ok(false);
        }
        let healthy = EndpointState::healthy(&known.endpoint, Some(&known));
        if endpoints.change(tenant, sink, &healthy).await? {
            return Ok(known.disabled.is_some() || known.circuit != Circuit::Closed);
        }
    }
    Err(Failure::Conflict(format!("the state of {sink} changes all the time; run the command again")))
}

#[cfg(test)]
mod tests {
    use acequia_core::delivery::breaker::Disabled;
    use acequia_core::delivery::delay::Delayed;
    use acequia_core::kind::SinkKind;
    use acequia_core::port::DelayStore as _;
    use acequia_core::queue::QueueRole;
    use acequia_testkit::{FixedClock, InMemoryDelays, InMemoryEndpoints, build};

    use super::*;

    #[tokio::test]
    async fn a_disabled_endpoint_is_on_again_once() {
        let (endpoints, tenant, sink) = (InMemoryEndpoints::new(), build::tenant_id("acme"), build::sink_id("crm"));
        assert!(!heal(&endpoints, &tenant, &sink).await.unwrap());
        let disabled = Some(Disabled { why: "gone".to_owned(), since: build::start() });
        let state = EndpointState { disabled, ..EndpointState::healthy("digest", None) };
        assert!(endpoints.change(&tenant, &sink, &state).await.unwrap());
        assert!(heal(&endpoints, &tenant, &sink).await.unwrap());
        assert!(!heal(&endpoints, &tenant, &sink).await.unwrap());
        assert_eq!(endpoints.state(&tenant, &sink).await.unwrap().unwrap().disabled, None);
    }

    #[tokio::test]
    async fn what_is_delayed_while_functions_still_go_by_the_pause_is_due_at_the_end_too_and_again_is_the_same() {
        let (delays, clock) = (InMemoryDelays::new(), FixedClock::default());
        let (tenant, sink) = (build::tenant_id("acme"), build::sink_id("crm"));
        let queue = build::queue("acme", QueueRole::Sink(SinkKind::Webhook));
        let delay = async |id: &str| {
            let message = build::incoming_delivery(&queue, id, "crm", &build::envelope("acme", id, "t", "{}"));
            let row = Delayed::of(&tenant, &message, Duration::from_hours(1), clock.now()).unwrap();
            assert!(delays.delay(&tenant, &[row]).await.iter().all(Result::is_ok));
        };
        delay("before").await;
        for (id, delayed) in [("late", 2), ("later", 3)] {
            let mut back = Box::pin(bring_back(&delays, &clock, &tenant, &sink));
            assert!(futures::poll!(&mut back).is_pending());
            clock.advance(CACHED);
            delay(id).await;
            assert!(futures::poll!(&mut back).is_pending(), "a batch that began before may still delay");
            assert!(delays.rows().iter().any(|row| row.due_at > clock.now()));
            clock.advance(MARGIN);
            assert_eq!(back.await.unwrap(), delayed);
            assert!(delays.rows().iter().all(|row| row.expedited && row.due_at <= clock.now()));
        }
    }
}
