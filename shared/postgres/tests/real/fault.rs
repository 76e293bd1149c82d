//! What goes wrong with a database while rows are written, and what must hold all the same: each delivery is a row once,
//! and what is no row's fault is told as such.

use std::sync::Arc;

use acequia_core::port::{Entry, TableError, Tables as _};
use acequia_core::secret::Secret;
use acequia_core::table::{Database, Layout, Row};
use acequia_postgres::PostgresTables;
use acequia_testkit::build;
use acequia_testkit::conformance::tables::{TABLE, layout, row};
use database::{PASSWORD, Server, Stop};
use futures::future::join_all;

use crate::world::{SERVER, prepare_on};

/// A tenant with a database.
pub(crate) struct Customer {
    tenant: acequia_core::id::TenantId,
    database: Database,
    password: Secret,
}

impl Customer {
    pub(crate) fn on(server: &Server, name: &str) -> Self {
        Self { tenant: build::tenant_id("acme"), database: prepare_on(server, name), password: Secret::new(PASSWORD) }
    }

    pub(crate) fn entry(&self) -> Entry<'_> {
        Entry { tenant: &self.tenant, database: &self.database, credential: &self.password }
    }

    /// Asks `psql` for one number.
    pub(crate) fn count(&self, server: &Server, what: &str) -> usize {
        let text = server.query(&self.database.address.database, &format!("select {what}")).unwrap();
        text.parse().unwrap_or_else(|_| panic!("{what}: {text}"))
    }

    pub(crate) fn run(&self, server: &Server, statement: &str) {
        server.query(&self.database.address.database, statement).unwrap();
    }
}

/// Writes a batch until the database says that it is written; answers how often it did not.
async fn until_written(tables: &PostgresTables, customer: &Customer, layout: &Layout, rows: &[Row]) -> usize {
    for failed in 0..600 {
        match tables.write(customer.entry(), layout, rows).await {
            Ok(_) => return failed,
            Err(TableError::Later(_)) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("the database does not come back")
}

/// So many rows of people from this number on.
fn batch(layout: &Layout, from: usize, count: usize) -> Vec<Row> {
    (from..from + count).map(|n| row(layout, &n.to_string(), &format!("p{n}"), "1", 0)).collect()
}

const ALL: &str = "(select count(*) from crm.acequia_inbox) || '/' || (select count(*) from crm.people) || '/' || \
     (select count(distinct event_id) from crm.acequia_outbox)";

const TERMINATE: &str =
    "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'acequia'";

#[tokio::test]
async fn each_row_is_there_once_whatever_ends_the_server_between_batches_and_within_them() {
    let server = Arc::new(Server::start().unwrap());
    let (customer, tables, layout) = (Customer::on(&server, "ends"), PostgresTables::new(), layout(false, true));
    let mut failed = 0;
    for (number, stop) in [Some(Stop::Fast), Some(Stop::Immediate), Some(Stop::Kill), None].into_iter().enumerate() {
        let writing = async {
            let mut failed = 0;
            for part in 0..20 {
                // Every twentieth row is one that came before.
                let rows = batch(&layout, (number * 20 + part) * 95, 100);
                failed += until_written(&tables, &customer, &layout, &rows).await;
            }
            failed
        };
        let ending = async {
            // In the middle: once some of its batches are written.
            while customer.count(&server, "count(*) from crm.people") < number * 20 * 95 + 300 {
                tokio::task::yield_now().await;
            }
            let server = Arc::clone(&server);
            tokio::task::spawn_blocking(move || match stop {
                Some(how) => server.stop(how).and_then(|()| server.resume()),
                None => server.query("postgres", TERMINATE).map(drop),
            })
            .await
            .unwrap()
            .unwrap();
        };
        failed += futures::join!(writing, ending).0;
    }
    let rows = 79 * 95 + 100;
    let told = server.query(&customer.database.address.database, &format!("select {ALL}")).unwrap();
    assert_eq!(told, format!("{rows}/{rows}/{rows}"), "after {failed} failures");
}

#[tokio::test]
async fn overlapping_batches_of_the_same_keys_never_deadlock() {
    let (customer, layout) = (Customer::on(&SERVER, "overlap"), layout(true, false));
    let writers = (0..4).map(|writer: usize| {
        let (customer, layout) = (&customer, &layout);
        async move {
            let tables = PostgresTables::new();
            for number in 0..15 {
                // Hot keys, in another order for each writer; half of the deliveries are the neighbour's, too.
                let person = |n: usize| (n * [7, 11, 13, 17][writer] + number) % 100;
                let delivery = |n: usize| format!("{}-{number}-{n}", if n.is_multiple_of(2) { 9 } else { writer });
                let rows: Vec<Row> = (0..100)
                    .map(|n| {
                        row(
                            layout,
                            &delivery(n),
                            &format!("p{:02}", person(n)),
                            &n.to_string(),
                            u8::try_from(n % 60).unwrap(),
                        )
                    })
                    .collect();
                tables.write(customer.entry(), layout, &rows).await.unwrap();
            }
        }
    });
    join_all(writers).await;
    assert_eq!(customer.count(&SERVER, "count(*) from crm.acequia_inbox"), 15 * (4 * 50 + 50));
    assert_eq!(customer.count(&SERVER, "count(*) from crm.people"), 100);
}

#[tokio::test]
async fn a_table_that_changes_between_batches_is_looked_up_again_and_no_row_pays_for_it() {
    let (customer, tables, layout) = (Customer::on(&SERVER, "changes"), PostgresTables::new(), layout(false, false));
    let write = async |rows: Vec<Row>| tables.write(customer.entry(), &layout, &rows).await;
    assert_eq!(write(vec![row(&layout, "1", "a", "1", 0)]).await, Ok(1));
    customer.run(&SERVER, &format!("alter table {TABLE} alter column n type text"));
    assert_eq!(write(vec![row(&layout, "2", "b", "\"words\"", 0)]).await, Ok(1));
    customer.run(&SERVER, &format!("alter table {TABLE} drop column note"));
    let lacking = write(vec![row(&layout, "3", "c", "3", 0)]).await;
    assert!(matches!(&lacking, Err(TableError::Unready(why)) if why.contains("column")), "{lacking:?}");
    customer.run(&SERVER, &format!("alter table {TABLE} add column note text"));
    assert_eq!(write(vec![row(&layout, "3", "c", "3", 0)]).await, Ok(1));
    customer.run(&SERVER, &format!("revoke insert on {TABLE} from acequia; alter table {TABLE} owner to postgres"));
    let denied = write(vec![row(&layout, "4", "d", "4", 0)]).await;
    assert!(matches!(&denied, Err(TableError::Unready(why)) if why.contains("42501")), "{denied:?}");
}

#[tokio::test]
async fn what_passes_by_itself_is_told_as_such_and_the_connection_is_used_again() {
    let (customer, layout) = (Customer::on(&SERVER, "passes"), layout(false, false));
    let tables = PostgresTables::new();
    assert_eq!(tables.write(customer.entry(), &layout, &batch(&layout, 0, 1)).await, Ok(1));
    // A server that does not get on, as on a full disk: the time for one statement is over.
    let slow = format!(
        "create function crm.slow() returns trigger language plpgsql as $$ begin perform pg_sleep(30); return new; end $$; \
         create trigger slow before insert on {TABLE} for each row execute function crm.slow()"
    );
    customer.run(&SERVER, &slow);
    let late = tables.write(customer.entry(), &layout, &batch(&layout, 1, 1)).await;
    assert!(matches!(&late, Err(TableError::Later(why)) if why.contains("57014")), "{late:?}");
    // And one that says so: the state of a full disk, raised by a trigger.
    let full = "create or replace function crm.slow() returns trigger language plpgsql as $$ begin raise 'full' using errcode = '53100'; end $$";
    customer.run(&SERVER, full);
    let full = tables.write(customer.entry(), &layout, &batch(&layout, 1, 1)).await;
    assert!(matches!(&full, Err(TableError::Later(why)) if why.contains("53100")), "{full:?}");
    customer.run(&SERVER, &format!("drop trigger slow on {TABLE}"));
    assert_eq!(tables.write(customer.entry(), &layout, &batch(&layout, 0, 2)).await, Ok(1));
    let sessions = "count(*) from pg_stat_activity where application_name = 'acequia' and datname = current_database()";
    assert_eq!(customer.count(&SERVER, sessions), 1);
}

#[tokio::test]
async fn a_server_that_is_not_believed_or_does_not_let_the_user_in_gets_nothing() {
    let (mut customer, layout) = (Customer::on(&SERVER, "enter"), layout(false, false));
    let rows = batch(&layout, 0, 1);
    let write = async |customer: &Customer| PostgresTables::new().write(customer.entry(), &layout, &rows).await;
    let unready = |answer: Result<u64, TableError>, part: &str| match answer {
        Err(TableError::Unready(why)) => assert!(why.contains(part), "{why}"),
        other => panic!("{part}: {other:?}"),
    };
    let authority = customer.database.authorities.take();
    unready(write(&customer).await, "certificate is not believed");
    customer.database.authorities = Some(database::certificates("localhost").unwrap().authority);
    unready(write(&customer).await, "certificate is not believed");
    customer.database.authorities = authority;
    customer.password = Secret::new("another");
    unready(write(&customer).await, "28P01");
    customer.password = Secret::new(PASSWORD);
    let there = std::mem::replace(&mut customer.database.address.database, "nowhere".to_owned());
    unready(write(&customer).await, "3D000");
    customer.database.address.database = there;
    customer.database.address.host = "127.0.0.1.nip.invalid".to_owned();
    assert!(
        matches!(write(&customer).await, Err(TableError::Later(_))),
        "a name that does not resolve may resolve later"
    );
    customer.database.address.host = "localhost".to_owned();
    let port = std::mem::replace(&mut customer.database.address.port, 1);
    assert!(matches!(write(&customer).await, Err(TableError::Later(_))));
    customer.database.address.port = port;
    assert_eq!(write(&customer).await, Ok(1));
}

#[tokio::test]
async fn a_server_with_too_many_connections_is_waited_for() {
    let (customer, layout) = (Customer::on(&SERVER, "many"), layout(false, false));
    let name = &customer.database.address.database;
    customer.run(&SERVER, &format!("alter database {name} connection limit 0"));
    let answer = PostgresTables::new().write(customer.entry(), &layout, &batch(&layout, 0, 1)).await;
    assert!(matches!(&answer, Err(TableError::Later(why)) if why.contains("53300")), "{answer:?}");
}
