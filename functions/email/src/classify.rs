//! What SES's answer, or the lack of one, comes to.

use std::error::Error;

use acequia_core::delivery::ledger::Receipt;
use acequia_core::outcome::Cause;
use acequia_core::outcome::connection::ConnectionFailure;
use acequia_core::outcome::stall::MailHold;
use acequia_core::port::MailError;
use acequia_core::tenant::Ambiguous;
use aws_sdk_sesv2::config::http::HttpResponse;
use aws_sdk_sesv2::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use hyper_util::client::legacy::Error as Unmade;

/// Classifies an error of the SDK. SES's own words may repeat addresses, so only its code is kept. `from` is the mail's
/// sender.
///
/// Only what certainly never left counts as not sent: the SDK calls a connection that broke after the request was
/// written an I/O error, too.
pub fn ses(error: &SdkError<SendEmailError, HttpResponse>, from: &str) -> MailError {
    match error {
        SdkError::ConstructionFailure(_) => MailError::Refused("the request cannot be built".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_user() => MailError::NoConnection,
        SdkError::DispatchFailure(failure) if failure.as_connector_error().is_some_and(|error| never_left(error)) => {
            MailError::NoConnection
        }
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("Unknown");
            match service.raw().status().as_u16() {
                // An error of SES's own, which it may have met after it took the mail. 503 it answers when it takes
                // none.
                500..=502 | 504..=599 => MailError::NoAnswer,
                _ => by_code(code, service.err().message().unwrap_or_default(), from),
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

/// The texts by which SES tells one `MessageRejected` from another
/// (<https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html>).
const UNVERIFIED: &str = "identities failed the check";
const PAUSED: [&str; 2] = ["sending paused", "sending suspended"];

fn by_code(code: &str, text: &str, from: &str) -> MailError {
    let text = text.to_ascii_lowercase();
    match code {
        // In the sandbox the recipient is checked like the sender, and both are refused alike: what failed the check
        // stands in the text.
        "MessageRejected" if text.contains(UNVERIFIED) => {
            MailError::Held(if names(&text, from) { MailHold::SenderUnverified } else { MailHold::Sandbox })
        }
        "MessageRejected" if PAUSED.iter().any(|paused| text.contains(paused)) => MailError::Held(MailHold::Paused),
        "MailFromDomainNotVerifiedException" => MailError::Held(MailHold::MailFromUnverified),
        "SendingPausedException" => MailError::Held(MailHold::Paused),
        "AccountSuspendedException" => MailError::Held(MailHold::Suspended),
        // The mail itself or its configuration is refused; a repetition is refused too.
        "MessageRejected" | "BadRequestException" | "NotFoundException" => MailError::Refused(code.to_owned()),
        // Sending is throttled or not allowed: an operator can change that, and the mail waits for it.
        _ => MailError::Throttled(code.to_owned()),
    }
}

/// Whether a text of SES's, in small letters, names the sender among the identities that failed: by its address, or by
/// its domain alone.
fn names(text: &str, from: &str) -> bool {
    let from = from.rsplit_once('<').map_or(from, |(_, rest)| rest.trim_end_matches('>')).trim().to_ascii_lowercase();
    let domain = from.rsplit_once('@').map_or(from.as_str(), |(_, domain)| domain);
    let failed = text.split_once(UNVERIFIED).map_or("", |(_, failed)| failed);
    let mut failed = failed.split([',', ':', ' ', '<', '>']).filter(|name| !name.is_empty());
    failed.any(|name| name == from || name == domain)
}

/// What the mailer's answer comes to, given what the tenant wants of mails that may have been sent or not.
///
/// # Errors
/// The cause, where there is no receipt.
pub fn answer(answer: Result<String, MailError>, ambiguous: Ambiguous) -> Result<Receipt, Cause> {
    match answer {
        Ok(id) => Ok(Receipt { id: Some(id), status: None }),
        Err(MailError::Throttled(code)) => Err(Cause::Throttled(code)),
        Err(MailError::Held(hold)) => Err(Cause::MailHeld(hold)),
        Err(MailError::Refused(code)) => Err(Cause::Rejected(code)),
        Err(MailError::NoConnection) => Err(Cause::Connection(ConnectionFailure::Unmade)),
        Err(MailError::NoAnswer) if ambiguous == Ambiguous::Quarantine => Err(Cause::Ambiguous),
        Err(MailError::NoAnswer) => Err(Cause::NoAnswer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_mail_is_permanent_and_a_refusal_of_the_moment_is_not() {
        let by_code = |code| by_code(code, "", "a@acme.example");
        for code in ["MessageRejected", "BadRequestException", "NotFoundException"] {
            assert!(matches!(by_code(code), MailError::Refused(_)), "{code}");
        }
        for code in ["TooManyRequestsException", "LimitExceededException", "AccessDeniedException"] {
            assert!(matches!(by_code(code), MailError::Throttled(_)), "{code}");
        }
    }

    #[test]
    fn the_standing_of_account_and_sender_holds_a_mail_and_quarantines_none() {
        let unverified = |who: &str| {
            format!(
                "Email address is not verified. The following identities failed the check in region EU-WEST-1: {who}"
            )
        };
        for (code, text, hold) in [
            ("MessageRejected", unverified("ana@example.org"), MailHold::Sandbox),
            ("MessageRejected", unverified("a@acme.example.org, ba@acme.example"), MailHold::Sandbox),
            ("MessageRejected", unverified("ana@example.org, A@acme.example"), MailHold::SenderUnverified),
            ("MessageRejected", unverified("acme.example"), MailHold::SenderUnverified),
            ("MessageRejected", unverified("Acme <a@acme.example>"), MailHold::SenderUnverified),
            ("MessageRejected", "Sending paused for this account.".to_owned(), MailHold::Paused),
            ("MailFromDomainNotVerifiedException", String::new(), MailHold::MailFromUnverified),
            ("SendingPausedException", String::new(), MailHold::Paused),
            ("AccountSuspendedException", String::new(), MailHold::Suspended),
        ] {
            for from in ["a@acme.example", "Acme, all of it <a@Acme.example>"] {
                assert_eq!(by_code(code, &text, from), MailError::Held(hold), "{code}: {text}");
            }
        }
    }

    #[test]
    fn without_an_answer_the_tenant_decides() {
        assert_eq!(answer(Err(MailError::NoAnswer), Ambiguous::Quarantine), Err(Cause::Ambiguous));
        assert_eq!(answer(Err(MailError::NoAnswer), Ambiguous::Resend), Err(Cause::NoAnswer));
    }
}
