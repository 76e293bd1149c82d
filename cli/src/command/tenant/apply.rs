//! `acequia tenant apply`: writes a file as the next version, after showing what changes.

use std::fmt::Display;

use acequia_core::egress::Egress;
use acequia_core::id::TenantId;
use acequia_core::outcome::Reason;
use acequia_core::port::Unavailable;
use acequia_core::secret::SecretPurpose;
use acequia_operations::OperationError;
use acequia_operations::apply::{self, Applied, MissingSecret, Plan};

use crate::args::ApplyArgs;
use crate::command::table;
use crate::confirm::confirm;
use crate::context::Context;
use crate::failure::{Failure, describe as describe_failure};
use crate::output::{Report, count, note};
use crate::tenant_file::{self, TenantFile};

pub(super) async fn run(
    context: impl AsyncFnOnce() -> Result<Context, Failure>,
    arguments: &ApplyArgs,
    egress: Egress,
) -> Result<Report, Failure> {
    let file = tenant_file::read_valid(&arguments.file, egress, "; nothing was written")?;
    for found in &file.notes {
        note(&format!("note: {found}"));
    }
    let context = context().await?;
    if arguments.check {
        table::require(&file, &arguments.entry, async || Ok(context.database_tokens())).await?;
    }
    let plan = apply::plan(&context, &file.tenant, &file.raw).await.map_err(|error| in_file(error, &file))?;
    for found in secrets(&plan.tenant, &plan.missing_secrets) {
        note(&found);
    }
    for sink in &plan.still_paused {
        let tenant = &plan.tenant;
        note(&format!(
            "note: {sink} stays paused, since the file does not say `paused`: acequia tenant resume {tenant} {sink} ends that"
        ));
    }
    let unapplied = plan.unapplied();
    let text = describe(&unapplied);
    if plan.changes.is_empty() || arguments.dry_run {
        let end = if plan.changes.is_empty() { "" } else { "\nDry run: nothing was written." };
        return Ok(Report::new(&unapplied, format!("{text}{end}")));
    }
    if !arguments.yes {
        note(&text);
    }
    let question = format!("Write this as version {} in stage {}?", plan.current + 1, context.stage);
    let _confirmed = confirm(&question, arguments.yes)?;
    let text = if arguments.yes { format!("{text}\n") } else { String::new() };
    let applied = publish(&context, &plan, arguments).await?;
    Ok(Report::new(&applied, format!("{text}{}: version {} is current.", applied.tenant, applied.version)))
}

async fn publish(context: &Context, plan: &Plan, arguments: &ApplyArgs) -> Result<Applied, Failure> {
    let applied = apply::publish(context, plan, &arguments.author.ask(context).await).await?;
    if plan.current == 0
        && let Some(waiting) = early(&plan.tenant, apply::events_before(context, &plan.tenant).await)
    {
        note(&waiting);
    }
    Ok(applied)
}

/// The error of a use case that was given a file: what the tenant's stack does not allow is told with its lines.
pub(in crate::command) fn in_file(error: OperationError, file: &TenantFile) -> Failure {
    let OperationError::NotGranted { issues, .. } = error else { return error.into() };
    let lines: Vec<String> = file.locate(&issues.0).iter().map(ToString::to_string).collect();
    Failure::Invalid(format!("the configuration wants what is not granted; nothing was written\n{}", lines.join("\n")))
}

/// A note for each secret that is named and not there, with the command that writes it.
fn secrets(tenant: &TenantId, missing: &Result<Vec<MissingSecret>, Unavailable>) -> Vec<String> {
    let note = |MissingSecret { purpose, name, path }: &MissingSecret| {
        let put = put_command(tenant, *purpose, name);
        format!("note: the {purpose} secret {name:?} ({path}) does not exist: {put}")
    };
    match missing {
        Ok(missing) => missing.iter().map(note).collect(),
        Err(error) => {
            let why = describe_failure(error);
            vec![format!("note: whether the secrets that it names exist could not be seen: {why}")]
        }
    }
}

/// The command that writes a secret.
pub(in crate::command) fn put_command(tenant: impl Display, purpose: SecretPurpose, name: &str) -> String {
    let from = if purpose.can_be_generated() { "--generate" } else { "--value-stdin < FILE" };
    format!("acequia secret put {tenant} {name} --for {purpose} {from}")
}

/// What is to be said of events that came before the first configuration.
fn early(tenant: &TenantId, waiting: u64) -> Option<String> {
    (waiting > 0).then(|| {
        format!(
            "note: {} in the intake's dead-letter queue, where events lie that came before this: acequia dlq redrive {tenant} \
             --queue intake --reason {}",
            count(waiting, "event waits", "events wait"),
            Reason::UnknownTenant.as_str()
        )
    })
}

fn describe(applied: &Applied) -> String {
    let Applied { tenant, version, changed } = applied;
    let changed: Vec<String> = changed.iter().map(ToString::to_string).collect();
    match (version, changed.is_empty()) {
        (_, true) => format!("{tenant}: the same as version {version}, which is current. Nothing was written."),
        (0, false) => format!("{tenant} is new:\n  {}", changed.join("\n  ")),
        (_, false) => format!("{tenant}, against version {version}:\n  {}", changed.join("\n  ")),
    }
}

#[cfg(test)]
mod tests {
    use acequia_core::tenant::grant::Grants;
    use acequia_core::tenant::{Issues, RawTenant};
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn a_sender_or_a_queue_that_the_tenants_stack_does_not_allow_is_refused_with_its_line() {
        let text = "tenant = \"acme\"\nname = \"Acme\"\n[[sinks]]\nid = \"thanks\"\nkind = \"email\"\ntypes = [\"*\"]\n\
            from = \"Acme <a@acme.example>\"\nto = \"x@y.example\"\nsubject = \"s\"\ntext = \"t\"\n\
            [[sinks]]\nid = \"far\"\nkind = \"forward\"\ntypes = [\"*\"]\nqueue = \"arn:aws:sqs:eu-west-1:111122223333:crm\"\n";
        let file = tenant_file::parse("acme.toml", text, Egress::Public).unwrap();
        let issues = Issues(Grants::default().refusals(&file.raw));
        let refused = in_file(OperationError::NotGranted { tenant: build::tenant_id("acme"), issues }, &file);
        let Failure::Invalid(said) = &refused else { panic!("{refused:?}") };
        assert!(
            said.contains("acme.toml:7: sinks[0].from: ") && said.contains("acme.toml:15: sinks[1].queue: "),
            "{said}"
        );
        assert!(said.contains("SenderDomains") && said.contains("ForwardTargets"), "{said}");
        let other = in_file(Unavailable::new("look", "x").into(), &file);
        assert_eq!(other.exit(), crate::exit::Exit::Aws);
    }

    #[test]
    fn events_that_came_before_the_configuration_are_told_with_the_command_that_brings_them_back() {
        let tenant = build::tenant_id("acme");
        assert_eq!(early(&tenant, 0), None);
        for (waiting, said) in [(1, "note: 1 event waits in"), (3, "note: 3 events wait in")] {
            let note = early(&tenant, waiting).unwrap();
            assert!(note.starts_with(said), "{note}");
            assert!(note.ends_with("acequia dlq redrive acme --queue intake --reason unknown-tenant"), "{note}");
        }
    }

    #[test]
    fn a_secret_that_is_not_there_is_noted_with_the_command_that_writes_it() {
        let (tenant, path) = (build::tenant_id("acme"), "sinks[0].secrets[0]".to_owned());
        let missing = MissingSecret { purpose: SecretPurpose::Webhook, name: "crm".to_owned(), path };
        assert_eq!(
            secrets(&tenant, &Ok(vec![missing])),
            [
                "note: the webhook secret \"crm\" (sinks[0].secrets[0]) does not exist: acequia secret put acme crm --for webhook --generate"
            ]
        );
        let unseen = secrets(&tenant, &Err(Unavailable::new("list the secrets", "AccessDenied")));
        assert!(unseen[0].contains("could not be seen: cannot list the secrets"), "{unseen:?}");
        assert!(put_command("acme", SecretPurpose::Header, "token").ends_with("--for header --value-stdin < FILE"));
    }

    #[test]
    fn what_changes_is_described_against_what_is_current() {
        let described = |version, changed: Vec<acequia_operations::change::Change>| {
            describe(&Applied { tenant: build::tenant_id("acme"), version, changed })
        };
        assert_eq!(described(2, Vec::new()), "acme: the same as version 2, which is current. Nothing was written.");
        let raw = RawTenant::from_json(r#"{"tenant":"acme","name":"Acme","sinks":[]}"#).unwrap();
        let changes = acequia_operations::change::between(None, &raw);
        assert!(described(0, changes.clone()).starts_with("acme is new:\n  name: added: \"Acme\""));
        assert!(described(2, changes).starts_with("acme, against version 2:\n  "));
    }
}
