//! The API keys of a tenant: made, listed, rotated, revoked.
//!
//! A key is in a report once, when it was made; what is stored is its digest. Each change is a row of the tenant's audit
//! log, which [`crate::audit`] shows.

use std::time::Duration;

use acequia_core::access::{
    ApiKey, KeyChangeRefused, KeyId, KeyRecord, KeyRing, KeyState, Limits, NewKey, Rotation, Scopes,
};
use acequia_core::audit::{AuditAction, AuditNote};
use acequia_core::id::TenantId;
use acequia_core::port::{ApiKeys as _, Chance as _, Clock as _, KeyError, TenantStore as _};
use jiff::Timestamp;
use serde::Serialize;

use crate::{OperationError, Ports, configuration, time};

/// How often a change is tried again that lost to another one.
const TRIES: usize = 3;
/// The longest name of a key, and of who made it, in characters.
pub const MAX_NAME_CHARS: usize = 100;

/// A key that was made.
#[derive(Debug, Serialize)]
pub struct CreatedKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its id.
    pub id: KeyId,
    /// The key itself, shown this once.
    pub key: String,
    /// From when on it is of no use any more; null for never.
    #[serde(serialize_with = "time::maybe")]
    pub expires_at: Option<Timestamp>,
    /// The key whose place it took, and until when that one can be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<ReplacedKey>,
}

/// A key whose place another took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplacedKey {
    /// Its id.
    pub id: KeyId,
    /// Until when it can be used.
    #[serde(serialize_with = "time::one")]
    pub usable_until: Timestamp,
}

/// A key that was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RevokedKey {
    /// Whose it was.
    pub tenant: TenantId,
    /// Its id.
    pub id: KeyId,
}

/// The keys of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyList {
    /// Whose they are.
    pub tenant: TenantId,
    /// The keys, in the order in which they were made; those that ended stay for 30 days.
    pub keys: Vec<ListedKey>,
}

/// One key of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedKey {
    /// Its id.
    pub id: KeyId,
    /// What people call it.
    pub name: String,
    /// Where it stands.
    pub state: KeyState,
    /// What it may do.
    pub scopes: Scopes,
    /// The types of events that it is bound to; empty for all.
    pub types: Vec<String>,
    /// What the sources of its events begin with; null for all.
    pub source: Option<String>,
    /// When it was made.
    #[serde(serialize_with = "time::one")]
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// From when on it is of no use any more; null for never.
    #[serde(serialize_with = "time::maybe")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(serialize_with = "time::maybe")]
    pub revoked_at: Option<Timestamp>,
    /// The hour in which it was used last; null where it was not used yet.
    #[serde(serialize_with = "time::maybe")]
    pub last_used: Option<Timestamp>,
    /// The key that took its place.
    pub replaced_by: Option<KeyId>,
}

/// Makes a key. `actor` is who does it, for the audit log.
///
/// # Errors
/// [`OperationError::NoConfiguration`], [`OperationError::KeyChange`] where there are too many,
/// [`OperationError::KeysContested`], or when the store does not answer.
pub async fn create(
    ports: &impl Ports,
    tenant: &TenantId,
    new: &NewKey,
    actor: &str,
) -> Result<CreatedKey, OperationError> {
    let key = fresh(ports, tenant);
    let summary = format!("key {} created: {:?}{}", key.id, new.name, described(&new.scopes, &new.limits));
    let ring = change(ports, tenant, actor, &summary, |ring, by, now| ring.create(&key, new.clone(), by, now)).await?;
    Ok(created(tenant, &key, &ring, None))
}

/// Makes a key that takes the place of another, which can be used for `overlap` still.
///
/// # Errors
/// As [`create`], and [`OperationError::KeyChange`] where there is no such key, or it ended or was replaced already.
pub async fn rotate(
    ports: &impl Ports,
    tenant: &TenantId,
    old: &KeyId,
    overlap: Duration,
    actor: &str,
) -> Result<CreatedKey, OperationError> {
    let key = fresh(ports, tenant);
    let summary = format!("key {} created in place of {old}", key.id);
    let rotation = Rotation { old, new: &key, overlap };
    let ring = change(ports, tenant, actor, &summary, |ring, by, now| ring.rotate(&rotation, by, now)).await?;
    let until = ring.find(old).and_then(|old| old.expires_at);
    Ok(created(tenant, &key, &ring, until.map(|usable_until| ReplacedKey { id: old.clone(), usable_until })))
}

/// Ends a key: functions refuse it within a minute.
///
/// # Errors
/// As [`rotate`].
pub async fn revoke(
    ports: &impl Ports,
    tenant: &TenantId,
    id: &KeyId,
    actor: &str,
) -> Result<RevokedKey, OperationError> {
    change(ports, tenant, actor, &format!("key {id} revoked"), |ring, _, now| ring.revoke(id, now)).await?;
    Ok(RevokedKey { tenant: tenant.clone(), id: id.clone() })
}

/// Lists the keys of a tenant.
///
/// # Errors
/// [`OperationError::NoConfiguration`] where the tenant has neither keys nor a configuration, or when a store does not
/// answer.
pub async fn list(ports: &impl Ports, tenant: &TenantId) -> Result<KeyList, OperationError> {
    let keys = ports.api_keys();
    let ring = keys.keys(tenant).await?;
    if ring.keys.is_empty() && ports.tenants().current_version(tenant).await?.is_none() {
        return Err(configuration::missing(ports, tenant));
    }
    let uses = keys.last_uses(tenant).await?;
    let now = ports.clock().now();
    let listed = ring.keys.into_iter().map(|key| ListedKey {
        state: key.state(now),
        last_used: uses.get(&key.id).copied(),
        types: key.limits.types.iter().map(ToString::to_string).collect(),
        source: key.limits.source.map(String::from),
        id: key.id,
        name: key.name,
        scopes: key.scopes,
        created_at: key.created_at,
        created_by: key.created_by,
        expires_at: key.expires_at,
        revoked_at: key.revoked_at,
        replaced_by: key.replaced_by,
    });
    Ok(KeyList { tenant: tenant.clone(), keys: listed.collect() })
}

fn fresh(ports: &impl Ports, tenant: &TenantId) -> ApiKey {
    let chance = ports.chance();
    ApiKey::make(ports.stage(), tenant, chance.bytes(), chance.bytes())
}

fn created(tenant: &TenantId, key: &ApiKey, ring: &KeyRing, replaces: Option<ReplacedKey>) -> CreatedKey {
    let expires_at = ring.find(&key.id).and_then(|record: &KeyRecord| record.expires_at);
    CreatedKey { tenant: tenant.clone(), id: key.id.clone(), key: key.expose().to_owned(), expires_at, replaces }
}

/// What the audit log says of a key's scopes and limits.
fn described(scopes: &Scopes, limits: &Limits) -> String {
    let scopes = scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let types = limits.types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let types = if types.is_empty() { types } else { format!(", types {types}") };
    let source = limits.source.as_ref().map(|source| format!(", source {source}")).unwrap_or_default();
    format!(", scopes {scopes}{types}{source}")
}

/// Changes the keys, again where somebody else changed them in between.
async fn change(
    ports: &impl Ports,
    tenant: &TenantId,
    actor: &str,
    summary: &str,
    decide: impl Fn(&mut KeyRing, &str, Timestamp) -> Result<(), KeyChangeRefused> + Send + Sync,
) -> Result<KeyRing, OperationError> {
    let keys = ports.api_keys();
    let actor: String = actor.chars().take(MAX_NAME_CHARS).collect();
    for _ in 0..TRIES {
        let now = ports.clock().now();
        let mut ring = keys.keys(tenant).await?;
        let decided = decide(&mut ring, &actor, now);
        decided.map_err(|source| OperationError::KeyChange { tenant: tenant.clone(), source })?;
        let note = AuditNote { action: AuditAction::Keys, actor: actor.clone(), at: now, summary: summary.to_owned() };
        match keys.change(tenant, &ring, &note).await {
            Ok(()) => return Ok(ring),
            Err(KeyError::Conflict) => {}
            Err(KeyError::NoConfiguration) => return Err(configuration::missing(ports, tenant)),
            Err(KeyError::Unavailable(error)) => return Err(error.into()),
        }
    }
    Err(OperationError::KeysContested { tenant: tenant.clone() })
}

#[cfg(test)]
mod tests {
    use acequia_core::access::{Refused, Scope};
    use acequia_testkit::build;

    use super::*;
    use crate::world::World;

    fn new(lives: Option<Duration>) -> NewKey {
        let limits = Limits::read(["action.*"], Some("https://shop.example")).unwrap();
        NewKey { name: "shop".to_owned(), scopes: [Scope::EventsWrite].into(), limits, lives }
    }

    fn world() -> (World, TenantId) {
        let (world, tenant) = (World::default(), build::tenant_id("acme"));
        world.tenants.put(&tenant, build::webhook_document("acme", "https://a.example/"));
        (world, tenant)
    }

    async fn judge(world: &World, tenant: &TenantId, key: &str) -> Result<(), Refused> {
        let (ring, key) = (world.tenants.keys(tenant).await.unwrap(), ApiKey::parse(key).unwrap());
        ring.find(&key.id).ok_or(Refused::KeyUnknown)?.judge(&key, world.clock.now()).map(|_| ())
    }

    #[tokio::test]
    async fn a_key_is_shown_once_and_listed_without_itself() {
        let (world, tenant) = world();
        let made = create(&world, &tenant, &new(Some(Duration::from_hours(24))), "ana").await.unwrap();
        assert!(made.key.starts_with(&format!("acq_test_acme_{}_", made.id)), "{}", made.key);
        assert_eq!(judge(&world, &tenant, &made.key).await, Ok(()));
        world.tenants.used(&tenant, &made.id, build::at(3600)).await.unwrap();
        let list = list(&world, &tenant).await.unwrap();
        let json = serde_json::to_value(&list).unwrap();
        let row = serde_json::json!({
            "id": made.id.as_str(), "name": "shop", "state": "active", "scopes": ["events:write"], "types": ["action.*"],
            "source": "https://shop.example", "created_at": "2026-01-01T00:00:00.000Z", "created_by": "ana",
            "expires_at": "2026-01-02T00:00:00.000Z", "revoked_at": null, "last_used": "2026-01-01T01:00:00.000Z",
            "replaced_by": null,
        });
        assert_eq!(json, serde_json::json!({"tenant": "acme", "keys": [row]}));
        assert!(!format!("{:?}", world.tenants).contains(&made.key));
    }

    #[tokio::test]
    async fn a_rotated_key_works_beside_the_new_one_and_a_revoked_one_does_not() {
        let (world, tenant) = world();
        let first = create(&world, &tenant, &new(None), "ana").await.unwrap();
        let second = rotate(&world, &tenant, &first.id, Duration::from_hours(1), "ana").await.unwrap();
        let until = build::at(3600);
        assert_eq!(second.replaces, Some(ReplacedKey { id: first.id.clone(), usable_until: until }));
        assert_eq!(judge(&world, &tenant, &first.key).await, Ok(()));
        world.clock.set(until);
        assert_eq!(judge(&world, &tenant, &first.key).await, Err(Refused::KeyExpired));
        assert_eq!(judge(&world, &tenant, &second.key).await, Ok(()));
        revoke(&world, &tenant, &second.id, "bo").await.unwrap();
        assert_eq!(judge(&world, &tenant, &second.key).await, Err(Refused::KeyRevoked));
        let again = revoke(&world, &tenant, &second.id, "bo").await.unwrap_err();
        assert!(matches!(again, OperationError::KeyChange { .. }), "{again:?}");
    }

    #[tokio::test]
    async fn each_change_stands_in_the_audit_log_and_no_key_does() {
        let (world, tenant) = world();
        let first = create(&world, &tenant, &new(None), &"a".repeat(500)).await.unwrap();
        let second = rotate(&world, &tenant, &first.id, Duration::ZERO, "bo").await.unwrap();
        revoke(&world, &tenant, &second.id, "cy").await.unwrap();
        let audit = world.tenants.audit(&tenant).await.unwrap();
        let told: Vec<&str> = audit.iter().map(|row| row.summary.as_str()).collect();
        let (one, two) = (&first.id, &second.id);
        let expected = [
            format!("key {one} created: \"shop\", scopes events:write, types action.*, source https://shop.example"),
            format!("key {two} created in place of {one}"),
            format!("key {two} revoked"),
        ];
        assert_eq!(told, expected);
        assert_eq!(audit[0].actor.len(), MAX_NAME_CHARS);
        assert!(!format!("{audit:?}").contains(&first.key));
    }

    #[tokio::test]
    async fn a_tenant_without_a_configuration_gets_no_key_and_its_list_says_why() {
        let (world, tenant) = (World::default(), build::tenant_id("unknown"));
        for missing in
            [create(&world, &tenant, &new(None), "ana").await.map(|_| ()), list(&world, &tenant).await.map(|_| ())]
        {
            assert!(matches!(missing, Err(OperationError::NoConfiguration { .. })), "{missing:?}");
        }
        world.tenants.key_reads.go_down();
        let down = create(&world, &tenant, &new(None), "ana").await.unwrap_err();
        assert!(matches!(down, OperationError::Unavailable(_)), "{down:?}");
    }
}
