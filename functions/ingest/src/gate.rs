//! Who may, by what the request shows and what the tenant trusts.

use std::sync::Arc;

use acequia_access::Verifier;
use acequia_core::access::{Credentials, Principal, Refused};
use acequia_core::id::TenantId;
use acequia_core::port::{ApiKeys, Clock};
use acequia_lambda::CurrentTenant;
use acequia_lambda::http::HttpRequest;

use crate::guard::Guard;

/// The real [`Guard`].
pub struct Gate<K> {
    /// What verifies.
    pub verifier: Verifier<K>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

fn credentials(request: &HttpRequest) -> Credentials<'_> {
    Credentials { authorization: request.header("authorization"), api_key: request.header("x-api-key") }
}

impl<K: ApiKeys> Guard for Gate<K> {
    async fn admit(
        &self,
        request: &HttpRequest,
        tenant: &TenantId,
        current: Option<&CurrentTenant>,
    ) -> Result<Arc<Principal>, Refused> {
        let issuers = current.map(|current| current.tenant.issuers.as_slice()).unwrap_or_default();
        self.verifier.verify(credentials(request), tenant, issuers, self.clock.now()).await
    }

    fn shown(&self, request: &HttpRequest) -> Option<String> {
        credentials(request).claimed().map(|credential| credential.to_string())
    }
}
