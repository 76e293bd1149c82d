//! The suite of tables.

use acequia_core::delivery::Delivery;
use acequia_core::port::{Entry, TableError, Tables};
use acequia_core::secret::Secret;
use acequia_core::table::{Authentication, Column, Database, Layout, Mode, Row, problems};

use crate::build::{envelope, secret_name, sink_id, tenant_id};
use crate::tables::StoredRow;

/// The columns of `crm.people`: each with its type and what stands in it.
pub const COLUMNS: [(&str, &str, &str); 4] = [
    ("at", "timestamptz", "data.at"),
    ("id", "text", "data.id"),
    ("n", "integer", "data.n"),
    ("note", "text", "data.note"),
];

/// The table of the suite.
pub const TABLE: &str = "crm.people";

/// Tables that a test can make and look into.
pub trait TablesInTest: Tables {
    /// A database of its own with [`TABLE`], whose unique key is `id`, inbox and outbox; and the password of its user.
    fn prepare(&self, name: &str) -> impl Future<Output = (Database, Secret)>;
    /// The rows of the table, in any order.
    fn rows(&self, database: &Database) -> impl Future<Output = Vec<StoredRow>>;
}

impl TablesInTest for crate::InMemoryTables {
    async fn prepare(&self, name: &str) -> (Database, Secret) {
        let address = format!("postgresql://acequia@db.example/{name}").parse().unwrap();
        let authentication = Authentication::Password(secret_name("db"));
        let database = Database { address, authentication, authorities: None };
        self.create(&database, TABLE, &COLUMNS.map(|(column, of_type, _)| (column, of_type)), &["id"]);
        (database, Secret::new("s"))
    }

    async fn rows(&self, database: &Database) -> Vec<StoredRow> {
        self.rows(database, TABLE)
    }
}

/// The layout of the suite's table.
pub fn layout(is_upsert: bool, outbox: bool) -> Layout {
    let column =
        |(name, _, source): (&str, &str, &str)| Column { name: name.parse().unwrap(), source: source.parse().unwrap() };
    let mode = if is_upsert { Mode::Upsert { key: vec![1], newest: 0 } } else { Mode::Append };
    Layout { table: TABLE.parse().unwrap(), columns: COLUMNS.map(column).to_vec(), mode, outbox }
}

/// The row of an event of this id, with a person, a number and a minute.
pub fn row(layout: &Layout, event: &str, id: &str, n: &str, minute: u8) -> Row {
    let data = format!(r#"{{"id":"{id}","n":{n},"at":"2026-01-01T00:{minute:02}:00Z"}}"#);
    Row::of(layout, &Delivery::new(sink_id("crm"), envelope("acme", event, "action.signed", &data))).unwrap()
}

struct Case<'a, T> {
    tables: &'a T,
    tenant: acequia_core::id::TenantId,
    database: Database,
    password: Secret,
}

impl<'a, T: TablesInTest> Case<'a, T> {
    async fn of(tables: &'a T, name: &str) -> Self {
        let (database, password) = tables.prepare(name).await;
        Self { tables, tenant: tenant_id("acme"), database, password }
    }

    fn entry(&self) -> Entry<'_> {
        Entry { tenant: &self.tenant, database: &self.database, credential: &self.password }
    }

    async fn write(&self, layout: &Layout, rows: &[Row]) -> Result<u64, TableError> {
        self.tables.write(self.entry(), layout, rows).await
    }

    /// `id=n` of each row, by id.
    async fn people(&self) -> String {
        let value = |row: &StoredRow, name: &str| row.get(name).cloned().flatten().unwrap_or_default();
        let rows = self.tables.rows(&self.database).await;
        let mut people: Vec<String> =
            rows.iter().map(|row| format!("{}={}", value(row, "id"), value(row, "n"))).collect();
        people.sort();
        people.join(" ")
    }
}

/// As SQS repeats batches: whole, in part, and in another order.
pub async fn a_row_is_written_once_however_often_its_delivery_comes(tables: &impl TablesInTest) {
    let (case, layout) = (Case::of(tables, "once").await, layout(false, true));
    let rows: Vec<Row> =
        (0..20).map(|n| row(&layout, &format!("e{n}"), &format!("p{n:02}"), &n.to_string(), 0)).collect();
    assert_eq!(case.write(&layout, &rows[..12]).await, Ok(12));
    let again: Vec<Row> = rows.iter().rev().cloned().collect();
    assert_eq!(case.write(&layout, &again).await, Ok(8));
    assert_eq!(case.write(&layout, &rows).await, Ok(0));
    assert_eq!(case.tables.rows(&case.database).await.len(), 20);
    assert_eq!(tables.waiting(case.entry(), &layout, None, 100).await.unwrap().len(), 20, "and it is told once");
}

/// In one batch, in two, and late.
pub async fn of_two_events_of_one_key_the_newer_one_stays(tables: &impl TablesInTest) {
    let (case, layout) = (Case::of(tables, "newest").await, layout(true, false));
    let batch = [row(&layout, "1", "ana", "1", 1), row(&layout, "3", "ana", "3", 3), row(&layout, "2", "ana", "2", 2)];
    assert_eq!(case.write(&layout, &batch).await, Ok(3));
    assert_eq!(case.people().await, "ana=3");
    assert_eq!(case.write(&layout, &[row(&layout, "4", "ana", "9", 2), row(&layout, "5", "bea", "5", 0)]).await, Ok(2));
    assert_eq!(case.people().await, "ana=3 bea=5", "what comes late changes nothing, and is delivered");
    assert_eq!(case.write(&layout, &[row(&layout, "6", "ana", "6", 6)]).await, Ok(1));
    assert_eq!(case.people().await, "ana=6 bea=5");
}

/// A number that is none, and a key that is there.
pub async fn a_row_that_is_refused_leaves_nothing_of_its_batch(tables: &impl TablesInTest) {
    let (case, layout) = (Case::of(tables, "refused").await, layout(false, true));
    let good = row(&layout, "1", "ana", "1", 0);
    let bad = row(&layout, "2", "bea", "\"secret\"", 0);
    let Err(TableError::Refused(why)) = case.write(&layout, &[good.clone(), bad]).await else {
        panic!("it is refused")
    };
    assert!(!why.contains("secret"), "{why}");
    assert_eq!(case.people().await, "");
    assert_eq!(tables.waiting(case.entry(), &layout, None, 100).await, Ok(vec![]));
    assert_eq!(case.write(&layout, &[good]).await, Ok(1), "and its neighbour is as new as before");
    let same = row(&layout, "3", "ana", "3", 0);
    assert!(matches!(case.write(&layout, &[same]).await, Err(TableError::Refused(_))));
}

/// Nothing of a value is lost on the way: quotes, backslashes, letters of any alphabet, nothing at all.
pub async fn values_arrive_as_they_are(tables: &impl TablesInTest) {
    let (case, layout) = (Case::of(tables, "values").await, layout(false, false));
    let notes = ["", "NULL", "null", "{a,b}", "a\"b'c\\d", "\u{1F33B}\u{e9}", "a\nb\tc", "--;'"];
    let row = |(n, note): (usize, &&str)| {
        let data = serde_json::json!({"id": format!("{n}"), "note": note}).to_string();
        Row::of(&layout, &Delivery::new(sink_id("crm"), envelope("acme", &n.to_string(), "t", &data))).unwrap()
    };
    let rows: Vec<Row> = notes.iter().enumerate().map(row).collect();
    assert_eq!(case.write(&layout, &rows).await, Ok(8));
    for stored in tables.rows(&case.database).await {
        let id: usize = stored["id"].as_ref().unwrap().parse().unwrap();
        assert_eq!(stored["note"].as_deref(), Some(notes[id]));
        assert_eq!(stored["n"], None);
    }
}

/// As a relay does that is ended between any two steps.
pub async fn what_the_outbox_tells_waits_in_its_order_until_it_is_settled(tables: &impl TablesInTest) {
    let (case, layout) = (Case::of(tables, "outbox").await, layout(false, true));
    for n in 0..3 {
        case.write(&layout, &[row(&layout, &n.to_string(), &n.to_string(), "0", 0)]).await.unwrap();
    }
    let waiting = tables.waiting(case.entry(), &layout, None, 2).await.unwrap();
    assert_eq!(waiting, tables.waiting(case.entry(), &layout, None, 2).await.unwrap(), "until it is settled");
    let first = waiting[0].id;
    tables.settle(case.entry(), &layout, &[first]).await.unwrap();
    tables.settle(case.entry(), &layout, &[first]).await.unwrap();
    let rest = tables.waiting(case.entry(), &layout, None, 100).await.unwrap();
    assert_eq!((rest.len(), rest[0].id), (2, waiting[1].id));
    assert!(rest[0].event.contains("table.written"));
    let behind = tables.waiting(case.entry(), &layout, Some(rest[0].id), 100).await.unwrap();
    assert_eq!(behind, rest[1..]);
}

/// A table that is not there, or lacks what the sink writes: nobody's row is to blame.
pub async fn a_table_that_does_not_fit_is_told_and_described(tables: &impl TablesInTest) {
    let (case, layout) = (Case::of(tables, "fit").await, layout(true, false));
    assert_eq!(problems(&layout, &tables.describe(case.entry(), &layout).await.unwrap()), []);
    let mut other = layout.clone();
    other.columns[3].name = "remark".parse().unwrap();
    let Err(TableError::Unready(why)) = case.write(&other, &[row(&other, "1", "ana", "1", 0)]).await else { panic!() };
    assert!(why.contains("column"), "{why}");
    let fields =
        |found: Vec<acequia_core::table::Problem>| found.into_iter().map(|problem| problem.field).collect::<Vec<_>>();
    assert_eq!(fields(problems(&other, &tables.describe(case.entry(), &other).await.unwrap())), ["columns.remark"]);
    let none = Layout { table: "crm.nobody".parse().unwrap(), ..layout.clone() };
    let Err(TableError::Unready(why)) = case.write(&none, &[row(&none, "1", "ana", "1", 0)]).await else { panic!() };
    assert!(why.contains("table"), "{why}");
    assert_eq!(case.write(&layout, &[row(&layout, "1", "ana", "1", 0)]).await, Ok(1), "and the right one is as before");
}

/// Two tenants, each with a database of its own.
pub async fn no_tenant_writes_into_the_database_of_another(tables: &impl TablesInTest) {
    let (one, mut other, layout) =
        (Case::of(tables, "one").await, Case::of(tables, "other").await, layout(false, false));
    other.tenant = tenant_id("bona");
    let rows = [row(&layout, "1", "ana", "1", 0)];
    assert_eq!(one.write(&layout, &rows).await, Ok(1));
    assert_eq!((one.people().await, other.people().await), ("ana=1".to_owned(), String::new()));
    assert_eq!(other.write(&layout, &rows).await, Ok(1));
    assert_eq!(one.write(&layout, &rows).await, Ok(0));
}
