//! The names of objects: `tenant=<t>/date=<d>/hour=<h>/<digest>.ndjson.zst`, as Hive, Athena, Spark and `DuckDB` read
//! partitions from paths.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::delivery::Delivery;
use crate::id::{TenantId, digest};

/// What stands behind the digest.
const ENDING: &str = ".ndjson.zst";
/// How many digits a digest has ([`digest`]).
const DIGITS: usize = 32;

/// An hour of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour {
    date: Date,
    hour: i8,
}

impl Hour {
    /// The hour in which a moment lies.
    pub fn of(moment: Timestamp) -> Self {
        let here = moment.to_zoned(TimeZone::UTC);
        Self { date: here.date(), hour: here.hour() }
    }
}

/// As it stands in names of objects.
impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "date={}/hour={:02}", self.date, self.hour)
    }
}

/// The name of an object of the archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Whose events.
    pub tenant: TenantId,
    /// When they were accepted.
    pub hour: Hour,
    digest: String,
}

/// A text that names no object of the archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no object of an archive: its key must read tenant=<t>/date=<d>/hour=<h>/<digest>{ENDING}")]
pub struct InvalidObjectKey(String);

impl ObjectKey {
    /// The name of the object with these deliveries, in whatever order they are given.
    pub fn of<'a>(tenant: &TenantId, hour: Hour, deliveries: impl IntoIterator<Item = &'a Delivery>) -> Self {
        let mut ids: Vec<&str> = deliveries.into_iter().map(|delivery| delivery.id.as_str()).collect();
        ids.sort_unstable();
        Self { tenant: tenant.clone(), hour, digest: digest(ids.join("\n").as_bytes()) }
    }

    /// What the names of all of a tenant's objects begin with.
    pub fn prefix(tenant: &TenantId) -> String {
        format!("tenant={tenant}/")
    }

    /// What sorts before the names of all of a tenant's objects of an hour, and behind those of the hours before.
    pub fn before(tenant: &TenantId, hour: Hour) -> String {
        format!("{}{hour}/", Self::prefix(tenant))
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tenant={}/{}/{}{ENDING}", self.tenant, self.hour, self.digest)
    }
}

impl FromStr for ObjectKey {
    type Err = InvalidObjectKey;

    fn from_str(text: &str) -> Result<Self, InvalidObjectKey> {
        read(text).ok_or_else(|| InvalidObjectKey(text.chars().take(200).collect()))
    }
}

fn read(text: &str) -> Option<ObjectKey> {
    let mut parts = text.split('/');
    let mut named = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix('=');
    let (tenant, date, hour) = (named("tenant")?, named("date")?, named("hour")?);
    let digest = parts.next()?.strip_suffix(ENDING)?;
    let is_hex = digest.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let hour = Hour { date: date.parse().ok()?, hour: hour.parse().ok().filter(|hour| (0..24).contains(hour))? };
    let key = ObjectKey { tenant: tenant.parse().ok()?, hour, digest: digest.to_owned() };
    // One writing alone: two texts that name one object would be two objects.
    (is_hex && digest.len() == DIGITS && parts.next().is_none() && key.to_string() == text).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::envelope::Envelope;

    fn delivery(sink: &str, id: &str) -> Delivery {
        let body = format!(r#"{{"specversion":"1.0","id":"{id}","source":"/a","type":"t"}}"#);
        let at = "2026-11-29T23:59:59.999Z".parse().unwrap();
        Delivery::new(sink.parse().unwrap(), Envelope::parse(&"acme".parse().unwrap(), at, body.as_bytes()).unwrap())
    }

    fn key(deliveries: &[&Delivery]) -> ObjectKey {
        let tenant = "acme".parse().unwrap();
        ObjectKey::of(&tenant, Hour::of(deliveries[0].envelope.accepted_at), deliveries.iter().copied())
    }

    #[test]
    fn an_object_is_named_by_its_hour_and_its_deliveries_in_any_order() {
        let (one, two, other) = (delivery("keep", "1"), delivery("keep", "2"), delivery("also", "1"));
        let name = key(&[&one, &two]).to_string();
        assert!(name.starts_with("tenant=acme/date=2026-11-29/hour=23/") && name.ends_with(".ndjson.zst"), "{name}");
        assert_eq!(name, key(&[&two, &one]).to_string());
        assert_ne!(name, key(&[&one]).to_string());
        assert_ne!(key(&[&one]), key(&[&other]), "two sinks may keep the same event");
        assert!(name.starts_with(&ObjectKey::prefix(&"acme".parse().unwrap())));
        let hour = |at: &str| ObjectKey::before(&"acme".parse().unwrap(), Hour::of(at.parse().unwrap()));
        assert!(hour("2026-11-29T23:00:00Z") < name && name < hour("2026-11-30T00:00:00Z"));
    }

    #[test]
    fn a_name_reads_back_and_nothing_else_is_one() {
        let key = key(&[&delivery("keep", "1")]);
        let name = key.to_string();
        assert_eq!(name.parse(), Ok(key));
        for (from, to) in [
            ("acme", "Acme"),
            ("tenant=", "customer="),
            ("2026-11-29", "2026-11-31"),
            ("hour=23", "hour=24"),
            ("hour=23", "hour=+1"),
            ("/date", "//date"),
            (ENDING, ".parquet"),
            (ENDING, "0.ndjson.zst"),
        ] {
            let error = name.replace(from, to).parse::<ObjectKey>().unwrap_err().to_string();
            assert!(error.contains("must read tenant=<t>/date=<d>"), "{error}");
        }
    }
}
