//! `acequia tenant apply`: writes a file as the next version, after showing what changes.

use std::collections::BTreeSet;
use std::fmt::Display;

use acequia_core::egress::Egress;
use acequia_core::id::{Stage, TenantId};
use acequia_core::outcome::Reason;
use acequia_core::port::{Change, Clock as _, Depths, GrantStore, SecretCatalog as _, TenantStore};
use acequia_core::queue::{QueueName, QueueRole};
use acequia_core::secret::{SecretNames, SecretPurpose};
use acequia_core::tenant::{RawTenant, SecretUse, grant};
use serde::Serialize;

use crate::args::ApplyArgs;
use crate::change;
use crate::confirm::confirm;
use crate::context::{Context, SystemClock};
use crate::exit::{Failure, describe as describe_failure};
use crate::output::{Report, count, note};
use crate::tenant_file::{self, TenantFile};

/// The longest summary in the audit log, in characters.
const SUMMARY: usize = 500;

#[derive(Serialize)]
struct Applied {
    tenant: String,
    version: u64,
    changed: Vec<String>,
}

/// What is to be done with a file.
struct Plan {
    /// The version that is current; 0 where there is none.
    current: u64,
    changes: Vec<change::Change>,
    /// The sinks that an operator paused, and of which the file says nothing.
    still_paused: Vec<String>,
}

pub(super) async fn run(
    context: impl AsyncFnOnce() -> Result<Context, Failure>,
    arguments: &ApplyArgs,
    egress: Egress,
) -> Result<Report, Failure> {
    let mut file = tenant_file::read_valid(&arguments.file, egress, "; nothing was written")?;
    for found in &file.notes {
        note(&format!("note: {found}"));
    }
    let context = context().await?;
    let tenants = context.tenants();
    let plan = plan(&tenants, &mut file).await?;
    check_grants(&context.grants(), &file).await?;
    note_secrets(&context, &file).await;
    for sink in &plan.still_paused {
        let tenant = &file.tenant.summary.id;
        note(&format!(
            "note: {sink} stays paused, since the file does not say `paused`: acequia tenant resume {tenant} {sink} ends that"
        ));
    }
    let tenant = file.tenant.summary.id.to_string();
    let mut applied =
        Applied { tenant, version: plan.current, changed: plan.changes.iter().map(ToString::to_string).collect() };
    let text = describe(&applied);
    if plan.changes.is_empty() || arguments.dry_run {
        let end = if plan.changes.is_empty() { "" } else { "\nDry run: nothing was written." };
        return Ok(Report::new(&applied, format!("{text}{end}")));
    }
    if !arguments.yes {
        note(&text);
    }
    let question = format!("Write this as version {} in stage {}?", plan.current + 1, context.stage);
    let _confirmed = confirm(&question, arguments.yes)?;
    applied.version = publish(&tenants, &file, &plan, actor(arguments.actor.as_deref())).await?;
    if plan.current == 0
        && let Some(waiting) = early(&context.operator(), &context.stage, &file.tenant.summary.id).await
    {
        note(&waiting);
    }
    let text = if arguments.yes { format!("{text}\n") } else { String::new() };
    Ok(Report::new(&applied, format!("{text}{}: version {} is current.", applied.tenant, applied.version)))
}

/// Refuses a sender or a queue outside that the tenant's stack does not allow. Its deliveries would be quarantined one by one.
pub(in crate::command) async fn check_grants(store: &impl GrantStore, file: &TenantFile) -> Result<(), Failure> {
    if !grant::is_needed(&file.raw) {
        return Ok(());
    }
    let refused = store.grants(&file.tenant.summary.id).await?.refusals(&file.raw);
    if refused.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = file.locate(&refused).iter().map(ToString::to_string).collect();
    Err(Failure::Invalid(format!(
        "the configuration wants what is not granted; nothing was written\n{}",
        lines.join("\n")
    )))
}

/// Says which secrets the file names that are not there. They may come later: what needs one waits in the dead-letter queue.
async fn note_secrets(context: &Context, file: &TenantFile) {
    if file.raw.secret_uses().is_empty() {
        return;
    }
    match context.secrets().names(&file.tenant.summary.id).await {
        Ok(known) => lacking(&file.raw, &known).iter().for_each(|found| note(found)),
        Err(error) => {
            note(&format!(
                "note: whether the secrets that it names exist could not be seen: {}",
                describe_failure(&error)
            ));
        }
    }
}

/// A note for each secret that is named and not there, with the command that writes it.
fn lacking(raw: &RawTenant, known: &SecretNames) -> Vec<String> {
    let mut said = BTreeSet::new();
    let uses = raw.secret_uses().into_iter();
    let missing = uses.filter(|used| {
        let there = known.iter().any(|(purpose, name)| *purpose == used.purpose && name.as_str() == used.name);
        !there && said.insert(used.name.to_owned())
    });
    let note = |used: SecretUse<'_>| {
        format!(
            "note: the {} secret {:?} ({}) does not exist: {}",
            used.purpose,
            used.name,
            used.path,
            put_command(&raw.tenant, used.purpose, used.name)
        )
    };
    missing.map(note).collect()
}

/// The command that writes a secret.
pub(in crate::command) fn put_command(tenant: impl Display, purpose: SecretPurpose, name: &str) -> String {
    let from = if purpose.can_be_generated() { "--generate" } else { "--value-stdin < FILE" };
    format!("acequia secret put {tenant} {name} --for {purpose} {from}")
}

/// What is to be said of events that came before the first configuration. Without permission to look, nothing is said.
async fn early(queues: &impl Depths, stage: &Stage, tenant: &TenantId) -> Option<String> {
    let standard = QueueName::new(stage, tenant, QueueRole::Intake);
    let ordered = QueueName { fifo: true, ..standard.clone() };
    let mut waiting = 0;
    for name in [standard.dead_letter(), ordered.dead_letter()] {
        waiting += queues.measure(&name).await.ok().flatten().map_or(0, |(_, depth)| depth);
    }
    (waiting > 0).then(|| {
        format!(
            "note: {} in the intake's dead-letter queue, where events lie that came before this: acequia dlq redrive {tenant} \
             --queue intake --reason {}",
            count(waiting, "event waits", "events wait"),
            Reason::UnknownTenant.as_str()
        )
    })
}

/// A sink that an operator paused stays so, unless the file says something of it.
pub(in crate::command) fn keep_paused(old: &RawTenant, new: &mut RawTenant) {
    for sink in new.sinks.iter_mut().filter(|sink| sink.paused.is_none()) {
        sink.paused = old.sinks.iter().find(|known| known.id == sink.id).and_then(|known| known.paused);
    }
}

async fn plan(tenants: &impl TenantStore, file: &mut TenantFile) -> Result<Plan, Failure> {
    let Some(stored) = tenants.current(&file.tenant.summary.id).await? else {
        let changes = change::between(None, &file.raw);
        return Ok(Plan { current: 0, changes, still_paused: Vec::new() });
    };
    // What an earlier release stored and this one cannot read is replaced as a whole.
    let old = RawTenant::from_json(&stored.document).ok();
    let unsaid: Vec<bool> = file.raw.sinks.iter().map(|sink| sink.paused.is_none()).collect();
    if let Some(old) = &old {
        keep_paused(old, &mut file.raw);
    }
    let kept = file.raw.sinks.iter().zip(unsaid).filter(|(sink, unsaid)| *unsaid && sink.paused == Some(true));
    let still_paused = kept.map(|(sink, _)| sink.id.clone()).collect();
    Ok(Plan { current: stored.version, changes: change::between(old.as_ref(), &file.raw), still_paused })
}

async fn publish(tenants: &impl TenantStore, file: &TenantFile, plan: &Plan, actor: String) -> Result<u64, Failure> {
    let summary = if plan.current == 0 {
        let sinks: Vec<&str> = file.tenant.sinks.iter().map(|sink| sink.id.as_str()).collect();
        format!("new, with sinks {}", sinks.join(", "))
    } else {
        plan.changes.iter().map(|change| change.path.as_str()).collect::<Vec<_>>().join(", ")
    };
    let change = Change {
        document: file.raw.to_json(),
        expected: plan.current,
        actor,
        at: SystemClock.now(),
        summary: summary.chars().take(SUMMARY).collect(),
    };
    Ok(tenants.publish(&file.tenant.summary.id, change).await?)
}

fn describe(applied: &Applied) -> String {
    let Applied { tenant, version, changed } = applied;
    match (version, changed.is_empty()) {
        (_, true) => format!("{tenant}: the same as version {version}, which is current. Nothing was written."),
        (0, false) => format!("{tenant} is new:\n  {}", changed.join("\n  ")),
        (_, false) => format!("{tenant}, against version {version}:\n  {}", changed.join("\n  ")),
    }
}

/// Who makes a change: as the command line has it, or else the user.
pub(super) fn actor(named: Option<&str>) -> String {
    #[expect(clippy::disallowed_methods, reason = "the user's name is nobody's configuration")]
    let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
    named.map(str::to_owned).or_else(user).unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use acequia_core::message::Outgoing;
    use acequia_core::port::Queues as _;
    use acequia_testkit::{FixedClock, InMemoryGrants, InMemoryQueues, InMemoryTenants, build};

    use super::*;

    fn file(url: &str) -> TenantFile {
        let text = format!(
            "tenant = \"acme\"\nname = \"Acme\"\n[[sinks]]\nid = \"crm\"\nkind = \"webhook\"\ntypes = [\"*\"]\n\
             url = \"{url}\"\nsecrets = [\"crm\"]\n"
        );
        tenant_file::parse("acme.toml", &text, Egress::Public).unwrap()
    }

    #[tokio::test]
    async fn a_file_becomes_the_next_version_and_the_same_file_changes_nothing() {
        let tenants = InMemoryTenants::new();
        let (mut one, mut two) = (file("https://a.example/"), file("https://b.example/"));
        for (file, version, count) in [(&mut one, 1, 7), (&mut two, 2, 1)] {
            let plan = plan(&tenants, file).await.unwrap();
            assert_eq!(plan.changes.len(), count, "{:?}", plan.changes);
            assert_eq!(publish(&tenants, file, &plan, "ana".to_owned()).await.unwrap(), version);
        }
        let again = plan(&tenants, &mut two).await.unwrap();
        assert_eq!((again.current, again.changes.len()), (2, 0));
        let audit = tenants.audit(&two.tenant.summary.id).await.unwrap();
        assert_eq!([&*audit[0].summary, &*audit[1].summary], ["new, with sinks crm", "sinks.crm.url"]);
    }

    #[tokio::test]
    async fn a_change_in_between_is_a_conflict_that_says_what_to_do() {
        let tenants = InMemoryTenants::new();
        let (mut one, mut two) = (file("https://a.example/"), file("https://b.example/"));
        let early = plan(&tenants, &mut one).await.unwrap();
        let other = plan(&tenants, &mut two).await.unwrap();
        publish(&tenants, &two, &other, "ben".to_owned()).await.unwrap();
        let failure = publish(&tenants, &one, &early, "ana".to_owned()).await.unwrap_err();
        assert!(matches!(&failure, Failure::Conflict(text) if text.contains("apply again")), "{failure:?}");
    }

    #[tokio::test]
    async fn a_paused_sink_stays_paused_unless_the_file_says_otherwise() {
        let tenants = InMemoryTenants::new();
        let mut first = file("https://a.example/");
        first.raw.sinks[0].paused = Some(true);
        let new = plan(&tenants, &mut first).await.unwrap();
        publish(&tenants, &first, &new, "ana".to_owned()).await.unwrap();
        let mut silent = file("https://b.example/");
        let plan_of_silent = plan(&tenants, &mut silent).await.unwrap();
        assert_eq!((silent.raw.sinks[0].paused, plan_of_silent.changes.len()), (Some(true), 1));
        assert_eq!(plan_of_silent.still_paused, ["crm"], "it is said");
        let mut explicit = file("https://b.example/");
        explicit.raw.sinks[0].paused = Some(false);
        assert!(plan(&tenants, &mut explicit).await.unwrap().still_paused.is_empty());
        assert_eq!(explicit.raw.sinks[0].paused, Some(false));
    }

    #[tokio::test]
    async fn a_sender_or_a_queue_that_the_tenants_stack_does_not_allow_is_refused_with_its_line() {
        let text = "tenant = \"acme\"\nname = \"Acme\"\n[[sinks]]\nid = \"thanks\"\nkind = \"email\"\ntypes = [\"*\"]\n\
            from = \"Acme <a@acme.example>\"\nto = \"x@y.example\"\nsubject = \"s\"\ntext = \"t\"\n\
            [[sinks]]\nid = \"far\"\nkind = \"forward\"\ntypes = [\"*\"]\nqueue = \"arn:aws:sqs:eu-west-1:111122223333:crm\"\n";
        let file = tenant_file::parse("acme.toml", text, Egress::Public).unwrap();
        let store = InMemoryGrants::new();
        let refused = check_grants(&store, &file).await.unwrap_err();
        let Failure::Invalid(said) = &refused else { panic!("{refused:?}") };
        assert!(
            said.contains("acme.toml:7: sinks[0].from: ") && said.contains("acme.toml:15: sinks[1].queue: "),
            "{said}"
        );
        assert!(said.contains("SenderDomains") && said.contains("ForwardTargets"), "{said}");
        store.put(&build::tenant_id("acme"), "acme.example", "arn:aws:sqs:eu-west-1:111122223333:*");
        assert!(check_grants(&store, &file).await.is_ok());
    }

    #[tokio::test]
    async fn events_that_came_before_the_configuration_are_counted_with_the_command_that_brings_them_back() {
        let (queues, tenant) = (InMemoryQueues::new(FixedClock::default()), build::tenant_id("acme"));
        let dead = build::dead_letter_queue("acme", QueueRole::Intake);
        assert_eq!(early(&queues, &build::stage(), &tenant).await, None);
        for (more, said) in [(1, "note: 1 event waits in"), (2, "note: 3 events wait in")] {
            let event = Outgoing { body: "{}".to_owned(), ..Outgoing::default() };
            assert!(queues.send(&dead, &vec![event; more]).await.iter().all(Result::is_ok));
            let note = early(&queues, &build::stage(), &tenant).await.unwrap();
            assert!(note.starts_with(said), "{note}");
            assert!(note.ends_with("acequia dlq redrive acme --queue intake --reason unknown-tenant"), "{note}");
        }
    }

    #[tokio::test]
    async fn a_file_that_needs_no_grant_asks_for_none() {
        let store = InMemoryGrants::new();
        store.reads.go_down();
        assert!(check_grants(&store, &file("https://a.example/")).await.is_ok());
    }

    #[test]
    fn a_secret_that_is_not_there_is_noted_once_with_the_command_that_writes_it() {
        let mut raw = file("https://a.example/").raw;
        raw.sinks.push(raw.sinks[0].clone());
        let notes = lacking(&raw, &SecretNames::new());
        assert_eq!(
            notes,
            [
                "note: the webhook secret \"crm\" (sinks[0].secrets[0]) does not exist: acequia secret put acme crm --for webhook --generate"
            ]
        );
        let other = SecretNames::from([(SecretPurpose::Link, build::secret_name("crm"))]);
        assert_eq!(lacking(&raw, &other).len(), 1, "it is there for another purpose");
        let there = SecretNames::from([(SecretPurpose::Webhook, build::secret_name("crm"))]);
        assert!(lacking(&raw, &there).is_empty());
        assert!(put_command("acme", SecretPurpose::Header, "token").ends_with("--for header --value-stdin < FILE"));
    }

    #[test]
    fn the_json_for_scripts_has_tenant_version_and_changes() {
        let applied = Applied { tenant: "acme".to_owned(), version: 2, changed: vec!["name: x".to_owned()] };
        let json: serde_json::Value = serde_json::from_str(Report::new(&applied, "").json()).unwrap();
        assert_eq!(json, serde_json::json!({"tenant": "acme", "version": 2, "changed": ["name: x"]}));
    }
}
