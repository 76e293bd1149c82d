//! Tenants: their configurations, their secrets, and what their stacks allow them.

use std::future::Future;

use jiff::Timestamp;

use super::Unavailable;
use crate::audit::{AuditAction, AuditNote, AuditRow};
use crate::id::{SecretName, TenantId};
use crate::queue::Queue;
use crate::secret::{Secret, SecretPurpose};
use crate::tenant::grant::Grants;
use crate::topic::Topic;

/// A stored configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTenant {
    /// Its version: 1, 2, 3 ...
    pub version: u64,
    /// The document, as JSON ([`crate::tenant::RawTenant::to_json`]).
    pub document: String,
}

/// A change of a tenant's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The new document, as JSON.
    pub document: String,
    /// The version that is current as the author knows it; 0 where there is none.
    pub expected: u64,
    /// Who makes the change.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// What changes, in one line without values.
    pub summary: String,
}

impl Change {
    /// What the audit log says of it.
    pub fn note(&self) -> AuditNote {
        let action = AuditAction::Configuration;
        AuditNote { action, actor: self.actor.clone(), at: self.at, summary: self.summary.clone() }
    }
}

/// What a document says of the automatic redrive, as JSON; `None` where it says nothing. The rest of the document is
/// not looked at.
pub fn auto_redrive_of(document: &str) -> Option<String> {
    let document: serde_json::Value = serde_json::from_str(document).ok()?;
    document.get("auto_redrive").filter(|section| !section.is_null()).map(ToString::to_string)
}

/// A tenant whose dead letters go back by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoRedriven {
    /// Which one it is.
    pub tenant: TenantId,
    /// How it wants it, as JSON: what its current configuration says
    /// ([`crate::delivery::redrive::AutoRedrive::from_json`]).
    pub settings: String,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Somebody else changed it in between.
    #[error(
        "the configuration was changed in between: version {current} is current, and {expected} was expected; look at it, then apply again"
    )]
    Conflict {
        /// The version that is current.
        current: u64,
        /// The version that the author knew.
        expected: u64,
    },
    /// The store does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The version that is current is not there.
#[derive(Debug, thiserror::Error)]
#[error("version {0} is current, and is not stored")]
struct MissingVersion(u64);

/// Where tenants' configurations are kept: immutable versions, a pointer to the current one, and an audit log.
pub trait TenantStore: Send + Sync {
    /// Which version of the configuration is current; `None` for a tenant that has none. It costs the same however
    /// large the configuration is.
    fn current_version(&self, tenant: &TenantId) -> impl Future<Output = Result<Option<u64>, Unavailable>> + Send;
    /// The current configuration; `None` for a tenant that has none. A store that can answers in one read.
    fn current(&self, tenant: &TenantId) -> impl Future<Output = Result<Option<StoredTenant>, Unavailable>> + Send {
        async move {
            let Some(version) = self.current_version(tenant).await? else { return Ok(None) };
            match self.version(tenant, version).await? {
                Some(stored) => Ok(Some(stored)),
                // Pointer and version are written together, and no version is ever deleted.
                None => Err(Unavailable::new("read the tenant's configuration", MissingVersion(version))),
            }
        }
    }
    /// One version of the configuration.
    fn version(
        &self,
        tenant: &TenantId,
        version: u64,
    ) -> impl Future<Output = Result<Option<StoredTenant>, Unavailable>> + Send;
    /// Writes the next version, moves the pointer, adds the audit row and keeps both lists ([`TenantStore::list`],
    /// [`TenantStore::auto_redriven`]), all or nothing; answers the new version.
    fn publish(&self, tenant: &TenantId, change: Change) -> impl Future<Output = Result<u64, PublishError>> + Send;
    /// Adds a row to the audit log, of something that does not change the configuration. A tenant that has none yet has
    /// a log all the same.
    fn note(&self, tenant: &TenantId, note: &AuditNote) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// The audit log, oldest first: changes of the configuration and of API keys ([`super::ApiKeys`]), and what was
    /// noted.
    fn audit(&self, tenant: &TenantId) -> impl Future<Output = Result<Vec<AuditRow>, Unavailable>> + Send;
    /// The hash of the last row of the audit log, as it is remembered beside the log; `None` where there is no log.
    fn audit_head(&self, tenant: &TenantId) -> impl Future<Output = Result<Option<String>, Unavailable>> + Send;
    /// All tenants with the version that is current, by id. It costs the same however many versions there are.
    fn list(&self) -> impl Future<Output = Result<Vec<(TenantId, u64)>, Unavailable>> + Send;
    /// The first `limit` tenants whose current configuration asks for automatic redrive, by id, of those behind
    /// `after`: fewer than `limit` are the last. It reads no other tenant, and no configuration.
    fn auto_redriven(
        &self,
        after: Option<&TenantId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<AutoRedriven>, Unavailable>> + Send;
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is none of this name.
    #[error("the tenant has no secret of the name \"{0}\"")]
    Missing(SecretName),
    /// The store does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Where tenants' secrets are kept.
pub trait Secrets: Send + Sync {
    /// The value of one of the tenant's secrets for one purpose. Under the same name there may be another for another
    /// purpose.
    fn secret(
        &self,
        tenant: &TenantId,
        purpose: SecretPurpose,
        name: &SecretName,
    ) -> impl Future<Output = Result<Secret, SecretError>> + Send;
}

/// Where it is kept which tenant a topic of Kafka's feeds.
pub trait TopicStore: Send + Sync {
    /// The intake queue that the topic's records go to, as the stack that maps it says; `None` where there is no such
    /// stack, or a minute after it is gone.
    fn intake(&self, topic: &Topic) -> impl Future<Output = Result<Option<Queue>, Unavailable>> + Send;
}

/// Where it is kept what each tenant's stack allows it.
pub trait GrantStore: Send + Sync {
    /// What the tenant's stack allows; nothing where there is no such stack. What it took back may still be allowed for
    /// a minute.
    fn grants(&self, tenant: &TenantId) -> impl Future<Output = Result<Grants, Unavailable>> + Send;
}
