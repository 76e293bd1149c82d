//! Deleting a subject's rows: by which column they are found, and the statement.

use super::{ColumnSource, Layout};

/// Where events have their subject: `CloudEvents`, and Proca's messages
/// ([`crate::event::envelope::Envelope::subject`]).
const SUBJECTS: [&str; 4] = ["subject", "contact.contactRef", "contact.ref", "supporter.contact.contactRef"];

/// The condition on the rows of a table that are those of events with one of the subjects in `$1::text[]`; nothing where no
/// column of the sink's has the subject.
pub fn of_subjects(layout: &Layout) -> Option<String> {
    let columns = || layout.columns.iter();
    let by_path: Vec<String> = columns()
        .filter(|column| matches!(&column.source, ColumnSource::Path(steps) if SUBJECTS.contains(&steps.join(".").as_str())))
        .map(|column| format!("{}::text = any($1)", column.name.quoted()))
        .collect();
    let whole = columns().find(|column| column.source == ColumnSource::Event);
    match (by_path.is_empty(), whole) {
        (false, _) => Some(by_path.join(" or ")),
        (true, Some(column)) => {
            let event = format!("{}::text::jsonb", column.name.quoted());
            let path = |path: &str| format!("{event} #>> '{{{}}}' = any($1)", path.replace('.', ","));
            Some(SUBJECTS.map(path).join(" or "))
        }
        (true, None) => None,
    }
}

/// Deletes the rows of these subjects, and says how many there were; in a dry run it counts them.
pub fn erasure(layout: &Layout, dry_run: bool) -> Option<String> {
    let (table, condition) = (layout.table.quoted(), of_subjects(layout)?);
    Some(if dry_run {
        format!("select count(*) from {table} where {condition}")
    } else {
        format!("with gone as (delete from {table} where {condition} returning 1) select count(*) from gone")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Column, Mode};

    fn layout(columns: &[(&str, &str)]) -> Layout {
        let column =
            |(name, source): &(&str, &str)| Column { name: name.parse().unwrap(), source: source.parse().unwrap() };
        let columns = columns.iter().map(column).collect();
        Layout { table: "crm.supporters".parse().unwrap(), columns, mode: Mode::Append, outbox: false }
    }

    #[test]
    fn rows_are_found_by_the_column_of_the_subject_else_by_the_event_itself_else_not_at_all() {
        let by_column = erasure(&layout(&[("id", "data.id"), ("who", "subject"), ("raw", "$event")]), false).unwrap();
        assert_eq!(
            by_column,
            r#"with gone as (delete from "crm"."supporters" where "who"::text = any($1) returning 1) select count(*) from gone"#
        );
        let by_event = erasure(&layout(&[("raw", "$event")]), true).unwrap();
        assert!(
            by_event.starts_with(
                r#"select count(*) from "crm"."supporters" where "raw"::text::jsonb #>> '{subject}' = any($1) or "#
            ),
            "{by_event}"
        );
        assert!(by_event.contains("'{contact,contactRef}'"), "{by_event}");
        let proca = of_subjects(&layout(&[("who", "contact.contactRef")])).unwrap();
        assert_eq!(proca, r#""who"::text = any($1)"#);
        assert_eq!(erasure(&layout(&[("id", "data.subject")]), false), None);
    }
}
