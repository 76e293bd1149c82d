//! What a database has of what a sink needs, and what it lacks.

use std::collections::BTreeSet;

use crate::table::{Layout, Mode};

/// What is known of one column of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
    /// Its type, as it can stand in a statement: `numeric(10,2)`.
    pub of_type: String,
    /// Whether a row must say it: it may not be empty, and has no default.
    pub is_required: bool,
    /// Whether the database makes its values itself.
    pub is_generated: bool,
}

/// What a database has of what a sink needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// The table's columns; none where there is no table.
    pub columns: Vec<ColumnFacts>,
    /// The columns of each of its unique indexes.
    pub unique: Vec<BTreeSet<String>>,
    /// For each of [`needs`], whether the user has it; nothing where there is no such table.
    pub granted: Vec<Option<bool>>,
}

/// A privilege that the user must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// On which table, as it stands in a statement.
    pub table: String,
    /// `INSERT`, say.
    pub privilege: &'static str,
}

/// Which privileges a sink's user must have.
pub fn needs(layout: &Layout) -> Vec<Need> {
    let on = |table: String, privileges: &[&'static str]| -> Vec<Need> {
        privileges.iter().map(|privilege| Need { table: table.clone(), privilege }).collect()
    };
    let of_table: &[&'static str] = match layout.mode {
        Mode::Append => &["INSERT"],
        Mode::Upsert { .. } => &["SELECT", "INSERT", "UPDATE"],
    };
    let mut needs = on(layout.table.quoted(), of_table);
    needs.extend(on(layout.table.inbox(), &["SELECT", "INSERT"]));
    if layout.outbox {
        needs.extend(on(layout.table.outbox(), &["INSERT"]));
    }
    needs
}

/// Something that a database lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Of which field of the sink: `columns.country`, `key`.
    pub field: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// The types of the sink's columns, in its order.
///
/// # Errors
/// What the table lacks, for a person: names alone.
pub fn types_of(layout: &Layout, known: &Description) -> Result<Vec<String>, String> {
    if known.columns.is_empty() {
        return Err(format!("there is no table {}", layout.table));
    }
    let of = |name: &str| known.columns.iter().find(|facts| facts.name == name);
    let types = layout.columns.iter().map(|column| {
        let facts = of(column.name.as_str());
        facts
            .map(|facts| facts.of_type.clone())
            .ok_or_else(|| format!("{} has no column {}", layout.table, column.name))
    });
    types.collect()
}

/// Everything that the database lacks for this sink.
pub fn problems(layout: &Layout, known: &Description) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut report = |field: String, problem: String| found.push(Problem { field, problem });
    if known.columns.is_empty() {
        report("table".to_owned(), format!("there is no table {}", layout.table));
    } else {
        for column in &layout.columns {
            let facts = known.columns.iter().find(|facts| facts.name == column.name.as_str());
            let problem = match facts {
                None => format!("{} has no such column", layout.table),
                Some(facts) if facts.is_generated => "the database makes its values itself: leave it out".to_owned(),
                Some(facts) if facts.of_type.ends_with("[]") => {
                    format!("its type is {}: arrays are not written; jsonb takes an array of an event", facts.of_type)
                }
                Some(_) => continue,
            };
            report(format!("columns.{}", column.name), problem);
        }
        for facts in known.columns.iter().filter(|facts| facts.is_required && !facts.is_generated) {
            if !layout.columns.iter().any(|column| column.name.as_str() == facts.name) {
                report(
                    "columns".to_owned(),
                    format!(
                        "{} of {} may not be empty, has no default, and the sink writes none",
                        facts.name, layout.table
                    ),
                );
            }
        }
        let key: BTreeSet<String> = layout.key().map(|name| name.as_str().to_owned()).collect();
        if !key.is_empty() && !known.unique.contains(&key) {
            let names = key.into_iter().collect::<Vec<_>>().join(", ");
            report("key".to_owned(), format!("{} has no unique index on exactly ({names})", layout.table));
        }
    }
    let mut missing: BTreeSet<String> = BTreeSet::new();
    for (need, granted) in needs(layout).into_iter().zip(&known.granted) {
        match granted {
            Some(true) => {}
            Some(false) => {
                report("database".to_owned(), format!("the user lacks {} on {}", need.privilege, need.table));
            }
            // The table itself was told of already.
            None if need.table == layout.table.quoted() => {}
            None if missing.insert(need.table.clone()) => {
                report(
                    "table".to_owned(),
                    format!("there is no {} beside it: `acequia table init` prints it", need.table),
                );
            }
            None => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Column;

    fn layout(mode: Mode) -> Layout {
        let column = |name: &str, source: &str| Column { name: name.parse().unwrap(), source: source.parse().unwrap() };
        let columns = vec![column("at", "time"), column("id", "data.id")];
        Layout { table: "crm.t".parse().unwrap(), columns, mode, outbox: true }
    }

    fn facts(name: &str, of_type: &str, is_required: bool) -> ColumnFacts {
        ColumnFacts { name: name.to_owned(), of_type: of_type.to_owned(), is_required, is_generated: false }
    }

    fn upsert() -> Layout {
        layout(Mode::Upsert { key: vec![1], newest: 0 })
    }

    fn whole() -> Description {
        Description {
            columns: vec![facts("id", "integer", true), facts("at", "timestamp with time zone", false)],
            unique: vec![["id".to_owned()].into()],
            granted: vec![Some(true); needs(&upsert()).len()],
        }
    }

    #[test]
    fn a_database_that_has_all_lacks_nothing_and_its_types_are_in_the_sinks_order() {
        assert_eq!(problems(&upsert(), &whole()), []);
        assert_eq!(types_of(&upsert(), &whole()).unwrap(), ["timestamp with time zone", "integer"]);
    }

    #[test]
    fn what_is_missing_is_told_field_by_field() {
        let none = Description { granted: vec![None; 6], ..Description::default() };
        let fields = |known: &Description| -> Vec<String> {
            problems(&upsert(), known).into_iter().map(|problem| problem.field).collect()
        };
        assert_eq!(fields(&none), ["table", "table", "table"], "the table, inbox and outbox");
        let mut known = whole();
        known.columns = vec![facts("id", "integer[]", true), facts("must", "text", true)];
        known.unique.clear();
        known.granted[1] = Some(false);
        assert_eq!(fields(&known), ["columns.at", "columns.id", "columns", "key", "database"]);
        assert!(types_of(&upsert(), &known).unwrap_err().contains("no column at"));
    }
}
