//! What the command prints: text for people or JSON for scripts, and errors to stderr.

use std::fmt::{Display, Write as _};
use std::io::{ErrorKind, Write as _};

use clap::ValueEnum;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;

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
    /// Whether the text is a program's and printed as it is.
    verbatim: bool,
    pub(crate) exit: Exit,
}

impl Report {
    pub(crate) fn new(json: &impl Serialize, text: impl Into<String>) -> Self {
        // Reports are structs of texts, numbers and lists, which always have a JSON form.
        let json = serde_json::to_string_pretty(json).unwrap_or_default();
        Self { json, text: text.into(), verbatim: false, exit: Exit::Ok }
    }

    /// A text that is wholly the command's own, and read by a program.
    pub(crate) fn verbatim(text: String) -> Self {
        Self { verbatim: true, ..Self::new(&text.clone(), text) }
    }

    /// A report of many things, in JSON one per line.
    pub(crate) fn lines(json: &[impl Serialize], text: impl Into<String>) -> Self {
        let lines: Vec<String> = json.iter().map(|line| serde_json::to_string(line).unwrap_or_default()).collect();
        Self { json: lines.join("\n"), ..Self::new(&(), text) }
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

/// Prints a report; answers how the command ends. A reader that closes the pipe early has read enough.
pub(crate) fn print(report: &Report, format: Format) -> Exit {
    let text = match format {
        Format::Text if report.verbatim => report.text.clone(),
        Format::Text => clean_lines(&report.text),
        Format::Json => escape_json(&report.json),
    };
    let text = text.trim_end();
    if text.is_empty() {
        return report.exit;
    }
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            note(&format!(
                "error: the output cannot be written: {error}. What the command does was done (exit code {})",
                report.exit as u8
            ));
            Exit::Failed
        }
        _ => report.exit,
    }
}

/// Prints why the command failed.
pub(crate) fn complain(failure: &Failure) {
    note(&format!("error: {failure}"));
}

/// Says something that is not part of the output.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", clean_lines(text));
}

/// Lines up rows under a header. What others wrote cannot steer the terminal.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| clean(&cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A number with what it counts: `1 sink`, `2 sinks`.
pub(crate) fn count(number: impl Display, one: &str, several: &str) -> String {
    let number = number.to_string();
    let word = if number == "1" { one } else { several };
    format!("{number} {word}")
}

/// Whether a character does not show, or changes how others do: control characters, and Unicode's format characters,
/// such as those that turn the direction of writing round.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}')
}

/// The text in one line, with what does not show written out: `\n`, `\u{202e}`.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => cleaned.extend(c.escape_default()),
            hidden if is_hidden(hidden) => cleaned.extend(hidden.escape_unicode()),
            shown => cleaned.push(shown),
        }
    }
    cleaned
}

/// The same of a text whose own line ends and tabs stay.
pub(crate) fn clean_lines(text: &str) -> String {
    let line = |line: &str| line.split('\t').map(clean).collect::<Vec<_>>().join("\t");
    text.split('\n').map(|one| line(one.strip_suffix('\r').unwrap_or(one))).collect::<Vec<_>>().join("\n")
}

/// The same JSON, with what does not show as JSON's own escapes.
pub(crate) fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        // JSON has control characters as white space only.
        if is_hidden(c) && !c.is_ascii_whitespace() {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// The sink of a message; one of an intake queue has none yet.
pub(crate) fn sink_or_routing(sink: Option<impl ToString>) -> String {
    sink.map_or_else(|| "(to be routed)".to_owned(), |sink| sink.to_string())
}

/// A number of bytes as people say it.
pub(crate) fn bytes(bytes: u64) -> String {
    let mut unit = 0;
    let mut whole = bytes;
    let mut tenth = 0;
    while whole >= 1_000 && unit < 4 {
        tenth = whole % 1_000 / 100;
        whole /= 1_000;
        unit += 1;
    }
    let name = ["bytes", "KB", "MB", "GB", "TB"].get(unit).copied().unwrap_or("TB");
    if unit == 0 { format!("{whole} {name}") } else { format!("{whole}.{tenth} {name}") }
}

/// A number, or a dash where there is none.
pub(crate) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_begins_at_the_left_and_cannot_steer_the_terminal() {
        let text = table(["a", "b"], [["1".to_owned(), "\u{1b}[31mred\u{202e}\n".to_owned()]]);
        assert_eq!(text, "a  b\n1  \\u{1b}[31mred\\u{202e}\\n");
    }

    #[test]
    fn texts_keep_their_lines_and_json_its_meaning() {
        assert_eq!(clean_lines("one\r\n\ttwo\u{7}\u{2066}\n"), "one\n\ttwo\\u{7}\\u{2066}\n");
        let texts = vec!["a\u{202e}b\u{e0041}\u{9b}\u{7f}\n\té 👩"];
        let escaped = escape_json(&serde_json::to_string_pretty(&texts).unwrap());
        assert!(!escaped.chars().any(|c| is_hidden(c) && c != '\n'), "{escaped}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&escaped).unwrap(), texts);
    }

    #[test]
    fn one_is_one_and_all_others_are_several() {
        assert_eq!([0, 1, 2].map(|n| count(n, "sink", "sinks")), ["0 sinks", "1 sink", "2 sinks"]);
    }

    #[test]
    fn sizes_are_said_as_people_say_them() {
        assert_eq!([999, 1_000, 1_999_999].map(bytes), ["999 bytes", "1.0 KB", "1.9 MB"]);
    }
}
