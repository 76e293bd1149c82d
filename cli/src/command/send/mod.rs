//! `acequia send`: events from a file or stdin to a tenant's intake queue, each checked first.

mod http;

use std::io::IsTerminal as _;

use acequia_core::delivery::order;
use acequia_core::event::EnvelopeError;
use acequia_core::event::envelope::Envelope;
use acequia_core::flow::order::send_in_order;
use acequia_core::id::{self, TenantId};
use acequia_core::message::Outgoing;
use acequia_core::port::{Clock as _, QueueAddresses as _, Queues, SendError};
use acequia_core::queue::{QueueArn, QueueName, QueueRole};
use acequia_operations::{Ports as _, locate};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use self::http::Api;
use super::pace::Pace;
use crate::args::SendArgs;
use crate::context::{Context, SystemClock};
use crate::exit::Exit;
use crate::failure::{Failure, describe};
use crate::input;
use crate::interrupt::InGoodOrder;
use crate::output::{Report, count, note};

/// So many events show a progress bar.
const MANY: usize = 100;
/// The most events handed to the queue at once, which sends them ten per call.
const STEP: usize = 200;
/// The group of what is no event.
const UNREADABLE: &str = "unreadable";
/// At most so many problems are listed.
const LISTED: usize = 20;

#[derive(Debug, Serialize, PartialEq, Eq, Default)]
struct Sums {
    sent: usize,
    failed: usize,
    /// The events that a signal left unsent.
    unsent: usize,
}

/// One event, and the line on which it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) number: usize,
    pub(super) body: &'a str,
}

/// Where events go, and what it is called.
enum Way {
    Http(String, Api),
    Queue(String, QueueArn, Box<Context>),
}

/// Sends events. With `--http` it asks AWS for nothing, and needs no stage.
pub(super) async fn run(
    context: impl AsyncFn() -> Result<Context, Failure>,
    arguments: &SendArgs,
) -> Result<Report, Failure> {
    let source = arguments.source.as_ref().or(arguments.file.as_ref());
    let (_, text) = input::read(source.map(std::path::PathBuf::as_path))?;
    let lines = events(&text)?;
    if !arguments.no_validate {
        validate(&arguments.tenant, &lines)?;
    }
    let way = if let Some(base) = &arguments.http {
        Way::Http(base.clone(), Api::new(base, &arguments.tenant, arguments.key.as_deref())?)
    } else {
        let context = context().await?;
        let (name, queue) = intake(&context, &arguments.tenant).await?;
        Way::Queue(name.to_string(), queue, Box::new(context))
    };
    let (bar, orderly) = (progress(lines.len()), InGoodOrder::begin());
    let pace = Pace::new(arguments.rate, STEP);
    let goes_on = || orderly.stopped().is_none();
    let (name, (sent, problems)) = match &way {
        Way::Http(name, api) => (name, api.send_all(&lines, pace, &bar, goes_on).await?),
        Way::Queue(name, queue, context) => {
            (name, send_all(&context.queues(), queue, &arguments.tenant, &lines, pace, &bar, goes_on).await)
        }
    };
    bar.finish_and_clear();
    for problem in problems.iter().take(LISTED) {
        note(problem);
    }
    if problems.len() > LISTED {
        note(&format!("and {} more", problems.len() - LISTED));
    }
    let exit = orderly.stopped().filter(|_| sent.unsent > 0);
    let text = describe_sent(&sent, name, lines.get(lines.len() - sent.unsent).map(|line| line.number), exit);
    let done = if sent.failed == 0 { Exit::Ok } else { Exit::Failed };
    Ok(Report::new(&sent, text).ending(exit.unwrap_or(done)))
}

/// How far it came. `rest` is the line of the first event that a signal left unsent.
fn describe_sent(sent: &Sums, name: &str, rest: Option<usize>, stopped: Option<Exit>) -> String {
    let Sums { sent, failed, unsent } = sent;
    let all = sent + failed + unsent;
    let mut text = match (stopped, failed) {
        (Some(exit), _) => {
            format!("stopped by {}: {sent} of {} sent to {name}", exit.signal(), count(all, "event", "events"))
        }
        (None, _) => format!("{} sent to {name}", count(sent, "event", "events")),
    };
    if *failed > 0 {
        text =
            format!("{text}, {failed} failed: send {} again", if *failed == 1 { "that line" } else { "those lines" });
    }
    match rest {
        Some(line) => format!("{text}. From line {line} on nothing was sent: send the rest of the input from there."),
        None => text + ".",
    }
}

/// The tenant's intake: FIFO where its stack keeps order, else standard.
pub(in crate::command) async fn intake(context: &Context, tenant: &TenantId) -> Result<(QueueName, QueueArn), Failure> {
    let standard = QueueName::new(&context.stage, tenant, QueueRole::Intake);
    let ordered = QueueName { fifo: true, ..standard.clone() };
    if let Some(queue) = context.stage_queues().locate(&ordered).await? {
        return Ok((ordered, queue));
    }
    let queue = locate(context, &standard).await?;
    Ok((standard, queue))
}

/// The message of a line. What is no event is quarantined, in no order with others.
pub(in crate::command) fn message(queue: &QueueArn, tenant: &TenantId, body: &str) -> Outgoing {
    let plain = Outgoing { body: body.to_owned(), ..Outgoing::default() };
    // A standard queue needs no look at what is in it.
    if !queue.is_fifo() {
        return plain;
    }
    let unreadable =
        |_| Outgoing { group: Some(UNREADABLE.to_owned()), deduplication: Some(id::digest(body.as_bytes())), ..plain };
    let envelope = Envelope::parse(tenant, SystemClock.now(), body.as_bytes());
    envelope.map_or_else(unreadable, |envelope| order::to_intake(queue, &envelope))
}

/// The events of an input.
///
/// # Errors
/// Where there is none.
pub(super) fn events(text: &str) -> Result<Vec<Line<'_>>, Failure> {
    let lines = split(text);
    if lines.is_empty() {
        let problem = "there is no event in the input: it must be one JSON object, or one per line";
        return Err(Failure::Invalid(problem.to_owned()));
    }
    Ok(lines)
}

/// One event over several lines, or one event per line.
fn split(text: &str) -> Vec<Line<'_>> {
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
        received.err().map(|error| problem(line, &error))
    };
    let problems: Vec<String> = lines.iter().filter_map(check).collect();
    if problems.is_empty() {
        return Ok(());
    }
    let listed = problems.iter().take(LISTED).cloned().collect::<Vec<_>>().join("\n");
    let more = problems.len().checked_sub(LISTED).filter(|more| *more > 0);
    let more = more.map(|more| format!("\nand {more} more")).unwrap_or_default();
    Err(Failure::Invalid(format!(
        "{} of {} not valid; nothing was sent (--no-validate sends them as they are)\n{listed}{more}",
        problems.len(),
        count(lines.len(), "event is", "events are")
    )))
}

/// What is wrong with an event, by its place in the input.
fn problem(line: &Line<'_>, error: &EnvelopeError) -> String {
    match error {
        // The parser counts from where the event begins.
        EnvelopeError::NotJson { line: below, column } => {
            format!("line {}, column {column}: the body is not JSON", line.number + below.saturating_sub(1))
        }
        other => format!("line {}: {other}", line.number),
    }
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
    goes_on: impl Fn() -> bool,
) -> (Sums, Vec<String>) {
    let (mut sent, mut problems) = (Sums::default(), Vec::new());
    let all = lines.len();
    for (step, lines) in lines.chunks(pace.step).enumerate() {
        if step > 0 {
            pace.wait(pace.step).await;
        }
        if !goes_on() {
            break;
        }
        let messages: Vec<Outgoing> = lines.iter().map(|line| message(queue, tenant, line.body)).collect();
        // Once it is begun a step is sent whole: what is left of it could not be told by one line.
        for (line, answer) in lines.iter().zip(send_in_order(queues, queue, &messages, || true).await) {
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
    sent.unsent = all - sent.sent - sent.failed;
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
        assert!(text.contains("2 of 3 events are") && text.contains("line 2: the attribute \"id\""), "{text}");
        assert!(text.contains("line 3, column 2: the body is not JSON"), "one place, and not two: {text}");
        let pretty = "\n{\n  \"id\": 1,,\n}\n{";
        let one = Line { number: 2, body: pretty.trim() };
        let error = Envelope::parse(&build::tenant_id("acme"), build::start(), one.body.as_bytes()).unwrap_err();
        assert!(problem(&one, &error).starts_with("line 3, column 11: "), "{}", problem(&one, &error));
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
            || true,
        )
        .await;
        assert_eq!(answer.0, Sums { sent: 2, failed: 1, unsent: 0 });
        assert!(answer.1[0].starts_with("line 2: cannot send messages"), "{:?}", answer.1);
        assert_eq!(queues.depth(&queue).visible, 2);
        assert_eq!(serde_json::to_string(&answer.0).unwrap(), r#"{"sent":2,"failed":1,"unsent":0}"#);
    }

    #[tokio::test]
    async fn a_signal_ends_it_after_a_step_and_says_how_many_were_sent_and_where_the_rest_begins() {
        let (queues, queue) = (InMemoryQueues::default(), build::queue("acme", QueueRole::Intake));
        let text = "{\"a\":1}\n\n{\"a\":2}\n{\"a\":3}";
        let lines = split(text);
        let steps = std::cell::Cell::new(0);
        let goes_on = || {
            steps.set(steps.get() + 1);
            steps.get() <= 2
        };
        let pace = Pace::new(None, 1);
        let tenant = build::tenant_id("acme");
        let (sent, problems) = send_all(&queues, &queue, &tenant, &lines, pace, &ProgressBar::hidden(), goes_on).await;
        assert_eq!((&sent, problems.len()), (&Sums { sent: 2, failed: 0, unsent: 1 }, 0));
        assert_eq!(queues.depth(&queue).visible, 2);
        let name = QueueName::new(&build::stage(), &tenant, QueueRole::Intake);
        let said = describe_sent(&sent, &name.to_string(), Some(4), Some(Exit::Interrupted));
        let wanted = format!("stopped by Ctrl-C: 2 of 3 events sent to {name}. From line 4 on nothing was sent");
        assert!(said.starts_with(&wanted), "{said}");
    }
}
