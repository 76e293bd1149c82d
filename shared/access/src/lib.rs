//! Verifies what a request shows: an API key, or a JSON Web Token.
//!
//! The decisions are `acequia_core::access`'s. Here is what they need from the outside: the tenant's keys from their
//! store, an issuer's keys from its URL, and signatures computed by aws-lc.
//!
//! Invariants:
//! - Nothing is remembered across tenants: what a tenant's file says of an issuer counts for that tenant alone. Key sets
//!   are remembered by the URL that they came from, never by the name of an issuer, which anybody can write.
//! - A token that was verified is believed for a minute at the most, and never after its end. A key that was revoked
//!   stops within a minute (keys are believed for 30 s, and for 55 s while their store is down).
//! - What a stranger sends costs bounded work: keys are read at most every two seconds for each tenant, key sets are
//!   fetched at most once a minute for ids that they do not have, and everything remembered is bounded.
//! - No key and no token is logged, nor is any part of one; the audit log has what a credential is called
//!   ([`Credentials::claimed`]).

mod api_key;
mod fetch;
mod key_set;
mod signature;
mod token;

use std::sync::Arc;

use acequia_core::access::{Credentials, JwtIssuer, Presented, Principal, Refused};
use acequia_core::egress::{Authorities, Egress};
use acequia_core::id::{Stage, TenantId};
use acequia_core::port::ApiKeys;
use jiff::Timestamp;

pub use signature::verify as verify_signature;

use self::api_key::KeyVerifier;
use self::token::TokenVerifier;

/// What a verifier is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The stage whose keys are taken.
    pub stage: Stage,
    /// From where key sets may be fetched.
    pub egress: Egress,
    /// Whose certificates are trusted then.
    pub authorities: Authorities,
    /// The platform's own issuers, which every tenant trusts.
    pub issuers: Vec<JwtIssuer>,
}

/// Verifies requests.
pub struct Verifier<K> {
    keys: KeyVerifier<K>,
    tokens: TokenVerifier,
}

impl<K: ApiKeys> Verifier<K> {
    /// A verifier of the keys in this store.
    pub fn new(settings: Settings, keys: K) -> Self {
        let Settings { stage, egress, authorities, issuers } = settings;
        Self { keys: KeyVerifier::new(stage, keys), tokens: TokenVerifier::new(egress, authorities, issuers) }
    }

    /// Says who makes a request to `tenant`, whose file trusts `issuers`. What the principal may do is for the caller to
    /// ask ([`Principal::may`], [`Principal::may_send`]).
    ///
    /// # Errors
    /// Why it is not known who makes it. The caller is told [`Refused::status`] and no more.
    pub async fn verify(
        &self,
        request: Credentials<'_>,
        tenant: &TenantId,
        issuers: &[JwtIssuer],
        now: Timestamp,
    ) -> Result<Arc<Principal>, Refused> {
        match request.presented()? {
            Presented::Key(text) => self.keys.verify(text, tenant, now).await,
            Presented::Token(text) => self.tokens.verify(text, tenant, issuers, now).await,
        }
    }
}
