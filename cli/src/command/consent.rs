//! `acequia consent`: who agreed to what, when, on which text; and forgetting it.

use std::fmt::Write as _;
use std::path::Path;

use acequia_core::audit::AuditAction;
use acequia_core::consent::SubjectId;
use acequia_operations::consent::{self, Erasure, ShownSubject};
use acequia_operations::time;
use serde::Serialize;

use super::audited;
use crate::args::{ConsentCommand, SubjectArgs};
use crate::author::Author;
use crate::confirm::{ConfirmedByName, confirm_by_name};
use crate::context::Context;
use crate::failure::Failure;
use crate::file::write_private_file;
use crate::input;
use crate::output::{Report, count, escape_json, table};

#[derive(Serialize)]
struct Exported {
    lines: usize,
}

pub(super) async fn run(context: &Context, command: &ConsentCommand) -> Result<Report, Failure> {
    match command {
        ConsentCommand::Show(subject) => {
            let shown = consent::show(context, &subject.tenant, identify(subject)?).await?;
            Ok(Report::new(&shown, describe(&shown)))
        }
        ConsentCommand::Export { subject, out, author } => {
            let id = identify(subject)?;
            let what = id.to_string();
            let exporting = Box::pin(async { export(&consent::show(context, &subject.tenant, id).await?, out) });
            let done = |_: &Report| "done".to_owned();
            audited(
                context,
                (&subject.tenant, &author.ask(context).await),
                (AuditAction::Export, &what),
                exporting,
                done,
            )
            .await
        }
        ConsentCommand::Erase { subject, keep_suppressed, yes, author } => {
            let id = identify(subject)?;
            let question = format!("This erases {id} of {} for good.", subject.tenant);
            let confirmed = confirm_by_name(&question, &subject.tenant, *yes)?;
            erase(context, (subject, author), id, *keep_suppressed, &confirmed).await
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
    Ok(consent::identify(&arguments.tenant, text))
}

fn describe(shown: &ShownSubject) -> String {
    let mut text = format!("{} of {}\n", shown.subject, shown.tenant);
    if let Some(why) = shown.suppressed {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "Gets no mails: {why}.");
    }
    for listed in &shown.consents {
        let _ = writeln!(text, "\nList {}: {}, address {}", listed.list, listed.state, listed.email_status);
        let rows = listed.proofs.iter().map(|line| {
            let event = line.event.as_ref().map(ToString::to_string).unwrap_or_default();
            [time::text(line.at), line.what.clone(), line.by.clone(), line.config_version.to_string(), event]
        });
        text.push_str(&table(["AT", "WHAT", "BY", "CONFIG", "EVENT"], rows));
        text.push('\n');
    }
    text
}

fn export(shown: &ShownSubject, out: &Path) -> Result<Report, Failure> {
    let proof = shown.proof();
    // A line is a struct of texts and numbers, which always has a JSON form.
    let lines = proof.iter().map(|line| escape_json(&serde_json::to_string(line).unwrap_or_default()));
    let mut text = lines.collect::<Vec<_>>().join("\n");
    let exported = Exported { lines: proof.len() };
    if out.as_os_str() == "-" {
        return Ok(Report::new(&exported, text));
    }
    text.push('\n');
    // Only the operator may read the proof of consent.
    write_private_file(out, text.as_bytes())?;
    let what = count(proof.len(), "line is", "lines are");
    Ok(Report::new(&exported, format!("{what} in {}, which only you can read.", out.display())))
}

async fn erase(
    context: &Context,
    (arguments, author): (&SubjectArgs, &Author),
    id: SubjectId,
    keep_suppressed: bool,
    _confirmed: &ConfirmedByName,
) -> Result<Report, Failure> {
    let (tenant, what) = (&arguments.tenant, id.to_string());
    let erasing = Box::pin(consent::erase(context, tenant, id, keep_suppressed));
    let came_to = |erased: &Erasure| count(erased.rows, "row", "rows");
    let erased =
        audited(context, (tenant, &author.ask(context).await), (AuditAction::Erase, &what), erasing, came_to).await?;
    let remains = erased.remains.map(|text| format!("  {text}")).join("\n");
    let rows = count(erased.rows, "row is", "rows are");
    Ok(Report::new(&erased, format!("{rows} erased. What remains, and why:\n{remains}")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use acequia_operations::consent::{ShownAction, ShownConsent, ShownProof};
    use acequia_testkit::build;

    use super::*;

    fn shown() -> ShownSubject {
        let proof = |what: &str| ShownProof {
            at: build::start(),
            what: what.to_owned(),
            by: "link".to_owned(),
            event: Some(build::event_id("1")),
            config_version: 3,
            key: None,
        };
        let consent = ShownConsent {
            list: "trees".to_owned(),
            state: "accepted",
            email_status: "confirmed",
            since: build::start(),
            changed: build::start(),
            proofs: vec![proof("asked"), proof("accept")],
            actions: vec![ShownAction { event: build::event_id("1"), state: "delivered", accepted_at: build::start() }],
        };
        let tenant = build::tenant_id("acme");
        let subject = consent::identify(&tenant, "ana@example.org");
        ShownSubject { tenant, subject, suppressed: Some("complaint"), consents: vec![consent] }
    }

    #[test]
    fn a_subject_is_named_with_or_without_spaces_and_never_by_nothing() {
        let named = |text: &str| identify(&SubjectArgs { tenant: build::tenant_id("acme"), subject: text.to_owned() });
        assert_eq!(named(" Ana@example.org ").unwrap(), shown().subject);
        assert!(matches!(named(" "), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_subject_is_shown_with_its_lists_and_what_was_done() {
        let text = describe(&shown());
        assert!(text.contains("Gets no mails: complaint.") && text.contains("List trees: accepted"), "{text}");
        assert!(text.contains("2026-01-01T00:00:00.000Z  accept  link  3       /tests|1"), "{text}");
    }

    #[test]
    fn the_export_has_a_line_for_each_thing_that_was_done() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("proof.jsonl");
        export(&shown(), &out).unwrap();
        let mode = std::fs::metadata(&out).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "nobody else can read it");
        assert!(matches!(export(&shown(), &out), Err(Failure::Conflict(_))), "what is there stays");
        let text = std::fs::read_to_string(out).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines.len(), &lines[1]["what"], &lines[1]["config_version"]), (2, &"accept".into(), &3.into()));
    }
}
