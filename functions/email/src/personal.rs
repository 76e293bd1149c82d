//! Opens the sealed personal data of Proca's messages, for tenants that lent Acequia their key.

use acequia_core::event::proca::{Personal, Sealed};
use acequia_core::outcome::Cause;
use acequia_core::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto_box::aead::Aead as _;
use crypto_box::{PublicKey, SalsaBox, SecretKey};

/// Opens a sealed box with the tenant's private key (32 bytes in base64url).
///
/// # Errors
/// [`Cause::AddressEncrypted`], where the key or the box is not one, or they do not fit. Nothing of what is in them is
/// said.
pub(crate) fn open(sealed: &Sealed, key: &Secret) -> Result<Personal, Cause> {
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('='));
    let fixed = |text: &str| bytes(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let own = key
        .private_key()
        .map_err(|_| Cause::AddressEncrypted("mail.personal_key is no key of 32 bytes in base64url"))?;
    let unusable = || Cause::AddressEncrypted("the sealed data is not of the form that it must have");
    let sender = fixed(&sealed.sign_key.public).ok_or_else(unusable)?;
    let nonce = bytes(&sealed.nonce).ok().and_then(|bytes| <[u8; 24]>::try_from(bytes).ok()).ok_or_else(unusable)?;
    let payload = bytes(&sealed.payload).map_err(|_| unusable())?;
    let opened = SalsaBox::new(&PublicKey::from(sender), &SecretKey::from(*own))
        .decrypt(&nonce.into(), payload.as_slice())
        .map_err(|_| Cause::AddressEncrypted("mail.personal_key does not open it"))?;
    String::from_utf8(opened).ok().and_then(|text| Personal::read(&text)).ok_or_else(unusable)
}

#[cfg(test)]
mod tests {
    use acequia_core::event::proca::SealedKey;

    use super::*;

    fn seal(text: &str) -> (Sealed, Secret) {
        let (sender, owner) = (SecretKey::from([1; 32]), SecretKey::from([2; 32]));
        let nonce = [3; 24];
        let payload = SalsaBox::new(&owner.public_key(), &sender).encrypt(&nonce.into(), text.as_bytes()).unwrap();
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let sealed = Sealed {
            payload: encode(&payload),
            nonce: encode(&nonce),
            encrypt_key: SealedKey { public: encode(owner.public_key().as_bytes()) },
            sign_key: SealedKey { public: encode(sender.public_key().as_bytes()) },
        };
        (sealed, Secret::new(encode(&[2; 32])))
    }

    #[test]
    fn what_was_sealed_for_the_tenants_key_opens_with_it() {
        let (sealed, key) = seal(r#"{"email":"ana@example.org"}"#);
        let opened = open(&sealed, &key).unwrap();
        assert!(!format!("{opened:?}").contains("ana"), "it is not printed");
    }

    #[test]
    fn with_another_key_or_a_broken_box_it_stays_closed_and_says_nothing_of_it() {
        let (sealed, key) = seal(r#"{"email":"ana@example.org"}"#);
        let other = Secret::new(URL_SAFE_NO_PAD.encode([9; 32]));
        let cases = [
            (sealed.clone(), other),
            (sealed.clone(), Secret::new("no key")),
            (Sealed { nonce: "AA".to_owned(), ..sealed.clone() }, key.clone()),
            (Sealed { payload: "!".to_owned(), ..sealed }, key.clone()),
            (seal("no json").0, key),
        ];
        for (sealed, key) in cases {
            let error = open(&sealed, &key).unwrap_err();
            assert!(matches!(error, Cause::AddressEncrypted(_)), "{error}");
        }
    }
}
