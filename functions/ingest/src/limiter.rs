//! How many events a tenant may hand in: the permits that this instance holds, and the store that gives them out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use acequia_core::delivery::rate::{Limiter, Rate};
use acequia_core::id::TenantId;
use acequia_core::intake::rate::{HELD, Taken, chunk, take};
use acequia_core::port::{Advance, Clock, RateStore, Unavailable};
use acequia_core::time::after;
use jiff::Timestamp;

/// How often permits are asked for when others take theirs at the same time.
const TRIES: usize = 8;
/// The most tenants whose permits are remembered; one more and all are forgotten.
const MOST: usize = 1000;

/// The permits of one instance.
pub(crate) struct Permits<R> {
    store: R,
    held: Mutex<HashMap<(TenantId, String), Held>>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    /// How many are left, until when.
    permits: u32,
    until: Timestamp,
    /// Where the theoretical arrival time stood last.
    tat: i64,
}

/// What became of a request's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permitted {
    /// It may pass; about so many events more may come now.
    Yes(u32),
    /// It may come again after this time.
    After(Duration),
}

impl<R: RateStore> Permits<R> {
    pub(crate) fn new(store: R) -> Self {
        Self { store, held: Mutex::default() }
    }

    /// Takes permits for so many events.
    ///
    /// # Errors
    /// When the store does not answer, or others are always faster.
    pub(crate) async fn take(
        &self,
        tenant: &TenantId,
        rate: Rate,
        events: u32,
        clock: &dyn Clock,
    ) -> Result<Permitted, Unavailable> {
        let limiter = Limiter::shared("intake", rate);
        let key = (tenant.clone(), limiter.name.clone());
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        let now = clock.now();
        let mut own = held.filter(|held| held.until > now).map_or(0, |held| held.permits);
        if own >= events {
            own -= events;
            self.remember(key, held.map(|held| Held { permits: own, ..held }));
            return Ok(Permitted::Yes(own));
        }
        let needed = events - own;
        let mut tat = held.map(|held| held.tat);
        for _ in 0..TRIES {
            match take(tat, rate, needed, needed.max(chunk(rate)), clock.now()) {
                // The time only moves on: what an old one denies, the one that stands denies too.
                Taken::Denied(wait) => {
                    let until = held.map_or(now, |held| held.until);
                    self.remember(key, tat.map(|tat| Held { permits: own, until, tat }));
                    return Ok(Permitted::After(wait));
                }
                Taken::Granted { permits, tat: next, left } => {
                    match self.store.advance(tenant, &limiter.name, tat, next).await? {
                        Advance::Moved => {
                            let permits = permits - needed;
                            let until = after(clock.now(), HELD);
                            self.remember(key, Some(Held { permits, until, tat: next }));
                            return Ok(Permitted::Yes(left.saturating_add(permits)));
                        }
                        Advance::Stands(stands) => tat = stands,
                    }
                }
            }
        }
        Err(Unavailable::new("take permits of the intake's rate", "others take theirs all the time"))
    }

    fn remember(&self, key: (TenantId, String), held: Option<Held>) {
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        if let Some(held) = held {
            all.insert(key, held);
        }
    }
}

#[cfg(test)]
mod tests {
    use acequia_testkit::{FixedClock, InMemoryRates, build};

    use super::*;

    const RATE: Rate = Rate { per_second: 1000.0, burst: 1000 };

    #[tokio::test]
    async fn a_hundred_small_requests_cost_one_call_and_the_rate_holds_over_all_instances() {
        let (store, clock, tenant) = (InMemoryRates::new(), FixedClock::default(), build::tenant_id("acme"));
        let instances = [Permits::new(store.clone()), Permits::new(store.clone())];
        let mut passed = 0;
        for turn in 0..3000 {
            if let Permitted::Yes(_) = instances[turn % 2].take(&tenant, RATE, 1, &clock).await.unwrap() {
                passed += 1;
            }
        }
        assert_eq!(passed, 1000, "the burst, and nothing more while no time passes");
        let wait = instances[0].take(&tenant, RATE, 1, &clock).await.unwrap();
        assert_eq!(wait, Permitted::After(Duration::from_millis(1)));
        clock.advance(Duration::from_secs(1));
        assert!(matches!(instances[1].take(&tenant, RATE, 1000, &clock).await.unwrap(), Permitted::Yes(0)));
        assert!(store.faults.calls() <= 40, "{} calls for 4,000 requests", store.faults.calls());
    }

    #[tokio::test]
    async fn permits_that_are_not_used_within_their_time_are_lost() {
        let (store, clock, tenant) = (InMemoryRates::new(), FixedClock::default(), build::tenant_id("acme"));
        let rate = Rate { per_second: 10.0, burst: 10 };
        let permits = Permits::new(store);
        assert_eq!(permits.take(&tenant, rate, 1, &clock).await.unwrap(), Permitted::Yes(9));
        clock.advance(Duration::from_secs(1));
        assert!(matches!(permits.take(&tenant, rate, 10, &clock).await.unwrap(), Permitted::Yes(0)));
    }
}
