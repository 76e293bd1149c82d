//! What SES's answer, or the lack of one, comes to.

use acequia_core::config::Ambiguous;
use acequia_core::ledger::Receipt;
use acequia_core::outcome::Cause;
use aws_sdk_sesv2::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;

use crate::mailer::{CALL_TIMEOUT, MailError};

/// Classifies an error of the SDK. SES's own words may repeat addresses, so only its code is kept.
pub fn ses<R>(error: &SdkError<SendEmailError, R>) -> MailError
where
    R: std::fmt::Debug,
{
    match error {
        SdkError::ConstructionFailure(_) => MailError::Refused("the request cannot be built".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => MailError::NoAnswer,
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_user() => MailError::NoConnection,
        SdkError::ServiceError(service) => by_code(service.err().code().unwrap_or("Unknown")),
        // Anything else ended after the request may have left.
        _ => MailError::NoAnswer,
    }
}

fn by_code(code: &str) -> MailError {
    match code {
        // The mail itself, its sender or its configuration is refused; a repetition is refused too.
        "MessageRejected" | "MailFromDomainNotVerifiedException" | "BadRequestException" | "NotFoundException" => {
            MailError::Refused(code.to_owned())
        }
        // Sending is throttled, paused or not allowed: somebody can change that, and the mail waits for it.
        _ => MailError::Throttled(code.to_owned()),
    }
}

/// What the mailer's answer comes to, given what the tenant wants of mails that may have been sent or not.
///
/// # Errors
/// The cause, where there is no receipt.
pub fn answer(answer: Result<String, MailError>, ambiguous: Ambiguous) -> Result<Receipt, Cause> {
    match answer {
        Ok(id) => Ok(Receipt { id: Some(id), status: None }),
        Err(MailError::Throttled(code)) => Err(Cause::Throttled(code)),
        Err(MailError::Refused(code)) => Err(Cause::Rejected(code)),
        Err(MailError::NoConnection) => Err(Cause::Connection("no connection to SES")),
        Err(MailError::NoAnswer) if ambiguous == Ambiguous::Park => Err(Cause::Ambiguous),
        Err(MailError::NoAnswer) => Err(Cause::Timeout(CALL_TIMEOUT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_mail_is_permanent_and_a_refusal_of_the_moment_is_not() {
        assert!(matches!(by_code("MessageRejected"), MailError::Refused(_)));
        for code in [
            "TooManyRequestsException",
            "LimitExceededException",
            "SendingPausedException",
            "AccountSuspendedException",
            "AccessDeniedException",
        ] {
            assert!(matches!(by_code(code), MailError::Throttled(_)), "{code}");
        }
    }

    #[test]
    fn without_an_answer_the_tenant_decides() {
        assert_eq!(answer(Err(MailError::NoAnswer), Ambiguous::Park), Err(Cause::Ambiguous));
        assert_eq!(answer(Err(MailError::NoAnswer), Ambiguous::Resend), Err(Cause::Timeout(CALL_TIMEOUT)));
    }
}
