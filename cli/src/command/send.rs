//! `acequia send`: events from a file or stdin to a tenant's intake queue, each checked first.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use acequia_core::delivery::Outgoing;
use acequia_core::envelope::Envelope;
use acequia_core::id::{self, TenantId};
use acequia_core::order;
use acequia_core::port::{Clock as _, Queues, SendError};
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::pace::Pace;
use crate::args::SendArgs;
use crate::context::{Context, SystemClock};
use crate::exit::{Exit, Failure, describe};
use crate::output::{Report, note};

/// So many events show a progress bar.
const MANY: usize = 100;
/// The most events handed to the queue at once, which sends them ten per call.
const STEP: usize = 200;
/// The group of what is no event.
const UNREADABLE: &str = "unreadable";
/// At most so many problems are listed.
const LISTED: usize = 20;

#[derive(Debug, Serialize, PartialEq, Eq, Default)]
struct Sent {
    sent: usize,
    failed: usize,
}

/// One event, and the line on which it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) number: usize,
    pub(super) body: &'a str,
}

pub(super) async fn run(context: &Context, arguments: &SendArgs) -> Result<Report, Failure> {
    let source = arguments.source.as_ref().or(arguments.file.as_ref());
    let text = read(source.map(std::path::PathBuf::as_path))?;
    let lines = split(&text);
    if lines.is_empty() {
        return Err(Failure::Invalid(
            "there is no event in the input: it must be one JSON object, or one per line".to_owned(),
        ));
    }
    if !arguments.no_validate {
        validate(&arguments.tenant, &lines)?;
    }
    let (name, queue) = intake(context, &arguments.tenant).await?;
    let bar = progress(lines.len());
    let (sent, problems) =
        send_all(&context.queues(), &queue, &arguments.tenant, &lines, Pace::new(arguments.rate, STEP), &bar).await;
    bar.finish_and_clear();
    for problem in problems.iter().take(LISTED) {
        note(problem);
    }
    if problems.len() > LISTED {
        note(&format!("and {} more", problems.len() - LISTED));
    }
    let text = match sent.failed {
        0 => format!("{} sent to {name}.", sent.sent),
        failed => format!("{} sent to {name}, {failed} failed: send those lines again.", sent.sent),
    };
    let exit = if sent.failed == 0 { Exit::Ok } else { Exit::Failed };
    Ok(Report::new(&sent, text).ending(exit))
}

/// The tenant's intake: FIFO where its stack keeps order, else standard.
async fn intake(context: &Context, tenant: &TenantId) -> Result<(QueueName, QueueArn), Failure> {
    let standard = QueueName::new(&context.stage, tenant, QueueRole::Intake);
    let ordered = QueueName { fifo: true, ..standard.clone() };
    if let Some(queue) = context.operator().locate(&ordered).await? {
        return Ok((ordered, queue));
    }
    let queue = context.locate(&standard).await?;
    Ok((standard, queue))
}

/// The message of an event. In a FIFO queue events keep their order as they will at a FIFO target, and the same bytes within five minutes
/// are one event.
fn message(queue: &QueueArn, tenant: &TenantId, body: &str) -> Outgoing {
    let plain = Outgoing { body: body.to_owned(), ..Outgoing::default() };
    if !queue.is_fifo() {
        return plain;
    }
    let envelope = Envelope::parse(tenant, SystemClock.now(), body.as_bytes());
    // What is no event is quarantined, in no order with others.
    let group = envelope.map_or_else(|_| UNREADABLE.to_owned(), |envelope| order::group(&envelope));
    Outgoing { group: Some(group), deduplication: Some(id::digest(body.as_bytes())), ..plain }
}

pub(super) fn read(source: Option<&Path>) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let (name, read) = match source.filter(|path| path.as_os_str() != "-") {
        None => ("stdin".to_owned(), std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ())),
        Some(path) => (path.display().to_string(), std::fs::read(path).map(|read| bytes = read)),
    };
    read.map_err(|error| Failure::NotFound(format!("{name} cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let line =
            crate::position::line_at(&String::from_utf8_lossy(error.as_bytes()), error.utf8_error().valid_up_to());
        Failure::Invalid(format!("{name}:{line}: the text is not UTF-8"))
    })
}

/// One event over several lines, or one event per line.
pub(super) fn split(text: &str) -> Vec<Line<'_>> {
    let whole = text.trim();
    if whole.contains('\n') && serde_json::from_str::<serde::de::IgnoredAny>(whole).is_ok() {
        let before = text.len() - text.trim_start().len();
        return vec![Line { number: crate::position::line_at(text, before), body: whole }];
    }
    let lines = text.lines().enumerate().map(|(index, line)| Line { number: index + 1, body: line.trim() });
    lines.filter(|line| !line.body.is_empty()).collect()
}

fn validate(tenant: &TenantId, lines: &[Line<'_>]) -> Result<(), Failure> {
    let now = SystemClock.now();
    let check = |line: &Line<'_>| {
        let received = Envelope::receive(tenant, now, line.body).and_then(|received| received.admit(true));
        received.err().map(|error| match error.position() {
            Some((down, column)) => {
                format!("line {}, column {column}: {}", line.number + down.saturating_sub(1), error.problem())
            }
            None => format!("line {}: {error}", line.number),
        })
    };
    let problems: Vec<String> = lines.iter().filter_map(check).collect();
    if problems.is_empty() {
        return Ok(());
    }
    let listed = problems.iter().take(LISTED).cloned().collect::<Vec<_>>().join("\n");
    let more = problems.len().checked_sub(LISTED).filter(|more| *more > 0);
    let more = more.map(|more| format!("\nand {more} more")).unwrap_or_default();
    Err(Failure::Invalid(format!(
        "{} of {} events are not valid; nothing was sent (--no-validate sends them as they are)\n{listed}{more}",
        problems.len(),
        lines.len()
    )))
}

fn progress(events: usize) -> ProgressBar {
    if events <= MANY || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::try_from(events).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} eta {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

async fn send_all(
    queues: &impl Queues,
    queue: &QueueArn,
    tenant: &TenantId,
    lines: &[Line<'_>],
    pace: Pace,
    bar: &ProgressBar,
) -> (Sent, Vec<String>) {
    let (mut sent, mut problems) = (Sent::default(), Vec::new());
    for (step, lines) in lines.chunks(pace.step).enumerate() {
        if step > 0 {
            pace.wait(pace.step).await;
        }
        let messages: Vec<Outgoing> = lines.iter().map(|line| message(queue, tenant, line.body)).collect();
        for (line, answer) in lines.iter().zip(order::send_in_order(queues, queue, &messages, || true).await) {
            bar.inc(1);
            match answer {
                Ok(_) => sent.sent += 1,
                Err(error) => {
                    sent.failed += 1;
                    problems.push(format!("line {}: {}", line.number, why(&error)));
                }
            }
        }
    }
    (sent, problems)
}

/// The error with its causes.
pub(super) fn why(error: &SendError) -> String {
    match error {
        SendError::Unavailable(unavailable) => describe(unavailable),
        SendError::Refused(_) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use acequia_testkit::{InMemoryQueues, build};

    use super::*;

    #[test]
    fn input_is_one_event_over_several_lines_or_one_per_line() {
        let pretty = "\n{\n  \"a\": 1\n}\n";
        assert_eq!(split(pretty), [Line { number: 2, body: "{\n  \"a\": 1\n}" }]);
        let lines = split("{\"a\":1}\n\n  {\"a\":2}\r\n");
        assert_eq!(lines, [Line { number: 1, body: "{\"a\":1}" }, Line { number: 3, body: "{\"a\":2}" }]);
        assert!(split(" \n").is_empty());
    }

    #[test]
    fn what_is_not_valid_is_named_by_its_line_and_nothing_is_sent() {
        let good = build::body("1", "t", "{}");
        let text = format!("{good}\n{{\"specversion\":\"1.0\"}}\nnonsense");
        let failure = validate(&build::tenant_id("acme"), &split(&text)).unwrap_err();
        let text = failure.to_string();
        assert_eq!(failure.exit(), Exit::Invalid);
        assert!(
            text.contains("2 of 3") && text.contains("line 2: the attribute \"id\"") && text.contains("line 3, column"),
            "{text}"
        );
        let third = text.lines().find(|line| line.starts_with("line 3")).unwrap();
        assert_eq!(third.matches("line ").count(), 1, "{third}");
    }

    #[test]
    fn what_breaks_a_rule_of_cloud_events_is_refused_before_it_is_sent() {
        let odd = build::body("1", "t", "{}").replace("\"data\"", "\"time\":\"lunchtime\",\"data\"");
        let failure = validate(&build::tenant_id("acme"), &split(&odd)).unwrap_err().to_string();
        assert!(failure.contains("line 1: the attribute \"time\" is not a time of RFC 3339"), "{failure}");
    }

    #[tokio::test]
    async fn failed_entries_are_counted_and_named_by_their_lines() {
        let queues = InMemoryQueues::default();
        queues.sends.fail_entry(1);
        let text = "{\"a\":1}\n{\"a\":2}\n{\"a\":3}";
        let queue = build::queue("acme", QueueRole::Intake);
        let answer = send_all(
            &queues,
            &queue,
            &build::tenant_id("acme"),
            &split(text),
            Pace::new(None, STEP),
            &ProgressBar::hidden(),
        )
        .await;
        assert_eq!(answer.0, Sent { sent: 2, failed: 1 });
        assert!(answer.1[0].starts_with("line 2: cannot send messages"), "{:?}", answer.1);
        assert_eq!(queues.depth(&queue).visible, 2);
        assert_eq!(serde_json::to_string(&answer.0).unwrap(), r#"{"sent":2,"failed":1}"#);
    }
}
