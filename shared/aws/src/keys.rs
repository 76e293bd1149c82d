//! Every key and name of a tenant's rows and parameters: the one place that builds them, from a [`TenantId`].
//!
//! A ledger row's partition key begins with `<tenant>#`, so that a role limited by `dynamodb:LeadingKeys` to it sees
//! one tenant only. No tenant id has `#` in it, so no key of one tenant is one of another.

use std::collections::HashMap;
use std::fmt::Display;

use acequia_core::audit::AuditRow;
use acequia_core::consent::{ActionId, AddressId, ListId, SubjectId};
use acequia_core::delivery::ledger::Record;
use acequia_core::delivery::share::Bucket;
use acequia_core::id::{EventId, ReplayId, SecretName, SinkId, Stage, TenantId};
use acequia_core::intake::EntryKey;
use acequia_core::secret::SecretPurpose;
use acequia_core::topic::Topic;
use aws_sdk_dynamodb::types::AttributeValue;

/// The partition key's attribute.
pub(crate) const PK: &str = "pk";
/// The sort key's attribute.
pub(crate) const SK: &str = "sk";
/// The sort key of an event's route; no sink id begins with `@`.
pub(crate) const ROUTE: &str = "@route";
/// The sort key of the row that points at a tenant's current version.
pub(crate) const CURRENT: &str = "current";
/// The row that holds the current version whole.
pub(crate) const LATEST: &str = "latest";
/// The row that holds a tenant's API keys.
pub(crate) const KEYS: &str = "keys";
/// The partition key of the rows that list the tenants; no tenant's id begins with `@`.
pub(crate) const TENANTS: &str = "@tenants";
/// The partition key of the rows that list the tenants whose dead letters go back by themselves.
pub(crate) const AUTO_REDRIVEN: &str = "@auto-redriven";
/// The partition key of the rows that list the replays which the platform is to run.
pub(crate) const QUEUED_REPLAYS: &str = "@replays";
/// What the sort keys of replays begin with.
pub(crate) const REPLAY: &str = "replay#";
/// The row that says which replay is the tenant's one.
pub(crate) const REPLAYING: &str = "replaying";
/// What the sort keys of audit rows begin with.
pub(crate) const AUDIT: &str = "audit#";

/// The attributes of a delivery's record that tell any two of its states apart: a claim has a token of its own, and
/// settling it changes the status or takes the token away.
pub(crate) const STATE: [&str; 3] = ["claim", "status", "updated_at"];

/// An item of a table.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// A text as an attribute.
pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number as an attribute.
pub(crate) fn number(value: impl Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A key as `DynamoDB` wants it.
pub(crate) fn key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    [(PK.to_owned(), text(pk)), (SK.to_owned(), text(sk))].into()
}

/// What the partition keys of a tenant's ledger rows begin with.
pub(crate) fn ledger_prefix(tenant: &TenantId) -> String {
    format!("{tenant}#")
}

/// The partition key of the rows of one event.
pub(crate) fn event(tenant: &TenantId, event: &EventId) -> String {
    // Joined, not formatted: it is built for each row of each delivery.
    [tenant.as_str(), "#", event.as_str()].concat()
}

/// The partition key of the rows of a tenant's endpoints; an event id has a `|` in it, so it is none of an event.
pub(crate) fn endpoints(tenant: &TenantId) -> String {
    format!("{}@endpoint", ledger_prefix(tenant))
}

/// The key of the crash marker against a message; ids of messages have no `|`, so it is none of an event. Each has a
/// partition of its own, because in a bad hour there are many.
pub(crate) fn crash_marker(tenant: &TenantId, message_id: &str) -> Item {
    key(format!("{}@crash#{message_id}", ledger_prefix(tenant)), "@crash")
}

/// The key of what the door took before; each has a partition of its own, and no `|`, so it is none of an event.
pub(crate) fn intake(tenant: &TenantId, entry: &EntryKey) -> Item {
    key(format!("{}@{entry}", ledger_prefix(tenant)), "@intake")
}

/// The partition key of a tenant's journal of redriving; it is none of an event either.
pub(crate) fn redrive(tenant: &TenantId) -> String {
    format!("{}@redrive", ledger_prefix(tenant))
}

/// The partition key of the rates of a tenant's sinks; it is none of an event either.
pub(crate) fn rates(tenant: &TenantId) -> String {
    format!("{}@rate", ledger_prefix(tenant))
}

/// The sort key of the row that says when a tenant used something shared, beside the rates of its sinks. No sink's id
/// begins with `@`, and no name of a limiter with `@share#`.
pub(crate) fn share(what: &str) -> String {
    format!("@share#{what}")
}

/// The key of a row that counts the tenants which joined a bucket of something shared. Each row has a partition of its
/// own, so that many may join at once. No tenant's id begins with `@`.
pub(crate) fn members(what: &str, row: u8, of: Bucket) -> Item {
    key(format!("@shared#{what}#{row}"), bucket(of))
}

/// The sort key of what is counted in a bucket.
pub(crate) fn bucket(of: Bucket) -> String {
    format!("{:012}", of.0)
}

/// The sort key of a row of the ledger.
pub(crate) fn row(record: &Record) -> String {
    match record {
        Record::Route(_) => ROUTE.to_owned(),
        Record::Delivery(delivery) => delivery_row(&delivery.sink, delivery.replay.as_ref().map(|replay| &replay.id)),
    }
}

/// The sort key of a delivery's record: its sink, and behind it the replay that makes it. No sink's id has a `#`.
pub(crate) fn delivery_row(sink: &SinkId, replay: Option<&ReplayId>) -> String {
    match replay {
        None => sink.as_str().to_owned(),
        Some(replay) => [sink.as_str(), "#", replay.as_str()].concat(),
    }
}

/// The sink of a delivery's record whose sort key this is.
pub(crate) fn sink_of(row: &str) -> &str {
    row.split_once('#').map_or(row, |(sink, _)| sink)
}

/// The sort key of a version of a tenant's configuration, padded so that versions sort as numbers do.
pub(crate) fn version(version: u64) -> String {
    format!("config#{version:020}")
}

/// The partition key of a tenant's replays. It is one of its own, so that the door may write replays, by
/// `dynamodb:LeadingKeys`, and no configuration.
pub(crate) fn replays(tenant: &TenantId) -> String {
    format!("{tenant}#@replay")
}

/// The sort key of a replay in the list of those that wait: no tenant's id has a `#`.
pub(crate) fn queued_replay(tenant: &TenantId, id: &ReplayId) -> String {
    format!("{tenant}#{id}")
}

/// The sort key of an audit row: its time in milliseconds, the version that was current behind it, and its hash, which
/// no two rows share.
pub(crate) fn audit(row: &AuditRow) -> String {
    format!("{AUDIT}{:015}#{:020}#{}", row.at.as_millisecond(), row.to, row.hash)
}

/// The partition key of the rows that say when a tenant's API keys were used; event ids have a `|`, so it is none of an
/// event.
pub(crate) fn key_uses(tenant: &TenantId) -> String {
    format!("{}@key", ledger_prefix(tenant))
}

/// The partition key of the rows of one subject.
pub(crate) fn subject(tenant: &TenantId, subject: &SubjectId) -> String {
    format!("{}{subject}", ledger_prefix(tenant))
}

/// The partition key of what is known of one address. Its `@` keeps it apart from subjects, which are hex digits.
pub(crate) fn address(tenant: &TenantId, address: &AddressId) -> String {
    format!("{}@address#{address}", ledger_prefix(tenant))
}

/// The partition key of the counts of a tenant's days.
pub(crate) fn days(tenant: &TenantId) -> String {
    format!("{}@day", ledger_prefix(tenant))
}

/// The tenant whose row has this partition key.
pub(crate) fn tenant_of(pk: &str) -> Option<TenantId> {
    pk.split_once('#').and_then(|(tenant, _)| tenant.parse().ok())
}

/// The sort key of a consent.
pub(crate) fn consent(list: &ListId) -> String {
    format!("consent#{list}")
}

/// The sort key of an action.
pub(crate) fn action(list: &ListId, action: &ActionId) -> String {
    format!("action#{list}#{action}")
}

/// What the sort keys of outbox rows begin with.
pub(crate) const OUTBOX: &str = "outbox#";

/// The sort key of an outbox row.
pub(crate) fn outbox(list: &ListId, row: &str) -> String {
    format!("{OUTBOX}{list}#{row}")
}

/// What the paths of all tenants' secrets in the parameter store begin with.
pub(crate) fn secrets(stage: &Stage) -> String {
    format!("/acequia/{stage}/tenant")
}

/// The path of a secret in the parameter store. The roles of functions name its purpose.
pub(crate) fn secret(stage: &Stage, tenant: &TenantId, purpose: SecretPurpose, name: &SecretName) -> String {
    format!("{}/{tenant}/{purpose}/{name}", secrets(stage))
}

/// The tenant, the purpose and the name of the secret at this path.
pub(crate) fn secret_of(stage: &Stage, path: &str) -> Option<(TenantId, SecretPurpose, SecretName)> {
    let mut parts = path.strip_prefix(&secrets(stage))?.strip_prefix('/')?.split('/');
    let (tenant, purpose, name) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    Some((tenant.parse().ok()?, purpose.parse().ok()?, name.parse().ok()?))
}

/// The path of the parameter with the platform's issuer of tokens.
pub(crate) fn issuer(stage: &Stage) -> String {
    format!("/acequia/{stage}/jwt-issuer")
}

/// The path of what a tenant's stack allows it. It is not below the tenant's secrets, so that a principal that may
/// write secrets may not write this.
pub(crate) fn grants(stage: &Stage, tenant: &TenantId) -> String {
    format!("/acequia/{stage}/grants/{tenant}")
}

/// The path of whose a topic of Kafka's is.
pub(crate) fn topic(stage: &Stage, topic: &Topic) -> String {
    format!("/acequia/{stage}/kafka/{topic}")
}

/// The text of an item's attribute.
pub(crate) fn text_of<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_of_one_tenant_begins_like_those_of_another() {
        let (short, long): (TenantId, TenantId) = ("ab".parse().unwrap(), "ab-c".parse().unwrap());
        let id = EventId::new("/a", "1").unwrap();
        assert!(!event(&long, &id).starts_with(&ledger_prefix(&short)));
        assert_eq!(event(&short, &id), "ab#/a|1");
        assert_eq!(endpoints(&short), "ab#@endpoint");
        let (sink, replay) = ("crm".parse().unwrap(), "r1".parse().unwrap());
        for (row, wanted) in [(delivery_row(&sink, None), "crm"), (delivery_row(&sink, Some(&replay)), "crm#r1")] {
            assert_eq!((row.as_str(), sink_of(&row)), (wanted, "crm"));
        }
    }

    #[test]
    fn versions_sort_as_numbers() {
        assert!(version(9) < version(10));
    }

    #[test]
    fn a_secret_lies_below_its_stage_tenant_and_purpose_and_reads_back() {
        let (stage, acme, crm) = ("dev".parse().unwrap(), "acme".parse().unwrap(), "crm".parse().unwrap());
        let path = secret(&stage, &acme, SecretPurpose::Link, &crm);
        assert_eq!(path, "/acequia/dev/tenant/acme/link/crm");
        assert_eq!(secret_of(&stage, &path), Some((acme.clone(), SecretPurpose::Link, crm)));
        for other in [
            "/acequia/dev/tenant/acme/crm",
            "/acequia/dev/tenant/acme/other/crm",
            "/acequia/dev/tenant/acme/link/crm/x",
            "/acequia/dev/tenants/acme/link/crm",
            "/acequia/prod/tenant/acme/link/crm",
        ] {
            assert_eq!(secret_of(&stage, other), None, "{other}");
        }
        assert_eq!(grants(&stage, &acme), "/acequia/dev/grants/acme");
    }
}
