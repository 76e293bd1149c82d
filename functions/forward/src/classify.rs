//! What SQS's answer comes to.

use acequia_core::delivery::ledger::Receipt;
use acequia_core::outcome::Cause;
use acequia_core::port::SendError;

/// Classifies the answer of one entry.
///
/// # Errors
/// [`Cause::Rejected`] where the queue will never take it, [`Cause::Throttled`] where it may later.
pub fn answer(answer: Result<String, SendError>) -> Result<Receipt, Cause> {
    match answer {
        Ok(message_id) => Ok(Receipt { id: Some(message_id), status: None }),
        Err(SendError::Refused(problem)) => Err(Cause::Rejected(problem)),
        Err(SendError::Unavailable(error)) => {
            tracing::warn!(error = ?error, "the target queue does not answer");
            Err(Cause::Throttled(error.to_string()))
        }
    }
}
