//! `acequia table`: the databases of table sinks.

mod check;
mod init;
mod relay;

use acequia_aws::RdsTokens;
use acequia_core::egress::Egress;
use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::{DatabaseTokens as _, TableError};
use acequia_core::secret::Secret;
use acequia_core::table::{Authentication, Database};
use acequia_core::tenant::{self, TableSink, Target};

use crate::args::{EntryArgs, TableCommand};
use crate::context::{Context, SystemClock};
use crate::failure::Failure;
use crate::output::Report;

pub(super) use check::require;

pub(super) async fn run(
    command: &TableCommand,
    egress: Egress,
    context: impl AsyncFn() -> Result<Context, Failure>,
) -> Result<Report, Failure> {
    match command {
        TableCommand::Init(arguments) => init::run(arguments, egress, context).await,
        TableCommand::Check(arguments) => check::run(arguments, egress, context).await,
        TableCommand::Relay(arguments) => Box::pin(relay::run(&context().await?, arguments)).await,
    }
}

/// What a sink's database is entered by: the password of the environment, or a token by the operator's own credentials.
pub(super) async fn credential(
    database: &Database,
    entry: &EntryArgs,
    tokens: &impl AsyncFn() -> Result<RdsTokens<SystemClock>, Failure>,
) -> Result<Secret, Failure> {
    match (&database.authentication, &entry.password) {
        (_, Some(password)) => Ok(Secret::new(password.clone())),
        (Authentication::Iam, None) => Ok(tokens().await?.token(&database.address).await?),
        (Authentication::Password(name), None) => Err(Failure::Usage(format!(
            "the password of {} is missing: put it into PGPASSWORD, as for psql (functions read the secret {name} themselves)",
            database.address
        ))),
    }
}

/// The table of a sink.
fn table_of<'t>(
    tenant: &TenantId,
    sinks: &'t [std::sync::Arc<tenant::Sink>],
    id: &SinkId,
) -> Result<&'t TableSink, Failure> {
    let sink = sinks.iter().find(|sink| sink.id == *id);
    let sink = sink.ok_or_else(|| Failure::NotFound(format!("{tenant} has no sink {id}")))?;
    match &sink.target {
        Target::Table(table) => Ok(table),
        _ => Err(Failure::Usage(format!("{id} is a sink of kind {}, and has no table", sink.kind()))),
    }
}

/// Why a database did not do what the command asked of it.
fn failed(database: &Database, error: &TableError) -> Failure {
    Failure::Failed(format!("{}: {error}", database.address))
}
