//! What others say of what is remembered: `DuckDB` counts the archive, by the views of docs/ARCHIVE.md, and `psql` the
//! table; both must equal what was sent.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::Phases;
use super::tenant::{self, STACKS, TABULATED};
use crate::emulator::{self, Database, Server};
use crate::local::Local;
use crate::report::Check;
use crate::setup::Tools;
use crate::{host, postgres, process};

/// The table's sink, and the name of its password.
const SINK: &str = "rows";
pub(super) const SECRET: &str = "warehouse";
/// The table.
const TABLE: &str = "demo.actions";
/// What it takes.
const TAKES: &str = "action.";
/// How long the last batches may wait to fill.
const WITHIN: Duration = Duration::from_mins(1);

/// Copies the archive's objects into a folder, as `aws s3 sync` does.
const FETCH: &str = "
import boto3, os, sys
s3, folder = boto3.client('s3'), sys.argv[1]
buckets = [bucket['Name'] for bucket in s3.list_buckets()['Buckets'] if '-archive-' in bucket['Name']]
for bucket in buckets:
    for page in s3.get_paginator('list_objects_v2').paginate(Bucket=bucket):
        for one in page.get('Contents', []):
            path = os.path.join(folder, one['Key'])
            if not os.path.exists(path):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                s3.download_file(bucket, one['Key'], path)
";

/// Makes views, and prints the rows of a query of two columns as an object.
const ASK: &str = "
import duckdb, json, sys
given, database = json.load(sys.stdin), duckdb.connect()
database.execute(given['views'])
print(json.dumps(dict(database.execute(given['query']).fetchall())))
";
/// The different events of each tenant.
const EVENTS: &str = "select tenant, count(distinct event_id) from events group by tenant";

/// A database that a tenant fills.
pub(super) struct Warehouse(Database);

impl Warehouse {
    /// Starts it; `None`, with a line that says why, where `PostgreSQL` cannot be had here.
    pub(super) fn open(program: &Path, lasting: bool) -> Result<Option<Self>> {
        if let Err(error) = postgres::ensure() {
            println!("No table is filled: {error:#}");
            return Ok(None);
        }
        emulator::start_database(program, lasting).map(|database| Some(Self(database)))
    }

    /// The password of its user.
    pub(super) fn password(&self) -> &str {
        &self.0.password
    }

    /// Its server.
    pub(super) fn into_server(self) -> Server {
        self.0.server
    }

    /// The sink that fills its table.
    pub(super) fn sink(&self) -> Result<toml::Table> {
        let Database { server, authority, .. } = &self.0;
        let text = format!(
            "id = \"{SINK}\"\nkind = \"table\"\ntypes = [\"{TAKES}*\"]\ndatabase = \"{}\"\npassword = \"{SECRET}\"\n\
             authorities = \"\"\"\n{authority}\"\"\"\ntable = \"{TABLE}\"\n\
             columns = {{ id = \"id\", type = \"type\", country = \"data.country\" }}\n",
            server.address
        );
        text.parse().context("the sink of the table is not TOML")
    }

    /// Makes the table, as its owner would, and what the sink needs beside it, as an operator does.
    pub(super) fn prepare(&self, local: &Local) -> Result<()> {
        self.query(&format!(
            "create schema demo; create table {TABLE} (id text primary key, type text, country text)"
        ))?;
        let file = tenant::applied(TABULATED);
        let file = file.to_string_lossy();
        let init = ["table", "init", &file, SINK, "--run", "--as", "acequia", "--password", self.password()];
        local.acequia.run(&init, "").map(drop)
    }

    /// Runs a statement by `psql`.
    fn query(&self, statement: &str) -> Result<String> {
        let Database { server, password, authority_file, .. } = &self.0;
        let target = format!("{}?sslmode=verify-full&sslrootcert={authority_file}", server.address);
        let psql = postgres::program("psql").context("psql is missing")?;
        let mut psql = process::command(psql);
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"]);
        psql.args(["--command", statement, &target]).env("PGPASSWORD", password);
        Ok(process::output(&mut psql, "psql", "")?.trim().to_owned())
    }

    fn rows(&self) -> Result<u64> {
        self.query(&format!("select count(*) from {TABLE}"))?.parse().context("psql did not count")
    }
}

/// Asks both, until they say what was sent or the time is over.
pub(super) fn judge(local: &Local, warehouse: Option<&Warehouse>, phases: &Phases) -> Result<Vec<Check>> {
    let events = |tenant: &str| {
        phases.all().into_iter().filter_map(|phase| phase.sent.get(tenant)).flat_map(|b| &b.events).collect::<Vec<_>>()
    };
    let sent: BTreeMap<String, u64> =
        STACKS.iter().map(|stack| (stack.tenant.to_owned(), events(stack.tenant).len() as u64)).collect();
    let start = host::now();
    let folder = emptied()?;
    let kept = loop {
        let kept = ask(local, &folder, EVENTS)?;
        if kept == sent || start.elapsed() > WITHIN {
            break kept;
        }
        std::thread::sleep(Duration::from_secs(1));
    };
    let of_each = |counts: &BTreeMap<String, u64>| {
        counts.iter().map(|(tenant, count)| format!("{tenant} {count}")).collect::<Vec<_>>().join(", ")
    };
    let mut checks = vec![Check {
        holds: kept == sent,
        says: format!("archived: DuckDB counts {}, and {} were sent", of_each(&kept), of_each(&sent)),
    }];
    if let Some(warehouse) = warehouse {
        let wanted = events(TABULATED).into_iter().filter(|event| event.kind.starts_with(TAKES)).count() as u64;
        let rows = loop {
            let rows = warehouse.rows()?;
            if rows == wanted || start.elapsed() > WITHIN {
                break rows;
            }
            std::thread::sleep(Duration::from_millis(300));
        };
        checks.push(Check {
            holds: rows == wanted && rows > 0,
            says: format!("tabulated: psql counts {rows} rows of {TABULATED}'s, and {wanted} such events were sent"),
        });
    }
    Ok(checks)
}

/// How many events of a type a replay of a tenant's whole archive takes, by `DuckDB`: each once for each hour in which it
/// was accepted, as docs/REPLAY.md says.
pub(super) fn replayable(local: &Local, tenant: &str, kind: &str) -> Result<u64> {
    let query = format!(
        "select tenant, count(distinct (event_id, \"date\", hour)) from events where tenant = '{tenant}' and type = '{kind}' group by tenant"
    );
    Ok(ask(local, &emptied()?, &query)?.get(tenant).copied().unwrap_or_default())
}

/// The folder of the archive's copy, with nothing in it.
fn emptied() -> Result<PathBuf> {
    let folder = host::scratch("warehouse");
    if folder.exists() {
        fs::remove_dir_all(&folder).context("cannot remove .local/warehouse")?;
    }
    Ok(folder)
}

/// Copies what is new of the archive into a folder, and has `DuckDB` answer a query over it by tenant.
fn ask(local: &Local, folder: &Path, query: &str) -> Result<BTreeMap<String, u64>> {
    let archive = folder.join("archive");
    fs::create_dir_all(&archive).context("cannot make .local/warehouse")?;
    let mut fetch = process::command(Tools::Local.program("python"));
    fetch.args(["-c", FETCH]).arg(&archive).env_clear().envs(emulator::variables(&local.aws.address));
    process::output(&mut fetch, "copying the archive", "")?;
    let page = fs::read_to_string(host::path("docs/ARCHIVE.md")).context("cannot read docs/ARCHIVE.md")?;
    let (_, section) = page.split_once("\n## Read it with DuckDB\n").context("docs/ARCHIVE.md has no such section")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let blocks = section.split("```sql\n").skip(1).filter_map(|rest| Some(rest.split_once("\n```")?.0));
    let views: Vec<&str> = blocks.filter(|block| block.starts_with("create or replace view")).collect();
    let given = json!({"views": views.join("\n"), "query": query}).to_string();
    let mut duckdb = process::command(Tools::Recipes.program("python"));
    duckdb.args(["-c", ASK]).current_dir(folder);
    let said = process::output(&mut duckdb, "DuckDB", &given)?;
    serde_json::from_str(&said).context("DuckDB did not count")
}
