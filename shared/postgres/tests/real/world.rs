//! A server for all tests of a program, and databases in it with the suite's table.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use acequia_core::port::{Entry, OutboxEvent, TableError, Tables};
use acequia_core::secret::Secret;
use acequia_core::table::{Authentication, Database, Description, Layout, Row};
use acequia_postgres::PostgresTables;
use acequia_testkit::conformance::tables::{COLUMNS, TABLE, TablesInTest, layout};
use acequia_testkit::{StoredRow, build};
use database::{PASSWORD, Server, USER};

/// It ends with the process: its supervisor sees to that.
pub(crate) static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start().unwrap());

static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// Makes a database with the suite's table, inbox and outbox, as `acequia table init` would.
pub(crate) fn prepare_on(server: &Server, name: &str) -> Database {
    let name = format!("{name}_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    server.create_database(&name).unwrap();
    let columns: Vec<String> = COLUMNS.iter().map(|(column, of_type, _)| format!("{column} {of_type}")).collect();
    let table = format!(
        "create schema crm authorization {USER}; set role {USER}; create table {TABLE} ({}, unique (id))",
        columns.join(", ")
    );
    server.query(&name, &table).unwrap();
    let ddl = acequia_core::table::ddl(&layout(true, true), USER, None);
    server.query(&name, &format!("set role {USER}; {ddl}")).unwrap();
    Database {
        address: server.url(&name).parse().unwrap(),
        authentication: Authentication::Password(build::secret_name("db")),
        authorities: Some(server.authority().to_owned()),
    }
}

/// What `psql` sees of the suite's table.
pub(crate) fn rows_on(server: &Server, database: &Database) -> Vec<StoredRow> {
    let columns: Vec<String> = COLUMNS.iter().map(|(column, ..)| format!("'{column}', {column}::text")).collect();
    let objects = format!("select json_build_object({}) from {TABLE}", columns.join(", "));
    let text = server.query(&database.address.database, &objects).unwrap();
    let row = |line: &str| serde_json::from_str::<BTreeMap<String, Option<String>>>(line).unwrap();
    text.lines().map(row).collect()
}

/// The adapter, with a server beside it.
pub(crate) struct RealTables(PostgresTables);

impl RealTables {
    pub(crate) fn new() -> Self {
        Self(PostgresTables::new())
    }
}

impl Tables for RealTables {
    async fn write(&self, entry: Entry<'_>, layout: &Layout, rows: &[Row]) -> Result<u64, TableError> {
        self.0.write(entry, layout, rows).await
    }

    async fn describe(&self, entry: Entry<'_>, layout: &Layout) -> Result<Description, TableError> {
        self.0.describe(entry, layout).await
    }

    async fn waiting(
        &self,
        entry: Entry<'_>,
        layout: &Layout,
        after: Option<i64>,
        most: u16,
    ) -> Result<Vec<OutboxEvent>, TableError> {
        self.0.waiting(entry, layout, after, most).await
    }

    async fn settle(&self, entry: Entry<'_>, layout: &Layout, ids: &[i64]) -> Result<(), TableError> {
        self.0.settle(entry, layout, ids).await
    }
}

impl TablesInTest for RealTables {
    async fn prepare(&self, name: &str) -> (Database, Secret) {
        (prepare_on(&SERVER, name), Secret::new(PASSWORD))
    }

    async fn rows(&self, database: &Database) -> Vec<StoredRow> {
        rows_on(&SERVER, database)
    }
}
