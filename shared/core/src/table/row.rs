//! A row: the values of one delivery, or why it can have none.

use serde::Serialize;

use crate::delivery::Delivery;
use crate::id::DeliveryId;
use crate::outcome::Cause;
use crate::table::{Cell, Layout};

/// The type of the event that the outbox tells of each new row. It is a producer's, so that the tenant's intake takes
/// it; a sink that tells it may not take it, or it would never end.
pub const WRITTEN: &str = "table.written";

/// What is written of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The delivery: what the inbox knows it by.
    pub delivery: DeliveryId,
    /// The values, in the order of the layout's columns.
    pub cells: Vec<Option<Cell>>,
    /// The event that the outbox holds of it; nothing without an outbox.
    pub told: Option<Cell>,
}

#[derive(Serialize)]
struct Told<'a> {
    specversion: &'a str,
    id: &'a str,
    source: String,
    r#type: &'a str,
    subject: String,
    time: String,
    data: Of<'a>,
}

/// Which event became the row.
#[derive(Serialize)]
struct Of<'a> {
    source: &'a str,
    id: &'a str,
    r#type: &'a str,
}

impl Row {
    /// Makes the row of a delivery.
    ///
    /// # Errors
    /// [`Cause::Rejected`] with the column where it cannot be one, whatever the database says.
    pub fn of(layout: &Layout, delivery: &Delivery) -> Result<Self, Cause> {
        let mut cells = Vec::with_capacity(layout.columns.len());
        for (place, column) in layout.columns.iter().enumerate() {
            let cell = column.source.read(delivery);
            let refuse = |why: String| Err(Cause::Rejected(format!("column {}: {why}", column.name)));
            if cell.as_ref().is_some_and(Cell::has_nul) {
                return refuse("a text with U+0000 in it, which PostgreSQL does not store".to_owned());
            }
            if cell.is_none() && layout.must_have(place) {
                return refuse(format!("the event has nothing at {}, and an upsert needs it", column.source));
            }
            cells.push(cell);
        }
        let told = if layout.outbox { Some(told(layout, delivery)?) } else { None };
        Ok(Self { delivery: delivery.id.clone(), cells, told })
    }
}

/// The event that says that a row was written. Its id is the delivery's, so that it is the same each time.
fn told(layout: &Layout, delivery: &Delivery) -> Result<Cell, Cause> {
    let envelope = &delivery.envelope;
    let told = Told {
        specversion: "1.0",
        id: delivery.id.as_str(),
        source: format!("/tables/{}", delivery.sink),
        r#type: WRITTEN,
        subject: layout.table.to_string(),
        time: format!("{:.3}", envelope.accepted_at),
        data: Of { source: envelope.event.source(), id: envelope.event.id(), r#type: &envelope.event_type },
    };
    let json = serde_json::to_string(&told).map_err(|_| Cause::Bug("an event of the outbox cannot be written"))?;
    Ok(Cell::json(&json))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::envelope::Envelope;
    use crate::table::{Column, Mode};

    fn layout(mode: Mode, outbox: bool) -> Layout {
        let column = |name: &str, source: &str| Column { name: name.parse().unwrap(), source: source.parse().unwrap() };
        let columns = vec![column("at", "time"), column("id", "data.id"), column("note", "data.note")];
        Layout { table: "crm.t".parse().unwrap(), columns, mode, outbox }
    }

    fn delivery(rest: &str) -> Delivery {
        let body = format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"t"{rest}}}"#);
        let at = jiff::Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        let envelope = Envelope::parse(&"acme".parse().unwrap(), at, body.as_bytes()).unwrap();
        Delivery::new("crm".parse().unwrap(), envelope)
    }

    #[test]
    fn what_is_missing_is_empty_where_rows_are_appended_and_refused_where_a_key_needs_it() {
        let bare = delivery("");
        assert_eq!(Row::of(&layout(Mode::Append, false), &bare).unwrap().cells, vec![None, None, None]);
        let upsert = layout(Mode::Upsert { key: vec![1], newest: 0 }, false);
        for (rest, part) in [(r#","data":{"id":1}"#, "column at"), (r#","time":"2026-01-01T00:00:00Z""#, "column id")] {
            let Err(Cause::Rejected(why)) = Row::of(&upsert, &delivery(rest)) else { panic!("{rest}") };
            assert!(why.contains(part), "{why}");
        }
        let whole = delivery(r#","time":"2026-01-01T00:00:00Z","data":{"id":1}"#);
        assert!(Row::of(&upsert, &whole).is_ok());
    }

    #[test]
    fn a_nul_is_refused_with_its_column_and_without_the_value() {
        let Err(Cause::Rejected(why)) =
            Row::of(&layout(Mode::Append, false), &delivery(r#","data":{"note":"se\u0000cret"}"#))
        else {
            panic!("it is refused")
        };
        assert!(why.contains("column note") && !why.contains("cret"), "{why}");
    }

    #[test]
    fn what_the_outbox_tells_is_an_event_that_a_strict_intake_takes() {
        let told = Row::of(&layout(Mode::Append, true), &delivery("")).unwrap().told.unwrap();
        let tenant = "acme".parse().unwrap();
        let at = jiff::Timestamp::UNIX_EPOCH;
        let received = Envelope::receive(&tenant, at, &told.written(true)).unwrap();
        let envelope = received.admit(true).unwrap();
        assert_eq!((envelope.event_type.as_str(), envelope.event.source()), (WRITTEN, "/tables/crm"));
    }
}
