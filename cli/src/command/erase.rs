//! `acequia erase`: erases what is kept about a person.

use std::fmt::Write as _;

use acequia_core::audit::AuditAction;
use acequia_core::port::{Entry, TenantStore as _};
use acequia_core::table::erasure;
use acequia_core::tenant::{RawTenant, TableSink, Target, Tenant};
use acequia_operations::erase::{self, Erased, Options, Wanted};
use acequia_operations::{OperationError, Ports as _};
use acequia_postgres::PostgresTables;
use serde::Serialize;

use super::audited;
use super::dlq::{Progress, unless_stopped};
use crate::args::EraseArgs;
use crate::confirm::confirm_by_name;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input;
use crate::output::{Report, clean, count};

/// What became of the rows of one table sink.
#[derive(Debug, Serialize)]
struct TableErased {
    /// The sink.
    sink: String,
    /// Its table.
    table: String,
    /// How many rows; null where they were not looked at.
    rows: Option<u64>,
    /// Why they were not, and what to do.
    left: Option<String>,
}

#[derive(Debug, Serialize)]
struct All {
    #[serde(flatten)]
    erased: Erased,
    tables: Vec<TableErased>,
}

pub(super) async fn run(context: &Context, arguments: &EraseArgs) -> Result<Report, Failure> {
    let EraseArgs { tenant, pattern, dry_run, keep_suppressed, from, to, .. } = arguments;
    let subject = if arguments.subject == "-" { input::stdin_line()? } else { arguments.subject.clone() };
    let subject = subject.trim();
    if subject.is_empty() {
        return Err(Failure::Usage("--subject is empty: give what the tenant's events name the person by".to_owned()));
    }
    let wanted = Wanted::new(tenant, subject, pattern.as_deref());
    let wanted = wanted.map_err(|error| Failure::Usage(format!("--match: {error}")))?;
    let options = Options { dry_run: *dry_run, keep_suppressed: *keep_suppressed, from: *from, to: *to };
    let all = if *dry_run {
        every(context, arguments, (&wanted, subject), options).await?
    } else {
        let question = format!("This erases {} of {tenant} for good.", wanted.subject);
        confirm_by_name(&question, tenant, arguments.yes)?;
        let (by, what) = (arguments.author.ask(context).await, wanted.subject.to_string());
        let erasing = Box::pin(every(context, arguments, (&wanted, subject), options));
        audited(context, (tenant, &by), (AuditAction::Erase, &what), erasing, came_to).await?
    };
    let complete = all.erased.is_complete() && all.tables.iter().all(|table| table.left.is_none());
    let exit = if complete { Exit::Ok } else { Exit::Failed };
    Ok(Report::new(&all, described(&all)).ending(exit))
}

fn came_to(all: &All) -> String {
    let Erased { archive, delayed, dead_letters, consents, stopped, .. } = &all.erased;
    let rows: u64 = all.tables.iter().filter_map(|table| table.rows).sum();
    let how = if *stopped { "stopped: " } else { "" };
    format!(
        "{how}{} archived events, {delayed} delayed messages, {dead_letters} dead letters, {consents} rows of consents, {rows} rows of tables",
        archive.events
    )
}

async fn every(
    context: &Context,
    arguments: &EraseArgs,
    (wanted, subject): (&Wanted, &str),
    options: Options,
) -> Result<All, Failure> {
    let watch = Progress::silent();
    let erased = unless_stopped(&watch, erase::run(context, wanted, options, &watch).await)?;
    watch.finish();
    let mut subjects: Vec<String> = erased.spellings.iter().cloned().collect();
    // A digest is nobody's spelling.
    if subject.parse::<acequia_core::consent::SubjectId>().is_err() {
        subjects.extend([subject.to_owned(), subject.to_lowercase()]);
    }
    subjects.sort();
    subjects.dedup();
    let tables = if erased.stopped { Vec::new() } else { tables(context, arguments, &subjects).await? };
    Ok(All { erased, tables })
}

/// Erases rows of the table sinks that the tenant has now.
async fn tables(context: &Context, arguments: &EraseArgs, subjects: &[String]) -> Result<Vec<TableErased>, Failure> {
    let tenant = &arguments.tenant;
    let Some(stored) = context.tenants().current(tenant).await.map_err(OperationError::from)? else {
        return Ok(Vec::new());
    };
    let unreadable =
        |issues| OperationError::UnreadableConfiguration { tenant: tenant.clone(), version: stored.version, issues };
    let raw = RawTenant::from_json(&stored.document).map_err(unreadable)?;
    let configured = Tenant::of_stored(&raw).map_err(unreadable)?;
    let mut all = Vec::new();
    for sink in &configured.sinks {
        let Target::Table(table) = &sink.target else { continue };
        let done = rows(context, arguments, table, subjects).await;
        let (rows, left) = match done {
            Ok(rows) => (Some(rows), None),
            Err(why) => (None, Some(why)),
        };
        all.push(TableErased { sink: sink.id.to_string(), table: table.layout.table.to_string(), rows, left });
    }
    Ok(all)
}

/// The rows of one sink; or why they are left, and what to do.
async fn rows(context: &Context, arguments: &EraseArgs, table: &TableSink, subjects: &[String]) -> Result<u64, String> {
    let Some(statement) = erasure(&table.layout, arguments.dry_run) else {
        return Err("no column of the sink has the subject, nor the event: find its rows by what they have".to_owned());
    };
    if subjects.is_empty() {
        return Err("no event says how the digest is written: name the subject itself".to_owned());
    }
    let tokens = async || Ok(context.database_tokens());
    let credential = super::table::credential(&table.database, &arguments.entry, &tokens);
    let by_hand = |why: String| format!("{why}; by hand, with the subject in a list for $1: {statement}");
    let credential = credential.await.map_err(|failure| by_hand(failure.to_string()))?;
    let entry = Entry { tenant: &arguments.tenant, database: &table.database, credential: &credential };
    let erased = PostgresTables::new().erase(entry, &table.layout, subjects, arguments.dry_run).await;
    match erased {
        Ok(rows) => Ok(rows.unwrap_or_default()),
        Err(error) => Err(by_hand(format!("{}: {error}", table.database.address))),
    }
}

fn described(all: &All) -> String {
    let All { erased, tables } = all;
    let Erased { tenant, subject, archive, .. } = erased;
    let did = if erased.dry_run { "would be erased, and nothing was" } else { "is erased" };
    let mut text = format!("{subject} of {tenant}: this {did}.\n");
    let mut line = |what: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {what:<20}{value}");
    };
    line(
        "archive",
        format!(
            "{} in {} of {} that were read",
            count(archive.events, "event", "events"),
            count(archive.rewritten, "object", "objects"),
            archive.objects
        ),
    );
    line("delayed", count(erased.delayed, "message", "messages"));
    line("dead letters", count(erased.dead_letters, "message", "messages"));
    line("consents", count(erased.consents, "row", "rows"));
    line("address", if erased.address { "what was known of it" } else { "nothing" }.to_owned());
    for table in tables {
        let value = match (&table.rows, &table.left) {
            (Some(rows), _) => count(rows, "row", "rows"),
            (None, why) => format!("NOT LOOKED AT: {}", clean(why.as_deref().unwrap_or_default())),
        };
        line(&format!("table {}", table.sink), format!("{value} of {}", table.table));
    }
    if erased.stopped {
        text.push_str("Stopped before the end: run it again for the rest.\n");
    }
    if erased.unreadable_messages > 0 {
        let messages = count(erased.unreadable_messages, "message", "messages");
        let _ = writeln!(
            text,
            "{messages} delayed or in dead-letter queues cannot be read as events, and stay: `acequia dlq list {tenant}` names them."
        );
    }
    if erased.on_their_way > 0 {
        let messages = count(erased.on_their_way, "message is", "messages are");
        let _ = writeln!(text, "{messages} on the way: run this again when none is, for some may be this person's.");
    }
    for replay in &erased.replays {
        let _ = writeln!(
            text,
            "Replay {replay} is under way: it may have read events before they were erased. Run this again when it is done."
        );
    }
    for trouble in &erased.troubles {
        let _ = writeln!(text, "  {}", clean(trouble));
    }
    let remains = erased.remains.map(|text| format!("  {text}")).join("\n");
    let _ = write!(text, "What remains, and why:\n{remains}");
    text
}

#[cfg(test)]
mod tests {
    use acequia_core::consent::SubjectId;
    use acequia_operations::erase::{ArchiveErasure, REMAINS};
    use acequia_testkit::build;

    use super::*;

    fn all(left: Option<&str>) -> All {
        let tenant = build::tenant_id("acme");
        let archive = ArchiveErasure { objects: 12, rewritten: 2, events: 3, ..ArchiveErasure::default() };
        let erased = Erased {
            subject: SubjectId::derive(&tenant, "ana@example.org"),
            tenant,
            dry_run: false,
            archive,
            delayed: 1,
            dead_letters: 2,
            unreadable_messages: 0,
            consents: 4,
            address: true,
            on_their_way: 5,
            replays: vec!["r1".parse().unwrap()],
            stopped: false,
            troubles: Vec::new(),
            remains: REMAINS,
            spellings: ["Ana@example.org".to_owned()].into(),
        };
        let rows = left.is_none().then_some(7);
        let table = TableErased {
            sink: "supporters".to_owned(),
            table: "crm.supporters".to_owned(),
            rows,
            left: left.map(str::to_owned),
        };
        All { erased, tables: vec![table] }
    }

    #[test]
    fn what_was_erased_and_what_remains_is_told_item_by_item_and_the_subject_nowhere() {
        let (done, open) = (all(None), all(Some("the password is missing")));
        let text = described(&done);
        for part in [
            "archive             3 events in 2 objects of 12",
            "table supporters    7 rows of crm.supporters",
            "5 messages are on the way",
            "Replay r1 is under way",
            "at most 35 days",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(described(&open).contains("NOT LOOKED AT: the password is missing"));
        for told in [text, came_to(&done), serde_json::to_string(&done).unwrap()] {
            assert!(!told.to_lowercase().contains("ana@example.org"), "{told}");
        }
        assert_eq!(
            came_to(&done),
            "3 archived events, 1 delayed messages, 2 dead letters, 4 rows of consents, 7 rows of tables"
        );
    }
}
