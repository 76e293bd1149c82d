//! Credentials: tokens of an issuer whose one key is known, and API keys, as the header `authorization` has them.

use std::sync::Arc;

use acequia_access::{Settings, Verifier};
use acequia_core::access::{ApiKey, Credential, Credentials, JwtIssuer, KeySet, KeySource, TenantProof, Token};
use acequia_core::egress::{Authorities, Egress};
use acequia_testkit::{InMemoryTenants, build};

/// The issuer's keys: one, called so.
const KEYS: &str = include_str!("key-set.json");
const KID: &str = "k-1";
/// What begins a token in the header.
const SCHEME: &str = "bearer ";

/// Shows bytes as a credential.
///
/// # Panics
/// Where a promise of the reader is broken.
pub fn token(bytes: &[u8]) -> bool {
    let (Some(tenant), Some(stage)) = (crate::tenant(), crate::stage()) else { return false };
    let text = String::from_utf8_lossy(bytes);
    if let Ok(token) = Token::read(&text) {
        assert_eq!(format!("{}.{}", token.signed, token.signature), text, "a token is read in two ways");
    }
    if let Ok(key) = ApiKey::parse(&text) {
        assert_eq!(key.expose(), text, "a key is read in two ways");
    }
    let shown = Credentials { authorization: Some(&text), api_key: None };
    if let Some(claimed) = shown.claimed() {
        let told = claimed.to_string();
        assert!(told.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "a log would have {told:?}");
    }
    let Some(keys) = KeySet::read(KEYS.as_bytes()) else { return false };
    let issuer = JwtIssuer {
        issuer: "https://id.example".to_owned(),
        audience: "https://events.example".to_owned(),
        keys: KeySource::Set(Arc::new(keys)),
        tenant_claim: "tenant".to_owned(),
        scope_claim: "scope".to_owned(),
        proof: TenantProof::Claim,
    };
    let settings = Settings { stage, egress: Egress::Local, authorities: Authorities::Built, issuers: Vec::new() };
    let verifier = Verifier::new(settings, InMemoryTenants::new());
    let outcome = crate::finish(verifier.verify(shown, &tenant, &[issuer], build::start()));
    let Some(Ok(principal)) = outcome else { return false };
    assert_eq!(principal.tenant, tenant, "a token of another tenant was verified");
    assert!(matches!(&principal.credential, Credential::Token { issuer, .. } if issuer == "https://id.example"));
    let written = text.get(SCHEME.len()..).unwrap_or_default().trim();
    let kid = Token::read(written).ok().map(|token| token.kid);
    let is_known = |kid: &Option<String>| kid.as_deref().is_none_or(|kid| kid == KID);
    assert!(kid.as_ref().is_some_and(is_known), "a token of the key {kid:?} was verified");
    true
}
