//! Which of the admitted deliveries may start now, by the rates of their sinks.

use std::collections::BTreeMap;
use std::time::Duration;

use acequia_core::id::TenantId;
use acequia_core::ledger::Place;
use acequia_core::outcome::{Cause, Hold};
use acequia_core::port::{Ledger, Parking, Queues, RateStore, TenantStore, Unavailable};
use acequia_core::rate::{HORIZON, Places, Rate, holds};
use jiff::Timestamp;

use super::{Item, SinkLoop};
use crate::Sink;

impl<T: TenantStore, L: Ledger, Q: Queues, P: Parking, R: RateStore, S: Sink> SinkLoop<T, L, Q, P, R, S> {
    /// Makes those wait for which there is no place now. Sinks without a rate cost nothing here.
    pub(super) async fn keep_pace(&self, tenant: &TenantId, items: &mut [Item]) {
        let now = self.clock.now();
        let mut limited: BTreeMap<String, (Rate, Vec<usize>)> = BTreeMap::new();
        for (index, item) in items.iter().enumerate().filter(|(_, item)| wants_place(item, now)) {
            if let Some((sink, rate)) = item.sink.as_ref().and_then(|sink| Some((sink, sink.rate?))) {
                limited.entry(sink.id.to_string()).or_insert((rate, Vec::new())).1.push(index);
            }
        }
        for (name, (rate, indexes)) in limited {
            let found = self.pace.take(tenant, &name, rate, indexes.len()).await;
            seat(items, &indexes, found, now);
        }
        let waiting: Vec<usize> =
            items.iter().enumerate().filter(|(_, item)| wants_place(item, now)).map(|(index, _)| index).collect();
        if waiting.is_empty() {
            return;
        }
        let found = match self.pace.part(tenant).await {
            Ok(None) => return,
            Ok(Some((name, rate))) => self.pace.take(tenant, &name, rate, waiting.len()).await,
            Err(error) => Err(error),
        };
        seat(items, &waiting, found, now);
    }
}

/// Whether an item is to be attempted and comes without a place.
fn wants_place(item: &Item, now: Timestamp) -> bool {
    let place = item.record.as_ref().and_then(|record| record.place.as_ref());
    let seated = place.is_some_and(|place| place.message == item.message.message_id && holds(place.at, now));
    item.open().is_some() && item.record.is_some() && !seated
}

/// Gives the places to the items, in their order; those of later times wait for theirs, and those without one ask again.
fn seat(items: &mut [Item], indexes: &[usize], found: Result<Places, Unavailable>, now: Timestamp) {
    let places = match found {
        Ok(places) => places,
        Err(error) => {
            tracing::warn!(error = ?error, "the store of rates does not answer");
            for index in indexes {
                if let Some(item) = items.get_mut(*index) {
                    item.fail(Cause::LedgerDown);
                }
            }
            return;
        }
    };
    let mut later = places.later.into_iter();
    for index in indexes.iter().skip(places.now) {
        let Some(item) = items.get_mut(*index) else { continue };
        let place = later.next();
        let remaining =
            place.map_or(HORIZON, |place| Duration::try_from(place.duration_since(now)).unwrap_or_default());
        if let Some(record) = &mut item.record {
            let message = item.message.message_id.clone();
            record.place = place.map(|at| Place { at, message });
        }
        item.fail(Cause::Held { by: Hold::Rate, remaining });
    }
}
