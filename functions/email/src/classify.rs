//! What SES's answer, or the lack of one, comes to.

use std::error::Error;

use acequia_core::config::Ambiguous;
use acequia_core::ledger::Receipt;
use acequia_core::outcome::Cause;
use aws_sdk_sesv2::config::http::HttpResponse;
use aws_sdk_sesv2::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use hyper_util::client::legacy::Error as Unmade;

use crate::mailer::MailError;

/// Classifies an error of the SDK. SES's own words may repeat addresses, so only its code is kept.
///
/// Only what certainly never left counts as not sent: the SDK calls a connection that broke after the request was written an I/O error, too.
pub fn ses(error: &SdkError<SendEmailError, HttpResponse>) -> MailError {
    match error {
        SdkError::ConstructionFailure(_) => MailError::Refused("the request cannot be built".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_user() => MailError::NoConnection,
        SdkError::DispatchFailure(failure) if failure.as_connector_error().is_some_and(|error| never_left(error)) => {
            MailError::NoConnection
        }
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("Unknown");
            match service.raw().status().as_u16() {
                // An error of SES's own, which it may have met after it took the mail. 503 it answers when it takes none.
                500..=502 | 504..=599 => MailError::NoAnswer,
                _ => by_code(code),
            }
        }
        // Anything else ended after the request may have left.
        _ => MailError::NoAnswer,
    }
}

/// Whether no connection could be made.
fn never_left(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<Unmade>().is_some_and(Unmade::is_connect) {
            return true;
        }
        cause = error.source();
    }
    false
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
        Err(MailError::NoAnswer) => Err(Cause::NoAnswer),
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
        assert_eq!(answer(Err(MailError::NoAnswer), Ambiguous::Resend), Err(Cause::NoAnswer));
    }
}
