//! How fast a replay reads: objects in a folder, through the engine that the command has, into a sender that counts.
//!
//! One core, and memory that must not grow with the number of objects. Both depend on the machine, so that they are goals
//! of their own ([`Aim`]) and not gates.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use acequia_core::archive::{Hour, ObjectKey, write_line};
use acequia_core::delivery::Delivery;
use acequia_core::flow::redrive::Observer;
use acequia_core::id::TenantId;
use acequia_core::port::{ArchiveReader, Listing, ReadError, StoredObject, Unavailable};
use acequia_core::replay::{Progress, Query, Selection};
use acequia_core::tenant::{RawTenant, Tenant};
use acequia_core::wire::{ReplayIds, Replayed};
use acequia_lambda::SystemClock;
use acequia_operations::replay::Nowhere;
use acequia_operations::replay::engine::{Ended, Keeper, Way, go};
use acequia_testkit::{InMemoryLedger, build};
use anyhow::{Context as _, Result, bail};

use crate::table::{grouped, markdown};
use crate::throughput::{Aim, Wanted};

/// Events of an object: the archive's batch.
const EVENTS: usize = 1_000;
/// Objects, and ten times as many.
const OBJECTS: [usize; 2] = [20, 200];
/// Of an event's data: some 700 bytes, as with the other parts.
const DATA_BYTES: usize = 600;
/// What is wanted of one core, in events a second.
const WANTED: f64 = 20_000.0;
/// What ten times the objects may take more, in kilobytes.
const GROWTH_KB: f64 = 4_096.0;

/// An archive in a folder.
struct Folder {
    path: PathBuf,
    names: Vec<StoredObject>,
}

impl Folder {
    /// So many objects, spread over hours.
    fn fill(path: &Path, tenant: &TenantId, objects: usize) -> Result<Self> {
        let mut names = Vec::with_capacity(objects);
        for number in 0..objects {
            let (mut lines, mut deliveries) = (Vec::new(), Vec::with_capacity(EVENTS));
            for event in 0..EVENTS {
                let data = format!(r#"{{"country":"FR","note":"{}"}}"#, "x".repeat(DATA_BYTES));
                let envelope = build::envelope(tenant.as_str(), &format!("{number}-{event}"), "action.signed", &data);
                let accepted_at = build::at(number as u64 * 60);
                let envelope = acequia_core::event::envelope::Envelope { accepted_at, ..envelope };
                write_line(&mut lines, &envelope, 1)?;
                deliveries.push(Delivery::new(build::sink_id("keep"), envelope));
            }
            let hour = deliveries.first().map_or_else(build::start, |delivery| delivery.envelope.accepted_at);
            let key = ObjectKey::of(tenant, Hour::of(hour), &deliveries);
            let mut encoder = zstd::Encoder::new(Vec::new(), 3)?;
            encoder.include_checksum(true)?;
            encoder.write_all(&lines)?;
            let packed = encoder.finish()?;
            let bytes = packed.len() as u64;
            std::fs::write(path.join(key.to_string().replace('/', "_")), packed)?;
            names.push(StoredObject { key, bytes, kept_at: build::start(), version: String::new() });
        }
        names.sort_by_key(|object| object.key.to_string());
        Ok(Self { path: path.to_owned(), names })
    }
}

impl ArchiveReader for Folder {
    async fn list(&self, _: &TenantId, after: &str) -> Result<Listing, Unavailable> {
        let behind = self.names.iter().filter(|object| object.key.to_string().as_str() > after);
        Ok(Listing { objects: behind.cloned().collect(), ..Listing::default() })
    }

    async fn read(&self, object: &StoredObject) -> Result<Vec<u8>, ReadError> {
        let file = self.path.join(object.key.to_string().replace('/', "_"));
        std::fs::read(file).map_err(|error| Unavailable::new("read an object", error).into())
    }

    async fn first_kept(&self, object: &StoredObject) -> Result<jiff::Timestamp, ReadError> {
        Ok(object.kept_at)
    }
}

struct Unwatched;

impl Observer for Unwatched {
    fn dealt(&self, _: u64) {}

    fn trouble(&self, _: &str) {}

    fn ends(&self) -> bool {
        false
    }
}

impl Keeper for Unwatched {
    async fn keep(&mut self, _: &Progress, _: &[String]) -> Result<bool, Unavailable> {
        Ok(true)
    }
}

/// Events a second, and the most memory that the process had, in kilobytes.
#[expect(clippy::disallowed_methods, reason = "it measures real time")]
fn once(archive: &Folder, tenant: &Tenant) -> Result<(f64, f64)> {
    let query = Query::between(build::start(), build::at(86_400));
    let selection = Selection::new(&query, tenant, build::start())?;
    let (ledger, clock) = (InMemoryLedger::new(), SystemClock);
    let mark = Replayed { id: "r1".parse()?, ids: ReplayIds::Same, at: build::start() };
    let way = Way {
        archive,
        ledger: &ledger,
        sender: &Nowhere,
        clock: &clock,
        tenant: &tenant.summary.id,
        query: &query,
        selection: &selection,
        mark,
        as_of: build::at(1),
        rate: None,
    };
    let (mut progress, mut troubles) = (Progress::default(), Vec::new());
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let ended = runtime.block_on(go(&way, &mut progress, &mut troubles, &mut Unwatched, &Unwatched));
    let took = begun.elapsed().as_secs_f64();
    let wanted = (archive.names.len() * EVENTS) as u64;
    if !matches!(ended, Ended::Done) || progress.tally.deliveries != wanted {
        bail!("the replay ended as {ended:?} after {} of {wanted} deliveries", progress.tally.deliveries);
    }
    let events = f64::from(u32::try_from(wanted)?);
    Ok((events / took, peak()?))
}

fn peak() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

/// Measures it: the goals, and the table.
///
/// # Errors
/// Where a replay does not come to its end.
pub fn measure(quick: bool) -> Result<(Vec<Aim>, String)> {
    let document = r#"{"tenant":"acme","name":"Acme","sinks":[{"id":"crm","kind":"webhook","types":["action.*"],
        "pattern":{"data":{"country":["FR"]}},"url":"https://a.example/","secrets":["s"]}]}"#;
    let raw = RawTenant::from_json(document).map_err(|issues| anyhow::anyhow!("{issues}"))?;
    let tenant = Tenant::of_stored(&raw).map_err(|issues| anyhow::anyhow!("{issues}"))?;
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    for objects in OBJECTS.map(|objects| if quick { objects / 10 } else { objects }) {
        let folder = tempfile::tempdir()?;
        let archive = Folder::fill(folder.path(), &tenant.summary.id, objects)?;
        // What filling took is not the replay's.
        std::fs::write("/proc/self/clear_refs", "5")?;
        let (rate, peak) = once(&archive, &tenant)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a figure for people")]
        rows.push(vec![grouped(objects as u64), grouped(rate as u64), grouped(peak as u64)]);
        found.push((rate, peak));
    }
    let slowest = found.iter().map(|(rate, _)| *rate).fold(f64::INFINITY, f64::min);
    let growth = found.last().zip(found.first()).map_or(0.0, |((_, large), (_, small))| large - small);
    let aims = vec![
        Aim { what: "replay: events a second on one core".to_owned(), wanted: Wanted::AtLeast(WANTED), found: slowest },
        Aim {
            what: "replay: kilobytes more at ten times the objects".to_owned(),
            wanted: Wanted::AtMost(GROWTH_KB),
            found: growth,
        },
    ];
    Ok((aims, markdown(&["objects of 1,000 events", "events/s", "most memory (KB)"], 0, rows)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_is_measured_to_its_end() {
        let (aims, table) = measure(true).unwrap();
        assert_eq!((aims.len(), table.lines().count()), (2, 4));
    }
}
