//! What `EventBridge`'s answer comes to.

use acequia_core::delivery::ledger::Receipt;
use acequia_core::outcome::Cause;

use crate::bus::PutError;

/// Classifies the answer about one entry.
///
/// # Errors
/// [`Cause::Rejected`] where the bus will never take it, [`Cause::Throttled`] where it may later.
pub fn answer(answer: Result<String, PutError>) -> Result<Receipt, Cause> {
    match answer {
        Ok(event_id) => Ok(Receipt { id: Some(event_id), status: None }),
        Err(PutError::Refused(problem)) => Err(Cause::Rejected(problem)),
        Err(PutError::Later(problem)) => Err(Cause::Throttled(problem)),
    }
}

/// Returns whether an entry that was refused with this code may be taken later. `EventBridge` names the codes for which
/// it may, and the codes that are final (`AccessDeniedException` and so on;
/// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html>). A code that it does
/// not name is tried again: a message must not be lost to a code that is new.
pub fn may_pass(code: &str) -> bool {
    !matches!(
        code,
        "AccessDeniedException"
            | "AccessDenied"
            | "InvalidAccountIdException"
            | "InvalidArgument"
            | "MalformedDetail"
            | "RedactionFailure"
            | "NotAuthorizedForSourceException"
            | "NotAuthorizedForDetailTypeException"
            | "ResourceNotFoundException"
            | "ValidationException"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_eventbridge_calls_retryable_is_tried_again_and_what_it_does_not_is_refused() {
        for code in ["InternalFailure", "InternalException", "ThrottlingException", "SomethingNew", "HTTP 503"] {
            assert!(may_pass(code), "{code}");
        }
        for code in ["AccessDeniedException", "MalformedDetail", "NotAuthorizedForSourceException", "InvalidArgument"] {
            assert!(!may_pass(code), "{code}");
        }
    }

    #[test]
    fn an_answer_is_a_receipt_a_wait_or_a_refusal() {
        let receipt = Receipt { id: Some("e-1".to_owned()), status: None };
        assert_eq!(answer(Ok("e-1".to_owned())), Ok(receipt));
        assert_eq!(answer(Err(PutError::Later("slow".to_owned()))), Err(Cause::Throttled("slow".to_owned())));
        assert_eq!(answer(Err(PutError::Refused("no".to_owned()))), Err(Cause::Rejected("no".to_owned())));
    }
}
