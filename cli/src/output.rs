//! What the command prints: text for people or JSON for scripts, and errors to stderr.

use std::io::Write as _;

use clap::ValueEnum;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;

use crate::exit::{Exit, Failure};

/// The form of the output: text for people, or one JSON object for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// What a command has to say, in both forms.
#[derive(Debug)]
pub(crate) struct Report {
    json: String,
    text: String,
    pub(crate) exit: Exit,
}

impl Report {
    pub(crate) fn new(json: &impl Serialize, text: impl Into<String>) -> Self {
        // Reports are structs of texts, numbers and lists, which always have a JSON form.
        Self { json: serde_json::to_string_pretty(json).unwrap_or_default(), text: text.into(), exit: Exit::Ok }
    }

    /// A report of many things, in JSON one per line.
    pub(crate) fn lines(json: &[impl Serialize], text: impl Into<String>) -> Self {
        let lines: Vec<String> = json.iter().map(|line| serde_json::to_string(line).unwrap_or_default()).collect();
        Self { json: lines.join("\n"), text: text.into(), exit: Exit::Ok }
    }

    /// The same, with another end than success.
    pub(crate) fn ending(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    #[cfg(test)]
    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// Prints a report. Who closes the pipe early has read enough.
pub(crate) fn print(report: &Report, format: Format) {
    let text = match format {
        Format::Text => &report.text,
        Format::Json => &report.json,
    };
    if !text.is_empty() {
        let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
    }
}

/// Prints why the command failed.
pub(crate) fn complain(failure: &Failure) {
    note(&format!("error: {failure}"));
}

/// Says something that is not part of the output.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Lines up rows under a header. Control characters of what others wrote do not reach the terminal.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| clean(&cell)));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// The text without control characters.
pub(crate) fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// The sink of a message; one of an intake queue has none yet.
pub(crate) fn sink_or_routing(sink: Option<impl ToString>) -> String {
    sink.map_or_else(|| "(to be routed)".to_owned(), |sink| sink.to_string())
}

/// A number, or a dash where there is none.
pub(crate) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_and_drops_control_characters() {
        let text = table(["a", "b"], [["1".to_owned(), "\u{1b}[31mred".to_owned()]]);
        assert_eq!(text, " a  b\n 1  [31mred");
    }
}
