//! Which of the admitted deliveries may start now, by the rates of their sinks.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use acequia_core::id::TenantId;
use acequia_core::ledger::Place;
use acequia_core::outcome::{Cause, Hold};
use acequia_core::port::{Chance, Ledger, Parking, Queues, RateStore, TenantStore, Unavailable};
use acequia_core::rate::{Line, Places, Stage, ahead_of, lines};
use jiff::Timestamp;

use super::{Item, SinkLoop};
use crate::Sink;

/// The lines of a batch in the order in which they are passed, each with the items that have still to pass it.
type Lines = BTreeMap<(Stage, String), (Line, Vec<usize>)>;

impl<T: TenantStore, L: Ledger, Q: Queues, P: Parking, R: RateStore, S: Sink> SinkLoop<T, L, Q, P, R, S> {
    /// Makes those wait for which there is no place now. Sinks without a rate cost nothing here.
    pub(super) async fn keep_pace(&self, tenant: &TenantId, items: &mut [Item]) {
        if !items.iter().any(is_admitted) {
            return;
        }
        let now = self.clock.now();
        let part = match self.pace.part(tenant).await {
            Ok(part) => part,
            Err(error) => {
                let admitted = items.iter_mut().filter(|item| is_admitted(item));
                return down(admitted, &error);
            }
        };
        if part.is_none() && !items.iter().any(|item| item.sink.as_ref().is_some_and(|sink| sink.rate.is_some())) {
            return;
        }
        for (line, mut indexes) in lines_of(items, part.as_ref(), now).into_values() {
            // What waits in an earlier line does not ask in this one yet.
            indexes.retain(|index| items.get(*index).is_some_and(is_admitted));
            if indexes.is_empty() {
                continue;
            }
            let found = self.pace.take(tenant, &line, indexes.len()).await;
            seat(items, &indexes, &line, found, now, &*self.chance);
        }
    }
}

/// Whether an item is to be attempted.
fn is_admitted(item: &Item) -> bool {
    item.open().is_some() && item.record.is_some()
}

fn lines_of(items: &[Item], part: Option<&Line>, now: Timestamp) -> Lines {
    let mut by_sink: HashMap<&str, Vec<Line>> = HashMap::new();
    let mut all = Lines::new();
    for (index, item) in items.iter().enumerate().filter(|(_, item)| is_admitted(item)) {
        let Some(sink) = &item.sink else { continue };
        let of_sink = by_sink.entry(sink.id.as_str()).or_insert_with(|| lines(&sink.id, sink.rate, part));
        let place = item.record.as_ref().and_then(|record| record.place.as_ref());
        for line in ahead_of(of_sink, place, &item.message.message_id, now) {
            let entry = all.entry((line.stage, line.name.clone())).or_insert_with(|| (line.clone(), Vec::new()));
            entry.1.push(index);
        }
    }
    all
}

fn down<'i>(items: impl Iterator<Item = &'i mut Item>, error: &Unavailable) {
    tracing::warn!(error = ?error, "the store of rates does not answer");
    for item in items {
        item.fail(Cause::LedgerDown);
    }
}

/// Gives the places to the items, in their order; those of later times wait for theirs, and those without one ask again.
fn seat(
    items: &mut [Item],
    indexes: &[usize],
    line: &Line,
    found: Result<Places, Unavailable>,
    now: Timestamp,
    chance: &dyn Chance,
) {
    let places = match found {
        Ok(places) => places,
        Err(error) => {
            let asked = items.iter_mut().enumerate().filter(|(index, _)| indexes.contains(index));
            return down(asked.map(|(_, item)| item), &error);
        }
    };
    let mut later = places.later.into_iter();
    for index in indexes.iter().skip(places.now) {
        let Some(item) = items.get_mut(*index) else { continue };
        let place = later.next();
        let remaining = match place {
            Some(place) => Duration::try_from(place.duration_since(now)).unwrap_or_default(),
            None => line.rate.wait_for_room(chance.unit()),
        };
        if let Some(record) = &mut item.record {
            let message = item.message.message_id.clone();
            record.place = place.map(|at| Place { at, message, rate: line.name.clone() });
        }
        item.fail(Cause::Held { by: Hold::Rate, remaining });
    }
}
