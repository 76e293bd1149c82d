//! Rows of a subject, found by the column that has it or by the event itself, and deleted: those and no others.

use acequia_core::port::TableError;
use acequia_core::table::{Column, Layout, Mode};
use acequia_postgres::PostgresTables;

use crate::fault::Customer;
use crate::world::SERVER;

fn layout(table: &str, columns: &[(&str, &str)]) -> Layout {
    let column =
        |(name, source): &(&str, &str)| Column { name: name.parse().unwrap(), source: source.parse().unwrap() };
    let columns = columns.iter().map(column).collect();
    Layout { table: table.parse().unwrap(), columns, mode: Mode::Append, outbox: false }
}

#[tokio::test]
async fn the_rows_of_a_subject_are_deleted_by_its_column_or_by_the_event_and_no_others() {
    let customer = Customer::on(&SERVER, "erase");
    let odd = "o'ana\"; drop table crm.folks; --";
    customer.run(
        &SERVER,
        "set role acequia; create table crm.folks (who text, raw jsonb, number integer); \
         create table crm.raw (raw text); \
         insert into crm.folks values ('ana', '{}', 1), ('Ana', '{}', 2), ('bo', '{}', 3), (null, '{}', 4)",
    );
    customer.run(&SERVER, &format!("insert into crm.folks values ($x${odd}$x$, '{{}}', 5)"));
    customer.run(
        &SERVER,
        r#"insert into crm.raw values ('{"subject":"ana"}'), ('{"contact":{"contactRef":"ana"}}'), ('{"subject":"bo"}'), ('{"data":{"subject":"ana"}}')"#,
    );
    let tables = PostgresTables::new();
    let people = layout("crm.folks", &[("who", "subject"), ("number", "data.n")]);
    let subjects = ["ana", "Ana", odd].map(str::to_owned);
    let counted = tables.erase(customer.entry(), &people, &subjects, true).await.unwrap();
    assert_eq!((counted, customer.count(&SERVER, "count(*) from crm.folks")), (Some(3), 5));
    assert_eq!(tables.erase(customer.entry(), &people, &subjects, false).await.unwrap(), Some(3));
    assert_eq!(customer.count(&SERVER, "sum(number) from crm.folks"), 7, "those of bo and of nobody are there");
    assert_eq!(tables.erase(customer.entry(), &people, &subjects, false).await.unwrap(), Some(0));

    let raw = layout("crm.raw", &[("raw", "$event")]);
    assert_eq!(tables.erase(customer.entry(), &raw, &subjects, false).await.unwrap(), Some(2));
    assert_eq!(customer.count(&SERVER, "count(*) from crm.raw"), 2);
    let other = layout("crm.raw", &[("raw", "data.raw")]);
    assert_eq!(tables.erase(customer.entry(), &other, &subjects, false).await.unwrap(), None);
    let missing = layout("crm.nowhere", &[("who", "subject")]);
    let error = tables.erase(customer.entry(), &missing, &subjects, false).await.unwrap_err();
    assert!(matches!(&error, TableError::Unready(why) if !why.contains("ana")), "{error:?}");
}
