//! An issuer of JSON Web Tokens, for what wants one on loopback: it signs whatever claims it is given.
//!
//! Its key (Ed25519) is made when it is first asked for, and ends with the process.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ED25519, SigningKey as _};
use serde_json::{Value as Json, json};

/// What the key is called.
const KID: &str = "receiver";

static PAIR: OnceLock<Option<KeyPair>> = OnceLock::new();

fn pair() -> Option<&'static KeyPair> {
    PAIR.get_or_init(|| KeyPair::generate_for(&PKCS_ED25519).ok()).as_ref()
}

/// The set of its public keys (RFC 7517); none where no key can be made.
pub(crate) fn keys() -> Json {
    let key = pair().map(|pair| {
        json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": KID,
            "x": URL_SAFE_NO_PAD.encode(pair.public_key_raw())})
    });
    json!({"keys": key.into_iter().collect::<Vec<_>>()})
}

/// A token with these claims; `None` where no key can be made.
pub(crate) fn token(claims: &Json) -> Option<String> {
    let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
    let text = format!("{}.{}", part(&json!({"alg": "EdDSA", "typ": "JWT", "kid": KID})), part(claims));
    let signature = pair()?.sign(text.as_bytes()).ok()?;
    Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_three_parts_and_its_key_is_in_the_set() {
        let token = token(&json!({"iss": "me"})).unwrap();
        let parts: Vec<Vec<u8>> = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
        assert_eq!((parts.len(), parts[2].len()), (3, 64));
        assert_eq!(parts[1], br#"{"iss":"me"}"#);
        let keys = keys();
        assert_eq!(URL_SAFE_NO_PAD.decode(keys["keys"][0]["x"].as_str().unwrap()).unwrap().len(), 32);
        assert!(keys["keys"][0].get("d").is_none());
    }
}
