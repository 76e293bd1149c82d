//! The platform's stack: whether it is there, whole, of this command's version, and whether its alarms reach a
//! subscriber.

use acequia_aws::account::{Alarm, Stack, Table, Topic};

use super::line::{Line, or_ok};
use crate::output::count;

pub(super) const PLATFORM: &str = "platform";
pub(super) const VERSION: &str = "version";
pub(super) const TABLES: &str = "tables";
pub(super) const ALARMS: &str = "alarms";
pub(super) const NOTIFICATIONS: &str = "notifications";
pub(super) const STACKS: &str = "stacks";

/// This command's version.
pub(super) const OWN_VERSION: &str = acequia_core::version::VERSION;

/// What renews this command: a package has it beside the platform, and the sources make it.
const INSTALL: &str = "install the command of the platform's version, as README.md says";

/// What makes or changes the platform's stack. The command for it is another one in a package than in the sources, and
/// README.md of either has it.
pub(super) fn deploy(stage: &str) -> String {
    format!("deploy the platform with --config-env {stage}, as README.md says")
}

/// Whether the platform is there. `early` says that it need not be yet.
pub(super) fn platform(deployed: bool, early: bool, stage: &str, region: &str) -> Line {
    match (deployed, early) {
        (true, _) => Line::ok(PLATFORM, format!("stack acequia-{stage} is deployed")),
        (false, true) => Line::ok(PLATFORM, format!("not deployed yet; then: {}", deploy(stage))),
        (false, false) => Line::fail(
            PLATFORM,
            format!(
                "there is no stack acequia-{stage} in {region}: it is not deployed, or --stage or --region name another (--before checks the account alone)"
            ),
            deploy(stage),
        ),
    }
}

/// The numbers of a version such as `1.2.3`; what stands behind them says nothing of their order.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let plain = version.split(['-', '+']).next()?;
    let mut parts = plain.split('.').map(|part| part.parse().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// This command's version against the one that is deployed.
pub(super) fn version(deployed: Option<&str>, own: &str, stage: &str) -> Line {
    let Some(deployed) = deployed else {
        let found = format!("the platform does not say its version in /acequia/{stage}/version; this command is {own}");
        return Line::skipped(VERSION, found);
    };
    let found = format!("the platform is {deployed}, this command {own}");
    match (numbers(deployed), numbers(own)) {
        _ if deployed == own => Line::ok(VERSION, found),
        (Some(there), Some(here)) if there > here => {
            Line::warn(VERSION, format!("{found}: what it does not know it may take for wrong"), INSTALL)
        }
        (Some(there), Some(here)) if there == here => Line::ok(VERSION, found),
        _ => Line::warn(VERSION, format!("{found}: deploy the platform anew"), deploy(stage)),
    }
}

/// What the template gives a table: its keys and index, and whether its rows expire.
pub(super) const ALL_TABLES: [(&str, &[&str], bool); 4] = [
    ("tenants", &["pk", "sk"], false),
    ("ledger", &["pk", "sk", "failed"], true),
    ("delayed", &["pk", "sk", "due"], true),
    ("consents", &["pk", "sk", "due"], true),
];

/// The tables against what the template makes. In the stage `local` they may be deleted.
pub(super) fn tables(tables: &[Table], stage: &str) -> Vec<Line> {
    let mut bad = Vec::new();
    for table in tables {
        let name = &table.name;
        let wanted =
            ALL_TABLES.iter().find(|(kind, ..)| name.strip_prefix("acequia-") == Some(&format!("{stage}-{kind}")));
        let Some((_, keys, expires)) = wanted else { continue };
        let Some(status) = table.status.as_deref() else {
            bad.push(Line::fail(TABLES, format!("{name} is not there"), deploy(stage)));
            continue;
        };
        if ["DELETING", "INACCESSIBLE_ENCRYPTION_CREDENTIALS", "ARCHIVING", "ARCHIVED"].contains(&status) {
            let look = format!("aws dynamodb describe-table --table-name {name}");
            bad.push(Line::fail(TABLES, format!("{name} is {status}: nothing can be read or written"), look));
        }
        let lacking: Vec<&str> =
            keys.iter().filter(|key| !table.names.iter().any(|has| has == *key)).copied().collect();
        if !lacking.is_empty() {
            let found = format!("{name} has no {}: it is another version's, or not ours", lacking.join(", "));
            bad.push(Line::fail(TABLES, found, deploy(stage)));
        }
        if *expires && !table.expires {
            let mend = format!(
                "aws dynamodb update-time-to-live --table-name {name} --time-to-live-specification Enabled=true,AttributeName=expires_at"
            );
            bad.push(Line::fail(TABLES, format!("{name} keeps its rows for ever: time to live is off"), mend));
        }
        if !table.recoverable {
            let mend = format!(
                "aws dynamodb update-continuous-backups --table-name {name} --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
            );
            bad.push(Line::warn(TABLES, format!("{name} could not be restored: point-in-time recovery is off"), mend));
        }
        if !table.protected && stage != "local" {
            let mend = format!("aws dynamodb update-table --table-name {name} --deletion-protection-enabled");
            bad.push(Line::warn(TABLES, format!("{name} can be deleted: its protection is off"), mend));
        }
    }
    or_ok(bad, TABLES, || format!("{} as the template makes them", count(tables.len(), "table", "tables")))
}

/// The stacks' statuses.
pub(super) fn stacks(stacks: &[Stack]) -> Vec<Line> {
    let events = |name: &str| {
        format!(
            "aws cloudformation describe-stack-events --stack-name {name} --query \"StackEvents[?contains(ResourceStatus,'FAILED')]\""
        )
    };
    let bad = stacks.iter().filter_map(|Stack { name, status, .. }| match status.as_str() {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => None,
        "ROLLBACK_COMPLETE" => Some(Line::fail(
            STACKS,
            format!("{name}: its first deployment failed, and nothing can be deployed over it"),
            format!("aws cloudformation delete-stack --stack-name {name}"),
        )),
        "UPDATE_ROLLBACK_FAILED" => Some(Line::fail(
            STACKS,
            format!("{name}: its last deployment failed, and so did taking it back"),
            format!("aws cloudformation continue-update-rollback --stack-name {name}"),
        )),
        "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" => {
            Some(Line::warn(STACKS, format!("{name}: its last deployment failed and was taken back"), events(name)))
        }
        failed if failed.ends_with("_FAILED") => Some(Line::fail(STACKS, format!("{name} is {failed}"), events(name))),
        under_way => {
            Some(Line::warn(STACKS, format!("{name} is {under_way}: look again when it is done"), events(name)))
        }
    });
    or_ok(bad.collect(), STACKS, || format!("{} deployed", count(stacks.len(), "stack", "stacks")))
}

/// Judges the alarms: which of them are raised, and which of them have no action.
pub(super) fn alarms(alarms: &[Alarm], stage: &str) -> Vec<Line> {
    let mut bad: Vec<Line> = alarms
        .iter()
        .filter(|alarm| alarm.state == "ALARM")
        .map(|alarm| {
            let name = &alarm.name;
            let look = format!("aws cloudwatch describe-alarm-history --alarm-name {name} --max-records 3");
            Line::warn(ALARMS, format!("{name} is raised: docs/RUNBOOK.md says what to do"), look)
        })
        .collect();
    let silent: Vec<&str> = alarms.iter().filter(|a| a.actions.is_empty()).map(|alarm| alarm.name.as_str()).collect();
    if let Some(first) = silent.first() {
        let number = count(silent.len(), "alarm", "alarms");
        let found = format!("of {number} nobody is told, {first} is one: it has no action, or it is switched off");
        let mend = format!(
            "aws cloudwatch enable-alarm-actions --alarm-names $(aws cloudwatch describe-alarms --alarm-name-prefix acequia-{stage}- --query 'MetricAlarms[?!ActionsEnabled].AlarmName' --output text)"
        );
        bad.push(Line::warn(ALARMS, found, mend));
    }
    if alarms.is_empty() {
        bad.push(Line::warn(ALARMS, "there are none", deploy(stage)));
    }
    or_ok(bad, ALARMS, || format!("{}, none raised", count(alarms.len(), "alarm", "alarms")))
}

/// Judges the topics: whether each one has a confirmed subscriber.
pub(super) fn notifications(topics: &[Topic]) -> Vec<Line> {
    let bad = topics.iter().filter(|topic| topic.confirmed == 0).map(|Topic { arn, pending, .. }| {
        let name = arn.rsplit(':').next().unwrap_or_default();
        let mend = format!("aws sns subscribe --topic-arn {arn} --protocol email --notification-endpoint YOUR@ADDRESS");
        if *pending == 0 {
            Line::warn(NOTIFICATIONS, format!("nobody is subscribed to {name}: alarms are raised unheard"), mend)
        } else {
            let found = format!("nobody confirmed a subscription to {name}, {pending} wait: follow the link in SNS's mail, or subscribe anew");
            Line::warn(NOTIFICATIONS, found, mend)
        }
    });
    or_ok(bad.collect(), NOTIFICATIONS, || {
        format!(
            "{} heard by {}",
            count(topics.len(), "topic", "topics"),
            count(topics.iter().map(|topic| topic.confirmed).sum::<usize>(), "subscriber", "subscribers")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::line::Verdict;
    use super::*;

    fn verdicts(lines: &[Line]) -> Vec<Verdict> {
        lines.iter().map(|line| line.verdict).collect()
    }

    #[test]
    fn a_platform_that_is_not_there_fails_unless_it_need_not_be_yet() {
        assert_eq!(platform(true, false, "dev", "eu-west-1").verdict, Verdict::Ok);
        assert_eq!(platform(false, true, "dev", "eu-west-1").verdict, Verdict::Ok);
        let line = platform(false, false, "dev", "eu-west-1");
        assert_eq!(
            (line.verdict, line.mend.as_deref()),
            (Verdict::Fail, Some("deploy the platform with --config-env dev, as README.md says"))
        );
    }

    #[test]
    fn the_older_of_command_and_platform_is_the_one_to_renew() {
        for (there, own, verdict, mend) in [
            (Some("0.2.0"), "0.2.0", Verdict::Ok, None),
            (Some("0.2.0+abc"), "0.2.0", Verdict::Ok, None),
            (Some("0.10.0"), "0.9.9", Verdict::Warn, Some(INSTALL)),
            (
                Some("0.1.0"),
                "0.2.0",
                Verdict::Warn,
                Some("deploy the platform with --config-env dev, as README.md says"),
            ),
            (
                Some("mine"),
                "0.2.0",
                Verdict::Warn,
                Some("deploy the platform with --config-env dev, as README.md says"),
            ),
            (None, "0.2.0", Verdict::Skipped, None),
        ] {
            let line = version(there, own, "dev");
            assert_eq!((line.verdict, line.mend.as_deref()), (verdict, mend), "{line:?}");
        }
        assert!(numbers(OWN_VERSION).is_some());
    }

    #[test]
    fn each_way_in_which_a_table_is_not_as_it_must_be_is_told() {
        let whole = |kind: &str| Table {
            name: format!("acequia-dev-{kind}"),
            status: Some("ACTIVE".into()),
            names: ["pk", "sk", "due", "failed"].map(str::to_owned).into(),
            protected: true,
            expires: true,
            recoverable: true,
        };
        assert_eq!(verdicts(&tables(&[whole("tenants"), whole("delayed")], "dev")), [Verdict::Ok]);
        for (table, verdict, says) in [
            (Table { status: None, ..whole("ledger") }, Verdict::Fail, "not there"),
            (Table { status: Some("DELETING".into()), ..whole("ledger") }, Verdict::Fail, "DELETING"),
            (Table { names: vec!["pk".into(), "sk".into()], ..whole("delayed") }, Verdict::Fail, "no due"),
            (Table { expires: false, ..whole("ledger") }, Verdict::Fail, "time to live is off"),
            (Table { recoverable: false, ..whole("ledger") }, Verdict::Warn, "recovery is off"),
            (Table { protected: false, ..whole("ledger") }, Verdict::Warn, "protection is off"),
        ] {
            let lines = tables(&[table], "dev");
            assert_eq!(verdicts(&lines), [verdict], "{lines:?}");
            assert!(lines[0].found.contains(says) && lines[0].mend.is_some(), "{lines:?}");
        }
        let tenants = Table { expires: false, ..whole("tenants") };
        assert_eq!(verdicts(&tables(&[tenants], "dev")), [Verdict::Ok], "configurations never expire");
    }

    #[test]
    fn a_stack_that_is_not_whole_says_how_it_is_mended() {
        let of = |status: &str| {
            stacks(&[Stack { name: "acequia-dev".into(), status: status.into(), parameters: [].into() }]).remove(0)
        };
        for (status, verdict, mend) in [
            ("CREATE_COMPLETE", Verdict::Ok, ""),
            ("UPDATE_COMPLETE", Verdict::Ok, ""),
            ("ROLLBACK_COMPLETE", Verdict::Fail, "delete-stack"),
            ("UPDATE_ROLLBACK_FAILED", Verdict::Fail, "continue-update-rollback"),
            ("UPDATE_ROLLBACK_COMPLETE", Verdict::Warn, "describe-stack-events"),
            ("DELETE_FAILED", Verdict::Fail, "describe-stack-events"),
            ("UPDATE_IN_PROGRESS", Verdict::Warn, "describe-stack-events"),
        ] {
            let line = of(status);
            assert_eq!(line.verdict, verdict, "{line:?}");
            assert!(line.mend.unwrap_or_default().contains(mend), "{status}");
        }
    }

    #[test]
    fn alarms_that_are_raised_and_those_that_nobody_hears_are_told() {
        let alarm = |state: &str, actions: &[&str]| Alarm {
            name: "acequia-dev-router-errors".into(),
            state: state.into(),
            actions: actions.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(verdicts(&alarms(&[alarm("OK", &["t"]), alarm("INSUFFICIENT_DATA", &["t"])], "dev")), [Verdict::Ok]);
        let lines = alarms(&[alarm("ALARM", &["t"]), alarm("OK", &[])], "dev");
        assert_eq!(verdicts(&lines), [Verdict::Warn, Verdict::Warn]);
        assert!(
            lines[0].found.contains("is raised") && lines[1].found.contains("of 1 alarm nobody is told"),
            "{lines:?}"
        );
        assert_eq!(verdicts(&alarms(&[], "dev")), [Verdict::Warn]);

        let topic =
            |confirmed, pending| Topic { arn: "arn:aws:sns:x:1:acequia-dev-notifications".into(), confirmed, pending };
        assert_eq!(verdicts(&notifications(&[topic(1, 5)])), [Verdict::Ok]);
        assert!(notifications(&[topic(0, 0)])[0].found.contains("nobody is subscribed to acequia-dev-notifications"));
        assert!(notifications(&[topic(0, 2)])[0].found.contains("2 wait"));
    }
}
