//! The live view: redrawn in place on a terminal, printed again on anything else.

use std::io::{IsTerminal as _, Write as _};

use super::figures::SinkTally;
use crate::report;

/// One line of the view.
pub(super) struct Row {
    pub(super) tenant: &'static str,
    pub(super) sink: &'static str,
    /// Events of the tenant that were routed.
    pub(super) accepted: u64,
    pub(super) tally: SinkTally,
}

/// The view.
pub(super) struct View {
    in_place: bool,
    /// Lines that the next drawing goes over.
    drawn: usize,
    last: String,
}

impl View {
    pub(super) fn new() -> Self {
        Self { in_place: std::io::stdout().is_terminal(), drawn: 0, last: String::new() }
    }

    /// Says what is shown from now on.
    pub(super) fn begin(&mut self, title: &str) {
        self.line(&format!("\n==> {title}"));
        println!("{}", heading());
    }

    /// Prints a line that stays.
    pub(super) fn line(&mut self, text: &str) {
        self.drawn = 0;
        println!("{text}");
    }

    /// Shows the rows, over the ones before on a terminal.
    pub(super) fn draw(&mut self, rows: &[Row]) {
        let lines: Vec<String> = rows.iter().map(render).collect();
        let text = lines.join("\n");
        if text == self.last && self.drawn > 0 {
            return;
        }
        if self.in_place && self.drawn > 0 {
            print!("\x1b[{}A", self.drawn);
        } else if self.drawn > 0 {
            println!("{}", "-".repeat(8));
        }
        for line in &lines {
            println!("{}{line}", if self.in_place { "\x1b[2K" } else { "" });
        }
        // A terminal that went away must not end the demo.
        let _ = std::io::stdout().flush();
        self.drawn = lines.len();
        self.last = text;
    }
}

fn heading() -> String {
    format!(
        "{:<7} {:<10} {:>8} {:>9} {:>8} {:>8} {:>7}   {:>7} {:>7} {:>7}",
        "tenant", "sink", "accepted", "delivered", "filtered", "retrying", "in DLQ", "p50 ms", "p95 ms", "p99 ms"
    )
}

fn render(row: &Row) -> String {
    let tally = &row.tally;
    format!(
        "{:<7} {:<10} {:>8} {:>9} {:>8} {:>8} {:>7}   {:>7} {:>7} {:>7}",
        row.tenant,
        row.sink,
        row.accepted,
        tally.delivered,
        tally.filtered,
        tally.retrying + tally.in_progress,
        tally.quarantined,
        report::or_dash(tally.p50_ms),
        report::or_dash(tally.p95_ms),
        report::or_dash(tally.p99_ms),
    )
}
