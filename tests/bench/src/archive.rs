//! What the archive takes: instructions for an event of 1 KB beside zstd, and the memory of a million such events.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use acequia_core::kind::SinkKind;
use acequia_core::queue::QueueRole;
use acequia_testkit::build;
use acequia_testkit::event::lambda_event;
use anyhow::{Context as _, Result, bail};

use crate::goal::Goal;
use crate::instruction::{BATCH, Sizes, of_archive};
use crate::program::Programs;
use crate::table::{grouped, markdown};
use crate::throughput::{Aim, Wanted};

/// The most that an event may take beside zstd.
const MOST: u64 = 12_000;
/// The most memory that a million events may take, in kilobytes.
const MOST_KB: f64 = 64.0 * 1024.0;
/// How many events the memory is measured with.
const EVENTS: usize = 1_000_000;
/// How long an event is, in bytes.
const LENGTH: usize = 1024;

/// What was measured.
#[derive(Debug)]
pub struct Measured {
    /// The instructions.
    pub goal: Goal,
    /// The memory.
    pub aim: Aim,
    /// Both as a table.
    pub table: String,
}

/// A batch of events of [`LENGTH`] as Lambda hands it over, in a line.
fn batch() -> String {
    let queue = build::queue(stub::TENANT, QueueRole::Sink(SinkKind::Archive));
    let message = |number: usize| {
        let id = format!("event-{number:04}");
        let bare = build::body(&id, "action.signed", r#"{"text":""}"#).len();
        // No two are alike, so that packing has work to do.
        let text: String = (0..LENGTH.saturating_sub(bare)).map(|at| letter(number * LENGTH + at)).collect();
        let envelope = build::envelope(stub::TENANT, &id, "action.signed", &format!(r#"{{"text":"{text}"}}"#));
        build::incoming_delivery(&queue, &id, "archive", &envelope)
    };
    let messages: Vec<_> = (0..BATCH).map(message).collect();
    format!("{}\n", lambda_event(&messages))
}

/// Some letter of a text that repeats itself as little as people's do.
fn letter(at: usize) -> char {
    let mixed = at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    char::from(b"etaoin shrdlu".get(mixed % 13).copied().unwrap_or(b' '))
}

fn document(programs: &Programs) -> Result<PathBuf> {
    let tenant = stub::TENANT;
    let text = format!(
        r#"{{"tenant":"{tenant}","name":"Acme","record":"failures","sinks":[{{"id":"archive","kind":"archive","types":["*"]}}]}}"#
    );
    let path = programs.logs.join("bench-archive-tenant.json");
    fs::create_dir_all(&programs.logs).with_context(|| format!("cannot make {}", programs.logs.display()))?;
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// The most memory, in kilobytes, of a process that keeps so many events.
fn memory(programs: &Programs, document: &PathBuf, events: usize) -> Result<f64> {
    let file = programs.logs.join("bench-archive-batch.json");
    fs::write(&file, batch()).with_context(|| format!("cannot write {}", file.display()))?;
    let mut work = Command::new(programs.find("work")?);
    work.args(["ours", "archive"]).arg(document).arg(&file).arg((events / BATCH).to_string());
    let output = work.output().context("work does not start")?;
    if !output.status.success() {
        bail!("work ours archive failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines().last().unwrap_or_default().parse().context("work did not say how much memory it took")
}

/// Measures it; `symbols` are the same programs with theirs.
///
/// # Errors
/// When valgrind is missing or a program fails.
pub fn measure(programs: &Programs, symbols: &Programs, quick: bool) -> Result<Measured> {
    let document = document(programs)?;
    let count = of_archive(symbols, Sizes::new(quick), &document, &batch())?;
    let events = if quick { EVENTS / 100 } else { EVENTS };
    let kilobytes = memory(programs, &document, events)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a figure for people")]
    let most = grouped(kilobytes as u64);
    let [all, hashing, others, rest] = count.cells();
    let header = [
        "per event of 1 KB",
        "instructions",
        "of them SHA-256 in software",
        "of them the batch's JSON, ports in memory and zstd",
        "the rest",
        "most memory of all events (KB)",
    ];
    let row = vec![format!("archive, {} events", grouped(events as u64)), all, hashing, others, rest, most];
    Ok(Measured {
        goal: Goal { what: "archive: ours".to_owned(), most: MOST, found: count.rest(), gates: false },
        aim: Aim {
            what: "archive: kilobytes of memory for a million events".to_owned(),
            wanted: Wanted::AtMost(MOST_KB),
            found: kilobytes,
        },
        table: markdown(&header, 1, vec![row]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_of_a_batch_have_the_length_that_is_named() {
        let event: serde_json::Value = serde_json::from_str(&batch()).unwrap();
        let records = event["Records"].as_array().unwrap();
        assert_eq!(records.len(), BATCH);
        assert!(records.iter().all(|record| record["body"].as_str().unwrap().len() == LENGTH));
    }
}
