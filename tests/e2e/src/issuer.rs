//! An issuer of tokens with a key of its own, of which a tenant's file has the public half.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ED25519, SigningKey as _};
use serde_json::{Value as Json, json};

/// The name of its key.
const KID: &str = "own";

/// A tenant's own issuer.
#[derive(Debug)]
pub struct Issuer {
    pair: KeyPair,
}

impl Issuer {
    /// One with a new key.
    pub(crate) fn new() -> Self {
        Self { pair: KeyPair::generate_for(&PKCS_ED25519).unwrap() }
    }

    /// Its public key, as TOML has it in a tenant's file.
    pub(crate) fn key(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key_raw());
        format!(r#"{{ kty = "OKP", crv = "Ed25519", alg = "EdDSA", kid = "{KID}", x = "{x}" }}"#)
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Json) -> String {
        let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
        let text = format!("{}.{}", part(&json!({"alg": "EdDSA", "typ": "JWT", "kid": KID})), part(claims));
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(self.pair.sign(text.as_bytes()).unwrap()))
    }
}

/// Now, in seconds since 1970, as tokens have it.
#[expect(clippy::disallowed_methods, reason = "a token is good in real time")]
pub fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}
