//! How many rows one connection writes in a second: the adapter's one statement (inbox, rows, outbox) over TLS into a
//! real `PostgreSQL`, and beside it, in the same run, the same rows by `COPY` into a temporary table and the same
//! statement from there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use acequia_core::delivery::Delivery;
use acequia_core::port::{Entry, Tables as _};
use acequia_core::secret::Secret;
use acequia_core::table::{Authentication, Cell, Column, Database, Layout, Mode, Row};
use acequia_postgres::PostgresTables;
use acequia_testkit::build;
use anyhow::{Context as _, Result, anyhow};
use database::{PASSWORD, Server};
use futures::SinkExt as _;
use rustls::pki_types::pem::PemObject as _;

use crate::table;
use crate::throughput::{Aim, Wanted};

/// What the adapter is to reach at batches of a thousand, in rows a second.
pub const GOAL: f64 = 20_000.0;
/// The sizes of batches.
const BATCHES: [usize; 3] = [10, 100, 1000];
/// What `COPY` fills, and the statement that goes on from there.
const COPIED: &str = "with fresh as (insert into acequia_inbox (delivery_id) select delivery from copied order by delivery collate \"C\" \
     on conflict do nothing returning delivery_id), \
     written as (insert into bench (event, id, email) select c0::jsonb, c1, c2 from copied join fresh on fresh.delivery_id = copied.delivery \
     order by delivery collate \"C\"), \
     told as (insert into acequia_outbox (event_id, event) select delivery, told from copied join fresh on fresh.delivery_id = copied.delivery) \
     select count(*) from fresh";

/// Rows a second by one statement and by `COPY`, at one size of batches.
#[derive(Debug, Clone, Copy)]
struct Rates {
    batch: usize,
    statement: f64,
    copy: f64,
}

/// Starts a server, and tells the stub of it: table sinks of its tenants write there.
///
/// # Errors
/// Where there is no server.
pub fn serve() -> Result<Server> {
    let server = Server::for_bench().map_err(|error| anyhow!("{error}"))?;
    let sink = serde_json::json!({"database": server.url("bench"), "authorities": server.authority()});
    anyhow::ensure!(stub::DATABASE.set(sink).is_ok(), "the stub knows one database");
    Ok(server)
}

/// Measures; answers the table, and what was aimed at.
///
/// # Errors
/// Where there is no server, or it does not do what it is asked to.
pub async fn measure(is_quick: bool) -> Result<(String, Vec<Aim>)> {
    let server = Server::for_bench().map_err(|error| anyhow!("{error}"))?;
    let mut rates = Vec::new();
    for batch in BATCHES {
        let rounds = if is_quick { 3 } else { (20_000 / batch).clamp(10, 200) };
        rates.push(at(&server, batch, rounds).await?);
    }
    let row = |rates: &Rates| vec![rates.batch.to_string(), whole(rates.statement), whole(rates.copy)];
    let header = ["rows of a batch", "one statement, rows/s", "COPY and the same, rows/s"];
    let text = table::markdown(&header, 0, rates.iter().map(row));
    let largest = rates.last().context("no size was measured")?;
    let aim = |what: &str, least, found| Aim { what: what.to_owned(), wanted: Wanted::AtLeast(least), found };
    let aims = vec![
        aim("table: rows a second in batches of 1,000", GOAL, largest.statement),
        aim(
            "table: one statement, as a part of COPY's rows in batches of 1,000",
            1.0,
            largest.statement / largest.copy,
        ),
    ];
    Ok((text, aims))
}

fn whole(rate: f64) -> String {
    format!("{rate:.0}")
}

/// The rows of a batch, of events that were never there.
fn batch(layout: &Layout, number: usize, size: usize) -> Result<Vec<Row>> {
    let row = |place: usize| {
        let data = r#"{"email":"ana@example.org","first_name":"Ana","campaign":"Water is a common good"}"#;
        let envelope = build::envelope("acme", &format!("{number}-{place}"), "action.signed", data);
        Row::of(layout, &Delivery::new(build::sink_id("rows"), envelope)).map_err(|cause| anyhow!("{cause}"))
    };
    (0..size).map(row).collect()
}

/// Both ways, in turns, so that whatever else the machine does meets both.
async fn at(server: &Server, size: usize, rounds: usize) -> Result<Rates> {
    let column =
        |name: &str, source: &str| -> Result<Column> { Ok(Column { name: name.parse()?, source: source.parse()? }) };
    let columns = vec![column("event", "$event")?, column("id", "id")?, column("email", "data.email")?];
    let layout = Layout { table: "public.bench".parse()?, columns, mode: Mode::Append, outbox: true };
    let database = Database {
        address: server.url("bench").parse()?,
        authentication: Authentication::Password(build::secret_name("db")),
        authorities: Some(server.authority().to_owned()),
    };
    let (tenant, password, tables) = (build::tenant_id("acme"), Secret::new(PASSWORD), PostgresTables::new());
    let entry = Entry { tenant: &tenant, database: &database, credential: &password };
    let beside = Copier::connect(server).await?;
    let (mut statement, mut copy) = (Duration::ZERO, Duration::ZERO);
    for round in 0..=rounds {
        let number = (size * 1_000_000) + round * 2;
        let rows = batch(&layout, number, size)?;
        let begun = clock();
        let new = tables.write(entry, &layout, &rows).await.map_err(|error| anyhow!("{error}"))?;
        let took = begun.elapsed();
        let rows = batch(&layout, number + 1, size)?;
        let begun = clock();
        let copied = beside.write(&rows).await?;
        // The first round opens connections and looks up types.
        if round > 0 {
            statement += took;
            copy += begun.elapsed();
        }
        anyhow::ensure!(
            (usize::try_from(new)?, usize::try_from(copied)?) == (size, size),
            "{new} and {copied} of {size} rows were new"
        );
    }
    let rows = f64::from(u32::try_from(size * rounds)?);
    let rate = |time: Duration| rows / time.as_secs_f64();
    Ok(Rates { batch: size, statement: rate(statement), copy: rate(copy) })
}

/// The way by `COPY`, over a connection of its own with the same TLS.
struct Copier(tokio_postgres::Client);

impl Copier {
    async fn connect(server: &Server) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in rustls::pki_types::CertificateDer::pem_slice_iter(server.authority().as_bytes()) {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = tls.with_root_certificates(roots).with_no_client_auth();
        let mut config: tokio_postgres::Config = server.url("bench").parse()?;
        config.password(PASSWORD).ssl_mode(tokio_postgres::config::SslMode::Require);
        let (client, connection) = config.connect(tokio_postgres_rustls::MakeRustlsConnect::new(tls)).await?;
        tokio::spawn(async move { drop(connection.await) });
        client.batch_execute("create temporary table copied (delivery text, c0 text, c1 text, c2 text, told text) on commit delete rows").await?;
        Ok(Self(client))
    }

    /// Answers how many rows were new.
    async fn write(&self, rows: &[Row]) -> Result<i64> {
        self.0.batch_execute("begin").await?;
        let sink = self.0.copy_in("copy copied from stdin").await?;
        let mut text = String::new();
        for row in rows {
            let cell = |cell: Option<&Cell>| {
                let escaped =
                    |cell: &Cell| cell.written(false).replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n");
                cell.map_or_else(|| "\\N".to_owned(), escaped)
            };
            let cells = row.cells.iter().map(|one| cell(one.as_ref())).chain([cell(row.told.as_ref())]);
            text.push_str(row.delivery.as_str());
            for cell in cells {
                text.push('\t');
                text.push_str(&cell);
            }
            text.push('\n');
        }
        let mut sink = std::pin::pin!(sink);
        sink.send(bytes::Bytes::from(text)).await?;
        sink.finish().await?;
        let new: i64 = self.0.query_one(COPIED, &[]).await?.try_get(0)?;
        self.0.batch_execute("commit").await?;
        Ok(new)
    }
}

#[expect(clippy::disallowed_methods, reason = "what is measured is the time that passes")]
fn clock() -> Instant {
    Instant::now()
}
