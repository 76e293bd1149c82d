//! Throughput and latency of one instance of the functions' real programs, beside a handler that is written by hand
//! (`src/bin/plain.rs`).
//!
//! The stub answers calls of AWS after a set time, and endpoints after what their paths say. Each round measures every
//! row with every program in turn, so that what else the machine does hits all alike; ratios are those of one round.
//! Nothing may be lost: each batch's messages are delivered, sent on, or given back, and each signature is right.
//! Seconds depend on the machine, so that goals of them are told, and fail a run only where that is asked for.

mod aim;
mod bed;
mod figure;
mod row;
mod work;

use anyhow::{Result, bail};

pub use aim::{Aim, table as aims};
pub use bed::Subject;

use crate::program::Programs;
use bed::Bed;
use figure::Figures;
use row::{Group, Row};

/// What is measured, and how often.
#[derive(Debug, Clone)]
pub struct Options {
    /// Rounds.
    pub rounds: usize,
    /// Rows alone whose group and name have this in them.
    pub only: Option<String>,
    /// Fewer and shorter batches, and no endpoint that takes longer than a second.
    pub quick: bool,
}

/// What was found: tables by name, and the goals that could be looked at.
#[derive(Debug, Clone)]
pub struct Report {
    /// Each table's name, and the table.
    pub tables: Vec<(&'static str, String)>,
    /// The goals whose rows were measured.
    pub aims: Vec<Aim>,
}

/// Measures in rounds; tells `progress` what is measured next.
///
/// # Errors
/// When a program fails, a message is lost, or no row is chosen.
pub fn measure(programs: &Programs, options: &Options, progress: impl FnMut(&str)) -> Result<Report> {
    let figures = figures(programs, options, progress)?;
    let tables = Group::ALL.into_iter().filter_map(|group| Some((group.title(), figures.table(group)?))).collect();
    Ok(Report { tables, aims: aim::of(&figures) })
}

fn figures(programs: &Programs, options: &Options, mut progress: impl FnMut(&str)) -> Result<Figures> {
    let rows: Vec<Row> = row::all(options.quick).into_iter().filter(|row| chosen(row, options)).collect();
    if rows.is_empty() {
        bail!("--only {:?} chooses nothing of these: {}", options.only.as_deref().unwrap_or_default(), names());
    }
    let mut figures = Figures::default();
    for round in 1..=options.rounds.max(1) {
        for row in &rows {
            for subject in row.subjects.iter().copied() {
                progress(&format!(
                    "round {round} of {}: {}, {}",
                    options.rounds.max(1),
                    row.full_name(),
                    subject.name()
                ));
                for (metric, value) in work::measure(&Bed::new(programs, row, subject), row, options.quick)? {
                    figures.note(row, subject, metric, value);
                }
            }
        }
    }
    Ok(figures)
}

fn chosen(row: &Row, options: &Options) -> bool {
    options.only.as_ref().is_none_or(|only| row.full_name().contains(only.as_str()))
}

fn names() -> String {
    row::all(false).iter().map(Row::full_name).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_chooses_the_rows_that_have_it_in_their_names() {
        let options = |only: &str| Options { rounds: 1, only: Some(only.to_owned()), quick: true };
        let found = |only: &str| row::all(true).iter().filter(|row| chosen(row, &options(only))).count();
        assert!(found("500 ms") >= 3 && found("no such row") == 0);
        assert!(found("") == row::all(true).len());
    }

    #[test]
    fn no_two_rows_have_one_name() {
        let rows = row::all(false);
        let names: std::collections::BTreeSet<String> = rows.iter().map(Row::full_name).collect();
        assert_eq!(names.len(), rows.len());
    }
}
