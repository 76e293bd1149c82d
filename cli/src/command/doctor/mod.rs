//! `acequia doctor`: what of the account, the platform and the tenants is not as it must be, each with the command that
//! mends it.
//!
//! It looks first (`sight`), everything side by side and within a time of its own, and judges then, in pure functions.
//! Nothing is changed.

mod capacity;
mod line;
mod mail;
mod permission;
mod platform;
mod report;
mod sight;
mod tenant;

use std::collections::BTreeMap;
use std::path::PathBuf;

use acequia_aws::account::{Caller, Mapping, Stack};
use acequia_core::egress::Egress;
use acequia_core::id::Stage;
use acequia_operations::apply::keep_paused;
use acequia_operations::change;

use self::line::{Check, Line, Seen, Unseen};
use self::report::Diagnosis;
use self::sight::{AccountSight, StageSight};
use self::tenant::{File, Stored};
use crate::args::DoctorArgs;
use crate::context::{Context, egress};
use crate::output::Report;
use crate::tenant_file;

const CONCURRENCY: Check = Check {
    name: capacity::CONCURRENCY,
    needs: "lambda:GetAccountSettings, lambda:ListEventSourceMappings and lambda:GetFunctionConfiguration, lambda:GetFunctionConcurrency",
    tells: "whether the account has room for all tenants",
};
const SECRETS: Check = Check {
    name: capacity::SECRETS,
    needs: "ssm:GetServiceSetting, ssm:DescribeParameters and lambda:ListEventSourceMappings",
    tells: "whether secrets can be read as often as busy tenants need them",
};
const PERMISSIONS: Check = Check {
    name: permission::PERMISSIONS,
    needs: "iam:SimulatePrincipalPolicy and iam:GetRole",
    tells: "which commands these credentials do not allow",
};
const MAIL_ACCOUNT: Check =
    Check { name: mail::ACCOUNT, needs: "ses:GetAccount", tells: "whether SES sends to anybody" };
const MAIL_QUOTA: Check = Check { name: mail::QUOTA, needs: "ses:GetAccount", tells: "how many mails may be sent" };
const MAIL_RATE: Check = Check {
    name: mail::RATE,
    needs: "ses:GetAccount and lambda:GetFunctionConfiguration",
    tells: "whether MailRate is what SES allows",
};
const SENDERS: Check = Check {
    name: mail::SENDERS,
    needs: "ses:GetEmailIdentity, dynamodb:Query and dynamodb:GetItem",
    tells: "whether SES sends from tenants' domains",
};
const GRANTS: Check = Check {
    name: tenant::GRANTS,
    needs: "ssm:GetParameter, dynamodb:Scan and dynamodb:GetItem",
    tells: "whether tenants' stacks allow their senders and queues outside",
};
const STACKS: Check =
    Check { name: platform::STACKS, needs: "cloudformation:DescribeStacks", tells: "whether a deployment failed" };
const VERSION: Check = Check {
    name: platform::VERSION,
    needs: "ssm:GetParameter",
    tells: "whether platform and command are of one version",
};
const TABLES: Check = Check {
    name: platform::TABLES,
    needs: "dynamodb:DescribeTable, dynamodb:DescribeTimeToLive and dynamodb:DescribeContinuousBackups",
    tells: "whether the tables are whole",
};
const ALARMS: Check =
    Check { name: platform::ALARMS, needs: "cloudwatch:DescribeAlarms", tells: "which alarms are raised" };
const NOTIFICATIONS: Check = Check {
    name: platform::NOTIFICATIONS,
    needs: "sns:ListSubscriptionsByTopic and ssm:GetParameter",
    tells: "whether somebody hears of alarms",
};
const CONFIGURATIONS: Check = Check {
    name: tenant::CONFIGURATIONS,
    needs: "dynamodb:Query and dynamodb:GetItem",
    tells: "whether tenants' configurations can be read",
};
const QUEUES: Check = Check {
    name: tenant::QUEUES,
    needs: "sqs:ListQueues, sqs:GetQueueUrl, sqs:GetQueueAttributes, dynamodb:Query and dynamodb:GetItem",
    tells: "whether each sink has its queue",
};
const MAPPINGS: Check = Check {
    name: tenant::MAPPINGS,
    needs: "lambda:ListEventSourceMappings, sqs:ListQueues, sqs:GetQueueUrl and sqs:GetQueueAttributes",
    tells: "whether each queue is worked off",
};
const DEAD_LETTERS: Check = Check {
    name: tenant::DEAD_LETTERS,
    needs: "sqs:ListQueues, sqs:GetQueueUrl and sqs:GetQueueAttributes",
    tells: "which tenants have dead letters",
};

/// Looks, judges and reports.
pub(super) async fn run(context: &Context, arguments: &DoctorArgs) -> Report {
    let account = context.account();
    let mut files = read(&arguments.files, egress(&context.stage));
    let (stage, region) = (context.stage.to_string(), account.region().to_owned());
    let caller = match sight::caller(&account).await {
        Ok(caller) => caller,
        Err(unseen) => {
            let parts = vec![("Account", vec![nobody(&unseen)]), ("Tenants", tenant::files(&files, false))];
            return Diagnosis::new(stage, region, None, None, parts).report();
        }
    };
    let of_account = Box::pin(sight::of_account(context, &account, &caller)).await;
    let deployed = deployed(&of_account.stacks, &context.stage);
    // Where the stacks may not be listed, what else there is tells.
    let looks = !arguments.before && deployed != Some(false);
    let mut parts = Vec::new();
    if looks {
        let of_stage = Box::pin(sight::of_stage(context, &account)).await;
        compare(&mut files, of_stage.tenants.as_deref().unwrap_or_default());
        let senders = match &of_stage.tenants {
            Ok(tenants) => sight::senders(context, tenants, &files).await,
            Err(unseen) => Err(unseen.clone()),
        };
        parts.push(("Account", judge_account(&caller, &of_account, Some(&of_stage), &files, &stage)));
        parts.push(("Platform", judge_platform(&of_account, &of_stage, deployed, &stage)));
        let mut tenants = judge_tenants(&of_account, &of_stage, &stage);
        tenants.extend(SENDERS.of(&senders, |senders| mail::senders(senders)));
        let grants = match &of_stage.tenants {
            Ok(tenants) => sight::grants(context, tenants).await,
            Err(unseen) => Err(unseen.clone()),
        };
        let known = both(&of_stage.tenants, &grants);
        tenants.extend(GRANTS.of(&known, |(tenants, grants)| tenant::grants(tenants, grants, &stage)));
        tenants.extend(tenant::files(&files, of_stage.tenants.is_ok()));
        parts.push(("Tenants", tenants));
    } else {
        parts.push(("Account", judge_account(&caller, &of_account, None, &files, &stage)));
        let mut lines = Vec::new();
        if let Some(deployed) = deployed {
            lines.push(platform::platform(deployed, arguments.before, &stage, &region));
        }
        parts.push(("Platform", lines));
        let mut tenants = tenant::files(&files, false);
        if files.iter().any(|file| file.configuration.is_ok()) {
            let senders = sight::senders(context, &[], &files).await;
            tenants.extend(SENDERS.of(&senders, |senders| mail::senders(senders)));
        }
        parts.push(("Tenants", tenants));
    }
    Diagnosis::new(stage, region, Some(caller.account), deployed, parts).report()
}

/// Returns the line that is shown where the principal of the credentials is unknown.
fn nobody(unseen: &Unseen) -> Line {
    let found = match unseen {
        Unseen::Denied => "AWS does not accept the credentials".to_owned(),
        Unseen::Late => {
            "no answer from AWS: check the network, --region, and AWS_ENDPOINT_URL where it is set".to_owned()
        }
        // The advice says it better than all that was tried.
        Unseen::Failed(why) => why.split("\n  ").last().unwrap_or_default().to_owned(),
    };
    Line::fail(permission::CREDENTIALS, found, "aws sts get-caller-identity")
}

/// Whether the platform's stack is there; `None` where stacks may not be listed.
fn deployed(stacks: &Seen<Vec<Stack>>, stage: &Stage) -> Option<bool> {
    let name = format!("acequia-{stage}");
    stacks.as_ref().ok().map(|stacks| stacks.iter().any(|stack| stack.name == name))
}

fn read(paths: &[PathBuf], egress: Egress) -> Vec<File> {
    let file = |path: &PathBuf| File {
        name: path.display().to_string(),
        configuration: tenant_file::read(path, egress).map(|file| file.raw).map_err(|problems| problems.len()),
        differs: None,
    };
    paths.iter().map(file).collect()
}

/// Notes in each file how far it is from what is stored, as `tenant apply` would see it.
fn compare(files: &mut [File], tenants: &[Stored]) {
    for file in files {
        let Ok(raw) = &file.configuration else { continue };
        let stored = tenants.iter().find(|stored| stored.tenant.as_str() == raw.tenant);
        file.differs = stored.map(|stored| {
            let old = stored.configuration.as_ref().ok();
            let mut new = raw.clone();
            if let Some(old) = old {
                keep_paused(old, &mut new);
            }
            change::between(old, &new).len()
        });
    }
}

/// Both, or why one of them is not known.
fn both<'a, A, B>(a: &'a Seen<A>, b: &'a Seen<B>) -> Seen<(&'a A, &'a B)> {
    Ok((a.as_ref().map_err(Clone::clone)?, b.as_ref().map_err(Clone::clone)?))
}

fn judge_account(
    caller: &Caller,
    of_account: &AccountSight,
    of_stage: Option<&StageSight>,
    files: &[File],
    stage: &str,
) -> Vec<Line> {
    let mut lines = vec![permission::credentials(caller)];
    lines.extend(PERMISSIONS.of(&of_account.missing, |missing| permission::permissions(missing, caller, stage)));
    lines.extend(MAIL_ACCOUNT.of(&of_account.sending, |sending| mail::account(sending, sends(of_stage, files))));
    lines.extend(MAIL_QUOTA.of(&of_account.sending, |sending| vec![mail::quota(sending)]));
    let none = Ok(Vec::new());
    let mappings: &Seen<Vec<Mapping>> = of_stage.map_or(&none, |seen| &seen.mappings);
    let nothing = Ok(BTreeMap::new());
    let functions = of_stage.map_or(&nothing, |seen| &seen.functions);
    let known = both(&of_account.concurrency, mappings).and_then(|(account, mappings)| {
        let functions = functions.as_ref().map_err(Clone::clone)?;
        let of =
            |(name, deployed): (&String, &acequia_aws::account::Deployed)| Some((name.clone(), deployed.reserved?));
        Ok((*account, mappings, functions.iter().filter_map(of).collect::<BTreeMap<_, _>>()))
    });
    lines.extend(CONCURRENCY.of(&known, |(account, mappings, reserved)| {
        let shares = if of_stage.is_some() {
            capacity::shares(mappings, reserved, account.limit)
        } else {
            tenant::planned(files)
        };
        let mut lines = vec![capacity::concurrency(*account, &shares)];
        lines.extend(capacity::reservations(mappings, reserved, stage));
        lines
    }));
    if let Some(seen) = of_stage {
        let known = both(&seen.secrets, mappings)
            .and_then(|known| Ok((known, *of_account.high_throughput.as_ref().map_err(Clone::clone)?)));
        lines.extend(SECRETS.of(&known, |((secrets, mappings), high)| {
            let tenants = seen.tenants.as_deref().unwrap_or_default();
            let mut lines = vec![capacity::secrets(secrets, mappings, *high)];
            lines.extend(tenant::lacking_secrets(tenants, secrets));
            lines
        }));
    }
    lines
}

/// Whether a tenant sends mail.
fn sends(of_stage: Option<&StageSight>, files: &[File]) -> bool {
    let stored = of_stage.and_then(|seen| seen.tenants.as_ref().ok()).into_iter().flatten();
    let stored = stored.filter_map(|stored| stored.configuration.as_ref().ok());
    let mut all = stored.chain(files.iter().filter_map(|file| file.configuration.as_ref().ok()));
    all.any(|raw| !sight::senders_of(raw).is_empty())
}

fn judge_platform(of_account: &AccountSight, seen: &StageSight, deployed: Option<bool>, stage: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    lines.extend(deployed.map(|deployed| platform::platform(deployed, false, stage, "")));
    lines.extend(STACKS.of(&of_account.stacks, |stacks| platform::stacks(stacks)));
    lines.extend(
        VERSION.of(&seen.version, |version| vec![platform::version(version.as_deref(), platform::OWN_VERSION, stage)]),
    );
    lines.extend(TABLES.of(&seen.tables, |tables| platform::tables(tables, stage)));
    lines.extend(MAIL_RATE.of(&both(&of_account.sending, &seen.functions), |(sending, functions)| {
        let number = |text: &String| text.parse::<f64>().ok();
        let kept = functions.get("email").and_then(|email| email.variables.get("SES_SEND_RATE")).and_then(number);
        let name = format!("acequia-{stage}");
        let own = of_account.stacks.iter().flatten().find(|stack| stack.name == name);
        let parameter = own.and_then(|stack| stack.parameters.get("MailRate")).and_then(number);
        vec![mail::rate(sending, kept, parameter, stage)]
    }));
    lines.extend(ALARMS.of(&seen.alarms, |alarms| platform::alarms(alarms, stage)));
    lines.extend(NOTIFICATIONS.of(&seen.topics, |topics| platform::notifications(topics)));
    lines
}

fn judge_tenants(of_account: &AccountSight, seen: &StageSight, stage: &str) -> Vec<Line> {
    let mut lines = CONFIGURATIONS.of(&seen.tenants, |tenants| tenant::configurations(tenants));
    let stacks = of_account.stacks.as_ref().ok().map(Vec::as_slice);
    lines
        .extend(QUEUES.of(&both(&seen.tenants, &seen.queues), |(tenants, queues)| {
            tenant::queues(tenants, queues, stacks, stage)
        }));
    lines.extend(
        MAPPINGS.of(&both(&seen.queues, &seen.mappings), |(queues, mappings)| tenant::mappings(queues, mappings)),
    );
    lines.extend(DEAD_LETTERS.of(&seen.queues, |queues| tenant::dead_letters(queues)));
    lines
}
