//! The objects of a batch: which deliveries go together, and their content.

use std::collections::BTreeMap;
use std::io::Write as _;

use acequia_core::archive::{Hour, ObjectKey, write_line};
use acequia_core::delivery::Delivery;
use acequia_core::id::{SinkId, TenantId};
use acequia_core::outcome::Cause;
use acequia_lambda::Job;

/// zstd's own default: a quarter of the size of JSON at some 300 MB/s, and higher levels take longer for little.
const LEVEL: i32 = 3;
/// The bug where packing failed, which writes into memory.
const UNPACKABLE: &str = "an event or its object cannot be written into memory";

/// Deliveries that make one object, by the places of their jobs.
pub struct Group<'a> {
    /// Its name.
    pub key: ObjectKey,
    /// The places and the deliveries, in the order of their acceptance.
    pub members: Vec<(usize, &'a Delivery)>,
}

/// Sorts jobs into objects: one for each sink and hour of acceptance.
pub fn groups<'a>(tenant: &TenantId, jobs: &'a [Job]) -> Vec<Group<'a>> {
    let mut sorted: BTreeMap<(&SinkId, Hour), Vec<(usize, &Delivery)>> = BTreeMap::new();
    for (place, job) in jobs.iter().enumerate() {
        let hour = Hour::of(job.delivery.envelope.accepted_at);
        sorted.entry((&job.sink.id, hour)).or_default().push((place, &*job.delivery));
    }
    let group = |((_, hour), mut members): ((&SinkId, Hour), Vec<(usize, &'a Delivery)>)| {
        // In whatever order a batch brings them: the same deliveries are the same object to the byte.
        members.sort_by(|(_, a), (_, b)| {
            (a.envelope.accepted_at, a.id.as_str()).cmp(&(b.envelope.accepted_at, b.id.as_str()))
        });
        let key = ObjectKey::of(tenant, hour, members.iter().map(|(_, delivery)| *delivery));
        Group { key, members }
    };
    sorted.into_iter().map(group).collect()
}

/// The content of an object: a line for each of these deliveries, packed.
///
/// # Errors
/// [`Cause::Bug`], where an event cannot be written: what an envelope was parsed from always can.
pub fn content(group: &Group<'_>, config_version: u64) -> Result<Vec<u8>, Cause> {
    let unpackable = |_| Cause::Bug(UNPACKABLE);
    let mut packer = zstd::Encoder::new(Vec::new(), LEVEL).map_err(unpackable)?;
    packer.include_checksum(true).map_err(unpackable)?;
    let mut line = Vec::new();
    for (_, delivery) in &group.members {
        line.clear();
        write_line(&mut line, &delivery.envelope, config_version).map_err(|_| Cause::Bug(UNPACKABLE))?;
        packer.write_all(&line).map_err(unpackable)?;
    }
    packer.finish().map_err(unpackable)
}
