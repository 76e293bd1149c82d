//! The signature of Standard Webhooks: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.

use acequia_core::id::SecretName;
use acequia_core::outcome::Cause;
use acequia_core::secret::{Secret, UnusableSecret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The characters of one signature, `v1,` included.
const SIGNATURE_BYTES: usize = 47;

/// A key that signs: what HMAC makes of a secret before it sees a message.
pub struct Key(Hmac<Sha256>);

impl Key {
    /// Reads a `whsec_` secret.
    ///
    /// # Errors
    /// [`Cause::SecretMalformed`] with `name` where it is not a signing secret.
    pub fn read(name: &SecretName, secret: &Secret) -> Result<Self, Cause> {
        let malformed = |unusable| Cause::SecretMalformed(name.clone(), unusable);
        let key = secret.signing_key().map_err(malformed)?;
        Hmac::new_from_slice(&key).map(Self).map_err(|_| malformed(UnusableSecret::Signing))
    }
}

/// The value of `webhook-signature`: one signature per key, separated by spaces, the current one's first.
///
/// `timestamp` is in seconds since 1970.
pub fn signature(keys: &[Key], id: &str, timestamp: i64, body: &[u8]) -> String {
    let before = [id, ".", &timestamp.to_string(), "."].concat();
    let mut text = String::with_capacity(keys.len() * (SIGNATURE_BYTES + 1));
    for Key(key) in keys {
        let mac = key.clone().chain_update(before.as_bytes()).chain_update(body);
        text.push_str(if text.is_empty() { "v1," } else { " v1," });
        STANDARD.encode_string(mac.finalize().into_bytes(), &mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn name() -> SecretName {
        "crm".parse().unwrap()
    }

    fn sign(secrets: &[&str]) -> Result<String, Cause> {
        let keys =
            secrets.iter().map(|secret| Key::read(&name(), &Secret::new(*secret))).collect::<Result<Vec<_>, _>>()?;
        Ok(signature(&keys, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#))
    }

    #[test]
    fn the_public_vector_of_standard_webhooks_holds() {
        assert_eq!(sign(&[SECRET]).unwrap(), SIGNATURE);
        assert_eq!(SIGNATURE.len(), SIGNATURE_BYTES);
    }

    #[test]
    fn while_a_secret_rotates_both_sign() {
        let other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        let both = sign(&[other, SECRET]).unwrap();
        let (first, second) = both.split_once(' ').unwrap();
        assert_eq!(second, SIGNATURE);
        assert_ne!(first, SIGNATURE);
    }

    #[test]
    fn what_is_no_signing_secret_is_refused_by_its_name_and_not_shown() {
        for bad in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!", "whsec_c2hvcnQ=", ""] {
            let error = sign(&[bad]).unwrap_err();
            assert_eq!(error, Cause::SecretMalformed(name(), UnusableSecret::Signing));
            assert!(bad.is_empty() || !error.to_string().contains(bad));
        }
    }
}
