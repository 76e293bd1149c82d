//! What happens to one dead letter: the decision, without I/O.

use std::time::Duration;

use jiff::Timestamp;

/// A FIFO queue knows duplicates for five minutes; one is left for clocks that differ.
const DEDUPLICATED: Duration = Duration::from_mins(4);

/// What the journal says of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody had begun with it: it is this run's now.
    Mine,
    /// Another run began to send it at this time, and did not say what came of it.
    Begun(Timestamp),
    /// Its copy was sent.
    Sent,
}

/// What a run does with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is sent to its queue, and deleted then.
    Send,
    /// Its copy was sent before: it is deleted.
    Finish,
    /// It stays: a run was killed while it sent this one, and it may be there already.
    Unsure,
}

/// Decides by what the journal says.
///
/// `delivered`: the ledger says that this very event reached its sink. `fifo`: the target drops duplicates. `resend`:
/// the operator has decided that unsure ones are sent again.
pub fn decide(standing: Standing, delivered: bool, fifo: bool, resend: bool, now: Timestamp) -> Verdict {
    match standing {
        Standing::Mine => Verdict::Send,
        Standing::Sent => Verdict::Finish,
        Standing::Begun(_) if delivered => Verdict::Finish,
        Standing::Begun(at) if fifo && recent(at, now) => Verdict::Send,
        Standing::Begun(_) if resend => Verdict::Send,
        Standing::Begun(_) => Verdict::Unsure,
    }
}

fn recent(at: Timestamp, now: Timestamp) -> bool {
    // A time that lies ahead is another machine's clock: nothing follows from it.
    Duration::try_from(now.duration_since(at)).is_ok_and(|passed| passed < DEDUPLICATED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_holds() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let (begun, soon, late) = (Standing::Begun(at(1_000)), at(1_100), at(1_300));
        let unsure = Verdict::Unsure;
        let rows = [
            (Standing::Mine, false, false, false, soon, Verdict::Send),
            (Standing::Sent, false, false, true, soon, Verdict::Finish),
            (begun, false, false, false, soon, unsure),
            (begun, false, false, true, soon, Verdict::Send),
            (begun, true, false, true, soon, Verdict::Finish),
            (begun, false, true, false, soon, Verdict::Send),
            (begun, false, true, false, late, unsure),
            (begun, false, true, false, at(900), unsure),
        ];
        for (standing, delivered, fifo, resend, now, verdict) in rows {
            assert_eq!(
                decide(standing, delivered, fifo, resend, now),
                verdict,
                "{standing:?} {delivered} {fifo} {resend}"
            );
        }
    }
}
