//! How the command can end: the documented exit codes, and the failures behind them.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use acequia_core::id::{SinkId, Stage, TenantId};
use acequia_core::port::{PublishError, Unavailable};
use acequia_core::tenant::RawTenant;

/// The exit codes, for scripts. Also in the help text ([`crate::args`]) and in docs/CLI.md.
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
    /// It was ended by Ctrl-C: 128 and the signal's number, as shells say it.
    Interrupted = 130,
    /// It was ended by SIGTERM.
    Terminated = 143,
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
    /// A signal ended it, and this is how far it came.
    #[error("stopped by {}: {so_far}", crate::interrupt::name(*.exit))]
    Stopped { exit: Exit, so_far: String },
}

impl Failure {
    /// A sink that a tenant's configuration does not have, with those that it has.
    pub(crate) fn no_sink(tenant: &TenantId, sink: &SinkId, configuration: &RawTenant) -> Self {
        let known: Vec<&str> = configuration.sinks.iter().map(|sink| sink.id.as_str()).collect();
        Self::NotFound(format!("tenant {tenant} has no sink {sink}; it has {}", known.join(", ")))
    }

    /// That nothing of the platform is there.
    pub(crate) fn no_platform(stage: &Stage, region: &str) -> Self {
        Self::NotFound(format!(
            "there is no platform of stage {stage} in region {region}: --stage (or ACEQUIA_STAGE) and --region (or AWS_REGION) name \
             another, and `acequia --stage {stage} --region {region} doctor` says what is there"
        ))
    }

    /// The same; where AWS says that it has not what each platform has, that there is none.
    pub(crate) fn in_stage(self, stage: &Stage, region: &str) -> Self {
        match &self {
            Self::Aws(error) if is_of_no_platform(error) => Self::no_platform(stage, region),
            _ => self,
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Failed(_) => Exit::Failed,
            Self::Usage(_) => Exit::Usage,
            Self::Invalid(_) => Exit::Invalid,
            Self::NotFound(_) => Exit::NotFound,
            Self::Conflict(_) => Exit::Conflict,
            Self::Aws(_) => Exit::Aws,
            Self::Stopped { exit, .. } => *exit,
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

/// Whether AWS says that it has no table, or no configuration set, of this name: every platform has them.
pub(crate) fn is_of_no_platform(error: &Unavailable) -> bool {
    let text = with_causes(error);
    let has = |words: &str| text.contains(words);
    has("ResourceNotFoundException")
        || has("non-existent table")
        || (has("onfiguration set") && has("does not exist"))
        || has("ConfigurationSetDoesNotExist")
}

/// Whether AWS says that these credentials do not allow the call.
pub(crate) fn is_denied(error: &Unavailable) -> bool {
    DENIED.iter().any(|word| with_causes(error).contains(word))
}

const DENIED: [&str; 2] = ["AccessDenied", "not authorized"];

/// The error with all its causes, and what to do about it.
pub(crate) fn describe(error: &Unavailable) -> String {
    let text = with_causes(error);
    let advice = advice(&text);
    if advice.is_empty() { text } else { format!("{text}\n  {advice}") }
}

fn with_causes(error: &Unavailable) -> String {
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
    text
}

fn advice(text: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&DENIED) {
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
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_platform_has_and_is_not_there_says_that_there_is_no_platform() {
        let stage: Stage = "nosuch".parse().unwrap();
        for (said, code) in [
            ("service error: ResourceNotFoundException: Requested resource not found", Exit::NotFound),
            ("NotFoundException: Configuration set <acequia-nosuch> does not exist.", Exit::NotFound),
            ("AccessDeniedException: no", Exit::Aws),
        ] {
            let failure = Failure::from(Unavailable::new("look", said)).in_stage(&stage, "eu-west-9");
            assert_eq!(failure.exit(), code, "{said}");
            let text = failure.to_string();
            assert_eq!(
                text.contains("no platform of stage nosuch in region eu-west-9"),
                code == Exit::NotFound,
                "{text}"
            );
        }
        let other = Failure::Conflict("x".to_owned()).in_stage(&stage, "eu-west-9");
        assert_eq!(other.exit(), Exit::Conflict);
    }

    #[test]
    fn a_failure_of_aws_names_the_operation_its_causes_and_what_to_do() {
        let error = Unavailable::new("list tenants", "service error: AccessDeniedException: no");
        let text = Failure::from(error).to_string();
        assert!(text.starts_with("cannot list tenants: service error: AccessDenied"), "{text}");
        assert!(text.contains("operator"), "{text}");
    }
}
