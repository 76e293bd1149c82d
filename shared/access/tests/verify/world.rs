//! A verifier over in-memory keys, with a clock that a test moves.

use std::sync::Arc;
use std::time::Duration;

use acequia_access::{Settings, Verifier};
use acequia_core::access::{Credentials, IssuerParts, JwtIssuer, KeySet, KeySource, Principal, Refused, TenantProof};
use acequia_core::egress::{Authorities, Egress};
use acequia_core::id::TenantId;
use acequia_core::port::Clock as _;
use acequia_testkit::{FixedClock, InMemoryTenants, build};
use serde_json::{Value as Json, json};
use url::Url;

pub(crate) const ISSUER: &str = "https://issuer.example";

pub(crate) struct World {
    pub(crate) clock: FixedClock,
    pub(crate) tenants: InMemoryTenants,
    pub(crate) verifier: Verifier<InMemoryTenants>,
}

impl World {
    /// A verifier that trusts these issuers of the platform.
    pub(crate) fn trusting(issuers: Vec<JwtIssuer>) -> Self {
        Self::with(issuers, Egress::Local)
    }

    pub(crate) fn with(issuers: Vec<JwtIssuer>, egress: Egress) -> Self {
        let tenants = InMemoryTenants::new();
        let settings = Settings { stage: build::stage(), egress, authorities: Authorities::Built, issuers };
        Self { clock: FixedClock::default(), verifier: Verifier::new(settings, tenants.clone()), tenants }
    }

    /// A request to `tenant` with this credential as bearer.
    pub(crate) async fn ask(&self, tenant: &str, credential: &str) -> Result<Arc<Principal>, Refused> {
        self.ask_trusting(tenant, credential, &[]).await
    }

    /// The same of a tenant whose file trusts these issuers.
    pub(crate) async fn ask_trusting(
        &self,
        tenant: &str,
        credential: &str,
        issuers: &[JwtIssuer],
    ) -> Result<Arc<Principal>, Refused> {
        let header = format!("Bearer {credential}");
        let request = Credentials { authorization: Some(&header), api_key: None };
        self.verifier.verify(request, &id(tenant), issuers, self.clock.now()).await
    }

    /// The cause of a refusal at acme.
    pub(crate) async fn refusal(&self, credential: &str) -> Option<Refused> {
        self.ask("acme", credential).await.err()
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

pub(crate) fn id(tenant: &str) -> TenantId {
    build::tenant_id(tenant)
}

/// The platform's issuer, with its keys behind a URL.
pub(crate) fn platform(url: &Url) -> JwtIssuer {
    let parts = IssuerParts { issuer: ISSUER, audience: "events", jwks_url: url.as_str(), ..IssuerParts::default() };
    parts.of_platform(Egress::Local).unwrap().unwrap()
}

/// The same with these keys.
pub(crate) fn inline(keys: &[Json]) -> JwtIssuer {
    let set = KeySet::read(json!({"keys": keys}).to_string().as_bytes()).unwrap();
    let url = "https://issuer.example/keys".parse().unwrap();
    JwtIssuer { keys: KeySource::Set(Arc::new(set)), ..platform(&url) }
}

/// The same issuer as a tenant's file has it.
pub(crate) fn own(issuer: JwtIssuer, audience: &str) -> JwtIssuer {
    JwtIssuer { audience: audience.to_owned(), proof: TenantProof::ClaimOrAudience, ..issuer }
}

/// When tests begin, in seconds since 1970.
pub(crate) fn now() -> i64 {
    build::start().as_second()
}

/// Claims that are good for five minutes at acme.
pub(crate) fn claims() -> Json {
    json!({"iss": ISSUER, "aud": "events", "exp": now() + 300, "tenant": "acme", "scope": "events:write"})
}

pub(crate) fn with(claim: &str, value: Json) -> Json {
    let mut claims = claims();
    claims[claim] = value;
    claims
}
