//! What a service's refusal tells who asked, by the code that it has
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-errors.html> and each service's list of
//! errors).

use std::error::Error;

use acequia_core::port::{Refusal, Unavailable};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};

use crate::error::{EntryError, ItemError};

/// An error that may be a service's refusal.
pub trait Refused {
    /// What it tells; `None` for an error that is none, or that tells no more than its text.
    fn refusal(&self) -> Option<Refusal>;
}

/// The error of a call as the ports have it.
pub fn unavailable(operation: &'static str, error: impl Refused + Into<Box<dyn Error + Send + Sync>>) -> Unavailable {
    let refusal = error.refusal();
    Unavailable::new(operation, error).for_refusal(refusal)
}

impl<E: ProvideErrorMetadata + Error + 'static, R: std::fmt::Debug> Refused for SdkError<E, R> {
    fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::ServiceError(service) => {
                let error = service.err();
                by_code(error.code().unwrap_or_default(), error.message().unwrap_or_default())
            }
            other if lacks_credentials(other.source()) => Some(Refusal::NoCredentials),
            Self::DispatchFailure(_) | Self::TimeoutError(_) => Some(Refusal::NoAnswer),
            _ => None,
        }
    }
}

/// Of the same call, for another entry.
impl Refused for Unavailable {
    fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }
}

/// It was not asked.
impl Refused for BuildError {
    fn refusal(&self) -> Option<Refusal> {
        None
    }
}

/// The call itself went well.
impl Refused for ItemError {
    fn refusal(&self) -> Option<Refusal> {
        None
    }
}

impl Refused for EntryError {
    fn refusal(&self) -> Option<Refusal> {
        by_code(&self.code, &self.message)
    }
}

fn lacks_credentials(mut error: Option<&(dyn Error + 'static)>) -> bool {
    while let Some(cause) = error {
        if cause.is::<CredentialsError>() {
            return true;
        }
        error = cause.source();
    }
    false
}

fn by_code(code: &str, message: &str) -> Option<Refusal> {
    match code {
        "UnauthorizedOperation" | "AuthorizationError" | "AuthorizationErrorException" => Some(Refusal::Denied),
        // Services write it with and without "Exception", and KMS's pass through others with a word before it.
        code if code.contains("AccessDenied") => Some(Refusal::Denied),
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature" => Some(Refusal::InvalidCredentials),
        "ResourceNotFoundException" | "NotFoundException" | "ConfigurationSetDoesNotExistException" => {
            Some(Refusal::NotFound)
        }
        // SES has no code for it when it is asked to send.
        "BadRequestException" if message.starts_with("Configuration set") && message.contains("does not exist") => {
            Some(Refusal::NotFound)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_tells_what_to_do_about_it() {
        for (code, message, tells) in [
            ("AccessDenied", "no", Some(Refusal::Denied)),
            ("AccessDeniedException", "no", Some(Refusal::Denied)),
            ("AuthorizationError", "no", Some(Refusal::Denied)),
            ("ExpiredTokenException", "no", Some(Refusal::InvalidCredentials)),
            ("UnrecognizedClientException", "no", Some(Refusal::InvalidCredentials)),
            ("ResourceNotFoundException", "Requested resource not found", Some(Refusal::NotFound)),
            ("BadRequestException", "Configuration set <acequia-x> does not exist.", Some(Refusal::NotFound)),
            ("BadRequestException", "no such mail", None),
            ("ThrottlingException", "AccessDenied", None),
        ] {
            assert_eq!(EntryError::new(code, message).refusal(), tells, "{code} {message}");
        }
    }
}
