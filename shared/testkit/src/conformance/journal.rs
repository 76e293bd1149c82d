//! The suite of the journal of redriving.

use acequia_core::delivery::redrive::Standing;
use acequia_core::port::RedriveJournal;
use acequia_core::queue::{QueueArn, QueueRole};

use crate::build::{at, dead_letter_queue, tenant_id};

fn place(tenant: &str) -> (acequia_core::id::TenantId, QueueArn) {
    (tenant_id(tenant), dead_letter_queue(tenant, QueueRole::Intake))
}

fn ids() -> Vec<String> {
    (0..12).map(|n| format!("m-{n}")).collect()
}

async fn begin(journal: &impl RedriveJournal, tenant: &str, run: &str, second: u64) -> Vec<Standing> {
    let (tenant, queue) = place(tenant);
    journal.begin(&tenant, &queue, &ids(), run, at(second)).await.into_iter().map(Result::unwrap).collect()
}

/// The first run owns it and may ask again; the second learns when the first began.
pub async fn a_dead_letter_is_the_runs_that_began_with_it_first(journal: &impl RedriveJournal) {
    for _ in 0..2 {
        assert_eq!(begin(journal, "j-first", "one", 5).await, [Standing::Mine; 12]);
    }
    assert_eq!(begin(journal, "j-first", "two", 9).await, [Standing::Begun(at(5)); 12]);
    let (tenant, queue) = place("j-first");
    assert_eq!(journal.look(&tenant, &queue, "m-0").await.unwrap(), Some(Standing::Begun(at(5))));
}

/// Also to the run that sent it.
pub async fn what_was_sent_stays_sent_to_every_run(journal: &impl RedriveJournal) {
    begin(journal, "j-sent", "one", 5).await;
    let (tenant, queue) = place("j-sent");
    journal.settle(&tenant, &queue, &ids(), at(6)).await.unwrap();
    for run in ["one", "two"] {
        assert_eq!(begin(journal, "j-sent", run, 9).await, [Standing::Sent; 12]);
    }
}

/// What was certainly not sent can be taken by any run again.
pub async fn what_was_taken_back_is_begun_anew(journal: &impl RedriveJournal) {
    begin(journal, "j-back", "one", 5).await;
    let (tenant, queue) = place("j-back");
    journal.forget(&tenant, &queue, &ids()).await.unwrap();
    assert_eq!(journal.look(&tenant, &queue, "m-0").await.unwrap(), None);
    assert_eq!(begin(journal, "j-back", "two", 9).await, [Standing::Mine; 12]);
}

/// A tenant whose id begins like another's is another.
pub async fn entries_of_other_queues_and_tenants_are_not_seen(journal: &impl RedriveJournal) {
    begin(journal, "j-iso", "one", 5).await;
    assert_eq!(begin(journal, "j-iso-b", "two", 9).await, [Standing::Mine; 12]);
    let (tenant, _) = place("j-iso");
    let other = dead_letter_queue("j-iso", QueueRole::Out);
    assert_eq!(journal.look(&tenant, &other, "m-0").await.unwrap(), None);
}
