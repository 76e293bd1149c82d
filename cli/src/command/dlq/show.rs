//! `acequia dlq show`: an event's dead letters whole, with what the ledger and the journal of redriving know of them.

use std::fmt::Write as _;

use acequia_operations::dead_letters::show::{self, Asked, RedriveStanding, ShownAttribute, ShownDeadLetters};
use acequia_operations::dead_letters::{Place, places};
use acequia_operations::time;

use super::progress::Progress;
use super::{announce, tell_hidden, unless_stopped};
use crate::args::ShowArgs;
use crate::command::story::story;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Report, clean, clean_lines, count, or_dash};

/// The most bytes of a body that a terminal gets.
const SHOWN: usize = 16 * 1024;

pub(super) async fn run(context: &Context, arguments: &ShowArgs) -> Result<Report, Failure> {
    let ShowArgs { tenant, event, message, place, body } = arguments;
    let asked = Asked { event: event.clone(), message: message.clone(), sink: place.sink.clone(), body: *body };
    let places = places(context, tenant, place.queue).await?;
    let watch = Progress::new(places.iter().map(Place::total).sum());
    announce(&places);
    let shown = show::run(context, tenant, &places, &asked, &watch).await;
    let shown = unless_stopped(&watch, shown)?;
    tell_hidden(&shown.hidden_in);
    Ok(report(&shown))
}

/// The same in words. Writing to a String cannot fail, so its results are dropped.
fn report(shown: &ShownDeadLetters) -> Report {
    let mut text = String::new();
    for row in &shown.letters {
        let what =
            row.event.as_ref().map_or_else(|| "What is no readable event,".to_owned(), |event| clean(event.as_str()));
        let _ = writeln!(text, "{what} in the dead-letter queue of {}", row.queue);
        let times = count(row.receive_count, "time", "times");
        let _ = writeln!(text, "  message    {}, received {times}", row.message_id);
        let _ = writeln!(text, "  type       {}", clean(&or_dash(row.r#type.as_deref())));
        let _ = writeln!(text, "  sink       {}", or_dash(row.sink.as_ref()));
        let _ = writeln!(text, "  reason     {}: {}", clean(&row.reason), clean(&row.detail));
        let _ = writeln!(
            text,
            "  what to do {}",
            row.advice.unwrap_or("find the crash in the function's log, then redrive")
        );
        let at = row.quarantined_at.map_or_else(|| "(moved by SQS)".to_owned(), time::text);
        let _ = writeln!(text, "  sent {}, quarantined {at}", time::text(row.sent_at));
        match row.redrive {
            Some(RedriveStanding::Sent) => text.push_str("  a redrive has sent it; the next one deletes it here\n"),
            Some(RedriveStanding::Unsure) => {
                text.push_str("  a redrive was stopped while it sent this one: it may have arrived\n");
            }
            None => {}
        }
        for (name, ShownAttribute { r#type, value }) in &row.attributes {
            let _ = writeln!(text, "  attribute  {} ({}) = {}", clean(name), clean(r#type), clean(value));
        }
        for line in story(&row.history, &row.redriven_at, None) {
            let _ = writeln!(text, "  {line}");
        }
        match &row.body {
            Some(body) => _ = writeln!(text, "\n{}", bounded(body)),
            None => _ = writeln!(text, "  body       {} bytes (--body shows them)", row.body_bytes),
        }
        text.push('\n');
    }
    Report::new(shown, text)
}

/// As much of a body as a terminal is to show. Its own line ends stay, and what else does not show is written out.
fn bounded(body: &str) -> String {
    let end = body.floor_char_boundary(SHOWN);
    let (shown, rest) = body.split_at_checked(end).unwrap_or((body, ""));
    let shown = clean_lines(shown);
    if rest.is_empty() {
        shown
    } else {
        format!("{shown}\n... and {} bytes more: --output json has all of it", rest.len())
    }
}

#[cfg(test)]
mod tests {
    use acequia_core::outcome::Reason;
    use acequia_core::queue::QueueRole;
    use acequia_operations::dead_letters::show::DeadLetter;
    use acequia_operations::explain::Attempt;
    use acequia_testkit::build;

    use super::*;

    fn letter() -> DeadLetter {
        DeadLetter {
            queue: QueueRole::Intake,
            message_id: "m-1".to_owned(),
            event: Some(build::event_id("1")),
            sink: Some(build::sink_id("crm")),
            r#type: Some("t".to_owned()),
            reason: "http-status".to_owned(),
            detail: "the endpoint answered 400".to_owned(),
            advice: Some(Reason::HttpStatus.advice()),
            attempts: Some(1),
            quarantined_at: Some(build::at(9)),
            sent_at: build::start(),
            receive_count: 1,
            redriven_from: None,
            redrive: Some(RedriveStanding::Unsure),
            attributes: [].into(),
            status: None,
            history: vec![Attempt {
                number: 1,
                at: build::at(8),
                outcome: "quarantined".to_owned(),
                duration_ms: 12,
                detail: "the endpoint answered 400".to_owned(),
                content: None,
                stages: None,
                fault: None,
            }],
            redriven_at: Vec::new(),
            body_bytes: 81,
            body: None,
        }
    }

    fn shown(letter: DeadLetter) -> String {
        let (tenant, event) = (build::tenant_id("acme"), letter.event.clone());
        report(&ShownDeadLetters { tenant, event, letters: vec![letter], hidden_in: Vec::new() }).text().to_owned()
    }

    #[test]
    fn a_dead_letter_is_shown_with_its_reason_what_to_do_and_its_attempts() {
        let text = shown(letter());
        for part in [
            "/tests|1 in the dead-letter queue of intake\n",
            "http-status: the endpoint answered 400\n",
            "what to do find out from the receiver",
            "attempt 1  2026-01-01T00:00:08.000Z  failed for good after 12 ms: the endpoint answered 400",
            "sent 2026-01-01T00:00:00.000Z, quarantined 2026-01-01T00:00:09.000Z\n",
            "may have arrived",
            "  body       81 bytes (--body shows them)\n",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        let sent = DeadLetter { redrive: Some(RedriveStanding::Sent), quarantined_at: None, ..letter() };
        let text = shown(sent);
        assert!(text.contains("a redrive has sent it") && text.contains("quarantined (moved by SQS)"), "{text}");
    }

    #[test]
    fn what_is_no_event_is_shown_by_its_message_with_a_body_that_is_bounded_and_cannot_steer_the_terminal() {
        let body = format!("not\u{1b}[2Jjson\u{202e}\n{}", "\u{e9}".repeat(SHOWN));
        let text = shown(DeadLetter { event: None, body: Some(body), ..letter() });
        for part in
            ["What is no readable event, in the dead-letter queue of intake", "message    m-1, received 1 time\n"]
        {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert!(text.contains("not\\u{1b}[2Jjson\\u{202e}\n") && text.len() < SHOWN + 2_000, "{} bytes", text.len());
        assert!(text.contains("bytes more: --output json has all of it"));
    }
}
