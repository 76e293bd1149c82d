//! How long a request takes, and what of that is the door's own: all of it but the time in which SQS has a call of the
//! request in hand. Both come from one run, and the calls of a request run side by side.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use stub::scenario::{DOOR, REQUESTS};
use stub::{Function, Latencies, Span};

use crate::instruction::plain;
use crate::price;
use crate::program::Programs;
use crate::table::markdown;
use crate::throughput::{milliseconds, part};

/// Requests of each size; those before that only warm the process up.
const MEASURED: u64 = 1_000;
const QUICK: u64 = 100;
const WARM: u64 = 20;

/// The times of all requests of a size, in milliseconds.
#[derive(Debug, Default)]
struct Times {
    all: Vec<f64>,
    sqs: Vec<f64>,
    own: Vec<f64>,
}

/// Measures requests of each size, one after the other; the table of it.
///
/// # Errors
/// When the program fails, or a request is not taken.
pub fn measure(programs: &Programs, quick: bool) -> Result<String> {
    let scenario = plain(DOOR)?;
    let stub = scenario.stub(Latencies::USUAL)?;
    let mut function = Function::start(&stub, &programs.find(DOOR)?, &programs.log("door-latency"))?;
    let mut serials = 0..;
    let mut rows = Vec::new();
    for events in REQUESTS {
        let mut times = Times::default();
        for (request, serial) in (0..WARM + if quick { QUICK } else { MEASURED }).zip(&mut serials) {
            let payload = scenario.messages.batch(serial, events)?;
            stub.take_spans();
            let took = function.invoke(payload)?;
            let spans = stub.take_spans();
            let sqs = covered(spans.iter().filter(|span| span.operation.starts_with("sqs:SendMessageBatch")));
            ensure!(!sqs.is_zero(), "a request was taken without a call of SQS");
            if request >= WARM {
                times.all.push(milliseconds(took));
                times.sqs.push(milliseconds(sqs));
                times.own.push(milliseconds(took.saturating_sub(sqs)));
            }
        }
        rows.push(row(events, &mut times));
    }
    stub.take_counts()?;
    let header = [
        "events a request",
        "p50, ms",
        "p99, ms",
        "SQS p50",
        "SQS p99",
        "the door's own p50",
        "the door's own p99",
        "Lambda's duration per million events $",
    ];
    Ok(markdown(&header, 0, rows))
}

fn row(events: usize, times: &mut Times) -> Vec<String> {
    let Times { all, sqs, own } = times;
    let figures = [all, sqs, own].map(|values| [part(values, 0.5), part(values, 0.99)]);
    let median = figures.first().map_or(0.0, |[median, _]| *median);
    #[expect(clippy::cast_precision_loss, reason = "a request has at most a thousand events")]
    let dollars = median / 1000.0 * price::LAMBDA_GB * price::LAMBDA_GB_SECOND / events as f64 * 1e6;
    let cells = figures.into_iter().flatten().map(|value| format!("{value:.1}"));
    std::iter::once(events.to_string()).chain(cells).chain([format!("{dollars:.3}")]).collect()
}

/// The time in which at least one of the calls was under way.
fn covered<'s>(spans: impl Iterator<Item = &'s Span>) -> Duration {
    let mut sorted: Vec<(Instant, Instant)> = spans.map(|span| (span.begun, span.ended)).collect();
    sorted.sort_unstable();
    let (mut sum, mut until) = (Duration::ZERO, None);
    for (begun, ended) in sorted {
        let from = until.map_or(begun, |until: Instant| until.max(begun));
        sum += ended.saturating_duration_since(from);
        until = Some(until.map_or(ended, |until| until.max(ended)));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_run_side_by_side_take_their_time_once() {
        let start = stub::now();
        let at = |ms| start + Duration::from_millis(ms);
        let span =
            |begun, ended| Span { operation: "sqs:SendMessageBatch".to_owned(), begun: at(begun), ended: at(ended) };
        let spans = [span(5, 9), span(0, 10), span(8, 12), span(20, 21)];
        assert_eq!(covered(spans.iter()), Duration::from_millis(13));
        assert_eq!(covered([].iter()), Duration::ZERO);
    }
}
