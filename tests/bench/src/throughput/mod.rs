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

use std::time::Duration;

use anyhow::{Result, bail};

pub(crate) use aim::ratio_of;
pub use aim::{Aim, Wanted, table as aims};
pub use bed::Subject;
pub(crate) use bed::milliseconds;
pub(crate) use figure::{median, part};

use crate::program::Programs;
use bed::Bed;
use figure::Figures;
use row::{Group, Row};

/// What is measured, and how often.
#[derive(Debug, Clone)]
pub struct Options {
    /// Rounds.
    pub rounds: usize,
    /// Rows alone that have this in their group, name and program, as they are told before they are measured.
    pub only: Option<String>,
    /// How long batches of one size are given one after another; four are given in any case.
    pub lasting: Duration,
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
    /// Rows that failed, each with why: a program failed, or a message was lost.
    pub problems: Vec<String>,
}

/// Measures in rounds; tells `progress` what is measured next.
///
/// # Errors
/// When no row is chosen. What goes wrong in a row is told in the report, beside what was found in the others.
pub fn measure(programs: &Programs, options: &Options, progress: impl FnMut(&str)) -> Result<Report> {
    let (figures, problems) = figures(programs, options, progress)?;
    let tables = Group::ALL.into_iter().filter_map(|group| Some((group.title(), figures.table(group)?))).collect();
    Ok(Report { tables, aims: aim::of(&figures), problems })
}

fn figures(programs: &Programs, options: &Options, mut progress: impl FnMut(&str)) -> Result<(Figures, Vec<String>)> {
    let rows: Vec<(Row, Subject)> = row::all(options.quick)
        .into_iter()
        .flat_map(|row| row.subjects.clone().into_iter().map(move |subject| (row.clone(), subject)))
        .filter(|(row, subject)| options.only.as_ref().is_none_or(|only| told(row, *subject).contains(only.as_str())))
        .collect();
    if rows.is_empty() {
        let names: Vec<String> = row::all(options.quick).iter().map(Row::full_name).collect();
        let only = options.only.as_deref().unwrap_or_default();
        bail!("--only {only:?} chooses nothing of these: {}", names.join("; "));
    }
    let rounds = options.rounds.max(1);
    let (mut figures, mut problems) = (Figures::default(), Vec::new());
    for round in 1..=rounds {
        for (row, subject) in &rows {
            progress(&format!("round {round} of {rounds}: {}", told(row, *subject)));
            match work::measure(&Bed::new(programs, row, *subject), row, options) {
                Ok(found) => found.into_iter().for_each(|(metric, value)| figures.note(row, *subject, metric, value)),
                Err(error) => problems.push(format!("{}: {error:#}", told(row, *subject))),
            }
        }
    }
    Ok((figures, problems))
}

/// What is measured next, in words.
fn told(row: &Row, subject: Subject) -> String {
    format!("{}, {}", row.full_name(), subject.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_chooses_nothing_is_an_error_that_names_all_rows() {
        let programs = Programs { folder: "/nowhere".into(), logs: "/nowhere".into() };
        let only = Some("no such row".to_owned());
        let options = Options { rounds: 1, only, lasting: Duration::ZERO, quick: true };
        let told = measure(&programs, &options, |_| ()).unwrap_err().to_string();
        assert!(told.contains("webhook, 500 ms, batch 25") && told.contains("50 sinks of 20 ms"), "{told}");
    }

    #[test]
    fn no_two_rows_have_one_name() {
        let rows = row::all(false);
        let names: std::collections::BTreeSet<String> = rows.iter().map(Row::full_name).collect();
        assert_eq!(names.len(), rows.len());
    }
}
