//! The figures of all rounds, and the tables of them.

use super::bed::Subject;
use super::row::{Group, Row};
use crate::table::markdown;

/// What was measured, a row with a program each.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures(Vec<Measured>);

/// A row with a program.
#[derive(Debug, Clone)]
struct Measured {
    group: Group,
    name: String,
    subject: Subject,
    /// Each metric with a value of every round.
    metrics: Vec<(&'static str, Vec<f64>)>,
}

impl Figures {
    pub(super) fn note(&mut self, row: &Row, subject: Subject, metric: &'static str, value: f64) {
        let known =
            |one: &Measured| (one.group, one.name.as_str(), one.subject) == (row.group, row.name.as_str(), subject);
        if !self.0.iter().any(known) {
            let name = row.name.clone();
            self.0.push(Measured { group: row.group, name, subject, metrics: Vec::new() });
        }
        let Some(Measured { metrics, .. }) = self.0.iter_mut().find(|one| known(one)) else { return };
        match metrics.iter_mut().find(|(name, _)| *name == metric) {
            Some((_, values)) => values.push(value),
            None => metrics.push((metric, vec![value])),
        }
    }

    /// The values of all rounds.
    pub(super) fn values(&self, group: Group, name: &str, subject: Subject, metric: &str) -> Option<&[f64]> {
        let found = self.0.iter().find(|one| (one.group, one.name.as_str(), one.subject) == (group, name, subject))?;
        found.metrics.iter().find(|(name, _)| *name == metric).map(|(_, values)| values.as_slice())
    }

    /// A group's table: the least, the median and the most of all rounds; none where nothing of it was measured.
    pub(super) fn table(&self, group: Group) -> Option<String> {
        let rows: Vec<&Measured> = self.0.iter().filter(|one| one.group == group).collect();
        let metrics = rows.first()?.metrics.iter().map(|(name, _)| *name);
        let header: Vec<&str> = ["what", "program"].into_iter().chain(metrics).collect();
        let cells = rows.iter().map(|one| {
            let texts = [one.name.clone(), one.subject.name().to_owned()];
            texts.into_iter().chain(one.metrics.iter().map(|(_, values)| spread(values))).collect()
        });
        Some(markdown(&header, 2, cells))
    }
}

/// The value below which this part of all lies; none of none is 0.
pub(crate) fn part(values: &mut [f64], part: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place among some hundred values"
    )]
    let place = (values.len().saturating_sub(1) as f64 * part).round() as usize;
    values.get(place).copied().unwrap_or_default()
}

/// The middle one.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    part(values, 0.5)
}

/// The least, the median and the most.
fn spread(values: &[f64]) -> String {
    let mut values = values.to_vec();
    [0.0, 0.5, 1.0].map(|of| short(part(&mut values, of))).join(" / ")
}

/// With as many digits as say something.
pub(super) fn short(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_values_is_found_in_any_order() {
        let mut values = [3.0, 1.0, 2.0];
        assert_eq!([0.0, 0.5, 1.0].map(|of| part(&mut values, of).to_string()), ["1", "2", "3"]);
        assert_eq!(part(&mut [], 0.5).to_string(), "0");
    }

    #[test]
    fn a_cell_has_the_least_the_median_and_the_most() {
        assert_eq!(spread(&[120.4, 9.96, 50.0]), "10.0 / 50.0 / 120");
    }
}
