//! Who may send events to a tenant, and read what became of them.
//!
//! A request shows one of two credentials: an API key of the tenant ([`ApiKey`]), or a JSON Web Token of an issuer that
//! is trusted ([`JwtIssuer`]). Both come to a [`Principal`]: the tenant it acts for, its scopes, and the events that it
//! is bound to. Everything here is a decision over texts and times. What reads keys, fetches key sets and computes
//! signatures is the crate `acequia-access`.
//!
//! Invariants:
//! - A principal acts for one tenant, and that tenant is proven: by the row in which the key's digest stands, or by what
//!   the issuer signed ([`TenantProof`]).
//! - The algorithm of a signature is that of the issuer's key. The token's header is only compared with it.
//! - What is refused has a [`Refused`] for the audit log; the caller is told its status alone.

mod api_key;
mod claim;
mod credential;
mod issuer;
mod jwk;
mod key_ring;
mod limit;
mod principal;
mod refused;
mod scope;
mod token;

pub use api_key::{ApiKey, KeyDigest, KeyId, MalformedKey};
pub use claim::Claims;
pub use credential::{Credentials, Presented};
pub use issuer::{IssuerParts, JwtIssuer, KeySource, TenantProof};
#[cfg(feature = "schema")]
pub(crate) use issuer::{MAX_NAME_BYTES, SCOPE_CLAIM, TENANT_CLAIM};
pub use jwk::{Algorithm, KeyFlaw, KeySet, MAX_KEYS, PublicKey, PublicKeyMaterial};
pub use key_ring::{KEPT, KeyChangeRefused, KeyRecord, KeyRing, KeyState, MOST_KEYS, NewKey, Rotation};
pub use limit::{Limits, MAX_TYPES, SourcePrefix, UnusableLimit};
pub use principal::{Credential, Principal};
pub use refused::{Claim, Refused};
pub use scope::{Scope, Scopes, UnknownScope};
pub use token::{MAX_TOKEN_BYTES, Token};
