//! The live view: redrawn in place on a terminal, printed again on anything else.

use std::io::{IsTerminal as _, Write as _};

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

    /// Says what is shown from now on, and the heading of its columns.
    pub(super) fn begin(&mut self, title: &str, heading: &str) {
        self.line(&format!("\n==> {title}"));
        println!("{heading}");
    }

    /// Prints a line that stays.
    pub(super) fn line(&mut self, text: &str) {
        self.drawn = 0;
        println!("{text}");
    }

    /// Shows the lines, over the ones before on a terminal.
    pub(super) fn draw(&mut self, lines: &[String]) {
        let text = lines.join("\n");
        if text == self.last && self.drawn > 0 {
            return;
        }
        if self.in_place && self.drawn > 0 {
            print!("\x1b[{}A", self.drawn);
        } else if self.drawn > 0 {
            println!("{}", "-".repeat(8));
        }
        for line in lines {
            println!("{}{line}", if self.in_place { "\x1b[2K" } else { "" });
        }
        // A terminal that went away must not end the demo.
        let _ = std::io::stdout().flush();
        self.drawn = lines.len();
        self.last = text;
    }
}
