//! Which deliveries may be attempted now: the claim, or a look at what is known of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use acequia_core::delivery::ledger::{ClaimRequest, DeliveryKey, Verdict, judge, judge_unclaimed};
use acequia_core::id;
use acequia_core::outcome::stall::Store;
use acequia_core::outcome::{Cause, DisabledBy, Hold};
use acequia_core::port::{Ledger as _, Ports, Unavailable};
use acequia_core::tenant::{Ambiguous, Sink as SinkConfig, Target};
use acequia_core::wire::{RETURNED, Redrive, is_expedited, redrive_of};

use jiff::Timestamp;

use super::{Item, SinkLoop};
use crate::batch_loop::BatchItem as _;
use crate::{CurrentTenant, Deadline, Sink};

/// How long a delivery to a paused sink waits before it is looked at again. Resuming the sink brings back at once what
/// is delayed; of a FIFO queue nothing is, and it comes back within this time.
const PAUSED: Duration = Duration::from_hours(1);

impl<P: Ports, S: Sink> SinkLoop<P, S> {
    /// Gives each open item its sink and its record, or says why it is not attempted now.
    pub(super) async fn admit(&self, current: &CurrentTenant, deadline: Deadline, items: &mut [Item]) {
        let token = self.common.chance.token();
        let (mut claims, mut lookups) = (Vec::new(), Vec::with_capacity(items.len()));
        let mut of_followers = marks_of_followers(items);
        for (index, item) in items.iter_mut().enumerate() {
            let Some(delivery) = item.open() else { continue };
            let sink = current.tenant.sink(&delivery.sink).filter(|sink| sink.kind() == S::KIND);
            let request = ClaimRequest {
                key: delivery.key(),
                replay: delivery.replay.clone(),
                kind: S::KIND,
                digest: id::digest(delivery.envelope.body.as_bytes()),
                config_version: current.version,
                accepted_at: delivery.envelope.accepted_at,
                trace_id: delivery.envelope.trace.as_ref().map(|trace| trace.trace_id().to_owned()),
                route: delivery.route.clone(),
                redrives: redrive_of(&item.message)
                    .into_iter()
                    .chain(of_followers.remove(&index).unwrap_or_default())
                    .collect(),
                token: token.clone(),
                expedited: is_expedited(&item.message),
                now: self.common.clock.now(),
                lease_until: deadline.lease(),
            };
            item.sink = sink.cloned();
            if item.sink.as_ref().is_some_and(|sink| sink.paused && sink.enabled) {
                // Before the claim: who pauses a sink wants to find its deliveries as they were.
                item.fail(Cause::Held { by: Hold::Paused, remaining: PAUSED });
                continue;
            }
            match &item.sink {
                Some(sink) if sink.claims && sink.enabled => claims.push((index, request)),
                _ => lookups.push((index, request)),
            }
        }
        self.claim(current, claims, items).await;
        self.look_up(current, lookups, items).await;
    }

    async fn claim(&self, current: &CurrentTenant, claims: Vec<(usize, ClaimRequest)>, items: &mut [Item]) {
        if claims.is_empty() {
            return;
        }
        let (indexes, requests): (Vec<usize>, Vec<ClaimRequest>) = claims.into_iter().unzip();
        let mut verdicts = self.common.ledger.claim(&current.tenant.summary.id, &requests).await.into_iter();
        for index in indexes {
            let Some(item) = items.get_mut(index) else { continue };
            match verdicts.next() {
                Some(Ok(verdict)) => apply(item, verdict),
                Some(Err(error)) => ledger_down(item, &error),
                None => item.fail(Cause::StoreDown(Store::Ledger)),
            }
        }
    }

    /// Deliveries that need no claim are looked up only if they came before (or out of the dead-letter queue): the
    /// usual first attempt costs no call.
    async fn look_up(&self, current: &CurrentTenant, lookups: Vec<(usize, ClaimRequest)>, items: &mut [Item]) {
        let came_before = |item: &Item, request: &ClaimRequest| {
            item.message.receive_count > 1
                || !request.redrives.is_empty()
                || item.message.attributes.contains_key(RETURNED)
                || item.sink.as_ref().is_none_or(|sink| !sink.enabled || sink.claims)
        };
        let mut known = Vec::new();
        for (index, request) in lookups {
            let Some(item) = items.get_mut(index) else { continue };
            if came_before(item, &request) {
                known.push((index, request));
            } else {
                apply(item, judge(None, &request));
            }
        }
        if known.is_empty() {
            return;
        }
        // Two contents of one id ask for one record, and a store is asked for each once.
        let keys: BTreeSet<&DeliveryKey> = known.iter().map(|(_, request)| &request.key).collect();
        let keys: Vec<DeliveryKey> = keys.into_iter().cloned().collect();
        let records = self.common.ledger.read(&current.tenant.summary.id, &keys).await;
        let records: BTreeMap<&DeliveryKey, _> = keys.iter().zip(records).collect();
        for (index, request) in known {
            let Some(item) = items.get_mut(index) else { continue };
            let claims = item.sink.as_ref().is_none_or(|sink| sink.claims);
            let decide = if claims { judge } else { judge_unclaimed };
            match records.get(&request.key) {
                Some(Ok(record)) => apply(item, decide(record.as_ref(), &request)),
                Some(Err(error)) => ledger_down(item, error),
                None => item.fail(Cause::StoreDown(Store::Ledger)),
            }
        }
    }
}

/// The marks of redrives that copies in a batch have, by the item that speaks for them: which of them the ledger knows
/// already, it alone can say.
fn marks_of_followers(items: &[Item]) -> BTreeMap<usize, Vec<Redrive>> {
    let mut marks: BTreeMap<usize, Vec<Redrive>> = BTreeMap::new();
    for item in items {
        if let (Some(leader), Some(mark)) = (item.follows, redrive_of(&item.message)) {
            marks.entry(leader).or_default().push(mark);
        }
    }
    marks
}

fn ledger_down(item: &mut Item, error: &Unavailable) {
    tracing::warn!(error = ?error, "the ledger does not answer");
    item.fail(Cause::StoreDown(Store::Ledger));
}

/// Takes a verdict over into the item.
fn apply(item: &mut Item, verdict: Verdict) {
    let cause = match verdict {
        Verdict::Done => Cause::AlreadyDone,
        Verdict::InProgress(remaining) => Cause::InProgress { remaining },
        Verdict::NotDue(remaining) => Cause::NotDue { remaining },
        Verdict::Conflict => Cause::PayloadConflict,
        Verdict::Quarantined(reason) => Cause::AlreadyQuarantined(reason),
        Verdict::Claimed { record, ambiguous } => {
            let refusal = match &item.sink {
                None => Some(Cause::SinkUnknown),
                Some(_) if let Some(reason) = record.reason => Some(Cause::AlreadyQuarantined(reason)),
                Some(sink)
                    if is_expired(item, sink, record.updated_at)
                        && !(ambiguous && quarantines_ambiguous(&sink.target)) =>
                {
                    Some(Cause::Expired)
                }
                Some(sink) if !sink.enabled => Some(Cause::SinkDisabled(DisabledBy::Configuration)),
                Some(sink) if ambiguous && quarantines_ambiguous(&sink.target) => Some(Cause::Ambiguous),
                Some(_) => None,
            };
            item.record = Some(record);
            let Some(refusal) = refusal else { return };
            refusal
        }
    };
    item.fail(cause);
}

/// Whether the time of a delivery is over. `now` is when it was admitted.
fn is_expired(item: &Item, sink: &SinkConfig, now: Timestamp) -> bool {
    let expiry = item.delivery.as_ref().and_then(|delivery| sink.expiry(delivery));
    expiry.is_some_and(|expiry| expiry <= now)
}

fn quarantines_ambiguous(target: &Target) -> bool {
    matches!(target, Target::Email(email) if email.ambiguous == Ambiguous::Quarantine)
}
