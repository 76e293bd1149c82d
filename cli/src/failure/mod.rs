//! Why the command ended without doing what it was asked to, and what to do about it.

mod aws;
mod operation;

use acequia_core::id::Stage;
use acequia_core::port::{PublishError, Refusal, Unavailable};
use acequia_operations::OperationError;

pub(crate) use self::aws::describe;
use self::operation::{exit_of, told};
use crate::exit::Exit;

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
    /// A use case failed; [`Failure::in_stage`] says it with the region and with what to do.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// A signal ended it, and this is how far it came.
    #[error("stopped by {}: {so_far}", .exit.signal())]
    Stopped { exit: Exit, so_far: String },
}

impl Failure {
    /// That nothing of the platform is there.
    pub(crate) fn no_platform(stage: &Stage, region: &str) -> Self {
        Self::NotFound(format!(
            "there is no platform of stage {stage} in region {region}: --stage (or ACEQUIA_STAGE) and --region (or AWS_REGION) name \
             another, and `acequia --stage {stage} --region {region} doctor` says what is there"
        ))
    }

    /// The same as people are told it; where AWS says that it has not what each platform has, that there is none.
    pub(crate) fn in_stage(self, stage: &Stage, region: &str) -> Self {
        match self {
            Self::Operation(error) => told(error, region).in_stage(stage, region),
            // Every platform has the tables and the configuration set that the command asks for.
            Self::Aws(error) if error.refusal == Some(Refusal::NotFound) => Self::no_platform(stage, region),
            other => other,
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
            Self::Operation(error) => exit_of(error),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_platform_has_and_is_not_there_says_that_there_is_no_platform() {
        let stage: Stage = "nosuch".parse().unwrap();
        for (refusal, code) in [(Refusal::NotFound, Exit::NotFound), (Refusal::Denied, Exit::Aws)] {
            let error = Unavailable::new("look", "no").for_refusal(Some(refusal));
            let failure = Failure::from(error).in_stage(&stage, "eu-west-9");
            assert_eq!(failure.exit(), code, "{refusal:?}");
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
        let error = Unavailable::new("list tenants", "service error: AccessDeniedException: no")
            .for_refusal(Some(Refusal::Denied));
        let text = Failure::from(error).to_string();
        assert!(text.starts_with("cannot list tenants: service error: AccessDenied"), "{text}");
        assert!(text.contains("operator"), "{text}");
    }
}
