//! The one statement of a batch, and the tables that it needs beside the tenant's.
//!
//! `UNNEST` of one array per column takes one round trip and a text that does not depend on the rows; it is faster than
//! `COPY` into a temporary table up to batches of a thousand and more (docs/PERFORMANCE.md), and works behind poolers
//! that keep no session.

use std::fmt::Write as _;

use crate::table::{Description, Identifier, Layout, Mode};

/// The statement that writes a batch. Its parameters are arrays of `text`: the deliveries, each column in the layout's
/// order, and with an outbox its events. Its answer is one row, the number of deliveries that were new.
///
/// `types` are the columns' types, as the database writes them.
pub fn statement(layout: &Layout, types: &[String]) -> String {
    let columns = layout.columns.len();
    let arrays = 1 + columns + usize::from(layout.outbox);
    let parameters: Vec<String> = (1..=arrays).map(|place| format!("${place}::text[]")).collect();
    let names = (0..columns).map(|place| format!("c{place}"));
    let names: Vec<String> =
        std::iter::once("delivery".to_owned()).chain(names).chain(layout.outbox.then(|| "told".to_owned())).collect();
    let mut text = format!(
        "with batch as (select * from unnest({}) as batch({})),\n\
         fresh as (insert into {inbox} (delivery_id) select delivery from batch order by delivery collate \"C\"\n  \
         on conflict do nothing returning delivery_id),\n\
         written as (insert into {} as stored ({})\n  {}\n  from batch join fresh on fresh.delivery_id = batch.delivery\n  {})",
        parameters.join(", "),
        names.join(", "),
        layout.table.quoted(),
        quoted(layout.columns.iter().map(|column| &column.name)),
        selected(layout, types),
        conflict(layout, types),
        inbox = layout.table.inbox(),
    );
    if layout.outbox {
        let _ = write!(
            text,
            ",\ntold as (insert into {} (event_id, event)\n  select delivery, told from batch join fresh on fresh.delivery_id = batch.delivery order by delivery collate \"C\")",
            layout.table.outbox()
        );
    }
    text.push_str("\nselect count(*) from fresh");
    text
}

/// A value of the batch, as its column's type.
fn typed(place: usize, types: &[String]) -> String {
    let of_type = types.get(place).map_or("text", String::as_str);
    format!("c{place}::{of_type}")
}

fn selected(layout: &Layout, types: &[String]) -> String {
    let values: Vec<String> = (0..layout.columns.len()).map(|place| typed(place, types)).collect();
    match &layout.mode {
        Mode::Append => format!("select {}", values.join(", ")),
        // Two rows of one key in one statement would be an error: the newest of them is taken.
        Mode::Upsert { key, .. } => {
            let key: Vec<String> = key.iter().map(|place| typed(*place, types)).collect();
            format!("select distinct on ({}) {}", key.join(", "), values.join(", "))
        }
    }
}

/// The order of the rows, which is the order of their locks, and what becomes of a row that is there.
fn conflict(layout: &Layout, types: &[String]) -> String {
    let Mode::Upsert { key, newest } = &layout.mode else { return "order by delivery collate \"C\"".to_owned() };
    let of_key: Vec<String> = key.iter().map(|place| typed(*place, types)).collect();
    let order = format!("order by {}, {} desc, delivery collate \"C\"", of_key.join(", "), typed(*newest, types));
    let others = layout.columns.iter().enumerate().filter(|(place, _)| !key.contains(place));
    let set: Vec<String> =
        others.map(|(_, column)| format!("{name} = excluded.{name}", name = column.name.quoted())).collect();
    let newest = layout.columns.get(*newest).map(|column| column.name.quoted()).unwrap_or_default();
    format!(
        "{order}\n  on conflict ({}) do update set {}\n  where stored.{newest} is null or excluded.{newest} > stored.{newest}",
        quoted(layout.key()),
        set.join(", ")
    )
}

fn quoted<'a>(names: impl Iterator<Item = &'a Identifier>) -> String {
    names.map(Identifier::quoted).collect::<Vec<_>>().join(", ")
}

/// What must be in the database beside the tenant's own table, as statements that can be run again. Where the table
/// itself is not there, a comment proposes one.
pub fn ddl(layout: &Layout, user: &str, known: Option<&Description>) -> String {
    let (inbox, outbox) = (layout.table.inbox(), layout.table.outbox());
    let mut text = format!(
        "-- What a delivery is known by once its row is written. A row of it may be deleted when its delivery cannot come\n\
         -- again: 30 days after `delivered_at`.\n\
         create table if not exists {inbox} (\n  delivery_id text primary key,\n  delivered_at timestamptz not null default now()\n);\n\
         create index if not exists acequia_inbox_delivered_at on {inbox} (delivered_at);\n\
         grant select, insert on {inbox} to \"{user}\";\n"
    );
    if layout.outbox {
        let _ = write!(
            text,
            "\n-- Events for the tenant's intake, which `acequia table relay` sends. Transactions of your own may add to it.\n\
             create table if not exists {outbox} (\n  id bigint generated always as identity primary key,\n  event_id text not null unique,\n  \
             event text not null,\n  created_at timestamptz not null default now(),\n  delivered_at timestamptz\n);\n\
             create index if not exists acequia_outbox_waiting on {outbox} (id) where delivered_at is null;\n\
             grant select, insert, update on {outbox} to \"{user}\";\n"
        );
    }
    let table = layout.table.quoted();
    let needed = match layout.mode {
        Mode::Append => "insert",
        Mode::Upsert { .. } => "select, insert, update",
    };
    if known.is_none_or(|known| known.columns.is_empty()) {
        text.push_str(&proposal(layout, &table));
    }
    let _ = write!(text, "\ngrant {needed} on {table} to \"{user}\";\n");
    text
}

/// A table that would take the rows, as a comment: its types are the tenant's to choose.
fn proposal(layout: &Layout, table: &str) -> String {
    let is_time = |source: &str| source == "time" || source == "$accepted_at";
    let column = |column: &crate::table::Column| {
        let source = column.source.to_string();
        let of_type = if is_time(&source) {
            "timestamptz"
        } else if source == "$event" {
            "jsonb"
        } else {
            "text"
        };
        format!("--   {} {of_type}", column.name.quoted())
    };
    let mut lines: Vec<String> = layout.columns.iter().map(column).collect();
    let key: Vec<String> = layout.key().map(Identifier::quoted).collect();
    if !key.is_empty() {
        lines.push(format!("--   primary key ({})", key.join(", ")));
    }
    format!(
        "\n-- The table is yours; this one would take the rows:\n-- create table {table} (\n{}\n-- );\n",
        lines.join(",\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Column;

    fn layout(mode: Mode, outbox: bool) -> Layout {
        let column = |name: &str, source: &str| Column { name: name.parse().unwrap(), source: source.parse().unwrap() };
        let columns = vec![column("at", "time"), column("id", "data.id")];
        Layout { table: "crm.t".parse().unwrap(), columns, mode, outbox }
    }

    fn types() -> Vec<String> {
        ["timestamp with time zone", "integer"].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_batch_that_is_appended_is_in_the_order_of_its_deliveries() {
        let text = statement(&layout(Mode::Append, false), &types());
        assert!(
            text.starts_with(
                "with batch as (select * from unnest($1::text[], $2::text[], $3::text[]) as batch(delivery, c0, c1))"
            ),
            "{text}"
        );
        assert!(text.contains("select c0::timestamp with time zone, c1::integer\n"), "{text}");
        assert!(
            text.contains(r#"insert into "crm"."acequia_inbox" (delivery_id)"#) && !text.contains("outbox"),
            "{text}"
        );
        assert!(text.contains("order by delivery collate \"C\")"), "{text}");
    }

    #[test]
    fn an_upsert_takes_the_newest_of_a_key_in_the_order_of_the_keys_and_leaves_what_is_newer() {
        let text = statement(&layout(Mode::Upsert { key: vec![1], newest: 0 }, true), &types());
        assert!(text.contains("select distinct on (c1::integer) "), "{text}");
        assert!(text.contains("order by c1::integer, c0::timestamp with time zone desc, delivery"), "{text}");
        assert!(text.contains(r#"on conflict ("id") do update set "at" = excluded."at""#), "{text}");
        assert!(text.contains(r#"where stored."at" is null or excluded."at" > stored."at""#), "{text}");
        assert!(
            text.contains(r#"insert into "crm"."acequia_outbox" (event_id, event)"#) && text.contains("$4::text[]")
        );
    }

    #[test]
    fn what_is_needed_can_be_made_twice_and_a_table_that_is_there_is_not_proposed() {
        let layout = layout(Mode::Upsert { key: vec![1], newest: 0 }, true);
        let text = ddl(&layout, "acme", None);
        assert_eq!(text.matches("create table if not exists").count(), 2, "{text}");
        assert!(text.contains("--   primary key (\"id\")") && text.contains("--   \"at\" timestamptz"), "{text}");
        let known = Description { columns: vec![crate::table::ColumnFacts::default()], ..Description::default() };
        assert!(!ddl(&layout, "acme", Some(&known)).contains("primary key (\"id\")"));
    }
}
