//! Claiming: write first, look only where something stands in the way.
//!
//! Most deliveries are new, so each claim is first written on the condition that there is no record: one call per 25.
//! Where there is one, it is read (consistently) and judged by `acequia-core`; what may be taken over is written on the
//! condition that the record is still the one that was judged. An invocation that loses that race judges again.
//!
//! Invariants:
//! - A verdict `Claimed` is given only after a conditional write with this request's token went through.
//! - An entry without a certain answer is an error, never a grant. A call whose answer was lost and that the SDK
//!   repeated finds its own token in the record; [`judge`] grants it again.

use std::future::Future;

use acequia_core::delivery::ledger::{ClaimRequest, DeliveryRecord, Verdict, judge};
use acequia_core::id::TenantId;
use acequia_core::port::Unavailable;
use futures::StreamExt as _;

use super::rows::{BATCH, Rows};
use crate::error::EntryError;
use crate::refusal::unavailable;

pub(super) const OPERATION: &str = "claim deliveries in the ledger";

/// How many batches are claimed at once.
const CALLS: usize = 4;
/// How often a lost race is run again. Each lost round means that another invocation won, so more rounds gain nothing.
const ROUNDS: usize = 3;

/// One conditional write of a claim.
#[derive(Debug)]
pub struct ClaimWrite {
    /// What to write.
    pub record: DeliveryRecord,
    /// The record that must still be there; `None` where there must be none.
    pub over: Option<DeliveryRecord>,
}

/// A way to write claims.
pub trait ClaimWriter: Send + Sync {
    /// Writes at most 25 claims, each on its condition; true where the condition held and the claim is written.
    fn write(
        &self,
        tenant: &TenantId,
        writes: &[ClaimWrite],
    ) -> impl Future<Output = Vec<Result<bool, Unavailable>>> + Send;
}

/// Claims all requests, 25 per call.
pub(super) async fn claim<W: ClaimWriter>(
    rows: &Rows,
    writer: &W,
    tenant: &TenantId,
    requests: &[ClaimRequest],
) -> Vec<Result<Verdict, Unavailable>> {
    let batches: Vec<_> = requests.chunks(BATCH).map(|batch| claim_batch(rows, writer, tenant, batch)).collect();
    let verdicts: Vec<_> = futures::stream::iter(batches).buffered(CALLS).collect().await;
    verdicts.into_iter().flatten().collect()
}

/// A request that has no verdict yet.
struct Open<'a> {
    place: usize,
    request: &'a ClaimRequest,
    /// Whether an earlier round tried to take over a lease that ran out: then the effect may have happened, even where
    /// the record by now shows only our own claim.
    was_ambiguous: bool,
}

async fn claim_batch<W: ClaimWriter>(
    rows: &Rows,
    writer: &W,
    tenant: &TenantId,
    requests: &[ClaimRequest],
) -> Vec<Result<Verdict, Unavailable>> {
    let mut verdicts: Vec<Option<Result<Verdict, Unavailable>>> = requests.iter().map(|_| None).collect();
    let open = requests.iter().enumerate();
    let mut open: Vec<Open<'_>> = open.map(|(place, request)| Open { place, request, was_ambiguous: false }).collect();
    let mut known: Vec<Option<DeliveryRecord>> = requests.iter().map(|_| None).collect();
    for round in 0..=ROUNDS {
        if round > 0 {
            let keys: Vec<_> = open.iter().map(|open| open.request.key.clone()).collect();
            let mut answers = rows.read(tenant, &keys).await.into_iter();
            known.clear();
            open.retain(|open| match answers.next() {
                Some(Ok(record)) => {
                    known.push(record);
                    true
                }
                Some(Err(error)) => {
                    settle(&mut verdicts, open.place, Err(Unavailable::new(OPERATION, error)));
                    false
                }
                None => false,
            });
        }
        let (mut pending, mut granted) = (Vec::new(), Vec::new());
        for (mut open, over) in std::mem::take(&mut open).into_iter().zip(std::mem::take(&mut known)) {
            match judge(over.as_ref(), open.request) {
                Verdict::Claimed { record, ambiguous } => {
                    open.was_ambiguous |= ambiguous;
                    pending.push(ClaimWrite { record: *record, over });
                    granted.push(open);
                }
                verdict => settle(&mut verdicts, open.place, Ok(verdict)),
            }
        }
        if pending.is_empty() {
            break;
        }
        let written = writer.write(tenant, &pending).await;
        for ((open_one, write), written) in granted.into_iter().zip(pending).zip(written) {
            match written {
                Ok(true) => {
                    let ambiguous = open_one.was_ambiguous;
                    let verdict = Verdict::Claimed { record: Box::new(write.record), ambiguous };
                    settle(&mut verdicts, open_one.place, Ok(verdict));
                }
                Ok(false) => open.push(open_one),
                Err(error) => settle(&mut verdicts, open_one.place, Err(error)),
            }
        }
        if open.is_empty() {
            break;
        }
    }
    let undecided = || unavailable(OPERATION, EntryError::new("Contested", "others keep changing the record"));
    verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(|| Err(undecided()))).collect()
}

fn settle(verdicts: &mut [Option<Result<Verdict, Unavailable>>], place: usize, verdict: Result<Verdict, Unavailable>) {
    if let Some(slot) = verdicts.get_mut(place) {
        *slot = Some(verdict);
    }
}
