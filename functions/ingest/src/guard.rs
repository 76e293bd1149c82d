//! Who may.

use std::future::Future;
use std::sync::Arc;

use acequia_core::access::{Principal, Refused};
use acequia_core::id::TenantId;
use acequia_lambda::CurrentTenant;
use acequia_lambda::http::HttpRequest;

/// Finds out who asks.
pub trait Guard: Send + Sync {
    /// Verifies what a request shows, for a tenant; `current` is its configuration, where it has one.
    fn admit(
        &self,
        request: &HttpRequest,
        tenant: &TenantId,
        current: Option<&CurrentTenant>,
    ) -> impl Future<Output = Result<Arc<Principal>, Refused>> + Send;
    /// Whether a request shows a credential that can be looked at. Nothing is read for it.
    ///
    /// # Errors
    /// Why not.
    fn presented(&self, request: &HttpRequest) -> Result<(), Refused>;
    /// What of a request's credential may be named in the audit log, where it shows one that has a name.
    fn shown(&self, request: &HttpRequest) -> Option<String>;
}
