//! What `tenant try` prints for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::TriedEvent;
use super::delivery::{Tried, What};
use crate::output::{clean, count};

/// All events, and how many of them came to what.
pub(super) fn events(tried: &[TriedEvent]) -> String {
    let mut text: String = tried.iter().map(event).collect();
    let number = |is: &dyn Fn(&TriedEvent) -> bool| tried.iter().filter(|event| is(event)).count();
    let taken = number(&|event| !event.taken.is_empty());
    let quarantined = number(&|event| event.problem.is_some());
    let none = tried.len() - taken - quarantined;
    let failed = tried.iter().flat_map(|event| &event.deliveries).filter(|delivery| delivery.is_problem()).count();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "Of {}, {taken} would be taken by a sink, {none} by none, and {quarantined} would be quarantined.",
        count(tried.len(), "event", "events")
    );
    if failed > 0 {
        let _ = write!(text, " {} of those taken would be quarantined.", count(failed, "delivery", "deliveries"));
    }
    text
}

fn event(tried: &TriedEvent) -> String {
    let mut text = match &tried.event {
        Some(event) => format!("line {}: {}, {}\n", tried.line, clean(event), clean(&tried.kind)),
        None => format!("line {}:\n", tried.line),
    };
    if let Some(problem) = &tried.problem {
        let _ = writeln!(text, "  quarantined as {}: {}", problem.reason, clean(&problem.detail));
    }
    if let Some(reported) = &tried.reported {
        let _ = writeln!(text, "  reported: {}", clean(reported));
    }
    if let Some(consent) = &tried.consent {
        let asked = if consent.asks.is_empty() {
            "nobody is asked".to_owned()
        } else {
            format!("asked: {}", consent.asks.join(", "))
        };
        let _ = writeln!(
            text,
            "  needs consent on the list {} ({asked}); what follows goes out as consent allows",
            clean(&consent.list)
        );
    }
    tried.deliveries.iter().for_each(|delivery| text.push_str(&one(delivery)));
    for filtered in &tried.filtered {
        let _ = writeln!(text, "  {} does not take it: {}", filtered.sink, clean(&filtered.clause));
    }
    text.push('\n');
    text
}

fn one(delivery: &Tried) -> String {
    let sink = &delivery.sink;
    match &delivery.what {
        What::Request { method, url, headers, body } => {
            format!("  {sink} takes it: {method} {url}\n{}{}", fields(headers), block(body))
        }
        What::Message { queue, attributes, group, deduplication, body } => {
            let mut fields = fields(attributes);
            for (name, value) in [("group", group), ("deduplication id", deduplication)] {
                if let Some(value) = value {
                    let _ = writeln!(fields, "      {name}: {}", clean(value));
                }
            }
            format!("  {sink} takes it: message to {queue}\n{fields}{}", block(body))
        }
        What::Entry { bus, source, detail_type, detail } => {
            let fields = format!("      Source: {}\n      DetailType: {}\n", clean(source), clean(detail_type));
            format!("  {sink} takes it: entry on {bus}\n{fields}{}", block(detail))
        }
        What::Kept { archive, body } => {
            format!("  {sink} takes it: a line of an object in {archive}\n{}", block(body))
        }
        What::Row { table, values } => {
            let shown = |(name, value): (&String, &Option<String>)| match value {
                Some(value) => format!("      {}: {}\n", clean(name), clean(value)),
                None => format!("      {} is null\n", clean(name)),
            };
            format!("  {sink} takes it: row of {}\n{}", clean(table), values.iter().map(shown).collect::<String>())
        }
        What::Mail { from, to, reply_to, subject, headers, text, html } => {
            let mut head = format!("      from: {}\n", clean(from));
            if let Some(reply_to) = reply_to {
                let _ = writeln!(head, "      reply-to: {}", clean(reply_to));
            }
            let _ = writeln!(head, "      subject: {}", clean(subject));
            head.push_str(&fields(headers));
            let also =
                if html.is_some() { "      (and HTML: see --output json, or acequia template preview)\n" } else { "" };
            format!("  {sink} takes it: mail to {}\n{head}{also}{}", clean(to), block(text))
        }
        What::Held { held } => format!("  {sink} takes it, and nothing goes out: {held}\n"),
        What::Failed { problem } => {
            format!("  {sink} takes it, and it is quarantined as {}: {}\n", problem.reason, clean(&problem.detail))
        }
    }
}

fn fields(fields: &BTreeMap<String, String>) -> String {
    fields.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "      {name}: {}", clean(value));
        text
    })
}

fn block(text: &str) -> String {
    text.lines().fold(String::new(), |mut block, line| {
        let _ = writeln!(block, "      | {}", clean(line));
        block
    })
}
