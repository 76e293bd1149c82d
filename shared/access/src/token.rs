//! JSON Web Tokens, verified by the keys of issuers that are trusted, and remembered for a short time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use acequia_core::access::{JwtIssuer, KeySet, KeySource, MAX_TOKEN_BYTES, Principal, Refused, Token};
use acequia_core::egress::{Authorities, Egress};
use acequia_core::id::TenantId;
use acequia_core::time::after;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::api_key::lock;
use crate::key_set::{KeySets, Wanted};
use crate::signature;

/// How long a token that was verified is believed.
const BELIEVED: Duration = Duration::from_mins(1);
/// The most tokens that are remembered; one more and the memory starts over.
const MOST: usize = 4096;

/// What a token is remembered by: a digest of the token and of the tenant whose request it was verified for.
type Fingerprint = [u8; 32];

struct Verified {
    principal: Arc<Principal>,
    since: Timestamp,
    until: Timestamp,
}

/// Verifies tokens.
pub(crate) struct TokenVerifier {
    sets: KeySets,
    /// The platform's own issuers.
    issuers: Vec<JwtIssuer>,
    verified: Mutex<HashMap<Fingerprint, Verified>>,
}

impl TokenVerifier {
    pub(crate) fn new(egress: Egress, authorities: Authorities, issuers: Vec<JwtIssuer>) -> Self {
        Self { sets: KeySets::new(egress, authorities), issuers, verified: Mutex::default() }
    }

    pub(crate) async fn verify(
        &self,
        text: &str,
        tenant: &TenantId,
        issuers: &[JwtIssuer],
        now: Timestamp,
    ) -> Result<Arc<Principal>, Refused> {
        // Before anything else is done with it.
        if text.len() > MAX_TOKEN_BYTES {
            return Err(Refused::TokenTooLong);
        }
        let fingerprint = fingerprint(text, tenant);
        if let Some(principal) = self.remembered(&fingerprint, now) {
            return Ok(principal);
        }
        let token = Token::read(text)?;
        let name = token.claims.issuer()?;
        let mut refused = Refused::UnknownIssuer;
        // The platform and a tenant may trust one issuer for two audiences.
        for issuer in self.issuers.iter().chain(issuers).filter(|issuer| issuer.issuer == name) {
            match self.verify_by(&token, issuer, tenant, now).await {
                Ok(principal) => {
                    let principal = Arc::new(principal);
                    self.remember(fingerprint, &token, &principal, now);
                    return Ok(principal);
                }
                Err(cause) => refused = cause,
            }
        }
        Err(refused)
    }

    /// Checks the signature, and only then what is said.
    async fn verify_by(
        &self,
        token: &Token<'_>,
        issuer: &JwtIssuer,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Principal, Refused> {
        match self.check_signature(token, issuer, Wanted::Any, now).await {
            Err(Refused::UnknownSigningKey) => self.check_signature(token, issuer, Wanted::Newer, now).await?,
            checked => checked?,
        }
        token.claims.judge(issuer, tenant, now)
    }

    async fn check_signature(
        &self,
        token: &Token<'_>,
        issuer: &JwtIssuer,
        wanted: Wanted,
        now: Timestamp,
    ) -> Result<(), Refused> {
        match &issuer.keys {
            KeySource::Set(set) => check(token, set),
            KeySource::Url(url) => check(token, &*self.sets.get(url, wanted, now).await?),
        }
    }

    fn remembered(&self, fingerprint: &Fingerprint, now: Timestamp) -> Option<Arc<Principal>> {
        let verified = lock(&self.verified);
        let verified = verified.get(fingerprint)?;
        (verified.since <= now && now < verified.until).then(|| Arc::clone(&verified.principal))
    }

    fn remember(&self, fingerprint: Fingerprint, token: &Token<'_>, principal: &Arc<Principal>, now: Timestamp) {
        let left = token.claims.seconds_left(now);
        if left <= 0.0 {
            return;
        }
        let until = after(now, Duration::try_from_secs_f64(left).map_or(BELIEVED, |left| left.min(BELIEVED)));
        let mut verified = lock(&self.verified);
        if verified.len() >= MOST {
            verified.retain(|_, one| now < one.until);
        }
        if verified.len() >= MOST {
            verified.clear();
        }
        verified.insert(fingerprint, Verified { principal: Arc::clone(principal), since: now, until });
    }
}

/// Checks a token's signature by the key that it names.
fn check(token: &Token<'_>, set: &KeySet) -> Result<(), Refused> {
    let mut refused = Refused::UnknownSigningKey;
    for key in set.find(token.kid.as_deref()) {
        if key.algorithm != token.algorithm {
            refused = Refused::Algorithm;
        } else if signature::verify(key, token.signed, token.signature) {
            return Ok(());
        } else {
            refused = Refused::Signature;
        }
    }
    Err(refused)
}

fn fingerprint(text: &str, tenant: &TenantId) -> Fingerprint {
    // No tenant's id has a line end, so no two pairs run together.
    Sha256::new_with_prefix(tenant.as_str()).chain_update("\n").chain_update(text).finalize().into()
}
