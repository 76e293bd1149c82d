//! Signatures, checked by a key's own algorithm.

use acequia_core::access::{Algorithm, PublicKey, PublicKeyMaterial};
use jsonwebtoken::DecodingKey;

/// Whether `signature` (in base64url) is that of `signed` by the owner of `key`. Which algorithm that takes is the key's
/// to say, whatever stands in what is signed.
pub fn verify(key: &PublicKey, signed: &str, signature: &str) -> bool {
    let material = match &key.material {
        PublicKeyMaterial::Rsa { n, e } => DecodingKey::from_rsa_components(n, e),
        PublicKeyMaterial::P256 { x, y } => DecodingKey::from_ec_components(x, y),
        PublicKeyMaterial::Ed25519 { x } => DecodingKey::from_ed_components(x),
    };
    let algorithm = match key.algorithm {
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
    };
    // An error is a key or a signature that cannot be one.
    let verified = material.and_then(|key| jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key, algorithm));
    verified.unwrap_or(false)
}
