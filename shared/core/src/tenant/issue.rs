//! What is wrong with a configuration, field by field.

use std::fmt;

use crate::kind::SinkKind;

/// One problem of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Where: `sinks[1].url`, say; empty for the document as a whole.
    pub path: String,
    /// What is wrong and what is wanted.
    pub problem: String,
    /// The line within the field's own text (1-based), where the field is a text of several lines.
    pub line_in_value: Option<usize>,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path.is_empty(), self.line_in_value) {
            (true, _) => write!(f, "{}", self.problem),
            (false, Some(line)) => write!(f, "{} (line {line} of the text): {}", self.path, self.problem),
            (false, None) => write!(f, "{}: {}", self.path, self.problem),
        }
    }
}

impl Issue {
    /// What serde says of a value that does not have the shape of its field. `base` is the path of the whole, `inner`
    /// of the field in it.
    pub(super) fn of_shape(base: &str, inner: &serde_path_to_error::Path, problem: &impl fmt::Display) -> Self {
        let inner = inner.to_string();
        let path = match (base, inner.as_str()) {
            (base, "." | "") => base.to_owned(),
            ("", inner) => inner.to_owned(),
            (base, inner) => format!("{base}.{inner}"),
        };
        Self { path, problem: problem.to_string(), line_in_value: None }
    }
}

/// All problems of a configuration; there is at least one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Issues(pub Vec<Issue>);

/// Collects the problems of a document while it is being validated.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Issue>);

impl Findings {
    pub(super) fn report(&mut self, path: impl Into<String>, problem: impl Into<String>) {
        self.0.push(Issue { path: path.into(), problem: problem.into(), line_in_value: None });
    }

    pub(super) fn report_line(&mut self, path: impl Into<String>, problem: impl Into<String>, line: usize) {
        self.0.push(Issue { path: path.into(), problem: problem.into(), line_in_value: Some(line) });
    }

    /// The value, where nothing was reported on the way to it.
    pub(super) fn conclude<T>(self, value: Option<T>) -> Result<T, Issues> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Issues(self.0)),
        }
    }
}

/// The text of a field that this kind of sink must have.
pub(super) fn required<'a>(
    value: Option<&'a String>,
    path: &str,
    name: &str,
    kind: SinkKind,
    findings: &mut Findings,
) -> Option<&'a str> {
    if value.is_none() {
        findings.report(format!("{path}.{name}"), format!("it is missing: a sink of kind {kind} needs it"));
    }
    value.map(String::as_str)
}
