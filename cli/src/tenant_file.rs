//! A tenant's TOML file: read, validated, and each problem with the file and line where it stands.

use std::fmt;
use std::path::Path;

use acequia_core::egress::Egress;
use acequia_core::kind::SinkKind;
use acequia_core::tenant::{Issue, RawSink, RawTenant, Tenant, consent_notes};
use serde::Serialize;
use serde_json::Value as Json;
use toml_edit::{Item, TableLike, Value};

use crate::failure::Failure;
use crate::position::{line_at, line_of};
use crate::{input, schema_source, template_source};

/// The largest document that fits a `DynamoDB` item of 400 KB with its keys.
const MAX_BYTES: usize = 380 * 1024;

/// One problem of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Mistake {
    pub(crate) file: String,
    pub(crate) line: Option<usize>,
    pub(crate) path: String,
    pub(crate) problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if !self.path.is_empty() {
            write!(f, " {}:", self.path)?;
        }
        write!(f, " {}", self.problem)
    }
}

/// A file that holds a valid configuration.
#[derive(Debug)]
pub(crate) struct TenantFile {
    pub(crate) raw: RawTenant,
    pub(crate) tenant: Tenant,
    /// What is valid, and does less than it seems to, or more.
    pub(crate) notes: Vec<Mistake>,
    name: String,
    text: String,
}

impl TenantFile {
    /// Where in the file what was found later stands.
    pub(crate) fn locate(&self, found: &[Issue]) -> Vec<Mistake> {
        let document = toml_edit::Document::parse(self.text.as_str());
        let mistake = |issue: &Issue| {
            let line = document
                .as_ref()
                .ok()
                .and_then(|document| line_of(&self.text, document.as_item(), &issue.path, issue.line_in_value));
            Mistake {
                file: self.name.clone(),
                line: line.or(Some(1)),
                path: issue.path.clone(),
                problem: issue.problem.clone(),
            }
        };
        found.iter().map(mistake).collect()
    }
}

/// Reads a file that a command needs; where it is not valid, the command ends with all its problems and what that
/// leaves (`so`).
///
/// # Errors
/// Where there is no such file, or it is not valid.
pub(crate) fn read_valid(path: &Path, egress: Egress, so: &str) -> Result<TenantFile, Failure> {
    input::exists(path)?;
    read(path, egress).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::Invalid(format!("the configuration is not valid{so}\n{}", lines.join("\n")))
    })
}

/// Reads a file.
///
/// # Errors
/// All its problems.
pub(crate) fn read(path: &Path, egress: Egress) -> Result<TenantFile, Vec<Mistake>> {
    let file = path.display().to_string();
    let mistake = |line, problem| vec![Mistake { file: file.clone(), line, path: String::new(), problem }];
    let bytes = std::fs::read(path).map_err(|error| mistake(None, format!("the file cannot be read: {error}")))?;
    let text = input::decode(bytes).map_err(|misencoded| mistake(misencoded.line, misencoded.problem))?;
    // The same file on Windows is the same version of the configuration.
    let text = text.replace("\r\n", "\n");
    parse_beside(&file, &text, egress, path.parent())
}

/// Reads the text of a file that has no files beside it.
#[cfg(test)]
pub(crate) fn parse(file: &str, text: &str, egress: Egress) -> Result<TenantFile, Vec<Mistake>> {
    parse_beside(file, text, egress, None)
}

/// Reads the text of a file; its templates may stand in other files of `folder`.
fn parse_beside(file: &str, text: &str, egress: Egress, folder: Option<&Path>) -> Result<TenantFile, Vec<Mistake>> {
    let problem = |line: Option<usize>, path: &str, problem: String| Mistake {
        file: file.to_owned(),
        line,
        path: path.to_owned(),
        problem,
    };
    let document = toml_edit::Document::parse(text).map_err(|error| {
        let line = error.span().map(|span| line_at(text, span.start));
        let said = error.message().trim().replace('\n', ", ");
        vec![problem(line, "", format!("not valid TOML: {said}"))]
    })?;
    let locate = |issue: &Issue| {
        let line = line_of(text, document.as_item(), &issue.path, issue.line_in_value);
        problem(line.or(Some(1)), &issue.path, issue.problem.clone())
    };
    let mut value = table_to_json(document.as_table());
    let mut unusable = template_source::resolve(&mut value, folder);
    unusable.append(&mut schema_source::resolve(&mut value, folder));
    if !unusable.is_empty() {
        return Err(unusable.iter().map(locate).collect());
    }
    let raw = RawTenant::from_value(value).map_err(|issues| issues.0.iter().map(locate).collect::<Vec<_>>())?;
    let tenant = Tenant::validate(&raw, egress).map_err(|issues| issues.0.iter().map(locate).collect::<Vec<_>>())?;
    let bytes = raw.to_json().len();
    if bytes > MAX_BYTES {
        return Err(vec![problem(
            None,
            "",
            format!(
                "the configuration has {bytes} bytes as JSON; at most {MAX_BYTES} are taken: shorten the templates and schemas"
            ),
        )]);
    }
    let notes = notes(&raw).iter().chain(&consent_notes(&raw)).map(locate).collect();
    Ok(TenantFile { raw, tenant, notes, name: file.to_owned(), text: text.to_owned() })
}

/// What a configuration says to no effect, and what it had better not say.
fn notes(raw: &RawTenant) -> Vec<Issue> {
    let idle = |sink: &RawSink| sink.kind == SinkKind::Forward.as_str() && sink.retry.is_some();
    let note = |(index, _): (usize, &RawSink)| {
        Issue {
        path: format!("sinks[{index}].retry"),
        problem: "it has no effect on what SQS does not take: that is tried again, without an attempt attempts_used, until the queue \
                  takes it or refuses it for good; expires_after bounds it"
            .to_owned(),
        line_in_value: None,
    }
    };
    let idle = raw.sinks.iter().enumerate().filter(|(_, sink)| idle(sink)).map(note);
    idle.chain(raw.plain_credentials()).collect()
}

fn table_to_json(table: &dyn TableLike) -> Json {
    Json::Object(table.iter().map(|(key, item)| (key.to_owned(), item_to_json(item))).collect())
}

fn item_to_json(item: &Item) -> Json {
    match item {
        Item::None => Json::Null,
        Item::Value(value) => value_to_json(value),
        Item::Table(table) => table_to_json(table),
        Item::ArrayOfTables(tables) => tables.iter().map(|table| table_to_json(table)).collect(),
    }
}

fn value_to_json(value: &Value) -> Json {
    match value {
        Value::String(text) => Json::from(text.value().as_str()),
        Value::Integer(number) => Json::from(*number.value()),
        // What JSON has no number for (nan, inf) becomes null, which no field takes.
        Value::Float(number) => Json::from(*number.value()),
        Value::Boolean(flag) => Json::from(*flag.value()),
        // JSON has no times: as in events, they are texts.
        Value::Datetime(time) => Json::from(time.value().to_string()),
        Value::Array(array) => array.iter().map(value_to_json).collect(),
        Value::InlineTable(table) => table_to_json(table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "\
tenant = \"acme\"
name = \"Acme\"

[[sinks]]
id = \"crm\"
kind = \"webhook\"
types = [\"action.*\"]
url = \"https://crm.example.org/\"
secrets = [\"crm\"]

[[sinks]]
id = \"mail\"
kind = \"email\"
types = [\"action.signed\"]
from = \"a@acme.example\"
to = \"{{ data.email }}\"
subject = \"Thanks\"
text = \"\"\"
Dear {{ data.name }},
thank you
\"\"\"
";

    fn problems(text: &str) -> Vec<String> {
        let found = parse("acme.toml", text, Egress::Public).map(|_| ()).unwrap_err();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_schedule_of_a_forward_sink_is_valid_and_noted_where_it_stands() {
        let forward = "\n[[sinks]]\nid = \"out\"\nkind = \"forward\"\ntypes = [\"*\"]\nqueue = \"out\"\n";
        let with = |end: &str| parse("acme.toml", &format!("{VALID}{forward}{end}"), Egress::Public).unwrap().notes;
        assert!(with("").is_empty());
        let notes = with("retry = [\"5s\"]\n");
        assert_eq!((notes.len(), notes[0].line, notes[0].path.as_str()), (1, Some(28), "sinks[2].retry"));
        assert!(notes[0].problem.contains("no effect on what SQS does not take"), "{notes:?}");
    }

    #[test]
    fn a_credential_in_the_file_is_valid_and_noted_where_it_stands_without_its_value() {
        let with =
            VALID.replacen("secrets = [\"crm\"]", "secrets = [\"crm\"]\nheaders = { X-Api-Key = \"hunter2\" }", 1);
        let file = parse("acme.toml", &with, Egress::Public).unwrap();
        assert_eq!(file.notes.len(), 1);
        let note = file.notes[0].to_string();
        assert!(note.starts_with("acme.toml:10: sinks[0].headers.X-Api-Key: "), "{note}");
        assert!(note.contains("acequia secret put acme NAME --for header") && !note.contains("hunter2"), "{note}");
    }

    #[test]
    fn a_valid_file_is_read() {
        let file = parse("acme.toml", VALID, Egress::Public).unwrap();
        assert!(file.notes.is_empty(), "{:?}", file.notes);
        assert_eq!((file.tenant.sinks.len(), file.raw.name.as_str()), (2, "Acme"));
    }

    /// Each row: what is replaced, by what, and how the first problem begins and what it says.
    #[test]
    fn each_problem_names_its_file_line_and_field() {
        for (from, to, begins, says) in [
            ("https://crm", "http://crm", "acme.toml:8: sinks[0].url: ", "must be https, and is http"),
            ("Acme\"\n", "Acme\"\ncolour = 1\n", "acme.toml:3: colour: ", "unknown field"),
            ("id = \"crm\"", "id = \"crm\"\ncolour = 1", "acme.toml:6: sinks[0].colour: ", "unknown field"),
            ("id = \"mail\"", "id = \"crm\"", "acme.toml:12: sinks[1].id: ", "unique"),
            ("from = \"a@acme.example\"\n", "", "acme.toml:11: sinks[1].from: ", "missing"),
            ("thank you", "thank {{ you }}", "acme.toml:20: sinks[1].text: ", "no variable"),
            ("thank you", "thank {{ you", "acme.toml:20: sinks[1].text: ", "does not compile"),
            ("name = \"Acme\"", "name = Acme", "acme.toml:2: ", "not valid TOML"),
            ("name = \"Acme\"", "tenant = \"acme\"", "acme.toml:2: ", "duplicate key"),
            ("types = [\"action.*\"]", "types = 7", "acme.toml:7: sinks[0].types: ", "invalid type"),
        ] {
            let found = problems(&VALID.replacen(from, to, 1));
            let first = found.first().unwrap();
            assert!(first.starts_with(begins) && first.contains(says), "{to}: {found:?}");
        }
    }

    #[test]
    fn all_problems_are_found_together() {
        let broken = VALID.replace("https://crm", "http://crm").replace("id = \"mail\"", "id = \"Mail\"");
        assert_eq!(problems(&broken).len(), 2);
    }

    #[test]
    fn a_file_of_another_editor_is_read_or_its_encoding_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acme.toml");
        let windows = format!("\u{feff}{}", VALID.replace('\n', "\r\n"));
        std::fs::write(&path, &windows).unwrap();
        let file = read(&path, Egress::Public).unwrap();
        assert_eq!(file.raw.to_json(), parse("acme.toml", VALID, Egress::Public).unwrap().raw.to_json());
        let wide: Vec<u8> = VALID.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let latin =
            VALID.replace("Acme", "Fundaci\u{f3}n").chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        for (bytes, line, named) in [(wide, None, "UTF-16"), (latin, Some(2), "Latin-1")] {
            std::fs::write(&path, bytes).unwrap();
            let found = read(&path, Egress::Public).unwrap_err();
            assert_eq!((found.len(), found[0].line), (1, line), "{found:?}");
            assert!(found[0].problem.contains(named), "{found:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_one_problem() {
        let found = read(Path::new("/nowhere/acme.toml"), Egress::Public).unwrap_err();
        assert!(found[0].to_string().starts_with("/nowhere/acme.toml: the file cannot be read"), "{}", found[0]);
    }
}
