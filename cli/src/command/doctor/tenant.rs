//! The tenants: whether their files, their configurations, their queues and their mappings say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use acequia_aws::account::{Mapping, Stack};
use acequia_core::id::TenantId;
use acequia_core::kind::SinkKind;
use acequia_core::queue::{Depth, QueueName, QueueRole};
use acequia_core::tenant::grant::{self, Grants};
use acequia_core::tenant::{RawSink, RawTarget, RawTenant};

use super::capacity::{SECRETS, SHARE, Secrets, Shares};
use super::line::{Line, or_ok};
use crate::command::tenant::put_command;
use crate::output::count;

pub(super) const CONFIGURATIONS: &str = "configurations";
pub(super) const FILES: &str = "files";
pub(super) const QUEUES: &str = "queues";
pub(super) const MAPPINGS: &str = "mappings";
pub(super) const DEAD_LETTERS: &str = "dead-letters";
pub(super) const GRANTS: &str = "grants";

/// A tenant's current configuration.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    pub(super) tenant: TenantId,
    pub(super) version: u64,
    /// As this command reads it, or what it stumbles over.
    pub(super) configuration: Result<RawTenant, String>,
}

/// A file of the command line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct File {
    pub(super) name: String,
    /// What it holds, or how many problems it has.
    pub(super) configuration: Result<RawTenant, usize>,
    /// How many fields are another in what is stored; `None` where nothing is, or that is not known.
    pub(super) differs: Option<usize>,
}

/// The roles of the queues that a configuration needs, with the sinks that need them.
pub(super) fn needed(configuration: &RawTenant) -> BTreeMap<QueueRole, Vec<String>> {
    let mut needed = BTreeMap::from([(QueueRole::Intake, Vec::new())]);
    for sink in &configuration.sinks {
        let kind = SinkKind::ALL.into_iter().find(|kind| kind.as_str() == sink.kind);
        for role in kind.map(QueueRole::Sink).into_iter().chain(out(sink)) {
            needed.entry(role).or_default().push(sink.id.clone());
        }
    }
    if configuration.consent.is_some() {
        needed.entry(QueueRole::Sink(SinkKind::Email)).or_default().push("consent".to_owned());
    }
    needed
}

/// The queue that a forward sink fills, as it is written.
fn queue_of(sink: &RawSink) -> Option<&str> {
    match &sink.own {
        Some(RawTarget::Forward(forward)) => forward.queue.as_deref(),
        _ => None,
    }
}

fn out(sink: &RawSink) -> Option<QueueRole> {
    matches!(queue_of(sink), Some("out" | "out.fifo")).then_some(QueueRole::Out)
}

/// The shares that tenants' files will ask for, as infra/tenant.yaml gives them.
pub(super) fn planned(files: &[File]) -> Shares {
    let mut shares = Shares::new();
    for configuration in files.iter().filter_map(|file| file.configuration.as_ref().ok()) {
        let queues = needed(configuration).into_keys().filter(|role| *role != QueueRole::Out).count();
        if let Ok(tenant) = configuration.tenant.parse() {
            shares.insert(tenant, SHARE * u64::try_from(queues).unwrap_or(u64::MAX));
        }
    }
    shares
}

/// The command that makes or changes a tenant's stack, so that it has these queues.
pub(super) fn deploy(stage: &str, tenant: &TenantId, configuration: &RawTenant) -> String {
    let needed = needed(configuration);
    let fifo = configuration.sinks.iter().any(|sink| queue_of(sink) == Some("out.fifo"));
    let mut parameters = String::new();
    for kind in SinkKind::ALL {
        let has = if needed.contains_key(&QueueRole::Sink(kind)) { "enabled" } else { "disabled" };
        // Writing to a String cannot fail.
        let _ = write!(parameters, " {}={has}", kind.facts().in_stack);
    }
    if needed.contains_key(&QueueRole::Out) {
        parameters.push_str(if fifo { " OutQueue=fifo" } else { " OutQueue=standard" });
    }
    let (senders, targets) = grant::wanted(configuration);
    for (name, wanted) in [("SenderDomains", senders), ("ForwardTargets", targets)] {
        if !wanted.is_empty() {
            let _ = write!(parameters, " {name}={}", wanted.into_iter().collect::<Vec<_>>().join(","));
        }
    }
    format!(
        "sam deploy --config-env {stage}-tenant --stack-name acequia-{stage}-{tenant} --tags tenant={tenant} stage={stage} --parameter-overrides Stage={stage} TenantId={tenant}{parameters}"
    )
}

/// Secrets that a configuration names and the parameter store does not have.
pub(super) fn lacking_secrets(tenants: &[Stored], known: &Secrets) -> Vec<Line> {
    let mut bad = Vec::new();
    for Stored { tenant, configuration, .. } in tenants {
        let own = known.get(tenant);
        let uses = configuration.iter().flat_map(RawTenant::secret_uses);
        for (name, purpose) in uses.map(|used| (used.name, used.purpose)).collect::<BTreeMap<_, _>>() {
            if !own.is_some_and(|own| own.iter().any(|(of, known)| *of == purpose && known.as_str() == name)) {
                let found = format!(
                    "{tenant} names the {purpose} secret {name}, which is not there: what needs it is quarantined"
                );
                bad.push(Line::fail(SECRETS, found, put_command(tenant, purpose, name)));
            }
        }
    }
    bad
}

/// What configurations ask for against what their stacks allow.
pub(super) fn grants(tenants: &[Stored], allowed: &BTreeMap<TenantId, Grants>, stage: &str) -> Vec<Line> {
    let mut bad = Vec::new();
    for Stored { tenant, configuration, .. } in tenants {
        let Ok(configuration) = configuration else { continue };
        let none = Grants::default();
        for refused in allowed.get(tenant).unwrap_or(&none).refusals(configuration) {
            // Without what is wrong with it in full: a sender may be allowed by its address, and addresses are not
            // told.
            let found = format!(
                "the stack of {tenant} does not allow what {} says: such deliveries are quarantined as not-granted",
                refused.path
            );
            bad.push(Line::fail(GRANTS, found, deploy(stage, tenant, configuration)));
        }
    }
    or_ok(bad, GRANTS, || "senders and queues outside are those that the stacks allow".to_owned())
}

/// Whether this command can read all configurations.
pub(super) fn configurations(tenants: &[Stored]) -> Vec<Line> {
    let bad = tenants.iter().filter_map(|Stored { tenant, version, configuration }| {
        let why = configuration.as_ref().err()?;
        let found = format!("version {version} of {tenant} cannot be read: {why}");
        Some(Line::fail(CONFIGURATIONS, found, format!("acequia audit {tenant}")))
    });
    or_ok(bad.collect(), CONFIGURATIONS, || format!("{} configured", count(tenants.len(), "tenant", "tenants")))
}

/// The files of the command line against what is stored.
pub(super) fn files(files: &[File], deployed: bool) -> Vec<Line> {
    let line = |File { name, configuration, differs }: &File| match (configuration, differs) {
        (Err(problems), _) => Line::fail(
            FILES,
            format!("{name} has {}", count(*problems, "problem", "problems")),
            format!("acequia tenant validate {name}"),
        ),
        (Ok(_), Some(0)) => Line::ok(FILES, format!("{name} is what is stored")),
        (Ok(_), Some(fields)) => Line::warn(
            FILES,
            format!("{name} differs from what is stored in {}", count(*fields, "field", "fields")),
            format!("acequia tenant apply {name} --dry-run"),
        ),
        (Ok(_), None) if deployed => {
            Line::warn(FILES, format!("{name} is valid and not stored"), format!("acequia tenant apply {name}"))
        }
        (Ok(_), None) => Line::ok(FILES, format!("{name} is valid")),
    };
    files.iter().map(line).collect()
}

/// The queues against the configurations and the stacks.
pub(super) fn queues(
    tenants: &[Stored],
    queues: &[(QueueName, Depth)],
    stacks: Option<&[Stack]>,
    stage: &str,
) -> Vec<Line> {
    let mut present: BTreeMap<&TenantId, BTreeSet<QueueRole>> = BTreeMap::new();
    for (queue, _) in queues.iter().filter(|(queue, _)| !queue.dlq) {
        present.entry(&queue.tenant).or_default().insert(queue.role);
    }
    let mut bad = Vec::new();
    for Stored { tenant, configuration, .. } in tenants {
        let Ok(configuration) = configuration else { continue };
        let needed = needed(configuration);
        let mend = || deploy(stage, tenant, configuration);
        let Some(present) = present.get(tenant) else {
            bad.push(Line::fail(
                QUEUES,
                format!("{tenant} has a configuration and no queues: its stack is not deployed"),
                mend(),
            ));
            continue;
        };
        for (role, sinks) in needed.iter().filter(|(role, _)| !present.contains(*role)) {
            let of = if sinks.is_empty() { String::new() } else { format!(", which {} needs", sinks.join(", ")) };
            bad.push(Line::fail(
                QUEUES,
                format!("{tenant} has no queue {role}{of}: its deliveries are quarantined"),
                mend(),
            ));
        }
        for role in present.iter().filter(|role| **role != QueueRole::Out && !needed.contains_key(role)) {
            let found = format!("{tenant} has a queue {role} and no sink of this kind: once it is empty, leave it out");
            bad.push(Line::warn(QUEUES, found, mend()));
        }
    }
    for tenant in present.keys().filter(|tenant| !tenants.iter().any(|stored| stored.tenant == ***tenant)) {
        let found = format!("{tenant} has queues and no configuration: its events are quarantined as unknown-tenant");
        bad.push(Line::fail(QUEUES, found, format!("acequia tenant apply {tenant}.toml")));
    }
    for tenant in present.keys() {
        let stack = format!("acequia-{stage}-{tenant}");
        if stacks.is_some_and(|stacks| !stacks.iter().any(|known| known.name == stack)) {
            let held: u64 =
                queues.iter().filter(|(queue, _)| queue.tenant == **tenant).map(|(_, depth)| depth.total()).sum();
            let found = format!(
                "{tenant} has queues of no stack {stack}, with {}: left over, or deployed under another name",
                count(held, "message", "messages")
            );
            bad.push(Line::warn(QUEUES, found, format!("acequia status {tenant}")));
        }
    }
    or_ok(bad, QUEUES, || format!("{} as the configurations need them", count(queues.len(), "queue", "queues")))
}

fn waiting(messages: u64) -> String {
    count(messages, "message waits", "messages wait")
}

/// Whether each queue is worked off, and within a bound.
pub(super) fn mappings(queues: &[(QueueName, Depth)], mappings: &[Mapping]) -> Vec<Line> {
    let mut bad = Vec::new();
    for (queue, depth) in queues.iter().filter(|(queue, _)| !queue.dlq && queue.role != QueueRole::Out) {
        let mapped = mappings.iter().find(|mapping| mapping.queue == *queue);
        match (mapped, depth.total()) {
            (None, 0) => bad.push(Line::warn(
                MAPPINGS,
                format!("{queue} is empty, and no function reads it: it is left over"),
                format!("aws sqs delete-queue --queue-url \"$(aws sqs get-queue-url --queue-name {queue} --query QueueUrl --output text)\""),
            )),
            (None, messages) => bad.push(Line::fail(
                MAPPINGS,
                format!("{} in {queue}, and no function reads it: its stack has not this kind of sink any more", waiting(messages)),
                format!("acequia status {}", queue.tenant),
            )),
            (Some(Mapping { id, state, .. }), messages) if state.starts_with("Disabl") => bad.push(Line::fail(
                MAPPINGS,
                format!("the mapping of {queue} is {state}: {}, and nothing is delivered", waiting(messages)),
                format!("aws lambda update-event-source-mapping --uuid {id} --enabled"),
            )),
            (Some(Mapping { id, most: None, .. }), _) => bad.push(Line::warn(
                MAPPINGS,
                format!("the mapping of {queue} has no bound: this tenant may take all of the account's concurrency"),
                format!("aws lambda update-event-source-mapping --uuid {id} --scaling-config MaximumConcurrency={SHARE}"),
            )),
            _ => {}
        }
    }
    or_ok(bad, MAPPINGS, || format!("{} enabled, each with a bound", count(mappings.len(), "mapping", "mappings")))
}

/// Dead-letter queues that are not empty.
pub(super) fn dead_letters(queues: &[(QueueName, Depth)]) -> Vec<Line> {
    let mut letters: BTreeMap<&TenantId, Vec<String>> = BTreeMap::new();
    for (queue, depth) in queues.iter().filter(|(queue, depth)| queue.dlq && depth.total() > 0) {
        letters.entry(&queue.tenant).or_default().push(format!("{} of {}", depth.total(), queue.role));
    }
    let bad = letters.into_iter().map(|(tenant, counts)| {
        let found = format!("{tenant} has dead letters: {}", counts.join(", "));
        Line::warn(DEAD_LETTERS, found, format!("acequia dlq list {tenant}"))
    });
    or_ok(bad.collect(), DEAD_LETTERS, || {
        format!(
            "{} empty",
            count(queues.iter().filter(|(queue, _)| queue.dlq).count(), "dead-letter queue", "dead-letter queues")
        )
    })
}

#[cfg(test)]
mod tests {
    use acequia_core::secret::SecretPurpose;
    use acequia_testkit::build;

    use super::super::line::Verdict;
    use super::*;

    fn configuration(kinds: &[&str]) -> RawTenant {
        let sink = |kind: &&str| serde_json::json!({"id": kind, "kind": kind, "types": ["*"]});
        of_sinks(&kinds.iter().map(sink).collect::<Vec<_>>())
    }

    /// A configuration with one sink of this kind, that has these fields beside what every sink must have.
    fn with(kind: &str, own: &serde_json::Value) -> RawTenant {
        let mut sink = serde_json::json!({"id": kind, "kind": kind, "types": ["*"]});
        sink.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        of_sinks(&[sink])
    }

    fn of_sinks(sinks: &[serde_json::Value]) -> RawTenant {
        RawTenant::from_value(serde_json::json!({"tenant": "acme", "name": "Acme", "sinks": sinks})).unwrap()
    }

    fn stored(kinds: &[&str]) -> Vec<Stored> {
        vec![Stored { tenant: build::tenant_id("acme"), version: 3, configuration: Ok(configuration(kinds)) }]
    }

    fn queue(role: QueueRole, visible: u64) -> (QueueName, Depth) {
        let name = QueueName::new(&build::stage(), &build::tenant_id("acme"), role);
        (name, Depth { visible, ..Depth::default() })
    }

    const WEBHOOK: QueueRole = QueueRole::Sink(SinkKind::Webhook);

    fn one(lines: &[Line]) -> (Verdict, &str) {
        assert_eq!(lines.len(), 1, "{lines:?}");
        (lines[0].verdict, lines[0].found.as_str())
    }

    #[test]
    fn queues_and_sinks_must_match_and_the_stacks_line_mends_what_does_not() {
        let both = [queue(QueueRole::Intake, 0), queue(WEBHOOK, 0)];
        assert_eq!(one(&queues(&stored(&["webhook"]), &both, None, "dev")).0, Verdict::Ok);
        let lines = queues(&stored(&["webhook", "email"]), &both, None, "dev");
        assert!(one(&lines).1.contains("acme has no queue email, which email needs"), "{lines:?}");
        let mend = lines[0].mend.as_ref().unwrap();
        assert!(
            mend.contains("--stack-name acequia-dev-acme")
                && mend
                    .ends_with("Webhook=enabled Email=enabled Forward=disabled Eventbridge=disabled Archive=disabled Table=disabled"),
            "{mend}"
        );
        let lines = queues(&stored(&["email"]), &both, None, "dev");
        assert_eq!(lines.iter().map(|line| line.verdict).collect::<Vec<_>>(), [Verdict::Fail, Verdict::Warn]);
        assert!(lines[1].found.contains("once it is empty"), "{lines:?}");
        assert!(one(&queues(&stored(&["webhook"]), &[], None, "dev")).1.contains("no queues"));
        assert!(one(&queues(&[], &both, None, "dev")).1.contains("no configuration"));
    }

    #[test]
    fn queues_that_no_stack_has_made_are_told_with_what_they_hold() {
        let both = [queue(QueueRole::Intake, 5), queue(WEBHOOK, 2)];
        let stack = |name: &str| [Stack { name: name.into(), status: "CREATE_COMPLETE".into(), parameters: [].into() }];
        let known = queues(&stored(&["webhook"]), &both, Some(&stack("acequia-dev-acme")), "dev");
        assert_eq!(one(&known).0, Verdict::Ok);
        let lines = queues(&stored(&["webhook"]), &both, Some(&stack("acequia-dev-other")), "dev");
        assert!(one(&lines).1.contains("with 7 messages"), "{lines:?}");
    }

    #[test]
    fn consent_needs_the_queue_of_mails_and_a_queue_of_ones_own_is_named() {
        let raw = with("forward", &serde_json::json!({"queue": "out.fifo"}));
        assert_eq!(
            needed(&raw).into_keys().collect::<Vec<_>>(),
            [QueueRole::Intake, QueueRole::Sink(SinkKind::Forward), QueueRole::Out]
        );
        assert!(
            deploy("dev", &build::tenant_id("acme"), &raw)
                .ends_with("Forward=enabled Eventbridge=disabled Archive=disabled Table=disabled OutQueue=fifo")
        );
        let file = File { name: "acme.toml".into(), configuration: Ok(raw), differs: None };
        assert_eq!(planned(&[file]).into_values().collect::<Vec<_>>(), [20]);
    }

    #[test]
    fn a_queue_that_nothing_reads_fails_while_it_holds_messages() {
        let mapping =
            |state: &str, most| Mapping { id: "u-1".into(), queue: queue(WEBHOOK, 0).0, state: state.into(), most };
        for (mapped, visible, verdict, says) in [
            (Some(mapping("Enabled", Some(10))), 9, Verdict::Ok, "each with a bound"),
            (Some(mapping("Enabled", None)), 0, Verdict::Warn, "no bound"),
            (Some(mapping("Disabled", Some(10))), 9, Verdict::Fail, "9 messages wait"),
            (None, 9, Verdict::Fail, "no function reads it"),
            (None, 0, Verdict::Warn, "left over"),
        ] {
            let mapped: Vec<Mapping> = mapped.into_iter().collect();
            let lines = mappings(&[queue(WEBHOOK, visible), queue(QueueRole::Out, 3)], &mapped);
            assert_eq!(one(&lines).0, verdict);
            assert!(one(&lines).1.contains(says), "{lines:?}");
        }
    }

    #[test]
    fn a_secret_that_is_named_and_not_there_fails() {
        let headers = serde_json::json!({"authorization": {"secret": "token"}});
        let raw = with("webhook", &serde_json::json!({"secrets": ["crm"], "headers": headers}));
        let tenants = [Stored { configuration: Ok(raw), ..stored(&[]).remove(0) }];
        let known = |names: &[&str]| {
            let purpose = |name: &str| if name == "token" { SecretPurpose::Header } else { SecretPurpose::Webhook };
            let names = names.iter().map(|name| (purpose(name), name.parse().unwrap()));
            Secrets::from([(build::tenant_id("acme"), names.collect())])
        };
        assert!(lacking_secrets(&tenants, &known(&["crm", "token"])).is_empty());
        let other_purpose =
            [(SecretPurpose::Link, "crm".parse().unwrap()), (SecretPurpose::Header, "token".parse().unwrap())];
        let lines = lacking_secrets(&tenants, &Secrets::from([(build::tenant_id("acme"), other_purpose.into())]));
        assert!(one(&lines).1.contains("the webhook secret crm"), "{lines:?}");
        let lines = lacking_secrets(&tenants, &known(&["token", "other"]));
        assert_eq!(one(&lines).0, Verdict::Fail);
        assert_eq!(lines[0].mend.as_deref(), Some("acequia secret put acme crm --for webhook --generate"));
        let lines = lacking_secrets(&tenants, &Secrets::new());
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1].mend.as_deref(), Some("acequia secret put acme token --for header --value-stdin < FILE"));
    }

    #[test]
    fn what_a_configuration_asks_for_and_its_stack_does_not_allow_fails_with_the_deployment_that_allows_it() {
        let raw = with("email", &serde_json::json!({"from": "hello@acme.example"}));
        let tenants = [Stored { configuration: Ok(raw), ..stored(&[]).remove(0) }];
        let allows = |senders: &str| {
            let json = format!(r#"{{"senders":"{senders}","targets":""}}"#);
            BTreeMap::from([(build::tenant_id("acme"), Grants::parse(&json).unwrap())])
        };
        assert_eq!(one(&grants(&tenants, &allows("acme.example"), "dev")).0, Verdict::Ok);
        for seen in [allows("other@acme.example"), BTreeMap::new()] {
            let lines = grants(&tenants, &seen, "dev");
            assert_eq!(one(&lines).0, Verdict::Fail);
            assert!(lines[0].found.contains("sinks[0].from") && !lines[0].found.contains('@'), "{lines:?}");
            assert!(lines[0].mend.as_ref().unwrap().ends_with(" SenderDomains=acme.example"), "{lines:?}");
        }
    }

    #[test]
    fn dead_letters_are_counted_by_tenant() {
        let dead = |role, visible| (queue(role, 0).0.dead_letter(), Depth { visible, ..Depth::default() });
        assert_eq!(
            one(&dead_letters(&[queue(WEBHOOK, 9), dead(WEBHOOK, 0)])),
            (Verdict::Ok, "1 dead-letter queue empty")
        );
        let lines = dead_letters(&[dead(QueueRole::Intake, 2), dead(WEBHOOK, 1)]);
        assert_eq!(one(&lines), (Verdict::Warn, "acme has dead letters: 2 of intake, 1 of webhook"));
    }

    #[test]
    fn a_configuration_that_cannot_be_read_and_a_file_that_differs_are_told() {
        assert_eq!(one(&configurations(&stored(&["webhook"]))), (Verdict::Ok, "1 tenant configured"));
        let broken = Stored { configuration: Err("sinks[0].colour: unknown field".into()), ..stored(&[]).remove(0) };
        assert!(one(&configurations(&[broken])).1.contains("version 3 of acme cannot be read: sinks[0].colour"));

        let file = |configuration, differs| File { name: "a.toml".into(), configuration, differs };
        let valid = || Ok(configuration(&["webhook"]));
        for (file, deployed, verdict, says) in [
            (file(Err(2), None), true, Verdict::Fail, "has 2 problems"),
            (file(valid(), Some(0)), true, Verdict::Ok, "is what is stored"),
            (file(valid(), Some(1)), true, Verdict::Warn, "in 1 field"),
            (file(valid(), None), true, Verdict::Warn, "not stored"),
            (file(valid(), None), false, Verdict::Ok, "is valid"),
        ] {
            let lines = files(&[file], deployed);
            assert_eq!(one(&lines).0, verdict);
            assert!(one(&lines).1.contains(says), "{lines:?}");
        }
    }
}
