//! Tables of databases, in memory: as strict as `PostgreSQL` about types, nulls and keys, as far as the tests ask.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use acequia_core::id::DeliveryId;
use acequia_core::port::{Entry, OutboxEvent, TableError, Tables};
use acequia_core::table::{ColumnFacts, Database, Description, Layout, Mode, Row, needs, types_of};
use jiff::Timestamp;

use crate::fault::Faults;
use crate::shared::Shared;

/// A row as it is stored: its values by column.
pub type StoredRow = BTreeMap<String, Option<String>>;

/// One table, with inbox and outbox beside it.
#[derive(Debug, Clone, Default)]
struct Stored {
    columns: Vec<ColumnFacts>,
    unique: Vec<BTreeSet<String>>,
    rows: Vec<StoredRow>,
    inbox: BTreeSet<DeliveryId>,
    outbox: Vec<(OutboxEvent, bool)>,
}

/// Databases in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryTables {
    tables: Shared<BTreeMap<String, Stored>>,
    /// Makes calls fail before anything is done.
    pub calls: Faults,
    /// Makes the answers to writes get lost: the rows are there.
    pub answers: Faults,
}

impl InMemoryTables {
    /// No database.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a table, or one of the same name anew, with columns of these types (`integer`, `timestamptz`, else text)
    /// and one unique key.
    pub fn create(&self, database: &Database, table: &str, columns: &[(&str, &str)], key: &[&str]) {
        let facts = |(name, of_type): &(&str, &str)| ColumnFacts {
            name: (*name).to_owned(),
            of_type: (*of_type).to_owned(),
            ..ColumnFacts::default()
        };
        let mut tables = self.tables.lock();
        let stored = tables.entry(place(database, table)).or_default();
        stored.columns = columns.iter().map(facts).collect();
        stored.unique =
            if key.is_empty() { Vec::new() } else { vec![key.iter().map(|name| (*name).to_owned()).collect()] };
    }

    /// The rows of a table, in the order in which they were written.
    pub fn rows(&self, database: &Database, table: &str) -> Vec<StoredRow> {
        self.tables.lock().get(&place(database, table)).map(|stored| stored.rows.clone()).unwrap_or_default()
    }
}

impl InMemoryTables {
    /// The deliveries that the inbox beside a table knows.
    pub fn delivered(&self, database: &Database, table: &str) -> BTreeSet<DeliveryId> {
        self.tables.lock().get(&place(database, table)).map(|stored| stored.inbox.clone()).unwrap_or_default()
    }
}

fn place(database: &Database, table: &str) -> String {
    format!("{}/{table}", database.address)
}

fn later(operation: &str) -> TableError {
    TableError::Later(format!("switched off by the test: {operation}"))
}

/// A value as its column's type takes it.
fn typed(of_type: &str, text: &str) -> Result<(), TableError> {
    let fits = match of_type {
        "integer" => text.parse::<i32>().is_ok(),
        "timestamptz" | "timestamp with time zone" => text.parse::<Timestamp>().is_ok(),
        _ => true,
    };
    if fits { Ok(()) } else { Err(TableError::Refused("a value is not of its column's type (22P02)".to_owned())) }
}

/// Which of two values of a column is greater.
fn compare(of_type: &str, one: &str, other: &str) -> Ordering {
    match of_type {
        "integer" => one.parse::<i32>().ok().cmp(&other.parse().ok()),
        "timestamptz" | "timestamp with time zone" => one.parse::<Timestamp>().ok().cmp(&other.parse().ok()),
        _ => one.cmp(other),
    }
}

impl Stored {
    /// Writes rows; answers how many were new.
    fn write(&mut self, layout: &Layout, rows: &[Row]) -> Result<u64, TableError> {
        let known = Description { columns: self.columns.clone(), ..Description::default() };
        let types = types_of(layout, &known).map_err(TableError::Unready)?;
        let mut new = 0;
        for row in rows {
            if !self.inbox.insert(row.delivery.clone()) {
                continue;
            }
            new += 1;
            let mut values = StoredRow::new();
            for ((column, cell), of_type) in layout.columns.iter().zip(&row.cells).zip(&types) {
                let text = cell.as_ref().map(|cell| cell.written(of_type.starts_with("json")).into_owned());
                text.as_deref().map_or(Ok(()), |text| typed(of_type, text))?;
                values.insert(column.name.as_str().to_owned(), text);
            }
            self.put(layout, &types, values)?;
            if let Some(told) = &row.told {
                let id = i64::try_from(self.outbox.len()).unwrap_or(i64::MAX);
                self.outbox.push((OutboxEvent { id, event: told.written(true).into_owned() }, false));
            }
        }
        Ok(new)
    }

    fn put(&mut self, layout: &Layout, types: &[String], values: StoredRow) -> Result<(), TableError> {
        let same = |row: &&mut StoredRow, names: &BTreeSet<String>| {
            names
                .iter()
                .all(|name| values.get(name).is_some_and(|value| value.is_some() && row.get(name) == Some(value)))
        };
        let unique = self.unique.clone();
        let Some(there) = self.rows.iter_mut().find(|row| unique.iter().any(|names| same(row, names))) else {
            self.rows.push(values);
            return Ok(());
        };
        let Mode::Upsert { newest, .. } = &layout.mode else {
            return Err(TableError::Refused("another row has the same unique key (23505)".to_owned()));
        };
        let (Some(column), Some(of_type)) = (layout.columns.get(*newest), types.get(*newest)) else { return Ok(()) };
        let value = |row: &StoredRow| row.get(column.name.as_str()).cloned().flatten();
        let newer = match (value(there), value(&values)) {
            (Some(old), Some(new)) => compare(of_type, &new, &old) == Ordering::Greater,
            (None, _) => true,
            (_, None) => false,
        };
        if newer {
            there.extend(values);
        }
        Ok(())
    }
}

impl Tables for InMemoryTables {
    async fn write(&self, entry: Entry<'_>, layout: &Layout, rows: &[Row]) -> Result<u64, TableError> {
        self.calls.call("write rows").map_err(|_| later("write rows"))?;
        let new = {
            let mut tables = self.tables.lock();
            let stored = tables.entry(place(entry.database, &layout.table.to_string())).or_default();
            // A transaction: all of it or nothing.
            let mut after = stored.clone();
            let new = after.write(layout, rows)?;
            *stored = after;
            new
        };
        self.answers.call("write rows").map_err(|_| later("answer"))?;
        Ok(new)
    }

    async fn describe(&self, entry: Entry<'_>, layout: &Layout) -> Result<Description, TableError> {
        self.calls.call("describe a table").map_err(|_| later("describe a table"))?;
        let tables = self.tables.lock();
        let stored = tables.get(&place(entry.database, &layout.table.to_string())).cloned().unwrap_or_default();
        let granted = needs(layout).iter().map(|_| (!stored.columns.is_empty()).then_some(true)).collect();
        Ok(Description { columns: stored.columns, unique: stored.unique, granted })
    }

    async fn waiting(
        &self,
        entry: Entry<'_>,
        layout: &Layout,
        after: Option<i64>,
        most: u16,
    ) -> Result<Vec<OutboxEvent>, TableError> {
        self.calls.call("read the outbox").map_err(|_| later("read the outbox"))?;
        let tables = self.tables.lock();
        let stored = tables.get(&place(entry.database, &layout.table.to_string()));
        let events = stored.into_iter().flat_map(|stored| &stored.outbox);
        let waiting = events.filter(|(event, is_settled)| !is_settled && after.is_none_or(|after| event.id > after));
        Ok(waiting.take(usize::from(most)).map(|(event, _)| event.clone()).collect())
    }

    async fn settle(&self, entry: Entry<'_>, layout: &Layout, ids: &[i64]) -> Result<(), TableError> {
        self.calls.call("settle the outbox").map_err(|_| later("settle the outbox"))?;
        let mut tables = self.tables.lock();
        let stored = tables.get_mut(&place(entry.database, &layout.table.to_string()));
        for (event, is_settled) in stored.into_iter().flat_map(|stored| &mut stored.outbox) {
            *is_settled |= ids.contains(&event.id);
        }
        Ok(())
    }
}
