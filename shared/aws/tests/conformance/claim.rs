//! Claiming where the calls go wrong: answers that are lost, entries that fail, races that are lost again and again.

use std::sync::atomic::{AtomicUsize, Ordering};

use acequia_aws::{ClaimWrite, ClaimWriter, DynamoLedger, PartiqlClaims};
use acequia_core::delivery::ledger::{ClaimRequest, Verdict};
use acequia_core::id::TenantId;
use acequia_core::port::{Ledger as _, Unavailable};
use acequia_testkit::build::{at, claim, tenant_id};

use crate::world::World;

/// What goes wrong.
#[derive(Clone, Copy)]
enum Trouble {
    /// The claims of the call of this number (0-based) are written, and its answer is that something stands in the way:
    /// as when the answer was lost and the SDK repeated the call.
    AnswerLost(usize),
    /// The entry of this index fails.
    Entry(usize),
    /// No condition ever holds.
    Contested,
}

struct Troubled {
    writer: PartiqlClaims,
    trouble: Trouble,
    calls: AtomicUsize,
}

impl ClaimWriter for Troubled {
    async fn write(&self, tenant: &TenantId, writes: &[ClaimWrite]) -> Vec<Result<bool, Unavailable>> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        match self.trouble {
            Trouble::Contested => writes.iter().map(|_| Ok(false)).collect(),
            Trouble::AnswerLost(lost) if call == lost => {
                let answers = self.writer.write(tenant, writes).await;
                answers.into_iter().map(|answer| answer.map(|_| false)).collect()
            }
            Trouble::AnswerLost(_) => self.writer.write(tenant, writes).await,
            Trouble::Entry(failing) => {
                let answers = self.writer.write(tenant, writes).await.into_iter().enumerate();
                let fail = |(index, answer)| {
                    if index == failing { Err(Unavailable::new("claim", "throttled")) } else { answer }
                };
                answers.map(fail).collect()
            }
        }
    }
}

async fn ledger(trouble: Trouble) -> (DynamoLedger, DynamoLedger<Troubled>) {
    let world = World::load().await;
    let (client, table) = (world.clients.dynamodb.clone(), world.table("ledger").await);
    let writer = PartiqlClaims::new(client.clone(), table.clone());
    let troubled = Troubled { writer, trouble, calls: AtomicUsize::new(0) };
    (DynamoLedger::new(client.clone(), table.clone()), DynamoLedger::with_writer(client, table, troubled))
}

fn take_over(event: &str) -> ClaimRequest {
    ClaimRequest { token: "heir".to_owned(), now: at(90), lease_until: at(150), ..claim(event, "mail") }
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_granted_all_the_same() {
    let (_, troubled) = ledger(Trouble::AnswerLost(0)).await;
    let verdict = troubled.claim(&tenant_id("lost"), &[claim("1", "mail")]).await.remove(0).unwrap();
    assert!(matches!(verdict, Verdict::Claimed { ambiguous: false, .. }), "{verdict:?}");
}

#[tokio::test]
async fn a_take_over_whose_answer_was_lost_is_still_ambiguous() {
    // The first call is the insert, which finds the old claim; the second takes it over.
    let (ledger, troubled) = ledger(Trouble::AnswerLost(1)).await;
    let tenant = tenant_id("lost-take-over");
    ledger.claim(&tenant, &[claim("1", "mail")]).await.remove(0).unwrap();
    let verdict = troubled.claim(&tenant, &[take_over("1")]).await.remove(0).unwrap();
    assert!(matches!(verdict, Verdict::Claimed { ambiguous: true, .. }), "{verdict:?}");
}

#[tokio::test]
async fn an_entry_that_fails_is_an_error_and_its_neighbours_are_granted() {
    let (_, troubled) = ledger(Trouble::Entry(1)).await;
    let requests: Vec<_> = ["a", "b", "c"].map(|event| claim(event, "mail")).into();
    let verdicts = troubled.claim(&tenant_id("entry"), &requests).await;
    let granted: Vec<bool> = verdicts.iter().map(|verdict| matches!(verdict, Ok(Verdict::Claimed { .. }))).collect();
    assert_eq!(granted, [true, false, true]);
    assert!(verdicts[1].is_err());
}

#[tokio::test]
async fn a_race_that_is_lost_again_and_again_ends_as_an_error_and_never_as_a_grant() {
    let (_, troubled) = ledger(Trouble::Contested).await;
    let verdict = troubled.claim(&tenant_id("contested"), &[claim("1", "mail")]).await.remove(0);
    assert_eq!(verdict.unwrap_err().to_string(), "cannot claim deliveries in the ledger");
}
