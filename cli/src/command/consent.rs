//! `acequia consent`: who agreed to what, when, on which text; and forgetting it.

use std::fmt::Write as _;
use std::path::Path;

use acequia_core::consent::{AddressId, Dossier, SubjectId, Suppression};
use acequia_core::id::TenantId;
use acequia_core::port::{Consents, SuppressionList};
use serde::Serialize;

use crate::args::{ConsentCommand, SubjectArgs};
use crate::confirm::{ConfirmedByName, confirm_by_name};
use crate::context::{Context, time};
use crate::exit::Failure;
use crate::input;
use crate::output::{self, Report, escape_json, table, write_private_file};

/// What erasing leaves, and why. The texts are part of what is told to people who ask.
const REMAINS: [&str; 8] = [
    "the ledger: ids of events, and no address; its rows expire after 30 days",
    "delayed messages, with their bodies: up to 15 days after they are due, and as long as their sink is paused; `acequia delayed` shows how many wait for each sink",
    "what is known of the address, where the events name the subject by something else: erase the address in the same way, `acequia consent erase TENANT ADDRESS`",
    "how often an address was asked on a day: a number under a digest, which expires after three days",
    "messages on their way and in dead-letter queues: SQS keeps them for 14 days in each; `acequia dlq list` shows them, `dlq purge` deletes them",
    "what sinks received: it is the receivers' to erase",
    "SES's own suppression list, where the address stands on it: `aws sesv2 delete-suppressed-destination` takes it off",
    "the tables' continuous backups: at most 35 days",
];

#[derive(Serialize)]
struct Shown {
    tenant: TenantId,
    subject: SubjectId,
    suppressed: Option<&'static str>,
    consents: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    list: String,
    state: &'static str,
    email_status: &'static str,
    since: String,
    changed: String,
    proofs: Vec<Line>,
    actions: Vec<ActionLine>,
}

/// One line of the proof.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
struct Line {
    at: String,
    what: String,
    by: String,
    event: Option<String>,
    config_version: u64,
    key: Option<String>,
}

#[derive(Serialize)]
struct ActionLine {
    event: String,
    state: &'static str,
    accepted_at: String,
}

#[derive(Serialize)]
struct Exported {
    lines: usize,
}

#[derive(Serialize)]
struct Erased {
    rows: usize,
    address: bool,
    remains: [&'static str; 8],
}

pub(super) async fn run(context: &Context, command: &ConsentCommand) -> Result<Report, Failure> {
    let (consents, mail_store) = (context.consents(), context.mail_store());
    match command {
        ConsentCommand::Show(subject) => {
            let (id, shown) = look(&consents, &mail_store, subject).await?;
            Ok(Report::new(&shown, describe(&shown, id)))
        }
        ConsentCommand::Export { subject, out } => {
            let (_, shown) = look(&consents, &mail_store, subject).await?;
            export(&shown, out)
        }
        ConsentCommand::Erase { subject, keep_suppressed, yes } => {
            let id = identify(subject)?;
            let question = format!("This erases {id} of {} for good.", subject.tenant);
            let confirmed = confirm_by_name(&question, &subject.tenant, *yes)?;
            let erased = erase(&consents, &mail_store, &subject.tenant, id, *keep_suppressed, &confirmed).await?;
            let remains = REMAINS.map(|text| format!("  {text}")).join("\n");
            let rows = output::count(erased.rows, "row is", "rows are");
            let text = format!("{rows} erased. What remains, and why:\n{remains}");
            Ok(Report::new(&erased, text))
        }
    }
}

fn identify(arguments: &SubjectArgs) -> Result<SubjectId, Failure> {
    let text = if arguments.subject == "-" { input::stdin_line()? } else { arguments.subject.clone() };
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::Usage(
            "the subject is empty: give the address, or what else the events name it by".to_owned(),
        ));
    }
    // Events of the consent function name subjects by their digests.
    Ok(text.parse().unwrap_or_else(|_| SubjectId::derive(&arguments.tenant, text)))
}

async fn look(
    consents: &impl Consents,
    mail_store: &impl SuppressionList,
    arguments: &SubjectArgs,
) -> Result<(SubjectId, Shown), Failure> {
    let (tenant, id) = (&arguments.tenant, identify(arguments)?);
    let dossier = consents.dossier(tenant, &id).await?;
    let suppressed = mail_store.suppressed(tenant, &[id]).await?.into_iter().flatten().next();
    if dossier == Dossier::default() && suppressed.is_none() {
        return Err(Failure::NotFound(format!("tenant {tenant} knows nothing of this subject ({id})")));
    }
    Ok((id, show(tenant, id, &dossier, suppressed.as_ref())))
}

fn show(tenant: &TenantId, subject: SubjectId, dossier: &Dossier, suppressed: Option<&Suppression>) -> Shown {
    let listed = dossier.consents.iter().map(|(key, consent)| {
        let of_list = || dossier.actions.iter().filter(move |(owner, _)| owner == key).map(|(_, action)| action);
        let event = |id| of_list().find(|action| action.id == id).map(|action| action.event.to_string());
        let proofs = consent.proofs.iter().map(|proof| Line {
            at: time(proof.at),
            what: proof.what.clone(),
            by: proof.by.clone(),
            event: event(proof.action),
            config_version: proof.config_version,
            key: proof.key.clone(),
        });
        let actions = of_list().map(|action| ActionLine {
            event: action.event.to_string(),
            state: action.state.as_str(),
            accepted_at: time(action.accepted_at),
        });
        Listed {
            list: consent.list.clone(),
            state: consent.state.as_str(),
            email_status: consent.email.as_str(),
            since: time(consent.created_at),
            changed: time(consent.updated_at),
            proofs: proofs.collect(),
            actions: actions.collect(),
        }
    });
    let suppressed = suppressed.map(|suppression| suppression.reason.as_str());
    Shown { tenant: tenant.clone(), subject, suppressed, consents: listed.collect() }
}

fn describe(shown: &Shown, id: SubjectId) -> String {
    let mut text = format!("{id} of {}\n", shown.tenant);
    if let Some(why) = shown.suppressed {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "Gets no mails: {why}.");
    }
    for listed in &shown.consents {
        let _ = writeln!(text, "\nList {}: {}, address {}", listed.list, listed.state, listed.email_status);
        let rows = listed.proofs.iter().map(|line| {
            let event = line.event.clone().unwrap_or_default();
            [line.at.clone(), line.what.clone(), line.by.clone(), line.config_version.to_string(), event]
        });
        text.push_str(&table(["AT", "WHAT", "BY", "CONFIG", "EVENT"], rows));
        text.push('\n');
    }
    text
}

fn export(shown: &Shown, out: &Path) -> Result<Report, Failure> {
    let mut lines = Vec::new();
    for listed in &shown.consents {
        for line in &listed.proofs {
            let line = serde_json::json!({
                "tenant": shown.tenant, "subject": shown.subject, "list": listed.list, "state": listed.state,
                "at": line.at, "what": line.what, "by": line.by, "event": line.event, "config_version": line.config_version, "key": line.key,
            });
            lines.push(escape_json(&line.to_string()));
        }
    }
    let count = lines.len();
    let mut text = lines.join("\n");
    if out.as_os_str() == "-" {
        return Ok(Report::new(&Exported { lines: count }, text));
    }
    text.push('\n');
    // Who agreed to what is nobody else's to read.
    write_private_file(out, text.as_bytes())?;
    let what = output::count(count, "line is", "lines are");
    Ok(Report::new(&Exported { lines: count }, format!("{what} in {}, which only you can read.", out.display())))
}

async fn erase(
    consents: &impl Consents,
    mail_store: &impl SuppressionList,
    tenant: &TenantId,
    id: SubjectId,
    keep_suppressed: bool,
    _confirmed: &ConfirmedByName,
) -> Result<Erased, Failure> {
    let address: AddressId = id;
    // The address first: if the second fails, the command can be run again and finds the rest.
    let known = if keep_suppressed { false } else { mail_store.forget(tenant, &address).await? };
    let rows = consents.erase(tenant, &id).await?;
    Ok(Erased { rows, address: known, remains: REMAINS })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use acequia_core::consent::{
        Action, ActionId, ActionState, Change, Consent, ConsentKey, ListId, Proof, SubjectState, SuppressionReason,
    };
    use acequia_testkit::{InMemoryConsents, InMemoryMailStore, build};

    use super::*;

    fn arguments(subject: &str) -> SubjectArgs {
        SubjectArgs { tenant: build::tenant_id("acme"), subject: subject.to_owned() }
    }

    /// Ana has agreed on the list `trees`.
    async fn consents() -> InMemoryConsents {
        let tenant = build::tenant_id("acme");
        let key = ConsentKey {
            subject: SubjectId::derive(&tenant, "ana@example.org"),
            list: ListId::derive(&tenant, "trees"),
        };
        let id = ActionId::derive(&tenant, &build::event_id("1"));
        let action = Action {
            id,
            event: build::event_id("1"),
            state: ActionState::Delivered,
            rank: 0,
            with_consent: true,
            body: None,
            accepted_at: build::start(),
        };
        let mut consent =
            Consent { version: 1, state: SubjectState::Accepted, ..Consent::new("trees", build::start()) };
        for what in ["asked", "accept"] {
            consent.note(Proof {
                at: build::start(),
                what: what.to_owned(),
                by: "link".to_owned(),
                action: id,
                config_version: 3,
                key: None,
            });
        }
        let consents = InMemoryConsents::new();
        consents.commit(&tenant, &Change { key, consent, actions: vec![action], outbox: vec![] }).await.unwrap();
        consents
    }

    #[tokio::test]
    async fn a_subject_is_found_by_address_or_digest_and_shown_without_the_address() {
        let (consents, mail_store) = (consents().await, InMemoryMailStore::new());
        let (id, shown) = look(&consents, &mail_store, &arguments(" Ana@example.org ")).await.unwrap();
        assert_eq!(look(&consents, &mail_store, &arguments(&id.to_string())).await.unwrap().0, id);
        let text = describe(&shown, id);
        assert!(text.contains("List trees: accepted") && text.contains("/tests|1") && !text.contains("na@"), "{text}");
        let missing = look(&consents, &mail_store, &arguments("ben@example.org")).await;
        assert!(matches!(missing, Err(Failure::NotFound(_))));
    }

    #[tokio::test]
    async fn the_export_has_a_line_for_each_thing_that_was_done() {
        let (_, shown) =
            look(&consents().await, &InMemoryMailStore::new(), &arguments("ana@example.org")).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("proof.jsonl");
        export(&shown, &out).unwrap();
        let mode = std::fs::metadata(&out).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "nobody else can read it");
        assert!(matches!(export(&shown, &out), Err(Failure::Conflict(_))), "what is there stays");
        let text = std::fs::read_to_string(out).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines.len(), &lines[1]["what"], &lines[1]["config_version"]), (2, &"accept".into(), &3.into()));
    }

    #[tokio::test]
    async fn erasing_leaves_no_row_and_can_keep_that_no_mail_is_wanted() {
        for (keep, stays) in [(false, false), (true, true)] {
            let (consents, mail_store, tenant) = (consents().await, InMemoryMailStore::new(), build::tenant_id("acme"));
            let id = SubjectId::derive(&tenant, "ana@example.org");
            let suppression = Suppression { reason: SuppressionReason::Complaint, since: build::start() };
            mail_store.suppress(&tenant, &id, &suppression).await.unwrap();
            let confirmed = confirm_by_name("", &tenant, true).unwrap();
            let erased = erase(&consents, &mail_store, &tenant, id, keep, &confirmed).await.unwrap();
            assert_eq!((erased.rows, erased.address), (2, !keep));
            for named in ["delayed", "erase the address", "dlq purge", "backups"] {
                assert!(erased.remains.iter().any(|line| line.contains(named)), "{named}");
            }
            assert_eq!(consents.dossier(&tenant, &id).await.unwrap(), Dossier::default());
            assert_eq!(mail_store.suppressed(&tenant, &[id]).await.unwrap()[0].is_some(), stays);
        }
    }
}
