//! Who may, by what the request shows and what the tenant trusts.

use std::sync::Arc;

use acequia_access::Verifier;
use acequia_aws::SsmIssuer;
use acequia_core::access::{Credentials, Presented, Principal, Refused};
use acequia_core::id::TenantId;
use acequia_core::port::{ApiKeys, Clock};
use acequia_lambda::http::HttpRequest;
use acequia_lambda::{CurrentTenant, SystemClock};

use crate::guard::Guard;

/// The real [`Guard`].
pub struct Gate<K> {
    /// What verifies.
    pub verifier: Verifier<K>,
    /// Whose tokens are taken beside those of tenants' issuers.
    pub platform: SsmIssuer<SystemClock>,
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
        let shown = credentials(request);
        let mut issuers = current.map(|current| current.tenant.issuers.clone()).unwrap_or_default();
        // An API key needs no issuer.
        if let Presented::Token(_) = shown.presented()? {
            issuers.extend(self.platform.issuer().await.map_err(|error| {
                tracing::error!(error = ?error, "the platform's issuer of tokens is not known");
                Refused::IssuerUnreachable
            })?);
        }
        self.verifier.verify(shown, tenant, &issuers, self.clock.now()).await
    }

    fn presented(&self, request: &HttpRequest) -> Result<(), Refused> {
        credentials(request).presented().map(drop)
    }

    fn shown(&self, request: &HttpRequest) -> Option<String> {
        credentials(request).claimed().map(|credential| credential.to_string())
    }
}
