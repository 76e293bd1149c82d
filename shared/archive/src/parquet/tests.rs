//! What is written comes back, and what was changed does not.

use std::fmt::Write as _;

use acequia_core::archive::{Form, write_line};
use acequia_core::event::envelope::Envelope;
use acequia_testkit::build;
use proptest::prelude::*;

use super::*;
use crate::lines::pack;
use crate::{Batch, Mark, Records, Row, Unreadable, read};

fn event(id: &str, data: &str, seconds: u64) -> Envelope {
    let body = format!(
        "{{\"specversion\":\"1.0\",\r\n \"id\":\"{id}\",\"source\":\"/a\",\"type\":\"t\",\"data\":{data},\"n\":1.10}}\n"
    );
    Envelope::parse_text(&build::tenant_id("acme"), build::at(seconds), &body).unwrap()
}

fn row(envelope: &Envelope) -> Row {
    Row { accepted_at: envelope.accepted_at, config_version: 3, event: envelope.body.clone() }
}

fn written(events: &[(Envelope, Option<Mark>)]) -> Vec<u8> {
    let mut writer = Writer::new().unwrap();
    for (event, mark) in events {
        writer.push(event, 3, mark.as_ref()).unwrap();
    }
    writer.finish().unwrap()
}

fn mark(batch: &str) -> Mark {
    Mark { batch: batch.to_owned(), kept_at: build::at(100) }
}

#[test]
fn a_batch_comes_back_to_the_byte_in_its_order() {
    let events = [event("2", "{ \"a\": 1e400 }", 2), event("1", r#""\ud83d""#, 1)];
    let object = written(&[(events[0].clone(), None), (events[1].clone(), None)]);
    let rows = Records::Rows(events.iter().map(row).collect());
    let batches = read(Form::Parquet, &object).unwrap();
    assert_eq!(batches, [Batch { mark: None, records: rows }]);
    let tenant = build::tenant_id("acme");
    let lines: Vec<_> = batches[0].records.each(&tenant).map(|line| line.unwrap().envelope).collect();
    assert_eq!(lines, events);
    assert_eq!(contents(&object).unwrap().batches, []);
}

#[test]
fn many_batches_are_told_apart_across_row_groups() {
    let large = |id: &str| event(id, &format!("\"{}\"", "x".repeat(5 * 1024 * 1024 / 8)), 1);
    let events: Vec<_> = (0..40).map(|n| (large(&n.to_string()), Some(mark(["a", "b"][n / 20])))).collect();
    let object = written(&events);
    let file = ::parquet::file::reader::SerializedFileReader::new(bytes::Bytes::from(object.clone())).unwrap();
    assert!(::parquet::file::reader::FileReader::num_row_groups(&file) > 2);
    let found = contents(&object).unwrap();
    assert_eq!(found.batches, [mark("a"), mark("b")]);
    assert!(found.bytes > 24_000_000, "{}", found.bytes);
    let batches = read(Form::Compacted { number: 1 }, &object).unwrap();
    let counts: Vec<_> = batches.iter().map(|batch| batch.records.each(&build::tenant_id("acme")).count()).collect();
    assert_eq!(counts, [20, 20]);
}

#[test]
fn an_object_that_was_changed_at_any_byte_gives_nothing() {
    let whole = written(&[(event("1", "1", 1), None)]);
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        assert_eq!(read(Form::Parquet, &damaged), Err(Unreadable::DamagedParquet), "byte {place}");
    }
    for length in [0, 4, 36, whole.len() - 1] {
        assert_eq!(read(Form::Parquet, &whole[..length]), Err(Unreadable::DamagedParquet));
    }
}

#[test]
fn an_object_is_full_before_it_is_larger_than_what_is_read() {
    let mut writer = Writer::new().unwrap();
    assert!(!writer.is_full(MAX_BATCH_BYTES) && writer.is_full(49 * 1024 * 1024));
    // What cannot be packed: digits of one number after the other, by a plain generator.
    let (mut state, mut count) = (1_u64, 0_u64);
    while !writer.is_full(1) {
        let mut noise = String::new();
        for _ in 0..60_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            noise.extend(char::from_digit(u32::try_from(state >> 59).unwrap(), 36));
            noise.extend(char::from_digit(u32::try_from(state >> 54 & 31).unwrap(), 36));
        }
        writer.push(&event(&count.to_string(), &format!("\"{noise}\""), 1), 1, None).unwrap();
        count += 1;
    }
    let object = writer.finish().unwrap();
    assert!((object.len() as u64) < acequia_core::port::MAX_PACKED_BYTES, "{}", object.len());
    assert!(contents(&object).unwrap().bytes > 16_000_000);
}

/// Digits that look like chance, the same each time.
fn digits(state: &mut u64, count: usize) -> String {
    let mut text = String::new();
    while text.len() < count {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let _ = write!(text, "{:08x}", *state >> 32);
    }
    text.truncate(count);
    text
}

#[test]
#[expect(clippy::print_stdout, reason = "docs/PERFORMANCE.md has these figures: --nocapture shows them")]
fn parquet_takes_at_most_two_and_a_half_times_the_space_of_lines() {
    for (count, note) in [(1_000, 0), (6_000, 600)] {
        let (mut state, mut lines, mut writer, mut bytes) = (1, Vec::new(), Writer::new().unwrap(), 0);
        for number in 0..count {
            let mut chance = |count| digits(&mut state, count);
            let body = format!(
                r#"{{"specversion":"1.0","id":"{}","source":"https://actions.example.org","type":"action.signed","subject":"{}","data":{{"number":{number},"email":"{}@example.org","campaign":"save-the-river","note":"{}"}}}}"#,
                chance(24),
                chance(16),
                chance(8),
                chance(note)
            );
            let event = Envelope::parse_text(&build::tenant_id("acme"), build::at(number), &body).unwrap();
            bytes += body.len();
            write_line(&mut lines, &event, 3).unwrap();
            writer.push(&event, 3, None).unwrap();
        }
        let (parquet, lines) = (writer.finish().unwrap().len(), pack([&lines[..]]).unwrap().len());
        println!("{count} events of {bytes} bytes: {lines} bytes as lines, {parquet} as Parquet");
        assert!(parquet * 2 < lines * 5, "{parquet} and {lines}");
    }
}

proptest! {
    #[test]
    fn whatever_events_hold_comes_back(texts: Vec<String>) {
        let events: Vec<Envelope> = texts
            .iter()
            .enumerate()
            .map(|(n, text)| event(&n.to_string(), &serde_json::to_string(text).unwrap(), n as u64))
            .collect();
        let object = written(&events.iter().map(|event| (event.clone(), None)).collect::<Vec<_>>());
        let read = read(Form::Parquet, &object).unwrap();
        let rows: Vec<Row> = events.iter().map(row).collect();
        let wanted = if rows.is_empty() { vec![] } else { vec![Batch { mark: None, records: Records::Rows(rows) }] };
        prop_assert_eq!(read, wanted);
    }
}
