//! The queries of docs/ARCHIVE.md, taken out of the page and asked of objects that the archive function's code made.
//!
//! `DuckDB` answers them as they stand. Athena is not to be had on a developer's machine: sqlglot reads its statements by
//! Athena's grammar, and writes view and queries anew for `DuckDB`; its table is compared with the objects' names.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use acequia_archive::compact::compact;
use acequia_core::archive::{Form, Hour, ObjectKey};
use acequia_core::delivery::Delivery;
use acequia_core::egress::Egress;
use acequia_core::event::envelope::Envelope;
use acequia_core::port::Archive as _;
use acequia_core::tenant::{RawTenant, Sink, Tenant};
use acequia_lambda::Job;
use acequia_testkit::InMemoryArchive;
use acequia_testkit::build::tenant_id;
use archive::request;
use futures::FutureExt as _;
use recipes::document::{block, blocks};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

/// Runs the statements and prints the rows of the queries, each value as text.
const DUCKDB: &str = r#"
import duckdb, json, sys
given = json.load(sys.stdin)
database = duckdb.connect()
for statement in given["prepare"]:
    database.execute(statement)
rows = [[[str(value) for value in row] for row in database.execute(query).fetchall()] for query in given["queries"]]
print(json.dumps(rows))
"#;

/// Reads statements by Athena's grammar and prints them in `DuckDB`'s, and the properties of the table.
const ATHENA: &str = r#"
import json, sys
import sqlglot
from sqlglot import exp
given = json.load(sys.stdin)
tables = [sqlglot.parse_one(one, read="athena") for one in given["tables"]]
statements = [sqlglot.transpile(one, read="athena", write="duckdb")[0] for one in given["statements"]]
print(json.dumps({
    "tables": [{
        "columns": [column.name for column in table.find_all(exp.ColumnDef)],
        "properties": {one.name: one.args["value"].name for one in table.find_all(exp.Property) if one.args.get("value")},
    } for table in tables],
    # Times with a zone are given out by Python's DuckDB only where it finds yet another package.
    "statements": [one.replace("TIMESTAMPTZ", "TIMESTAMP") for one in statements],
}))
"#;

/// Prints what the function of the page yields.
const PROGRAM: &str = r#"
print(json.dumps([[kept["accepted_at"], kept["config_version"], text] for kept, text in events("archive")]))
"#;

/// One of Proca's messages, of several lines as they may be.
const PROCA: &str = "{ \"schema\": \"proca:action:2\", \"stage\": \"deliver\", \"actionId\": 4711, \"orgId\": 3,\n  \
                     \"contact\": { \"contactRef\": \"vGZ3Yl8zq0\" } }";

/// Prints the rows that the function of the page yields, and how their columns are written.
const ROWS: &str = r#"
import json
def text(at):
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
found = [[text(row["accepted_at"]), row["config_version"], row["event"], row["source"] + "|" + row["id"], row["type"],
          row["subject"], text(row["time"]) if row["time"] else None, row["data"], row["extensions"]]
         for row in rows("archive")]
written = []
for path in sorted(Path("archive").rglob("*.parquet")):
    group = pyarrow.parquet.ParquetFile(path).metadata.row_group(0)
    columns = [group.column(n) for n in range(group.num_columns)]
    written.append([[one.path_in_schema, one.compression, one.statistics is not None and one.statistics.has_min_max]
                    for one in columns])
print(json.dumps({"rows": found, "written": written}))
"#;

/// An archive in a folder.
struct Kept {
    folder: TempDir,
    archive: InMemoryArchive,
    names: Vec<ObjectKey>,
    /// Each event as it was accepted, once for each object that it is in.
    envelopes: Vec<Envelope>,
}

/// An event of the page's source.
fn event(id: &str, kind: &str, subject: &str, data: &str) -> String {
    let head = format!(r#""specversion":"1.0","id":"{id}","source":"https://actions.example.org","type":"{kind}""#);
    format!(r#"{{ {head}, "subject":"{subject}","data":{data}}}"#)
}

fn sinks() -> Vec<Arc<Sink>> {
    let sinks = json!([{"id": "archive", "kind": "archive", "types": ["*"]}, {"id": "also", "kind": "archive", "types": ["*"]},
        {"id": "columns", "kind": "archive", "types": ["*"], "format": "parquet"}]);
    let document = json!({"tenant": "acme", "name": "Acme", "sinks": sinks});
    let raw = RawTenant::from_json(&document.to_string()).unwrap();
    Tenant::validate(&raw, Egress::Public).unwrap().sinks
}

impl Kept {
    /// Keeps a batch, as the function does: an object for each sink and hour.
    fn batch(&mut self, tenant: &str, sink: &Arc<Sink>, version: u64, events: &[(&str, String)]) {
        let tenant = tenant_id(tenant);
        let envelope = |(at, body): &(&str, String)| Envelope::parse_text(&tenant, at.parse().unwrap(), body).unwrap();
        let envelopes: Vec<Envelope> = events.iter().map(envelope).collect();
        let job = |envelope: &Envelope| Job {
            delivery: Arc::new(Delivery::new(sink.id.clone(), envelope.clone())),
            sink: sink.clone(),
            attempt: 1,
        };
        let jobs: Vec<Job> = envelopes.iter().map(job).collect();
        for group in request::groups(&tenant, &jobs) {
            let content = request::content(&group, version).unwrap();
            assert!(self.archive.keep(&group.key, content).now_or_never().unwrap().unwrap());
        }
        self.envelopes.extend(envelopes);
    }

    /// Compacts an hour, as the platform does, and writes the archive into the folder.
    fn write(mut self, tenant: &str, hour: &str) -> Self {
        let hour = Hour::of(hour.parse().unwrap());
        let done = compact(&self.archive, &tenant_id(tenant), hour, &|| true).now_or_never().unwrap().unwrap();
        assert_eq!((done.made, done.deleted), (1, 2));
        for (key, content) in self.archive.objects() {
            let path = self.folder.path().join("archive").join(key.to_string());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
            self.names.push(key);
        }
        self
    }

    /// What Python prints, in the folder.
    fn python(&self, program: &str, given: &Json) -> Option<Json> {
        let (libraries, is_wanted) = crate::libraries();
        let python = libraries.join("bin/python");
        if !is_wanted && !has_libraries(&python) {
            eprintln!("skipped: the queries of docs/ARCHIVE.md; `cargo xtask test --fast` installs what they need");
            return None;
        }
        let mut command = Command::new(python);
        command.args(["-c", program]).current_dir(self.folder.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "Python says above what is wrong");
        Some(serde_json::from_slice(&output.stdout).unwrap())
    }
}

/// Half an emoji, as JSON has it: an event may hold one, and `DuckDB` takes no such JSON.
const HALF: &str = r"\ud83d";

/// Whether Python is there, with all that the programs import.
fn has_libraries(python: &Path) -> bool {
    let output = Command::new(python).args(["-c", "import duckdb, pyarrow, sqlglot"]).output();
    output.is_ok_and(|output| output.status.success())
}

/// Two tenants and three days; an event in three objects, one of several lines, one of Proca's messages.
fn archive() -> Kept {
    let (archive, folder) = (InMemoryArchive::new(), TempDir::new().unwrap());
    let mut kept = Kept { folder, archive, names: Vec::new(), envelopes: Vec::new() };
    let [archive, also, columns] = sinks().try_into().unwrap();
    // The line separator is no line end of JSON.
    let first = event("event-1", "action.signed", "supporter-17", "{ \"n\": 1.10, \"a\": \"é\u{2028}\\n\" }");
    let lines = event("event-2", "action.signed", "supporter-17", "{\r\n  \"n\": 2.0\n}\n");
    let other = |id: &str, kind: &str| event(id, kind, "supporter-9", "{}");
    kept.batch("acme", &archive, 3, &[("2026-11-01T10:59:59.999Z", lines), ("2026-11-01T10:00:00.5Z", first.clone())]);
    let again =
        [("2026-11-01T11:00:00Z", first.clone()), ("2026-11-01T23:00:00Z", other("event-3", "supporter.updated"))];
    kept.batch("acme", &archive, 4, &again);
    kept.batch("acme", &also, 3, &[("2026-11-01T10:00:00.5Z", first)]);
    let next =
        [("2026-11-02T00:00:00Z", other("event-4", "action.signed")), ("2026-11-02T07:00:00Z", PROCA.to_owned())];
    kept.batch("acme", &columns, 4, &next);
    kept.batch(
        "acme",
        &archive,
        4,
        &[("2026-12-01T00:00:00Z", event("event-5", "action.signed", "supporter-9", &format!("\"{HALF}\"")))],
    );
    kept.batch(
        "acme",
        &columns,
        4,
        &[("2026-12-01T01:00:00Z", event("event-6", "action.signed", "supporter-9", &format!("\"{HALF}\"")))],
    );
    kept.batch("bona", &archive, 1, &[("2026-11-01T10:00:00Z", other("event-1", "of.another"))]);
    let kept = kept.write("acme", "2026-11-01T10:00:00Z");
    let count = |is: fn(Form) -> bool| kept.names.iter().filter(|name| is(name.form)).count();
    assert_eq!((count(|form| form == Form::Lines), count(|form| form == Form::Parquet), kept.names.len()), (4, 3, 8));
    kept
}

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ARCHIVE.md")).unwrap()
}

/// The statements of the page: `DuckDB`'s three views, Athena's two tables and two views, and the three queries.
fn statements() -> [String; 10] {
    blocks(&page(), "sql").collect::<Vec<_>>().try_into().unwrap()
}

/// What each event is, beside the three questions.
const IDENTITIES: &str = "select distinct tenant, event_id, type, event from events order by tenant, event_id";

/// Which objects have a subject's events.
const OBJECTS: &str = "select distinct object from events where subject = 'supporter-17' order by object";

/// What must be answered: by the page's queries, about the identity of each event, and about objects.
fn answers(kept: &Kept, is_readable: impl Fn(&Envelope) -> bool) -> Json {
    let text = |id: &str| {
        let is_wanted = |envelope: &&Envelope| envelope.event.id() == id && envelope.tenant.as_str() == "acme";
        kept.envelopes.iter().find(is_wanted).unwrap().body.clone()
    };
    let (first, lines) = (text("event-1"), text("event-2"));
    let identity = |envelope: &Envelope| {
        let Envelope { tenant, event, event_type, body, .. } = envelope;
        [tenant.to_string(), event.to_string(), event_type.clone(), body.clone()]
    };
    let readable = kept.envelopes.iter().filter(|envelope| is_readable(envelope));
    let identities: BTreeSet<[String; 4]> = readable.map(identity).collect();
    let on_first = kept
        .names
        .iter()
        .map(ObjectKey::to_string)
        .filter(|name| name.starts_with("tenant=acme/") && name.contains("date=2026-11-01"));
    let objects: BTreeSet<[String; 1]> =
        on_first.filter(|name| !name.contains("hour=23")).map(|name| [format!("archive/{name}")]).collect();
    assert_eq!(objects.len(), 2);
    json!([
        [
            ["2026-11-01", "action.signed", "2"],
            ["2026-11-01", "supporter.updated", "1"],
            ["2026-11-02", "action.signed", "1"],
            ["2026-11-02", "proca.action.deliver", "1"],
        ],
        [["2026-11-01 10:00:00.500000", "3", first], ["2026-11-01 11:00:00", "4", first]],
        [
            ["https://actions.example.org|event-1", "2026-11-01 10:00:00.500000", first],
            ["https://actions.example.org|event-2", "2026-11-01 10:59:59.999000", lines],
        ],
        identities,
        objects,
    ])
}

#[test]
fn duckdb_answers_the_three_questions_and_gives_each_event_back_to_the_byte() {
    let kept = archive();
    let [lines, parquet, view, _, _, _, _, count, find, subject] = statements();
    let given = json!({"prepare": [lines, parquet, view], "queries": [count, find, subject, IDENTITIES, OBJECTS]});
    let Some(rows) = kept.python(DUCKDB, &given) else { return };
    assert_eq!(rows, answers(&kept, |_| true));
}

#[test]
fn athenas_statements_are_of_its_grammar_and_their_answers_are_the_same() {
    let kept = archive();
    let [lines, parquet, _, lines_table, parquet_table, line_view, view, count, find, subject] = statements();
    let given = json!({"tables": [lines_table, parquet_table], "statements": [line_view, view, count, find, subject]});
    let Some(read) = kept.python(ATHENA, &given) else { return };
    let statements: Vec<&str> =
        read["statements"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    // Half an emoji is nothing to the stand-in, whose JSON functions are DuckDB's.
    let (_, from) = lines.split_once("\n  from ").unwrap();
    let (from, _) = from.split_once("\n);").unwrap();
    let stand_in = |name: &str, columns: &str, from: &str, condition: &str| {
        let partitions = r#"tenant, "date", hour, filename as "$path""#;
        format!("create view {name} as select {columns}, {partitions} from {from} where json_valid({condition})")
    };
    let lines_table = stand_in("archive_lines", "line", from, "line");
    let (_, from) = parquet.split_once("\nfrom ").unwrap();
    let columns =
        "make_timestamp(epoch_us(accepted_at)) as accepted_at, config_version, source, id, type, subject, event";
    let parquet_table = stand_in("archive_parquet", columns, from.trim_end().trim_end_matches(';'), "event");
    let [line_view, view, queries @ ..] = statements.as_slice() else { panic!("{statements:?}") };
    let given = json!({
        "prepare": [lines_table, parquet_table, line_view, view],
        "queries": [queries[0], queries[1], queries[2], IDENTITIES, OBJECTS],
    });
    let rows = kept.python(DUCKDB, &given).unwrap();
    assert_eq!(rows, answers(&kept, |envelope| !envelope.body.contains(HALF)));

    for (table, is_lines) in read["tables"].as_array().unwrap().iter().zip([true, false]) {
        check_table(&kept, table, is_lines);
    }
}

/// Compares a table of Athena's with the names of real objects.
fn check_table(kept: &Kept, table: &Json, is_lines: bool) {
    let columns: Vec<&str> = table["columns"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    let wanted: Vec<&str> = if is_lines { vec!["line"] } else { PARQUET.to_vec() };
    assert_eq!(columns, [&wanted[..], &["tenant", "date", "hour"]].concat());
    let property = |name: &str| table["properties"][name].as_str().unwrap_or_else(|| panic!("there is no {name}"));
    let kinds = ["tenant", "date", "hour"].map(|column| property(&format!("projection.{column}.type")));
    assert_eq!((property("projection.enabled"), kinds), ("true", ["injected", "date", "integer"]));
    assert_eq!((property("projection.date.format"), property("projection.hour.range")), ("yyyy-MM-dd", "00,23"));
    let digits: usize = property("projection.hour.digits").parse().unwrap();
    for name in kept.names.iter().filter(|name| (name.form == Form::Lines) == is_lines) {
        let name = name.to_string();
        let values: Vec<&str> = name.split('/').filter_map(|part| Some(part.split_once('=')?.1)).collect();
        let hour = format!("{:0digits$}", values[2].parse::<u8>().unwrap());
        let place = property("storage.location.template").replace("${tenant}", values[0]);
        let place = place.replace("${date}", values[1]).replace("${hour}", &hour);
        let file = format!("s3://BUCKET/{name}");
        let file = file.strip_prefix(&place).unwrap_or_else(|| panic!("{name} is not at {place}"));
        assert!(!file.contains('/'), "a table of the other form would find {file}");
    }
}

/// The columns of Parquet.
const PARQUET: [&str; 12] = [
    "accepted_at",
    "config_version",
    "source",
    "id",
    "type",
    "subject",
    "time",
    "data",
    "extensions",
    "event",
    "batch",
    "kept_at",
];

#[test]
fn parquet_has_its_columns_with_statistics_and_a_bloom_filter_and_the_event_to_the_byte() {
    let kept = archive();
    let program = blocks(&page(), "python").nth(1).unwrap() + ROWS;
    let Some(read) = kept.python(&program, &Json::Null) else { return };
    let in_parquet = |envelope: &&Envelope| {
        let at = envelope.accepted_at.to_string();
        envelope.tenant.as_str() == "acme"
            && (at.starts_with("2026-11-01T10") || at.starts_with("2026-11-02") || at.starts_with("2026-12-01T01"))
    };
    let row = |envelope: &Envelope| {
        let columns = envelope.columns().unwrap();
        let version = if envelope.accepted_at.to_string().starts_with("2026-11-01") { 3 } else { 4 };
        json!([
            format!("{:.3}", envelope.accepted_at),
            version,
            envelope.body,
            envelope.event.to_string(),
            envelope.event_type,
            columns.subject,
            columns.time.map(|time| format!("{time:.3}")),
            columns.data,
            columns.extensions
        ])
        .to_string()
    };
    let rows: BTreeSet<String> = read["rows"].as_array().unwrap().iter().map(Json::to_string).collect();
    assert_eq!(rows, kept.envelopes.iter().filter(in_parquet).map(row).collect());
    for written in read["written"].as_array().unwrap() {
        let columns: Vec<&str> = written.as_array().unwrap().iter().map(|one| one[0].as_str().unwrap()).collect();
        assert_eq!(columns, PARQUET);
        for one in written.as_array().unwrap() {
            assert_eq!(one[1], "ZSTD");
            let is_compared =
                ["accepted_at", "config_version", "source", "id", "type"].contains(&one[0].as_str().unwrap());
            assert!(!is_compared || one[2] == true, "{one}");
        }
    }
    let probe = |id: &str| {
        format!(
            "select bool_or(not bloom_filter_excludes) from parquet_bloom_probe('archive/**/merged-*.parquet', 'id', '{id}')"
        )
    };
    let given = json!({"prepare": [], "queries": [probe("event-1"), probe("event-2"), probe("no such event")]});
    assert_eq!(kept.python(DUCKDB, &given).unwrap(), json!([[["True"]], [["True"]], [["False"]]]));
}

#[test]
fn a_program_reads_every_line_through_pyarrow() {
    let kept = archive();
    let program = block(&page(), "python").unwrap() + PROGRAM;
    let Some(read) = kept.python(&program, &Json::Null) else { return };
    let all: BTreeSet<(String, String)> = read
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line[0].as_str().unwrap().to_owned(), line[2].as_str().unwrap().to_owned()))
        .collect();
    let is_line = |envelope: &&Envelope| {
        let hours: Vec<_> = kept.names.iter().filter(|name| name.form == Form::Lines).map(|name| &name.hour).collect();
        let is_there = |name: &&ObjectKey| name.tenant == envelope.tenant && name.form == Form::Lines;
        let here = Hour::of(envelope.accepted_at);
        hours.contains(&&here) && kept.names.iter().filter(is_there).any(|name| name.hour == here)
    };
    let wanted: Vec<_> = kept.envelopes.iter().filter(is_line).collect();
    assert_eq!(read.as_array().unwrap().len(), wanted.len());
    assert_eq!(all, wanted.iter().map(|one| (format!("{:.3}", one.accepted_at), one.body.clone())).collect());
}
