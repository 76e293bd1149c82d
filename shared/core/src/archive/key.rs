//! The names of objects: `tenant=<t>/date=<d>/hour=<h>/<digest>.ndjson.zst`, and
//! `tenant=<t>/parquet/date=<d>/hour=<h>/<digest>.parquet`, as Hive, Athena, Spark and `DuckDB` read
//! partitions from paths.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::delivery::Delivery;
use crate::id::{TenantId, digest};
use crate::time::after;

/// What stands behind the digest of a batch that is kept as lines.
const LINES: &str = ".ndjson.zst";
/// What stands behind the digest of an object of Parquet.
const PARQUET: &str = ".parquet";
/// What stands before the number and the digest of an object that was made of others. It sorts behind all digests, and
/// the number behind those of the objects that it was made of: who lists an hour while it is compacted may miss an
/// object that is deleted, and then sees the one that has it.
const MERGED: &str = "merged-";
/// How many digits its number has.
const NUMBER: usize = 6;
/// The folder of all that is Parquet: Athena reads whole folders, and no folder of two forms.
const FOLDER: &str = "parquet/";
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

    /// When it ends.
    pub fn end(self) -> Timestamp {
        let begin = self.date.at(self.hour, 0, 0, 0).to_zoned(TimeZone::UTC).map(|begin| begin.timestamp());
        begin.map_or(Timestamp::MAX, |begin| after(begin, Duration::from_hours(1)))
    }
}

/// As it stands in names of objects.
impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "date={}/hour={:02}", self.date, self.hour)
    }
}

/// How an object holds events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// A batch, as lines of JSON, packed with zstd.
    Lines,
    /// A batch, as Parquet.
    Parquet,
    /// Many batches, as Parquet: what compaction makes.
    Compacted {
        /// Above those of the objects that it was made of.
        number: u32,
    },
}

impl Form {
    /// Whether it has many batches.
    pub const fn is_compacted(self) -> bool {
        matches!(self, Self::Compacted { .. })
    }
}

/// The name of an object of the archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Whose events.
    pub tenant: TenantId,
    /// When they were accepted.
    pub hour: Hour,
    /// How it holds them.
    pub form: Form,
    digest: String,
}

/// A text that names no object of the archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no object of an archive: its key must read tenant=<t>/date=<d>/hour=<h>/<digest>{LINES}, or tenant=<t>/{FOLDER}date=<d>/hour=<h>/<digest>{PARQUET}"
)]
pub struct InvalidObjectKey(String);

impl ObjectKey {
    /// The name of the object with these deliveries as lines, in whatever order they are given.
    pub fn of<'a>(tenant: &TenantId, hour: Hour, deliveries: impl IntoIterator<Item = &'a Delivery>) -> Self {
        let mut ids: Vec<&str> = deliveries.into_iter().map(|delivery| delivery.id.as_str()).collect();
        ids.sort_unstable();
        Self { tenant: tenant.clone(), hour, form: Form::Lines, digest: digest(ids.join("\n").as_bytes()) }
    }

    /// The name of the object that holds these batches, each a text that has its name and tells its content.
    pub fn compacted<'a>(
        tenant: &TenantId,
        hour: Hour,
        number: u32,
        batches: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut all: Vec<&str> = batches.into_iter().collect();
        all.sort_unstable();
        let form = Form::Compacted { number };
        Self { tenant: tenant.clone(), hour, form, digest: digest(all.join("\n").as_bytes()) }
    }

    /// The same in another form.
    #[must_use]
    pub fn in_form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// What the names of all of a tenant's objects begin with.
    pub fn prefix(tenant: &TenantId) -> String {
        format!("tenant={tenant}/")
    }

    /// What sorts before the names of all of a tenant's objects with lines of an hour, and behind those of the hours
    /// before.
    pub fn before(tenant: &TenantId, hour: Hour) -> String {
        format!("{}{hour}/", Self::prefix(tenant))
    }

    /// The same of objects that are Parquet. They sort behind all with lines.
    pub fn parquet_before(tenant: &TenantId, hour: Hour) -> String {
        format!("{}{FOLDER}{hour}/", Self::prefix(tenant))
    }

    /// Its last part, by which a batch is known wherever it is kept.
    pub fn file(&self) -> String {
        let Self { digest, .. } = self;
        match self.form {
            Form::Lines => format!("{digest}{LINES}"),
            Form::Parquet => format!("{digest}{PARQUET}"),
            Form::Compacted { number } => format!("{MERGED}{number:0NUMBER$}-{digest}{PARQUET}"),
        }
    }

    /// The object of a tenant's hour with this last part.
    pub fn with_file(tenant: &TenantId, hour: Hour, file: &str) -> Option<Self> {
        let (form, digest) = match (file.strip_suffix(LINES), file.strip_suffix(PARQUET)) {
            (Some(digest), _) => (Form::Lines, digest),
            (None, rest) => match rest?.strip_prefix(MERGED) {
                Some(made) => {
                    let (number, digest) = made.split_once('-')?;
                    let is_number = number.len() == NUMBER && number.bytes().all(|byte| byte.is_ascii_digit());
                    (Form::Compacted { number: number.parse().ok().filter(|_| is_number)? }, digest)
                }
                None => (Form::Parquet, rest?),
            },
        };
        let is_hex = digest.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let key = || Self { tenant: tenant.clone(), hour, form, digest: digest.to_owned() };
        (is_hex && digest.len() == DIGITS).then(key)
    }

    /// Its place in the order of all batches: by hour, whatever their form is. Where it is kept makes no difference.
    pub fn place(&self) -> String {
        format!("tenant={}/{}/{}", self.tenant, self.hour, self.file())
    }

    /// The batch at a place.
    pub fn at_place(place: &str) -> Option<Self> {
        let mut parts = place.split('/');
        let mut named = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix('=');
        let (tenant, date, hour) = (named("tenant")?, named("date")?, named("hour")?);
        let hour = Hour { date: date.parse().ok()?, hour: hour.parse().ok().filter(|hour| (0..24).contains(hour))? };
        let key = Self::with_file(&tenant.parse().ok()?, hour, parts.next()?)?;
        // One writing alone: two texts that name one object would be two objects.
        (parts.next().is_none() && key.place() == place).then_some(key)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = if self.form == Form::Lines { "" } else { FOLDER };
        write!(f, "tenant={}/{folder}{}/{}", self.tenant, self.hour, self.file())
    }
}

impl FromStr for ObjectKey {
    type Err = InvalidObjectKey;

    fn from_str(text: &str) -> Result<Self, InvalidObjectKey> {
        let key = Self::at_place(&text.replacen(&format!("/{FOLDER}"), "/", 1)).filter(|key| key.to_string() == text);
        key.ok_or_else(|| InvalidObjectKey(text.chars().take(200).collect()))
    }
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
            (LINES, ".parquet"),
            (LINES, "0.ndjson.zst"),
            ("/date", "/parquet/date"),
        ] {
            let error = name.replace(from, to).parse::<ObjectKey>().unwrap_err().to_string();
            assert!(error.contains("must read tenant=<t>/date=<d>"), "{error}");
        }
    }

    #[test]
    fn each_form_has_a_name_and_all_of_an_hour_have_one_order() {
        let (lines, tenant) = (key(&[&delivery("keep", "1")]), "acme".parse().unwrap());
        let (parquet, hour) = (lines.clone().in_form(Form::Parquet), lines.hour);
        let made = ObjectKey::compacted(&tenant, hour, 1, ["b", "a"]);
        assert_eq!(made, ObjectKey::compacted(&tenant, hour, 1, ["a", "b"]));
        assert!(made.to_string().starts_with("tenant=acme/parquet/date=2026-11-29/hour=23/merged-000001-"), "{made}");
        assert!(parquet.to_string() < made.to_string());
        assert!(made.to_string() < ObjectKey::compacted(&tenant, hour, 2, ["a"]).to_string());
        for key in [&lines, &parquet, &made] {
            assert_eq!(key.to_string().parse().as_ref(), Ok(key));
            assert_eq!(ObjectKey::at_place(&key.place()).as_ref(), Some(key));
            assert!(key.place().starts_with("tenant=acme/date=2026-11-29/hour=23/"));
        }
        assert!(ObjectKey::before(&tenant, hour) < lines.to_string());
        assert!(lines.to_string() < ObjectKey::parquet_before(&tenant, hour));
        assert!(ObjectKey::parquet_before(&tenant, hour) < made.to_string());
        assert_eq!(hour.end(), "2026-11-30T00:00:00Z".parse().unwrap());
    }
}
