//! What the caller may not do of that which the operator's commands do, as IAM's simulation says before they are tried.

use std::collections::{BTreeMap, BTreeSet};

use acequia_aws::account::{Account, Caller, Principal};
use acequia_core::id::Stage;
use futures::future::try_join_all;

use super::line::{Line, Seen};

pub(super) const CREDENTIALS: &str = "credentials";
pub(super) const PERMISSIONS: &str = "permissions";

/// A kind of resource: its ARN behind the partition, with the region, the account and the stage to be put in; and the
/// actions on it, each with the commands that need it. The tenant `doctor` stands for all: a policy names tenants by
/// wildcard.
struct Kind {
    resource: &'static str,
    needs: &'static [(&'static str, &'static str)],
}

const KINDS: [Kind; 9] = [
    Kind { resource: "*", needs: &[("sqs:ListQueues", "status, dlq")] },
    Kind {
        resource: "sqs:{region}:{account}:acequia_{stage}_doctor_intake",
        needs: &[
            ("sqs:GetQueueUrl", "send, status, dlq"),
            ("sqs:GetQueueAttributes", "send, status, dlq"),
            ("sqs:SendMessage", "send, dlq redrive"),
        ],
    },
    Kind {
        resource: "sqs:{region}:{account}:acequia_{stage}_doctor_webhook-dlq",
        needs: &[
            ("sqs:ReceiveMessage", "dlq"),
            ("sqs:ChangeMessageVisibility", "dlq"),
            ("sqs:DeleteMessage", "dlq redrive, dlq purge"),
        ],
    },
    Kind {
        resource: "dynamodb:{region}:{account}:table/acequia-{stage}-tenants",
        needs: &[
            ("dynamodb:GetItem", "tenant, dlq"),
            ("dynamodb:Query", "tenant list, audit"),
            (
                "dynamodb:PutItem",
                "tenant apply, tenant pause, tenant resume, dlq redrive, dlq purge, secret put, consent erase",
            ),
        ],
    },
    Kind {
        resource: "dynamodb:{region}:{account}:table/acequia-{stage}-ledger",
        needs: &[
            ("dynamodb:GetItem", "dlq"),
            ("dynamodb:BatchGetItem", "dlq redrive"),
            ("dynamodb:Query", "explain, status"),
            ("dynamodb:Scan", "tally"),
            ("dynamodb:PutItem", "dlq redrive, tenant resume"),
        ],
    },
    Kind {
        resource: "dynamodb:{region}:{account}:table/acequia-{stage}-delayed",
        needs: &[("dynamodb:Query", "delayed, status"), ("dynamodb:UpdateItem", "tenant resume")],
    },
    Kind {
        resource: "dynamodb:{region}:{account}:table/acequia-{stage}-consents",
        needs: &[("dynamodb:Query", "consent"), ("dynamodb:DeleteItem", "consent erase")],
    },
    Kind {
        resource: "ssm:{region}:{account}:parameter/acequia/{stage}/tenant/doctor/webhook/key",
        needs: &[("ssm:PutParameter", "secret put"), ("ssm:AddTagsToResource", "secret put")],
    },
    Kind {
        resource: "ssm:{region}:{account}:parameter/acequia/{stage}/grants/doctor",
        needs: &[("ssm:GetParameter", "tenant apply, template send-test")],
    },
];

/// What is not allowed, with the commands that need it.
pub(super) type Missing = BTreeMap<String, BTreeSet<&'static str>>;

/// Asks IAM about every action of every command. Nothing is done.
pub(super) async fn missing(account: &Account, caller: &Caller, stage: &Stage) -> Seen<Missing> {
    let asked = KINDS.iter().map(|kind| async move {
        let actions: Vec<&str> = kind.needs.iter().map(|(action, _)| *action).collect();
        let denied = account.denied(caller, &actions, &arn(kind.resource, caller, account.region(), stage)).await?;
        let of = |action: &&String| kind.needs.iter().find(|(name, _)| name == action);
        let missing = denied.iter().filter_map(|action| Some((action.clone(), of(&action)?.1)));
        Ok::<Vec<_>, acequia_core::port::Unavailable>(missing.collect())
    });
    let mut all = Missing::new();
    for (action, commands) in try_join_all(asked).await?.into_iter().flatten() {
        all.entry(action).or_default().extend(commands.split(", "));
    }
    Ok(all)
}

fn arn(resource: &str, caller: &Caller, region: &str, stage: &Stage) -> String {
    if resource == "*" {
        return resource.to_owned();
    }
    let resource =
        resource.replace("{region}", region).replace("{account}", &caller.account).replace("{stage}", stage.as_str());
    format!("arn:{}:{resource}", caller.partition)
}

/// Returns the line about the principal of the credentials.
pub(super) fn credentials(caller: &Caller) -> Line {
    let who = match &caller.principal {
        Principal::Root => {
            return Line::warn(
                CREDENTIALS,
                "the account's root user, who may do everything: use a role of your own",
                "aws sts assume-role --role-arn ROLE --role-session-name acequia",
            );
        }
        Principal::User(_) => "a user".to_owned(),
        Principal::Role(name) => format!("role {name}"),
        Principal::Other => "a federated user".to_owned(),
    };
    Line::ok(CREDENTIALS, who)
}

/// What the caller may not do.
pub(super) fn permissions(missing: &Missing, caller: &Caller, stage: &str) -> Vec<Line> {
    if missing.is_empty() {
        let number: usize = KINDS.iter().map(|kind| kind.needs.len()).sum();
        return vec![Line::ok(PERMISSIONS, format!("all {number} that the operator's commands need"))];
    }
    let whom = match &caller.principal {
        Principal::Role(name) => format!("attach-role-policy --role-name {name}"),
        // Users are often named by their mail addresses.
        Principal::User(_) => "attach-user-policy --user-name USER".to_owned(),
        Principal::Root | Principal::Other => "attach-role-policy --role-name ROLE".to_owned(),
    };
    let export = format!("Exports[?Name=='acequia-{stage}-operator-policy'].Value");
    let mend = format!(
        "aws iam {whom} --policy-arn \"$(aws cloudformation list-exports --query \"{export}\" --output text)\""
    );
    let line = |(action, commands): (&String, &BTreeSet<&str>)| {
        let commands = commands.iter().copied().collect::<Vec<_>>().join(", ");
        Line::warn(PERMISSIONS, format!("{action} is not allowed: {commands} cannot work"), mend.clone())
    };
    missing.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::line::Verdict;
    use super::*;

    fn caller(principal: Principal) -> Caller {
        Caller { account: "000000000000".into(), partition: "aws".into(), principal }
    }

    #[test]
    fn a_missing_permission_names_the_commands_that_need_it() {
        let operator = caller(Principal::Role("Operator".into()));
        assert_eq!(permissions(&Missing::new(), &operator, "dev")[0].verdict, Verdict::Ok);
        let missing = Missing::from([("sqs:DeleteMessage".to_owned(), ["dlq redrive"].into())]);
        let line = &permissions(&missing, &operator, "dev")[0];
        assert_eq!(
            (line.verdict, line.found.as_str()),
            (Verdict::Warn, "sqs:DeleteMessage is not allowed: dlq redrive cannot work")
        );
        assert!(line.mend.as_ref().unwrap().contains("--role-name Operator"));
    }

    #[test]
    fn the_callers_name_is_told_only_where_it_is_a_roles() {
        assert_eq!(credentials(&caller(Principal::Role("Operator".into()))).found, "role Operator");
        assert_eq!(credentials(&caller(Principal::User("ana@example.org".into()))).found, "a user");
        assert_eq!(credentials(&caller(Principal::Root)).verdict, Verdict::Warn);
    }

    #[test]
    fn resources_are_those_of_the_stage() {
        let stage: Stage = "dev".parse().unwrap();
        let found =
            arn("sqs:{region}:{account}:acequia_{stage}_doctor_intake", &caller(Principal::Root), "eu-west-1", &stage);
        assert_eq!(found, "arn:aws:sqs:eu-west-1:000000000000:acequia_dev_doctor_intake");
        assert_eq!(arn("*", &caller(Principal::Root), "eu-west-1", &stage), "*");
    }
}
