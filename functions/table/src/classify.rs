//! What a database's answer comes to.

use acequia_core::outcome::Cause;
use acequia_core::port::TableError;

/// Classifies why rows were not written.
///
/// What passes by itself spends no attempt; what a person must mend at the database does, so that its messages go to the
/// dead-letter queue when nobody does; and a row that was refused while it was alone goes there at once.
pub fn cause(error: TableError) -> Cause {
    match error {
        TableError::Later(problem) => Cause::Throttled(problem),
        TableError::Unready(problem) => Cause::DatabaseUnready(problem),
        TableError::Refused(problem) => Cause::Rejected(problem),
    }
}

#[cfg(test)]
mod tests {
    use acequia_core::outcome::{Outcome, Reason};

    use super::*;

    #[test]
    fn what_passes_costs_nothing_what_must_be_mended_an_attempt_and_a_row_that_is_refused_is_quarantined() {
        let text = || "why".to_owned();
        for (error, outcome, spends) in [
            (TableError::Later(text()), Outcome::Retry, false),
            (TableError::Unready(text()), Outcome::Retry, true),
            (TableError::Refused(text()), Outcome::Quarantine(Reason::Rejected), false),
        ] {
            let cause = cause(error);
            assert_eq!((cause.outcome(), cause.spends_attempt()), (outcome, spends), "{cause:?}");
        }
    }
}
