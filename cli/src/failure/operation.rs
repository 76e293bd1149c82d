//! The errors of use cases as the command says them: with the region that was asked, and the command to go on with.

use acequia_core::access::KeyChangeRefused;
use acequia_core::port::PublishError;
use acequia_operations::OperationError;

use super::{Failure, describe};
use crate::exit::Exit;

/// How a command ends that a use case failed in.
pub(super) fn exit_of(error: &OperationError) -> Exit {
    match error {
        OperationError::NoPlatform { .. }
        | OperationError::HiddenPlatform { .. }
        | OperationError::NoQueues { .. }
        | OperationError::NoQueue { .. }
        | OperationError::NoDeadLetterQueue { .. }
        | OperationError::NoDeadLetter { .. }
        | OperationError::NoConfiguration { .. }
        | OperationError::NoVersion { .. }
        | OperationError::NoSink { .. }
        | OperationError::KeyChange { source: KeyChangeRefused::Unknown(_), .. }
        | OperationError::UnknownSubject { .. }
        | OperationError::NothingRecorded { .. }
        | OperationError::NoReplay { .. } => Exit::NotFound,
        OperationError::UnreadableConfiguration { .. } | OperationError::Ended => Exit::Failed,
        OperationError::NotGranted { .. } | OperationError::Query { .. } => Exit::Invalid,
        OperationError::Contested { .. }
        | OperationError::ReplayBusy { .. }
        | OperationError::ReplayDone { .. }
        | OperationError::ReplayContested { .. }
        | OperationError::KeyChange { .. }
        | OperationError::KeysContested { .. }
        | OperationError::Publish { source: PublishError::Conflict { .. }, .. } => Exit::Conflict,
        OperationError::Publish { source: PublishError::Unavailable(_), .. } | OperationError::Unavailable(_) => {
            Exit::Aws
        }
    }
}

/// The error in the command's words.
pub(super) fn told(error: OperationError, region: &str) -> Failure {
    let said = error.to_string();
    let text = match error {
        OperationError::NoPlatform { stage } => return Failure::no_platform(&stage, region),
        OperationError::HiddenPlatform { stage, source } => format!(
            "no platform of stage {stage} in region {region} can be seen: there are no queues, and {}",
            describe(&source)
        ),
        OperationError::NoQueues { .. } => format!("{said} in region {region}: is its stack deployed?"),
        OperationError::NoQueue { name } => {
            let (tenant, stage) = (&name.tenant, &name.stage);
            format!("{said} in region {region}; is the stack of tenant {tenant} deployed in stage {stage}?")
        }
        OperationError::NoDeadLetterQueue { tenant, .. } => format!("{said}: see acequia status {tenant}"),
        OperationError::NoConfiguration { .. } => {
            format!("{said}; `acequia tenant apply FILE` writes one, `acequia tenant list` shows all")
        }
        OperationError::NoVersion { tenant, .. } => format!("{said}; `acequia audit {tenant}` shows all"),
        OperationError::UnreadableConfiguration { issues, .. } => {
            return Failure::Failed(format!("{said}: {issues}"));
        }
        OperationError::NoSink { .. }
        | OperationError::UnknownSubject { .. }
        | OperationError::NothingRecorded { .. } => said,
        OperationError::NoDeadLetter { tenant, event: Some(event), .. } => format!(
            "no dead letter of event {event} can be seen; acequia explain {tenant} '{event}' says what became of it"
        ),
        OperationError::NoDeadLetter { tenant, message, .. } => format!(
            "no dead letter {} can be seen; acequia dlq list {tenant} shows which there are. A message that comes back to a \
             dead-letter queue has another id there",
            message.unwrap_or_default()
        ),
        OperationError::Ended => return Failure::Failed(said),
        OperationError::NotGranted { issues, .. } => return Failure::Invalid(format!("{said}: {issues}")),
        OperationError::KeyChange { tenant, source } => {
            let text = format!("{said}; `acequia key list {tenant}` shows all");
            return match source {
                KeyChangeRefused::Unknown(_) => Failure::NotFound(text),
                _ => Failure::Conflict(text),
            };
        }
        OperationError::Query { .. } => return Failure::Invalid(said),
        OperationError::NoReplay { tenant, .. } => format!("{said}; `acequia replay list {tenant}` shows all"),
        OperationError::ReplayDone { tenant, replay } => {
            return Failure::Conflict(format!(
                "{said}: nothing of it is left; `acequia replay show {tenant} {replay}` tells"
            ));
        }
        OperationError::ReplayBusy { tenant, replay, .. } => {
            return Failure::Conflict(format!(
                "{said}: wait for its end, or stop it (`acequia replay stop {tenant} {replay}`); --beside goes on beside another. \
                 Where its runner died, stop it and go on with it"
            ));
        }
        OperationError::Contested { .. }
        | OperationError::KeysContested { .. }
        | OperationError::ReplayContested { .. } => {
            return Failure::Conflict(format!("{said}; run the command again"));
        }
        OperationError::Publish { source, .. } => return source.into(),
        OperationError::Unavailable(unavailable) => return unavailable.into(),
    };
    Failure::NotFound(text)
}

#[cfg(test)]
mod tests {
    use acequia_core::access::KeyId;
    use acequia_core::port::{Refusal, Unavailable};
    use acequia_core::queue::{QueueName, QueueRole};
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn what_is_not_there_is_said_with_the_region_and_the_command_to_go_on_with() {
        let (tenant, stage) = (build::tenant_id("acme"), build::stage());
        let name = QueueName::new(&stage, &tenant, QueueRole::Intake);
        let id = KeyId::of([1; 32]);
        let source = || Unavailable::new("look", "AccessDeniedException: no").for_refusal(Some(Refusal::Denied));
        for (error, exit, says) in [
            (
                OperationError::NoPlatform { stage: stage.clone() },
                Exit::NotFound,
                "stage test in region eu-west-9: --stage",
            ),
            (
                OperationError::HiddenPlatform { stage: stage.clone(), source: source() },
                Exit::NotFound,
                "policy OperatorPolicy",
            ),
            (
                OperationError::NoQueues { tenant: tenant.clone(), stage: stage.clone() },
                Exit::NotFound,
                "acme has no queues in stage test in region eu-west-9: is its stack deployed?",
            ),
            (
                OperationError::NoQueue { name },
                Exit::NotFound,
                "region eu-west-9; is the stack of tenant acme deployed",
            ),
            (
                OperationError::NoDeadLetterQueue { tenant: tenant.clone(), role: Some(QueueRole::Out) },
                Exit::NotFound,
                "no dead-letter queue of out: see acequia status acme",
            ),
            (OperationError::NoVersion { tenant: tenant.clone(), version: 9 }, Exit::NotFound, "audit acme"),
            (OperationError::NoConfiguration { tenant: tenant.clone(), stage }, Exit::NotFound, "tenant apply FILE"),
            (
                OperationError::NoDeadLetter {
                    tenant: tenant.clone(),
                    event: Some(build::event_id("1")),
                    message: None,
                },
                Exit::NotFound,
                "acequia explain acme '/tests|1'",
            ),
            (
                OperationError::NoDeadLetter { tenant: tenant.clone(), event: None, message: Some("m-9".to_owned()) },
                Exit::NotFound,
                "no dead letter m-9 can be seen; acequia dlq list acme",
            ),
            (
                OperationError::Contested { tenant: tenant.clone(), sink: build::sink_id("crm") },
                Exit::Conflict,
                "the state of crm changes all the time; run the command again",
            ),
            (
                OperationError::KeyChange { tenant: tenant.clone(), source: KeyChangeRefused::Unknown(id.clone()) },
                Exit::NotFound,
                "there is no key aeaqcaib; `acequia key list acme` shows all",
            ),
            (
                OperationError::KeyChange { tenant: tenant.clone(), source: KeyChangeRefused::Full },
                Exit::Conflict,
                "there are 50 keys that can be used",
            ),
            (
                OperationError::KeysContested { tenant: tenant.clone() },
                Exit::Conflict,
                "the keys of acme change all the time; run the command again",
            ),
            (OperationError::Unavailable(source()), Exit::Aws, "cannot look: AccessDenied"),
            (
                OperationError::Publish { tenant, source: PublishError::Conflict { current: 3, expected: 2 } },
                Exit::Conflict,
                "version 3 is current, and 2 was expected; look at it, then apply again",
            ),
        ] {
            assert_eq!(exit_of(&error), exit, "{error}");
            let failure = told(error, "eu-west-9");
            assert_eq!(failure.exit(), exit, "{failure}");
            assert!(failure.to_string().contains(says), "{failure}");
        }
    }
}
