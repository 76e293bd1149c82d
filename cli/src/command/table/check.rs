//! `acequia table check`: what a database lacks of what a file's sinks write, with the lines of the file.

use acequia_aws::RdsTokens;
use acequia_core::egress::Egress;
use acequia_core::id::SinkId;
use acequia_core::port::{Entry, TableError, Tables as _};
use acequia_core::table::problems;
use acequia_core::tenant::{Issue, TableSink, Target};
use acequia_postgres::PostgresTables;
use serde::Serialize;

use crate::args::{CheckTableArgs, EntryArgs};
use crate::context::{Context, SystemClock};
use crate::failure::Failure;
use crate::output::{Report, count};
use crate::tenant_file::{self, Mistake, TenantFile};

#[derive(Serialize)]
struct Checked<'a> {
    tenant: &'a str,
    sinks: Vec<&'a str>,
    problems: Vec<Mistake>,
}

pub(super) async fn run(
    arguments: &CheckTableArgs,
    egress: Egress,
    context: impl AsyncFn() -> Result<Context, Failure>,
) -> Result<Report, Failure> {
    let file = tenant_file::read_valid(&arguments.file, egress, "; nothing was compared")?;
    if let Some(id) = &arguments.sink {
        super::table_of(&file.tenant.summary.id, &file.tenant.sinks, id)?;
    }
    let problems =
        check(&file, arguments.sink.as_ref(), &arguments.entry, async || Ok(context().await?.database_tokens()))
            .await?;
    let checked: Vec<&str> = sinks_of(&file, arguments.sink.as_ref()).map(|(_, id, _)| id.as_str()).collect();
    if !problems.is_empty() {
        return Err(refused(&problems));
    }
    let text = match checked.len() {
        0 => "there is no table sink in the file.".to_owned(),
        number => format!("{}: the database has all that is needed.", count(number, "sink", "sinks")),
    };
    Ok(Report::new(&Checked { tenant: file.tenant.summary.id.as_str(), sinks: checked, problems }, text))
}

/// That databases lack something.
fn refused(problems: &[Mistake]) -> Failure {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Failure::Invalid(format!("the database does not have what is needed; nothing was written\n{}", lines.join("\n")))
}

/// The table sinks of a file: the place, id and table of each.
fn sinks_of<'f>(
    file: &'f TenantFile,
    only: Option<&'f SinkId>,
) -> impl Iterator<Item = (usize, &'f SinkId, &'f TableSink)> {
    let sinks = file.tenant.sinks.iter().enumerate();
    let tables = sinks.filter_map(|(place, sink)| match &sink.target {
        Target::Table(table) => Some((place, &sink.id, &**table)),
        _ => None,
    });
    tables.filter(move |(_, id, _)| only.is_none_or(|only| only == *id))
}

/// What the databases of a file's sinks lack.
///
/// # Errors
/// Where a database cannot be asked, or does not let the user in.
async fn check(
    file: &TenantFile,
    only: Option<&SinkId>,
    entry: &EntryArgs,
    tokens: impl AsyncFn() -> Result<RdsTokens<SystemClock>, Failure>,
) -> Result<Vec<Mistake>, Failure> {
    let mut found = Vec::new();
    for (place, _, table) in sinks_of(file, only) {
        let credential = super::credential(&table.database, entry, &tokens).await?;
        let entry = Entry { tenant: &file.tenant.summary.id, database: &table.database, credential: &credential };
        let issue = |field: &str, problem: String| Issue {
            path: format!("sinks[{place}].{field}"),
            problem,
            line_in_value: None,
        };
        match PostgresTables::new().describe(entry, &table.layout).await {
            Ok(known) => {
                found.extend(
                    problems(&table.layout, &known).into_iter().map(|problem| issue(&problem.field, problem.problem)),
                );
            }
            Err(TableError::Unready(problem)) => found.push(issue("database", problem)),
            Err(error) => return Err(super::failed(&table.database, &error)),
        }
    }
    Ok(file.locate(&found))
}

/// Ends a command whose file does not fit its databases.
///
/// # Errors
/// All that they lack.
pub(in crate::command) async fn require(
    file: &TenantFile,
    entry: &EntryArgs,
    tokens: impl AsyncFn() -> Result<RdsTokens<SystemClock>, Failure>,
) -> Result<(), Failure> {
    let problems = check(file, None, entry, tokens).await?;
    if problems.is_empty() { Ok(()) } else { Err(refused(&problems)) }
}
