//! Which of the admitted deliveries may start now, by the rates of their sinks.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use acequia_core::delivery::rate::{Granted, Limiter, Reservation, Stage, ahead_of, limiters};
use acequia_core::id::TenantId;
use acequia_core::outcome::stall::Store;
use acequia_core::outcome::{Cause, Hold};
use acequia_core::port::{Chance, Ports, Unavailable};
use jiff::Timestamp;

use super::{Item, SinkLoop};
use crate::Sink;
use crate::batch_loop::BatchItem as _;

/// The limiters of a batch in the order in which they are passed, each with the items that have still to pass it.
type Limiters = BTreeMap<(Stage, String), (Limiter, Vec<usize>)>;

impl<P: Ports, S: Sink> SinkLoop<P, S> {
    /// Makes those wait for which there is no reservation now. Sinks without a rate cost nothing here.
    pub(super) async fn limit(&self, tenant: &TenantId, items: &mut [Item]) {
        if !items.iter().any(is_admitted) {
            return;
        }
        let now = self.common.clock.now();
        let share = match self.rate_limiter.share(tenant).await {
            Ok(share) => share,
            Err(error) => {
                let admitted = items.iter_mut().filter(|item| is_admitted(item));
                return down(admitted, &error);
            }
        };
        if share.is_none() && !items.iter().any(|item| item.sink.as_ref().is_some_and(|sink| sink.rate.is_some())) {
            return;
        }
        for (limiter, mut indexes) in limiters_of(items, share.as_ref(), now).into_values() {
            // What waits in an earlier limiter does not ask in this one yet.
            indexes.retain(|index| items.get(*index).is_some_and(is_admitted));
            if indexes.is_empty() {
                continue;
            }
            let found = self.rate_limiter.take(tenant, &limiter, indexes.len()).await;
            grant(items, &indexes, &limiter, found, now, &*self.common.chance);
        }
    }
}

/// Whether an item is to be attempted.
fn is_admitted(item: &Item) -> bool {
    item.admitted().is_some()
}

fn limiters_of(items: &[Item], share: Option<&Limiter>, now: Timestamp) -> Limiters {
    let mut by_sink: HashMap<&str, Vec<Limiter>> = HashMap::new();
    let mut all = Limiters::new();
    for (index, item) in items.iter().enumerate().filter(|(_, item)| is_admitted(item)) {
        let Some(sink) = &item.sink else { continue };
        let of_sink = by_sink.entry(sink.id.as_str()).or_insert_with(|| limiters(&sink.id, sink.rate, share));
        let reservation = item.record.as_ref().and_then(|record| record.reservation.as_ref());
        for limiter in ahead_of(of_sink, reservation, &item.message.message_id, now) {
            let entry =
                all.entry((limiter.stage, limiter.name.clone())).or_insert_with(|| (limiter.clone(), Vec::new()));
            entry.1.push(index);
        }
    }
    all
}

fn down<'i>(items: impl Iterator<Item = &'i mut Item>, error: &Unavailable) {
    tracing::warn!(error = ?error, "the store of rates does not answer");
    for item in items {
        item.fail(Cause::StoreDown(Store::Ledger));
    }
}

/// Gives the reservations to the items, in their order; those of later times wait for theirs, and those without one ask
/// again.
fn grant(
    items: &mut [Item],
    indexes: &[usize],
    limiter: &Limiter,
    found: Result<Granted, Unavailable>,
    now: Timestamp,
    chance: &dyn Chance,
) {
    let granted = match found {
        Ok(granted) => granted,
        Err(error) => {
            let asked = items.iter_mut().enumerate().filter(|(index, _)| indexes.contains(index));
            return down(asked.map(|(_, item)| item), &error);
        }
    };
    let mut later = granted.later.into_iter();
    for index in indexes.iter().skip(granted.now) {
        let Some(item) = items.get_mut(*index) else { continue };
        let reservation = later.next();
        let remaining = match reservation {
            Some(reservation) => Duration::try_from(reservation.duration_since(now)).unwrap_or_default(),
            None => limiter.rate.wait_for_room(chance.unit()),
        };
        if let Some(record) = &mut item.record {
            let message = item.message.message_id.clone();
            record.reservation = reservation.map(|at| Reservation { at, message, rate: limiter.name.clone() });
        }
        item.fail(Cause::Held { by: Hold::Rate, remaining });
    }
}
