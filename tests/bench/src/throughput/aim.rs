//! What is wanted of one instance, and whether it is reached.

use super::bed::Subject;
use super::figure::{Figures, median, short};
use super::row::{Group, of_sinks, webhook};
use crate::table::markdown;

/// One goal with what was found: the median of all rounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Aim {
    /// What is measured.
    pub what: String,
    /// What is wanted.
    pub wanted: Wanted,
    /// What was found.
    pub found: f64,
}

/// What is wanted of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    /// So much, or more.
    AtLeast(f64),
    /// So much, or less.
    AtMost(f64),
}

impl Aim {
    /// Whether it is reached.
    pub fn is_met(&self) -> bool {
        match self.wanted {
            Wanted::AtLeast(least) => self.found >= least,
            Wanted::AtMost(most) => self.found <= most,
        }
    }
}

/// The goals with their verdicts.
pub fn table(aims: &[Aim]) -> String {
    let row = |aim: &Aim| {
        let wanted = match aim.wanted {
            Wanted::AtLeast(least) => format!(">= {}", exact(least)),
            Wanted::AtMost(most) => format!("<= {}", exact(most)),
        };
        vec![aim.what.clone(), exact(aim.found), wanted, if aim.is_met() { "met" } else { "missed" }.to_owned()]
    };
    markdown(&["what", "found", "wanted", "goal"], 1, aims.iter().map(row))
}

/// Ratios are near 1, and take two digits more than other figures.
fn exact(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { short(value) }
}

/// The goals of the rows that were measured.
pub(super) fn of(figures: &Figures) -> Vec<Aim> {
    let rate = "messages/s";
    let own = |what: &str, name: &str, least| {
        let mut values = figures.values(Group::Rate, name, Subject::Default, rate)?.to_vec();
        Some(Aim { what: what.to_owned(), wanted: Wanted::AtLeast(least), found: median(&mut values) })
    };
    let ratio = |what: &str, (group, name): (Group, &str), metric, wanted| {
        let of = |subject| figures.values(group, name, subject, metric);
        Some(Aim { what: what.to_owned(), wanted, found: ratio_of(of(Subject::Strict)?, of(Subject::Plain)?) })
    };
    let latency = "webhook, 20 ms";
    let first = |sinks| figures.values(Group::Shared, &of_sinks(sinks), Subject::Default, "first request, ms");
    let sinks = first(50).zip(first(1)).map(|(many, one)| Aim {
        what: "first request of a batch for 50 sinks, of one sink's".to_owned(),
        wanted: Wanted::AtMost(1.5),
        found: ratio_of(many, one),
    });
    let strict = (Group::Rate, webhook(20, 10));
    [
        own("messages/s, 500 ms, batch 25", &webhook(500, 25), 45.0),
        own("messages/s, 500 ms, batch 100", &webhook(500, 100), 150.0),
        own("messages/s, 20 ms, batch 100", &webhook(20, 100), 2_000.0),
        own("messages/s, forward, batch 100", "forward, batch 100", 4_900.0),
        own("messages/s, router, batch 100", "router, batch 100", 4_900.0),
        ratio("strict, 20 ms, batch 10: messages/s of plain's", (strict.0, &strict.1), rate, Wanted::AtLeast(1.3)),
        ratio(
            "strict: p50 from receipt to request, of plain's",
            (Group::Latency, latency),
            "p50, ms",
            Wanted::AtMost(1.1),
        ),
        ratio(
            "strict: first message of a process, of plain's",
            (Group::Cold, latency),
            "first poll to answer, ms",
            Wanted::AtMost(1.1),
        ),
        sinks,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The median of the rounds' ratios.
pub(crate) fn ratio_of(ours: &[f64], others: &[f64]) -> f64 {
    median(&mut ours.iter().zip(others).map(|(ours, other)| ours / other.max(f64::EPSILON)).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_on_the_right_side_of_its_bound() {
        let aim = |wanted, found| Aim { what: String::new(), wanted, found };
        assert!(aim(Wanted::AtLeast(45.0), 45.0).is_met() && !aim(Wanted::AtLeast(45.0), 44.9).is_met());
        assert!(aim(Wanted::AtMost(1.1), 1.1).is_met() && !aim(Wanted::AtMost(1.1), 1.2).is_met());
    }

    #[test]
    fn ratios_are_those_of_one_round() {
        assert_eq!(ratio_of(&[10.0, 40.0, 30.0], &[10.0, 20.0, 10.0]).to_string(), "2");
    }

    #[test]
    fn goals_are_told_of_what_was_measured_alone() {
        assert!(of(&Figures::default()).is_empty());
    }
}
