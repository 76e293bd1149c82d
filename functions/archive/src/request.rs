//! The objects of a batch: which deliveries go together, and their content.

use std::collections::BTreeMap;

use acequia_archive::Writer;
use acequia_archive::lines::pack;
use acequia_core::archive::{Form, Hour, ObjectKey, write_line};
use acequia_core::delivery::Delivery;
use acequia_core::id::{SinkId, TenantId};
use acequia_core::outcome::Cause;
use acequia_core::tenant::{ArchiveFormat, ArchiveSink, Sink, Target};
use acequia_lambda::Job;

/// The bug where an object cannot be made, in memory.
const UNWRITABLE: &str = "an event or its object cannot be written into memory";

/// Deliveries that make one object, by the places of their jobs.
pub struct Group<'a> {
    /// Its name.
    pub key: ObjectKey,
    /// The places and the deliveries, in the order of their acceptance.
    pub members: Members<'a>,
}

type Members<'a> = Vec<(usize, &'a Delivery)>;

/// Sorts jobs into objects: one for each sink and hour of acceptance.
pub fn groups<'a>(tenant: &TenantId, jobs: &'a [Job]) -> Vec<Group<'a>> {
    let mut sorted: BTreeMap<(&SinkId, Hour, Form), Members<'_>> = BTreeMap::new();
    for (place, job) in jobs.iter().enumerate() {
        let hour = Hour::of(job.delivery.envelope.accepted_at);
        sorted.entry((&job.sink.id, hour, form(&job.sink))).or_default().push((place, &*job.delivery));
    }
    let group = |((_, hour, form), mut members): ((&SinkId, Hour, Form), Members<'a>)| {
        // In whatever order a batch brings them: the same deliveries are the same object to the byte.
        members.sort_by(|(_, a), (_, b)| {
            (a.envelope.accepted_at, a.id.as_str()).cmp(&(b.envelope.accepted_at, b.id.as_str()))
        });
        let key = ObjectKey::of(tenant, hour, members.iter().map(|(_, delivery)| *delivery)).in_form(form);
        Group { key, members }
    };
    sorted.into_iter().map(group).collect()
}

/// How a sink's batches are kept.
fn form(sink: &Sink) -> Form {
    match &sink.target {
        Target::Archive(ArchiveSink { format: ArchiveFormat::Parquet, .. }) => Form::Parquet,
        _ => Form::Lines,
    }
}

/// The content of an object: these deliveries, as its form has them.
///
/// # Errors
/// [`Cause::Bug`], where an event cannot be written: what an envelope was parsed from always can.
pub fn content(group: &Group<'_>, config_version: u64) -> Result<Vec<u8>, Cause> {
    let written =
        if group.key.form == Form::Lines { lines(group, config_version) } else { rows(group, config_version) };
    written.ok_or(Cause::Bug(UNWRITABLE))
}

fn lines(group: &Group<'_>, config_version: u64) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    for (_, delivery) in &group.members {
        write_line(&mut text, &delivery.envelope, config_version).ok()?;
    }
    pack([&text[..]]).ok()
}

fn rows(group: &Group<'_>, config_version: u64) -> Option<Vec<u8>> {
    let mut writer = Writer::new().ok()?;
    for (_, delivery) in &group.members {
        writer.push(&delivery.envelope, config_version, None).ok()?;
    }
    writer.finish().ok()
}
