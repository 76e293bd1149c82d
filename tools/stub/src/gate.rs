//! The agreed counts: one table, `tools/stub/counts.txt`, with which the tests of every function compare what they
//! count.
//!
//! After a wanted change: `ACEQUIA_BLESS=1 cargo test --test counts`, and look at the difference. It rewrites the rows
//! of the functions whose tests run, and leaves the others alone.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::count::{Counts, Tally};
use crate::{Latencies, StubError, scenario};

/// Where the table is.
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/counts.txt");

const HEADER: &str = "\
# The calls that each function makes, by scenario, record and batch: exact, and agreed. `first` is the first message of a process,
# with what is read at the start; units are what AWS bills. The tests `counts` of the functions compare with it.
# After a wanted change: ACEQUIA_BLESS=1 cargo test --test counts
";

/// Function, scenario, record, batch and operation.
type Key = [String; 5];
/// Calls, items and units by key.
type Rows = BTreeMap<Key, [u64; 3]>;

/// Counts the calls of a function's program in all its scenarios, and compares them with the agreed table; with `bless`
/// writes them into it instead. `logs` is a folder for what the program says.
///
/// # Errors
/// Every row that differs, with how to agree to it; or why nothing could be counted.
pub fn check(function: &str, program: &Path, logs: &Path, bless: bool) -> Result<(), String> {
    let found = count(function, program, logs).map_err(|error| with_source(&error))?;
    let (mut file, agreed) = open().map_err(|error| with_source(&error))?;
    if bless {
        let others = agreed.into_iter().filter(|([of, ..], _)| of != function);
        return write(&mut file, &others.chain(found).collect()).map_err(|error| with_source(&error));
    }
    let agreed: Rows = agreed.into_iter().filter(|([of, ..], _)| of == function).collect();
    let differences = differences(&agreed, &found);
    if differences.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the calls of {function} are not those agreed in tools/stub/counts.txt:\n{}\nIf that is wanted: \
         ACEQUIA_BLESS=1 cargo test -p {function} --test counts, look at the difference, then ACEQUIA_BLESS=1 cargo test -p bench, \
         which brings the tables of docs/PERFORMANCE.md up to date.",
        differences.join("\n")
    ))
}

/// The agreed counts of one batch of a scenario.
///
/// # Errors
/// When the table cannot be read.
pub fn agreed(function: &str, scenario: &str, record: &str, batch: &str) -> Result<Counts, StubError> {
    let wanted = [function, scenario, record, batch];
    let (_, rows) = open()?;
    let chosen = rows.into_iter().filter(|(key, _)| key.iter().zip(wanted).all(|(part, wanted)| part == wanted));
    let tally = |[calls, items, units]: [u64; 3]| Tally { calls, items, units, bytes: 0 };
    Ok(chosen.map(|([_, _, _, _, operation], numbers)| (operation, tally(numbers))).collect())
}

fn count(function: &str, program: &Path, logs: &Path) -> Result<Rows, StubError> {
    let mut rows = Rows::new();
    for (number, scenario) in scenario::of(function).iter().enumerate() {
        let log = logs.join(format!("counts-{function}-{number}.log"));
        for measured in scenario.measure(program, Latencies::NONE, &log)? {
            for (operation, tally) in measured.counts.iter() {
                let key = [function, scenario.name, scenario.record, &measured.batch, operation].map(str::to_owned);
                rows.insert(key, [tally.calls, tally.items, tally.units]);
            }
        }
    }
    Ok(rows)
}

fn differences(agreed: &Rows, found: &Rows) -> Vec<String> {
    let shown = |numbers: Option<&[u64; 3]>| match numbers {
        Some([calls, items, units]) => format!("{calls} calls with {items} items, {units} units"),
        None => "none".to_owned(),
    };
    let keys: std::collections::BTreeSet<&Key> = agreed.keys().chain(found.keys()).collect();
    let changed = keys.into_iter().filter(|key| agreed.get(*key) != found.get(*key));
    changed
        .map(|key| format!("  {}: {}; agreed: {}", key.join(" | "), shown(found.get(key)), shown(agreed.get(key))))
        .collect()
}

/// The table, locked against other tests that write it at the same time.
fn open() -> Result<(File, Rows), StubError> {
    let failed = |source| StubError::File { file: TABLE.to_owned(), source };
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(TABLE).map_err(failed)?;
    file.lock().map_err(failed)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    let rows = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let rows: Option<Rows> = rows.map(row).collect();
    let invalid =
        || StubError::Fixture(format!("{TABLE} has a row that is not five names and three numbers between |"));
    Ok((file, rows.ok_or_else(invalid)?))
}

fn row(line: &str) -> Option<(Key, [u64; 3])> {
    let mut parts = line.split('|').map(|part| part.trim().to_owned());
    let key = [parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let mut number = || parts.next()?.parse().ok();
    Some((key, [number()?, number()?, number()?]))
}

fn write(file: &mut File, rows: &Rows) -> Result<(), StubError> {
    let failed = |source| StubError::File { file: TABLE.to_owned(), source };
    let mut text = HEADER.to_owned();
    let titles =
        ["# function", "scenario", "record", "batch", "operation", "calls", "items", "units"].map(str::to_owned);
    let numbers = |numbers: &[u64; 3]| numbers.map(|number| number.to_string());
    let lines = rows.iter().map(|(key, counts)| [key.as_slice(), &numbers(counts)].concat());
    for line in std::iter::once(titles.to_vec()).chain(lines) {
        let widths = [11, 15, 8, 5, 40, 5, 5, 5];
        let padded: Vec<String> = line.iter().zip(widths).map(|(part, width)| format!("{part:width$}")).collect();
        text.push_str(padded.join(" | ").trim_end());
        text.push('\n');
    }
    file.rewind().map_err(failed)?;
    file.set_len(0).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

fn with_source(error: &StubError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_differs_is_named_with_both_its_counts() {
        let key = ["email", "plain", "all", "10", "ses:SendEmail"].map(str::to_owned);
        let (agreed, found) = (Rows::from([(key.clone(), [10, 10, 10])]), Rows::from([(key, [11, 10, 10])]));
        let told = differences(&agreed, &found);
        assert_eq!(
            told,
            [
                "  email | plain | all | 10 | ses:SendEmail: 11 calls with 10 items, 10 units; agreed: 10 calls with 10 items, 10 units"
            ]
        );
        assert_eq!(differences(&agreed, &Rows::new()).len(), 1);
        assert_eq!(differences(&found, &found), Vec::<String>::new());
    }

    #[test]
    fn an_e_mail_costs_at_most_eight_hundredths_of_a_ledger_call_in_large_batches() {
        for record in ["all", "failures"] {
            let counts = agreed_of("email", "plain", record);
            let calls = counts.sum(|operation| operation.ends_with("(ledger)")).calls;
            assert!((1..=8).contains(&calls), "{calls} calls for 100 mails");
        }
    }

    #[test]
    fn a_hundred_messages_are_forwarded_by_at_most_eleven_calls() {
        for scenario in ["plain", "to FIFO"] {
            let calls = agreed_of("forward", scenario, "failures").sum(|_| true).calls;
            assert!((10..=11).contains(&calls), "{calls} calls for 100 messages");
            let sends = agreed_of("forward", scenario, "all").sum(|operation| operation.starts_with("sqs:")).calls;
            assert!((10..=11).contains(&sends), "{sends} calls of SQS for 100 messages");
        }
    }

    fn agreed_of(function: &str, scenario: &str, record: &str) -> Counts {
        agreed(function, scenario, record, "100").unwrap()
    }
}
