//! How the command can end: the documented exit codes, and the failures behind them.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use acequia_core::config::RawTenant;
use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::{PublishError, Unavailable};

/// The exit codes, for scripts. Also in the help text ([`crate::args`]) and in README.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Ok = 0,
    /// It was done in part or not at all.
    Failed = 1,
    /// The command line is wrong. (clap ends with this code, too.)
    Usage = 2,
    /// A file or an event is not valid.
    Invalid = 3,
    /// There is no such tenant, sink, event, queue or file.
    NotFound = 4,
    /// Somebody else changed it, or it is there already.
    Conflict = 5,
    /// AWS cannot be reached, or refuses.
    Aws = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why the command ended without doing what it was asked to. Each text says what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{}", describe(.0))]
    Aws(#[from] Unavailable),
}

impl Failure {
    /// A sink that a tenant's configuration does not have, with those that it has.
    pub(crate) fn no_sink(tenant: &TenantId, sink: &SinkId, configuration: &RawTenant) -> Self {
        let known: Vec<&str> = configuration.sinks.iter().map(|sink| sink.id.as_str()).collect();
        Self::NotFound(format!("tenant {tenant} has no sink {sink}; it has {}", known.join(", ")))
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Failed(_) => Exit::Failed,
            Self::Usage(_) => Exit::Usage,
            Self::Invalid(_) => Exit::Invalid,
            Self::NotFound(_) => Exit::NotFound,
            Self::Conflict(_) => Exit::Conflict,
            Self::Aws(_) => Exit::Aws,
        }
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Conflict { .. } => Self::Conflict(error.to_string()),
            PublishError::Unavailable(unavailable) => Self::Aws(unavailable),
        }
    }
}

/// The error with all its causes, and what to do about it.
pub(crate) fn describe(error: &Unavailable) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {next}");
        }
        cause = error.source();
    }
    let advice = advice(&text);
    if advice.is_empty() { text } else { format!("{text}\n  {advice}") }
}

fn advice(text: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["AccessDenied", "not authorized"]) {
        "the credentials in use do not allow this call: use those of an operator of this stage, a role with the policy OperatorPolicy of \
         the platform's stack (docs/CLI.md)"
    } else if has(&[
        "no providers in chain",
        "no credentials found in chain",
        "credentials provider",
        "CredentialsNotLoaded",
        "failed to load credentials",
    ]) {
        "no AWS credentials were found; with a profile of IAM Identity Center: \
         eval \"$(aws configure export-credentials --format env)\""
    } else if has(&["UnrecognizedClient", "InvalidClientTokenId", "ExpiredToken", "InvalidSignature"]) {
        "AWS does not accept the credentials: they may have expired, or belong to another account"
    } else if has(&["ResourceNotFoundException", "non-existent table"]) {
        "is the platform deployed in this stage, region and account? --stage and --region choose them"
    } else if has(&["dispatch failure", "timeout", "timed out", "(Connect)"]) {
        "no answer from AWS: check the network, --region, and AWS_ENDPOINT_URL where it is set"
    } else if has(&["region must be set", "Invalid Configuration: Missing Region", "MissingRegion"]) {
        "no region is set: pass --region, or set AWS_REGION"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_aws_names_the_operation_its_causes_and_what_to_do() {
        let error = Unavailable::new("list tenants", "service error: AccessDeniedException: no");
        let text = Failure::from(error).to_string();
        assert!(text.starts_with("cannot list tenants: service error: AccessDenied"), "{text}");
        assert!(text.contains("operator"), "{text}");
    }
}
