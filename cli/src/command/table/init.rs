//! `acequia table init`: what must be in a database beside the tenant's table.

use acequia_core::egress::Egress;
use acequia_core::port::{Entry, Tables as _};
use acequia_core::table::ddl;
use acequia_postgres::PostgresTables;
use serde::Serialize;

use crate::args::InitTableArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Report;
use crate::tenant_file;

#[derive(Serialize)]
struct Made<'a> {
    tenant: &'a str,
    sink: &'a str,
    statements: &'a str,
    run: bool,
}

pub(super) async fn run(
    arguments: &InitTableArgs,
    egress: Egress,
    context: impl AsyncFn() -> Result<Context, Failure>,
) -> Result<Report, Failure> {
    let file = tenant_file::read_valid(&arguments.file, egress, "; nothing was done")?;
    let tenant = &file.tenant.summary.id;
    let sink = super::table_of(tenant, &file.tenant.sinks, &arguments.sink)?;
    let user = &sink.database.address.user;
    let made = |statements: &str, run| {
        let made = Made { tenant: tenant.as_str(), sink: arguments.sink.as_str(), statements, run };
        let text = if run {
            format!(
                "{}: inbox{} of {} are there.",
                sink.database.address,
                if sink.layout.outbox { " and outbox" } else { "" },
                sink.layout.table
            )
        } else {
            statements.to_owned()
        };
        Report::new(&made, text)
    };
    if !arguments.run {
        return Ok(made(&ddl(&sink.layout, user, None), false));
    }
    let mut database = sink.database.clone();
    if let Some(other) = &arguments.user {
        database.address.user.clone_from(other);
    }
    let credential =
        super::credential(&database, &arguments.entry, &async || Ok(context().await?.database_tokens())).await?;
    let entry = Entry { tenant, database: &database, credential: &credential };
    let tables = PostgresTables::new();
    let failed = |error| super::failed(&database, &error);
    let known = tables.describe(entry, &sink.layout).await.map_err(failed)?;
    let statements = ddl(&sink.layout, user, Some(&known));
    if known.columns.is_empty() {
        return Err(Failure::Failed(format!(
            "there is no table {}: make it first; nothing was done. `acequia table init` without --run proposes one",
            sink.layout.table
        )));
    }
    tables.run(entry, &statements).await.map_err(failed)?;
    Ok(made(&statements, true))
}
