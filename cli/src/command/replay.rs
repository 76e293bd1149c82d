//! `acequia replay`: sends archived events again.

use std::fmt::Write as _;

use acequia_core::audit::AuditAction;
use acequia_core::id::TenantId;
use acequia_core::port::{Clock as _, Unavailable};
use acequia_core::replay::Query;
use acequia_operations::replay::{self, Begin, Figures, Order, Preview, ReplayStatus, Standing};
use acequia_operations::{OperationError, Ports as _, audit, time};
use jiff::Timestamp;

use super::dlq::{Progress, unless_stopped};
use super::{audited, ended as audit_ended};
use crate::args::{OrderArgs, ReplayArgs, ReplayCommand, ResumeArgs};
use crate::confirm::confirm;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, describe};
use crate::output::{Report, bytes as size, clean, count, note, table};

pub(super) async fn command(context: &Context, arguments: &ReplayArgs) -> Result<Report, Failure> {
    match &arguments.command {
        Some(ReplayCommand::List { tenant }) => {
            let replays = replay::list(context, tenant).await?;
            Ok(Report::new(&replays, listed(&replays)))
        }
        Some(ReplayCommand::Show { tenant, id }) => {
            let status = replay::show(context, tenant, id).await?;
            Ok(Report::new(&status, shown(&status)))
        }
        Some(ReplayCommand::Stop { tenant, id, author }) => {
            let by = author.ask(context).await;
            let what = format!("stop of replay {id}");
            let stopping = Box::pin(replay::stop(context, tenant, id, &by));
            let stopped = |_: &ReplayStatus| "stopped".to_owned();
            let status = audited(context, (tenant, &by), (AuditAction::Replay, &what), stopping, stopped).await?;
            Ok(Report::new(&status, format!("Replay {id} of {tenant} is stopped. {}", goes_on(&status))))
        }
        Some(ReplayCommand::Resume(resume)) => Box::pin(go_on(context, resume)).await,
        None => Box::pin(send(context, &arguments.order)).await,
    }
}

async fn send(context: &Context, arguments: &OrderArgs) -> Result<Report, Failure> {
    let OrderArgs { tenant: Some(tenant), from: Some(from), to: Some(to), .. } = arguments else {
        return Err(Failure::Usage("name the tenant, --from, --to, and --same-id or --fresh-id".to_owned()));
    };
    let order = order_of(arguments, (*from, *to));
    let basis = replay::basis(context, tenant).await?;
    if arguments.dry_run || !arguments.yes {
        let watch = Progress::silent();
        let preview = unless_stopped(&watch, replay::preview(context, tenant, &order, basis, &watch).await)?;
        if arguments.dry_run || preview.figures.deliveries == 0 {
            let exit = if preview.figures.unreadable == 0 { Exit::Ok } else { Exit::Failed };
            return Ok(Report::new(&preview, previewed(&preview)).ending(exit));
        }
        note(&previewed(&preview));
        let deliveries = count(preview.figures.deliveries, "delivery", "deliveries");
        confirm(&format!("Send {deliveries} of {tenant}?"), false)?;
    }
    let by = arguments.author.ask(context).await;
    let what = format!("replay of events accepted from {} on and before {}", time::text(*from), time::text(*to));
    if arguments.detach {
        let asking = Box::pin(replay::ask(context, tenant, &order, basis, (&by, !arguments.beside)));
        let status = audited(context, (tenant, &by), (AuditAction::Replay, &what), asking, left).await?;
        return Ok(Report::new(&status, detached(&status)));
    }
    let log = audit::begin(context, tenant, &by, AuditAction::Replay, &what).await?;
    let begun = replay::begin(context, tenant, &order, basis, (&by, !arguments.beside)).await;
    run_begun(context, tenant, begun, log).await
}

async fn go_on(context: &Context, arguments: &ResumeArgs) -> Result<Report, Failure> {
    let ResumeArgs { tenant, id, rate, beside, detach, author } = arguments;
    let by = author.ask(context).await;
    if *detach {
        let (store, now) = (context.replays(), context.clock().now());
        let going = Box::pin(replay::request::resume(&store, tenant, id, (*rate, !beside), (&by, now)));
        let what = format!("rest of replay {id}");
        let status = audited(context, (tenant, &by), (AuditAction::Replay, &what), going, left).await?;
        return Ok(Report::new(&status, detached(&status)));
    }
    let log = audit::begin(context, tenant, &by, AuditAction::Replay, &format!("rest of replay {id}")).await?;
    let begun = replay::resume(context, tenant, id, (&by, *rate, !beside)).await;
    run_begun(context, tenant, begun, log).await
}

/// What the audit log is told of a replay that is left to the platform.
fn left(status: &ReplayStatus) -> String {
    format!("replay {} waits for the platform", status.id)
}

fn detached(status: &ReplayStatus) -> String {
    let (tenant, id) = (&status.tenant, &status.id);
    format!(
        "Replay {id} of {tenant} waits for the platform, which goes on with it within a minute or two. `acequia replay show {tenant} {id}` says how far it is."
    )
}

/// Runs what was begun, and writes into the audit log what it came to.
async fn run_begun(
    context: &Context,
    tenant: &TenantId,
    begun: Result<Begin, OperationError>,
    log: audit::Begun<'_>,
) -> Result<Report, Failure> {
    let id = begun.as_ref().map(|begun| begun.id().clone()).ok();
    let report = match begun {
        Ok(begun) => Box::pin(run(context, tenant, begun)).await,
        Err(error) => Err(error.into()),
    };
    let came_to = match (&id, &report) {
        (None, _) => "not begun".to_owned(),
        (Some(id), Ok((_, status))) => {
            format!(
                "replay {id} {}: {} sent",
                status.state.as_str(),
                count(status.figures.deliveries, "delivery", "deliveries")
            )
        }
        (Some(id), Err(_)) => format!("replay {id} failed"),
    };
    audit_ended(log, context, &came_to).await;
    report.map(|(report, _)| report)
}

async fn run(context: &Context, tenant: &TenantId, begun: Begin) -> Result<(Report, ReplayStatus), Failure> {
    let (watch, id) = (Progress::silent(), begun.id().clone());
    note(&format!("replay {id} runs; `acequia replay stop {tenant} {id}` stops it from elsewhere"));
    let (status, broken) = Box::pin(replay::run(context, tenant, begun, &watch)).await?;
    watch.finish();
    let report = ended(&status, broken.as_ref());
    let report = match watch.stopped() {
        Some(exit) if status.state.is_open() => report.ending(exit),
        _ => report,
    };
    Ok((report, status))
}

fn order_of(arguments: &OrderArgs, (from, to): (Timestamp, Timestamp)) -> Order {
    let query = Query {
        types: arguments.types.iter().map(ToString::to_string).collect(),
        pattern: arguments.pattern.clone(),
        events: arguments.events.clone(),
        status: arguments.status,
        sinks: arguments.sinks.clone(),
        ..Query::between(from, to)
    };
    Order { query, ids: arguments.ids.ids(), rate: arguments.rate }
}

/// What would be sent, in words.
fn previewed(preview: &Preview) -> String {
    let Preview { tenant, from, to, as_of, config_version, rate, seconds, price, .. } = preview;
    let mut text = format!(
        "{tenant}, events accepted from {} on and before {}, kept before {}, version {config_version} of the configuration:\n",
        time::text(*from),
        time::text(*to),
        time::text(*as_of)
    );
    text.push_str(&figures(&preview.figures));
    if preview.figures.deliveries > 0 {
        let _ = write!(
            text,
            "\nAt {rate}/s it takes {}, and costs about ${:.2} by list prices: ${:.2} to read the archive, ${:.2} to deliver.",
            span(*seconds),
            price.sum,
            price.reading,
            price.delivering
        );
    }
    with_troubles(text, &preview.troubles)
}

fn figures(figures: &Figures) -> String {
    let Figures { objects, lines, repeated, events, deliveries, bytes, unreadable, refused, counts } = figures;
    let mut text = format!(
        "{} of {} ({} of events), chosen from {} in {}",
        count(deliveries, "delivery", "deliveries"),
        count(events, "event", "events"),
        size(*bytes),
        count(lines, "archived event", "archived events"),
        count(objects, "object", "objects")
    );
    let more = [(repeated, "repeated"), (unreadable, "not readable"), (refused, "refused by their queue")];
    for (number, what) in more.into_iter().filter(|(number, _)| **number > 0) {
        let _ = write!(text, ", {number} {what}");
    }
    text.push('.');
    if !counts.is_empty() {
        let row = |one: &acequia_core::replay::Count| {
            [one.r#type.clone(), one.sink.to_string(), one.deliveries.to_string(), size(one.bytes)]
        };
        let _ = write!(text, "\n\n{}\n", table(["TYPE", "SINK", "DELIVERIES", "SIZE"], counts.iter().map(row)));
    }
    text
}

/// How a run ended.
fn ended(status: &ReplayStatus, broken: Option<&Unavailable>) -> Report {
    let (tenant, id) = (&status.tenant, &status.id);
    let mut text = match status.state {
        Standing::Done => format!("Replay {id} of {tenant} is done: "),
        _ => format!("Replay {id} of {tenant} is stopped: "),
    };
    text.push_str(&figures(&status.figures));
    let mut text = with_troubles(text, &status.troubles);
    if let Some(error) = broken {
        let _ = write!(text, "\n{}", describe(error));
    }
    if status.state.is_open() {
        let _ = write!(text, "\n{}", goes_on(status));
    }
    let exit = match (status.is_complete(), broken) {
        (true, _) => Exit::Ok,
        (false, Some(error)) if error.refusal.is_some() => Exit::Aws,
        _ => Exit::Failed,
    };
    Report::new(status, text).ending(exit)
}

fn goes_on(status: &ReplayStatus) -> String {
    format!("`acequia replay resume {} {}` goes on with it.", status.tenant, status.id)
}

fn with_troubles(mut text: String, troubles: &[String]) -> String {
    for trouble in troubles {
        let _ = write!(text, "\n  {}", clean(trouble));
    }
    text
}

fn listed(replays: &[ReplayStatus]) -> String {
    if replays.is_empty() {
        return "There is no replay.".to_owned();
    }
    let row = |one: &ReplayStatus| {
        [
            one.id.to_string(),
            one.state.as_str().to_owned(),
            one.figures.deliveries.to_string(),
            format!("{} .. {}", time::text(one.query.from), time::text(one.query.to)),
            one.ids.as_str().to_owned(),
            time::text(one.updated_at),
            one.notes.first().map(|note| note.actor.clone()).unwrap_or_default(),
        ]
    };
    table(["REPLAY", "STATE", "SENT", "EVENTS OF", "IDS", "LAST SEEN", "BY"], replays.iter().map(row))
}

fn shown(status: &ReplayStatus) -> String {
    let query = &status.query;
    let mut text = format!("Replay {} of {}: {}\n", status.id, status.tenant, status.state.as_str());
    let sinks: Vec<&str> = query.sinks.iter().map(acequia_core::id::SinkId::as_str).collect();
    let parts = [
        ("types", query.types.join(", ")),
        ("pattern", query.pattern.clone().unwrap_or_default()),
        ("events", query.events.join(", ")),
        ("status", query.status.unwrap_or_default().to_owned()),
        ("sinks", sinks.join(", ")),
        ("ids", status.ids.as_str().to_owned()),
        ("rate", format!("{}/s", status.rate)),
        ("version", status.config_version.to_string()),
        ("place", status.place.clone().unwrap_or_default()),
    ];
    if status.dry_run {
        text.push_str("  a dry run: it counts, and sends nothing\n");
    }
    if status.platform {
        text.push_str("  run by the platform\n");
    }
    let _ = writeln!(text, "  accepted from {} on and before {}", time::text(query.from), time::text(query.to));
    for (name, value) in parts.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "  {name} {}", clean(value));
    }
    for one in &status.notes {
        let _ = writeln!(text, "  {} {} by {}", time::text(one.at), one.did, clean(&one.actor));
    }
    text.push_str(&figures(&status.figures));
    let mut text = with_troubles(text, &status.troubles);
    if matches!(status.state, Standing::Stopped | Standing::Abandoned) {
        let _ = write!(text, "\n{}", goes_on(status));
    }
    text
}

/// A time as people say it.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => count(seconds, "second", "seconds"),
        60..3_600 => count(seconds.div_ceil(60), "minute", "minutes"),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use acequia_core::replay::{Count, Price};
    use acequia_core::wire::ReplayIds;
    use acequia_testkit::build;

    use super::*;

    fn some() -> Figures {
        let counts =
            vec![Count { r#type: "t".to_owned(), sink: build::sink_id("crm"), deliveries: 1_500, bytes: 2_345_678 }];
        Figures {
            objects: 3,
            lines: 2_000,
            repeated: 2,
            events: 1_500,
            deliveries: 1_500,
            bytes: 2_345_678,
            unreadable: 0,
            refused: 0,
            counts,
        }
    }

    fn status(state: Standing, unreadable: u64) -> ReplayStatus {
        ReplayStatus {
            id: "r1".parse().unwrap(),
            tenant: build::tenant_id("acme"),
            state,
            platform: false,
            dry_run: false,
            query: (&Query::between(build::start(), build::at(60))).into(),
            ids: ReplayIds::Same,
            rate: 100,
            config_version: 3,
            as_of: build::at(90),
            created_at: build::at(100),
            updated_at: build::at(110),
            place: None,
            figures: Figures { unreadable, ..some() },
            notes: Vec::new(),
            troubles: vec!["tenant=acme/x: it is no whole zstd\u{7}".to_owned()],
        }
    }

    #[test]
    fn a_preview_says_how_many_how_long_and_how_dear() {
        let preview = Preview {
            tenant: build::tenant_id("acme"),
            from: build::start(),
            to: build::at(60),
            as_of: build::at(90),
            config_version: 3,
            ids: ReplayIds::Same,
            sinks: vec![build::sink_id("crm")],
            figures: some(),
            rate: 20,
            seconds: 75,
            price: Price { reading: 0.5, delivering: 1.25, sum: 1.75 },
            troubles: Vec::new(),
        };
        let text = previewed(&preview);
        for part in [
            "1500 deliveries of 1500 events (2.3 MB of events), chosen from 2000 archived events in 3 objects, 2 repeated.",
            "t     crm   1500        2.3 MB",
            "At 20/s it takes 2 minutes, and costs about $1.75",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn what_is_not_complete_ends_with_one_and_says_how_to_go_on() {
        for (state, unreadable, exit) in
            [(Standing::Done, 0, Exit::Ok), (Standing::Done, 1, Exit::Failed), (Standing::Stopped, 0, Exit::Failed)]
        {
            let report = ended(&status(state, unreadable), None);
            assert_eq!(report.exit, exit, "{state:?}");
            assert_eq!(report.text().contains("acequia replay resume acme r1"), state == Standing::Stopped);
            assert!(report.text().contains("it is no whole zstd\\u{7}"), "{}", report.text());
        }
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        assert_eq!([1, 61, 7_260].map(span), ["1 second", "2 minutes", "2 h 1 min"]);
    }
}
