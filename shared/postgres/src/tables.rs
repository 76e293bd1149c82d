//! Tables over the one connection.

use std::borrow::Cow;
use std::collections::BTreeSet;

use acequia_core::port::{Entry, OutboxEvent, TableError, Tables};
use acequia_core::table::{Cell, ColumnFacts, Description, Layout, Row, erasure, needs, statement, types_of};
use tokio::sync::Mutex;
use tokio_postgres::types::Type;

use crate::connection::{Connection, Parameter};
use crate::failure::Failure;

/// What is asked of a table's columns: name, type, whether a row must say it, whether the database makes it.
const COLUMNS: &str = "select a.attname::text, format_type(a.atttypid, a.atttypmod), \
     a.attnotnull and not a.atthasdef and a.attidentity = '', a.attgenerated <> '' or a.attidentity = 'a' \
     from pg_attribute a where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped order by a.attnum";

/// What is asked of its unique indexes that hold for every row, as names in a list of text.
const UNIQUE: &str = "select array(select a.attname::text from pg_attribute a \
     where a.attrelid = i.indrelid and a.attnum = any(i.indkey[0:i.indnkeyatts - 1])) \
     from pg_index i where i.indrelid = to_regclass($1) and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null";

/// What is asked of privileges; a table that is not there has none.
const PRIVILEGES: &str = "select to_regclass(n.relation) is not null, coalesce(has_table_privilege(to_regclass(n.relation), n.privilege), false) \
     from unnest($1::text[], $2::text[]) with ordinality as n(relation, privilege, place) order by n.place";

/// Tables of `PostgreSQL`. An instance has one connection: that of the tenant that it served last.
#[derive(Default)]
pub struct PostgresTables {
    kept: Mutex<Option<Connection>>,
}

/// What is done with a connection.
trait Work {
    type Answer;
    async fn run(&self, connection: &mut Connection) -> Result<Self::Answer, Failure>;
}

impl PostgresTables {
    /// No connection yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs statements of ours, one after the other: what `acequia table init` prints.
    ///
    /// # Errors
    /// As for [`Tables::write`].
    pub async fn run(&self, entry: Entry<'_>, statements: &str) -> Result<(), TableError> {
        self.with(entry, Run { statements }).await
    }

    /// Deletes the rows of events with one of these subjects, or counts them in a dry run; nothing where no column of the
    /// sink's has the subject.
    ///
    /// # Errors
    /// As for [`Tables::write`].
    pub async fn erase(
        &self,
        entry: Entry<'_>,
        layout: &Layout,
        subjects: &[String],
        dry_run: bool,
    ) -> Result<Option<u64>, TableError> {
        let Some(statement) = erasure(layout, dry_run) else { return Ok(None) };
        self.with(entry, Erase { statement: &statement, subjects }).await.map(Some)
    }

    /// Does something over the connection that is kept, or a new one. What a kept one lost is done again, once: while
    /// nobody looked, the server may have restarted.
    async fn with<W: Work>(&self, entry: Entry<'_>, work: W) -> Result<W::Answer, TableError> {
        let mut place = self.kept.lock().await;
        // Taken out: a future that is dropped halfway leaves no connection that waits for an old answer.
        let kept = place.take().filter(|connection| connection.serves(entry));
        if let Some(mut connection) = kept {
            match work.run(&mut connection).await {
                Err(Failure { is_lost: true, error }) => tracing::debug!(%error, "a connection to a database was lost"),
                answer => {
                    *place = Some(connection);
                    return answer.map_err(|failure| failure.error);
                }
            }
        }
        let mut connection = Connection::open(entry).await?;
        let answer = work.run(&mut connection).await;
        if !matches!(answer, Err(Failure { is_lost: true, .. })) {
            *place = Some(connection);
        }
        answer.map_err(|failure| failure.error)
    }
}

impl Tables for PostgresTables {
    async fn write(&self, entry: Entry<'_>, layout: &Layout, rows: &[Row]) -> Result<u64, TableError> {
        self.with(entry, Write { layout, rows }).await
    }

    async fn describe(&self, entry: Entry<'_>, layout: &Layout) -> Result<Description, TableError> {
        self.with(entry, Describe { layout }).await
    }

    async fn waiting(
        &self,
        entry: Entry<'_>,
        layout: &Layout,
        after: Option<i64>,
        most: u16,
    ) -> Result<Vec<OutboxEvent>, TableError> {
        self.with(entry, Waiting { layout, after: after.unwrap_or(i64::MIN), most }).await
    }

    async fn settle(&self, entry: Entry<'_>, layout: &Layout, ids: &[i64]) -> Result<(), TableError> {
        self.with(entry, Settle { layout, ids }).await
    }
}

struct Write<'a> {
    layout: &'a Layout,
    rows: &'a [Row],
}

impl Work for Write<'_> {
    type Answer = u64;

    async fn run(&self, connection: &mut Connection) -> Result<u64, Failure> {
        let table = &self.layout.table;
        let known = connection.known.get(table).and_then(|known| types_of(self.layout, known).ok());
        let (types, were_known) = match known {
            Some(types) => (types, true),
            None => (look(connection, self.layout).await?, false),
        };
        let answer = self.send(connection, &types).await;
        let Err(failure) = answer else { return answer };
        let may_be_stale = matches!(failure.error, TableError::Refused(_) | TableError::Unready(_));
        if !were_known || failure.is_lost || !may_be_stale {
            return Err(failure);
        }
        // The table may have been changed since its types were looked up: then it is no row's fault.
        let now = look(connection, self.layout).await?;
        if now == types { Err(failure) } else { self.send(connection, &now).await }
    }
}

impl Write<'_> {
    async fn send(&self, connection: &Connection, types: &[String]) -> Result<u64, Failure> {
        let deliveries: Vec<&str> = self.rows.iter().map(|row| row.delivery.as_str()).collect();
        let is_json = |place: usize| types.get(place).is_some_and(|of_type| of_type == "json" || of_type == "jsonb");
        let column = |place: usize| -> Vec<Option<Cow<'_, str>>> {
            let json = is_json(place);
            let cell = |row: &'_ Row| {
                row.cells.get(place).and_then(Option::as_ref).map(|cell: &Cell| cell.written(json).into_owned().into())
            };
            self.rows.iter().map(cell).collect()
        };
        let columns: Vec<Vec<Option<Cow<'_, str>>>> = (0..self.layout.columns.len()).map(column).collect();
        let columns: Vec<Vec<Option<&str>>> =
            columns.iter().map(|column| column.iter().map(Option::as_deref).collect()).collect();
        let told: Vec<Option<Cow<'_, str>>> =
            self.rows.iter().map(|row| row.told.as_ref().map(|told| told.written(true))).collect();
        let told: Vec<Option<&str>> = told.iter().map(Option::as_deref).collect();
        let mut parameters: Vec<Parameter<'_>> = vec![(&deliveries, Type::TEXT_ARRAY)];
        parameters.extend(columns.iter().map(|column| (column as _, Type::TEXT_ARRAY)));
        if self.layout.outbox {
            parameters.push((&told, Type::TEXT_ARRAY));
        }
        let answer = connection.ask(&statement(self.layout, types), &parameters).await?;
        let new: i64 = answer.first().map_or(Ok(0), |row| row.try_get(0))?;
        Ok(u64::try_from(new).unwrap_or_default())
    }
}

/// Looks up the types of a table, and keeps them.
async fn look(connection: &mut Connection, layout: &Layout) -> Result<Vec<String>, Failure> {
    let known = Description { columns: columns(connection, layout).await?, ..Description::default() };
    let types = types_of(layout, &known);
    connection.known.insert(layout.table.clone(), known);
    types.map_err(|problem| Failure { error: TableError::Unready(problem), is_lost: false })
}

async fn columns(connection: &Connection, layout: &Layout) -> Result<Vec<ColumnFacts>, Failure> {
    let rows = connection.ask(COLUMNS, &[(&layout.table.quoted(), Type::TEXT)]).await?;
    let facts = |row: &tokio_postgres::Row| -> Result<ColumnFacts, Failure> {
        Ok(ColumnFacts {
            name: row.try_get(0)?,
            of_type: row.try_get(1)?,
            is_required: row.try_get(2)?,
            is_generated: row.try_get(3)?,
        })
    };
    rows.iter().map(facts).collect()
}

struct Describe<'a> {
    layout: &'a Layout,
}

impl Work for Describe<'_> {
    type Answer = Description;

    async fn run(&self, connection: &mut Connection) -> Result<Description, Failure> {
        let table = self.layout.table.quoted();
        let columns = columns(connection, self.layout).await?;
        let mut unique = Vec::new();
        for row in connection.ask(UNIQUE, &[(&table, Type::TEXT)]).await? {
            unique.push(row.try_get::<_, Vec<String>>(0)?.into_iter().collect::<BTreeSet<String>>());
        }
        let needs = needs(self.layout);
        let relations: Vec<&str> = needs.iter().map(|need| need.table.as_str()).collect();
        let privileges: Vec<&str> = needs.iter().map(|need| need.privilege).collect();
        let asked =
            connection.ask(PRIVILEGES, &[(&relations, Type::TEXT_ARRAY), (&privileges, Type::TEXT_ARRAY)]).await?;
        let mut granted = Vec::with_capacity(asked.len());
        for row in asked {
            let (is_there, has): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
            granted.push(is_there.then_some(has));
        }
        Ok(Description { columns, unique, granted })
    }
}

struct Waiting<'a> {
    layout: &'a Layout,
    after: i64,
    most: u16,
}

impl Work for Waiting<'_> {
    type Answer = Vec<OutboxEvent>;

    async fn run(&self, connection: &mut Connection) -> Result<Vec<OutboxEvent>, Failure> {
        let outbox = self.layout.table.outbox();
        let statement =
            format!("select id, event from {outbox} where delivered_at is null and id > $1 order by id limit $2");
        let rows =
            connection.ask(&statement, &[(&self.after, Type::INT8), (&i64::from(self.most), Type::INT8)]).await?;
        rows.iter().map(|row| Ok(OutboxEvent { id: row.try_get(0)?, event: row.try_get(1)? })).collect()
    }
}

struct Run<'a> {
    statements: &'a str,
}

impl Work for Run<'_> {
    type Answer = ();

    async fn run(&self, connection: &mut Connection) -> Result<(), Failure> {
        connection.run(self.statements).await
    }
}

struct Erase<'a> {
    statement: &'a str,
    subjects: &'a [String],
}

impl Work for Erase<'_> {
    type Answer = u64;

    async fn run(&self, connection: &mut Connection) -> Result<u64, Failure> {
        let rows = connection.ask(self.statement, &[(&self.subjects, Type::TEXT_ARRAY)]).await?;
        let count: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }
}

struct Settle<'a> {
    layout: &'a Layout,
    ids: &'a [i64],
}

impl Work for Settle<'_> {
    type Answer = ();

    async fn run(&self, connection: &mut Connection) -> Result<(), Failure> {
        let outbox = self.layout.table.outbox();
        let statement = format!("update {outbox} set delivered_at = now() where id = any($1) and delivered_at is null");
        connection.ask(&statement, &[(&self.ids, Type::INT8_ARRAY)]).await.map(drop)
    }
}
