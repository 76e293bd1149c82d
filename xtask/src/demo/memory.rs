//! What is remembered: a tenant's archive has its events, and a sink that is added in the end gets those that it takes
//! by a replay, as many as the dry run counted.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value as Json;

use super::tenant::{self, ARCHIVED};
use super::view::View;
use super::warehouse;
use super::{Phases, late};
use crate::host;
use crate::local::Local;
use crate::report::Check;

/// The sink that is added.
const ADDED: &str = "newcomer";
/// The one type of events that it takes.
const TAKES: &str = "action.signed";
/// How long the archive may wait for a batch to fill, and a replay's deliveries may take.
const WITHIN: Duration = Duration::from_secs(90);

/// What the replay came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replayed {
    /// Different events of the tenant that were accepted.
    kept: u64,
    /// Lines of the archive.
    lines: u64,
    /// Events that the added sink takes, counted by the demo itself.
    takes: u64,
    /// The same by `DuckDB` of the archive, each once for each hour in which it was accepted: a replay folds repetitions
    /// within an hour.
    by_hours: u64,
    /// What the dry run said.
    foretold: u64,
    /// What the replay says that it sent.
    sent: u64,
    /// What arrived, each event once.
    arrived: u64,
}

/// Adds a sink, and replays the tenant's events to it.
pub(super) fn replay(local: &Local, view: &mut View, phases: &Phases) -> Result<Replayed> {
    let events = || phases.all().into_iter().filter_map(|phase| phase.sent.get(ARCHIVED)).flat_map(|b| &b.events);
    let kept = events().count() as u64;
    let takes = events().filter(|event| event.kind == TAKES).count() as u64;
    add_sink(local)?;
    let from = jiff::Timestamp::from_millisecond(i64::try_from(phases.warm_up.since)?)?.to_string();
    let start = host::now();
    let (foretold, lines) = loop {
        let to = host::since_epoch().as_millis();
        let to = jiff::Timestamp::from_millisecond(i64::try_from(to)?)?.to_string();
        let dry = ask(local, &from, &to, &["--dry-run"])?;
        if number(&dry, "deliveries")? >= takes && number(&dry, "lines")? >= kept {
            break (number(&dry, "deliveries")?, number(&dry, "lines")?);
        }
        if start.elapsed() > WITHIN {
            return late("all events are in the archive", WITHIN);
        }
        std::thread::sleep(Duration::from_secs(1));
    };
    let to = jiff::Timestamp::from_millisecond(i64::try_from(host::since_epoch().as_millis())?)?.to_string();
    view.line(&format!(
        "{ARCHIVED} has a new sink; acequia replay {ARCHIVED} --from {from} --to {to} --sink {ADDED} --same-id"
    ));
    let sent = number(&ask(local, &from, &to, &["--rate", "500/s", "--yes"])?, "deliveries")?;
    let start = host::now();
    let endpoint = format!("{ARCHIVED}-{ADDED}");
    let arrived = loop {
        let arrived = local.receiver.stats()?.get(&endpoint).map(|stats| stats.accepted).unwrap_or_default();
        if arrived >= sent || start.elapsed() > WITHIN {
            break arrived;
        }
        std::thread::sleep(Duration::from_millis(300));
    };
    let by_hours = warehouse::replayable(local, ARCHIVED, TAKES)?;
    Ok(Replayed { kept, lines, takes, by_hours, foretold, sent, arrived })
}

/// Applies the tenant's file with one more sink.
fn add_sink(local: &Local) -> Result<()> {
    let endpoint = format!("{ARCHIVED}-{ADDED}");
    let secret = local.receiver.define(&endpoint, false)?;
    local.acequia.put_secret(ARCHIVED, "webhook", ADDED, &secret)?;
    let file = tenant::applied(ARCHIVED);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let url = local.receiver.url(&endpoint);
    let sink = format!(
        "\n[[sinks]]\nid = \"{ADDED}\"\nkind = \"webhook\"\ntypes = [\"{TAKES}\"]\nurl = \"{url}\"\nsecrets = [\"{ADDED}\"]\n"
    );
    let file = host::scratch(&format!("tenants/{ARCHIVED}-with-{ADDED}.toml"));
    fs::write(&file, text + &sink).with_context(|| format!("cannot write {}", file.display()))?;
    local.acequia.apply(&file)
}

fn ask(local: &Local, from: &str, to: &str, more: &[&str]) -> Result<Json> {
    let order = ["replay", ARCHIVED, "--from", from, "--to", to, "--sink", ADDED, "--same-id"];
    local.acequia.read(&[&order, more].concat())
}

fn number(told: &Json, name: &str) -> Result<u64> {
    told.get(name).and_then(Json::as_u64).with_context(|| format!("acequia replay did not say {name}: {told}"))
}

/// Whether all that the sink takes arrived, each event once, and as foretold.
pub(super) fn check(replayed: &Replayed) -> Check {
    let Replayed { kept, lines, takes, by_hours, foretold, sent, arrived } = *replayed;
    Check {
        holds: takes > 0
            && lines >= kept
            && [foretold, sent].iter().all(|count| *count == by_hours)
            && by_hours >= takes
            && arrived == takes,
        says: format!(
            "replayed: a sink that {ARCHIVED} got afterwards takes {takes} of {kept} archived events, {by_hours} by their \
             hours; the dry run counted {foretold}, {sent} were sent, and {arrived} have arrived"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_that_is_missing_anywhere_does_not_hold() {
        let whole = Replayed { kept: 9, lines: 10, takes: 4, by_hours: 4, foretold: 4, sent: 4, arrived: 4 };
        assert!(check(&whole).holds);
        // One that was sent twice, in two hours.
        assert!(check(&Replayed { by_hours: 5, foretold: 5, sent: 5, ..whole }).holds);
        for part in [
            Replayed { lines: 8, ..whole },
            Replayed { foretold: 3, ..whole },
            Replayed { foretold: 5, sent: 5, ..whole },
            Replayed { by_hours: 3, foretold: 3, sent: 3, ..whole },
            Replayed { sent: 5, ..whole },
            Replayed { arrived: 3, ..whole },
            Replayed { takes: 0, by_hours: 0, foretold: 0, sent: 0, arrived: 0, ..whole },
        ] {
            assert!(!check(&part).holds, "{part:?}");
        }
    }
}
