//! The signature of Standard Webhooks: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.

use acequia_core::outcome::Cause;
use acequia_core::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What the key of a `whsec_` secret must measure, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The value of `webhook-signature`: one signature per secret, separated by spaces, the current secret's first.
///
/// `timestamp` is in seconds since 1970. Secrets are given with their names, for the error.
///
/// # Errors
/// [`Cause::SecretMalformed`] with the name of a secret that is not a signing secret.
pub fn signature(secrets: &[(&str, Secret)], id: &str, timestamp: i64, body: &[u8]) -> Result<String, Cause> {
    let signatures: Result<Vec<String>, Cause> = secrets
        .iter()
        .map(|(name, secret)| {
            let malformed = || Cause::SecretMalformed((*name).to_owned());
            let key = secret.expose().trim().strip_prefix("whsec_").ok_or_else(malformed)?;
            let key = STANDARD.decode(key).map_err(|_| malformed())?;
            if !KEY_BYTES.contains(&key.len()) {
                return Err(malformed());
            }
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| malformed())?;
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body);
            Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        })
        .collect();
    signatures.map(|signatures| signatures.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn sign(secrets: &[&str]) -> Result<String, Cause> {
        let secrets: Vec<_> = secrets.iter().map(|secret| ("crm", Secret::new(*secret))).collect();
        signature(&secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#)
    }

    #[test]
    fn the_public_vector_of_standard_webhooks_holds() {
        assert_eq!(sign(&[SECRET]).unwrap(), SIGNATURE);
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
            assert_eq!(error, Cause::SecretMalformed("crm".to_owned()));
            assert!(bad.is_empty() || !error.to_string().contains(bad));
        }
    }
}
