//! What is wanted of a figure, and whether it is reached.

use anyhow::Result;
use stub::gate;
use stub::scenario::DOOR;

use crate::price;
use crate::table::{grouped, markdown};

/// One goal with what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goal {
    /// What is measured.
    pub what: String,
    /// The most that is wanted.
    pub most: u64,
    /// What was found.
    pub found: u64,
    /// Whether the run fails where it is missed: where the figure does not depend on the machine.
    pub gates: bool,
}

impl Goal {
    /// Whether it is reached.
    pub fn is_met(&self) -> bool {
        self.found <= self.most
    }

    /// Whether the run fails because of it.
    pub fn fails(&self) -> bool {
        self.gates && !self.is_met()
    }
}

/// The goals of the agreed counts, for batches of a hundred.
///
/// # Errors
/// When the agreed counts cannot be read.
pub fn of_calls() -> Result<Vec<Goal>> {
    let email = gate::agreed("email", "plain", "all", "100")?;
    let forward = |record| gate::agreed("forward", "plain", record, "100");
    let door = |name| gate::agreed(DOOR, name, "all", "100");
    let writes = |counts: stub::Counts| {
        counts
            .sum(|name| name.starts_with("dynamodb:") && price::per_million(name) == Some(price::DYNAMODB_WRITES))
            .units
    };
    let ledger = email.sum(|operation| operation.ends_with("(ledger)")).calls;
    let goal = |what: &str, most, found| Goal { what: what.to_owned(), most, found, gates: true };
    Ok(vec![
        goal("email: calls of the ledger for 100 mails", 8, ledger),
        goal("forward: calls for 100 messages, record failures", 11, forward("failures")?.sum(|_| true).calls),
        goal(
            "forward: calls of SQS for 100 messages, record all",
            11,
            forward("all")?.sum(|name| name.starts_with("sqs:")).calls,
        ),
        goal("ingest: calls of SQS for 100 events", 11, door("plain")?.sum(|name| name.starts_with("sqs:")).calls),
        goal("ingest: writes of DynamoDB for a request of 100 events, without a key", 1, writes(door("plain")?)),
        goal("ingest: the same with a rate", 1, writes(door("rate")?)),
        goal("ingest: the same with an Idempotency-Key", 2, writes(door("Idempotency-Key")?)),
    ])
}

/// The goals with their verdicts.
pub fn table(goals: &[Goal]) -> String {
    let verdict = |goal: &Goal| if goal.is_met() { "met" } else { "missed" }.to_owned();
    let rows = goals.iter().map(|goal| vec![goal.what.clone(), grouped(goal.found), grouped(goal.most), verdict(goal)]);
    markdown(&["what", "found", "at most", "goal"], 1, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_of_the_machine_fails_no_run() {
        let goal = |gates, found| Goal { what: String::new(), most: 10, found, gates };
        assert!(goal(true, 11).fails() && !goal(true, 10).fails() && !goal(false, 11).fails());
    }
}
