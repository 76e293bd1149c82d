//! API keys: how one is written, and how it is known again.
//!
//! `acq_<stage>_<tenant>_<id>_<secret><checksum>`, such as
//! `acq_dev_acme_k3x5m2qa_` and 59 characters more. It has letters, digits and underscores alone, so that a double
//! click selects all of it: a hyphen in the tenant's id is written `__`. `acq_` and the checksum (the first 32 bits of
//! SHA-256 over all before it) are for those who look for leaked secrets, and tell a cut or mistyped key before
//! anything is read. The secret has 256 random bits, so its SHA-256 digest can be stored as it is: no guess comes near
//! it, and a slow hash would only slow each request down.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::refused::Refused;
use crate::id::{InvalidName, Stage, TenantId, hex};
use crate::secret::Secret;

/// What every key begins with.
const BEGINS: &str = "acq_";
/// Base32 as RFC 4648 has it, in small letters and without padding: the digits 0, 1, 8 and 9 look like letters.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// 40 bits, 256 bits and 32 bits in base32.
const ID_CHARS: usize = 8;
const SECRET_CHARS: usize = 52;
const CHECKSUM_CHARS: usize = 7;
/// The longest that a key can be: with a stage of ten characters, and a tenant of 32 of which 31 are hyphens.
const MAX_BYTES: usize = 4 + 10 + 1 + 63 + 1 + ID_CHARS + 1 + SECRET_CHARS + CHECKSUM_CHARS;

/// The id of a key: eight letters and digits. It is no secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

impl KeyId {
    /// An id out of random bytes.
    pub fn of(random: [u8; 32]) -> Self {
        Self(base32(random.get(..5).unwrap_or_default()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.len() == ID_CHARS && is_base32(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidName::new(
            "id of a key",
            text,
            "8 characters of a to z and 2 to 7, as `acequia key list` shows them",
        ))
    }
}

impl TryFrom<String> for KeyId {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0
    }
}

/// The SHA-256 digest of a key: what is stored of it.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// Whether both are the same, in a time that tells nothing of where they differ.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl PartialEq for KeyDigest {
    fn eq(&self, other: &Self) -> bool {
        self.is(other)
    }
}

impl Eq for KeyDigest {}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(..)")
    }
}

/// A text that is no digest.
#[derive(Debug, thiserror::Error)]
#[error("a digest has 64 hex digits")]
pub struct MalformedDigest;

impl TryFrom<String> for KeyDigest {
    type Error = MalformedDigest;

    fn try_from(text: String) -> Result<Self, MalformedDigest> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
        let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
        let bytes = bytes.filter(|_| rest.is_empty()).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes.map(Self).ok_or(MalformedDigest)
    }
}

impl From<KeyDigest> for String {
    fn from(digest: KeyDigest) -> Self {
        hex(&digest.0)
    }
}

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no API key, is cut, or was mistyped")]
pub struct MalformedKey;

/// An API key.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The stage that it is of.
    pub stage: Stage,
    /// The tenant that it is of.
    pub tenant: TenantId,
    /// Its id.
    pub id: KeyId,
    text: Secret,
}

impl ApiKey {
    /// Makes a key out of bytes that cannot be guessed; `id` are others.
    pub fn make(stage: &Stage, tenant: &TenantId, id: [u8; 32], secret: [u8; 32]) -> Self {
        let id = KeyId::of(id);
        let text = format!("{}_{}", prefix(stage, tenant, &id), base32(&secret));
        let checksum = checksum(&text);
        Self { stage: stage.clone(), tenant: tenant.clone(), id, text: Secret::new(text + &checksum) }
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`MalformedKey`] where it is none.
    pub fn parse(text: &str) -> Result<Self, MalformedKey> {
        Self::read(text).ok_or(MalformedKey)
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES || !text.is_ascii() {
            return None;
        }
        let (checked, checksum_of_it) = text.split_at_checked(text.len().checked_sub(CHECKSUM_CHARS)?)?;
        let (head, secret) = checked.rsplit_once('_')?;
        let (head, id) = head.rsplit_once('_')?;
        let (stage, tenant) = head.strip_prefix(BEGINS)?.split_once('_')?;
        if secret.len() != SECRET_CHARS || !is_base32(secret) || checksum(checked) != checksum_of_it {
            return None;
        }
        let (stage, tenant): (Stage, TenantId) = (stage.parse().ok()?, tenant.replace("__", "-").parse().ok()?);
        let id: KeyId = id.parse().ok()?;
        // One key has one text.
        let is_canonical = prefix(&stage, &tenant, &id) == format!("{head}_{id}");
        is_canonical.then(|| Self { stage, tenant, id, text: Secret::new(text) })
    }

    /// Whether a text means to be a key, well-formed or not.
    pub fn is_meant_by(text: &str) -> bool {
        text.starts_with(BEGINS)
    }

    /// The key itself, which is shown once.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// What is stored of it.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest(Sha256::digest(self.text.expose().as_bytes()).into())
    }
}

impl From<MalformedKey> for Refused {
    fn from(_: MalformedKey) -> Self {
        Self::MalformedKey
    }
}

/// What a key begins with, and what it is called by.
pub(super) fn prefix(stage: &Stage, tenant: &TenantId, id: &KeyId) -> String {
    format!("{BEGINS}{stage}_{}_{id}", tenant.as_str().replace('-', "__"))
}

fn checksum(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    base32(hash.get(..4).unwrap_or_default())
}

fn is_base32(text: &str) -> bool {
    text.bytes().all(|byte| ALPHABET.contains(&byte))
}

/// Five bits of the bytes for each character; the last is filled up with zeros.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(8).div_ceil(5));
    let (mut bits, mut held) = (0_u16, 0_u32);
    let mut push =
        |five: u16| text.push(ALPHABET.get(usize::from(five & 31)).map_or('a', |letter| char::from(*letter)));
    for byte in bytes {
        bits = bits << 8 | u16::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            push(bits >> held);
        }
    }
    if held > 0 {
        push(bits << (5 - held));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(stage: &str, tenant: &str) -> ApiKey {
        ApiKey::make(&stage.parse().unwrap(), &tenant.parse().unwrap(), [7; 32], [250; 32])
    }

    #[test]
    fn bytes_in_base32_are_those_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "my"),
            ("fo", "mzxq"),
            ("foo", "mzxw6"),
            ("foob", "mzxw6yq"),
            ("fooba", "mzxw6ytb"),
            ("foobar", "mzxw6ytboi"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_key_reads_back_and_is_one_word_whatever_its_tenant_is_called() {
        for (stage, tenant) in [
            ("dev", "acme"),
            ("prod", "a-1"),
            ("local", "a-"),
            ("dev", "a--b"),
            ("abcdefghij", &*format!("a{}", "-".repeat(31))),
        ] {
            let key = key(stage, tenant);
            let read = ApiKey::parse(key.expose()).unwrap();
            assert_eq!((read.stage.as_str(), read.tenant.as_str(), &read.id), (stage, tenant, &key.id));
            assert!(read.digest().is(&key.digest()));
            assert!(key.expose().chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{}", key.expose());
            assert!(key.expose().starts_with(&prefix(&key.stage, &key.tenant, &key.id)));
            assert!(key.expose().len() <= MAX_BYTES);
        }
    }

    #[test]
    fn a_key_that_is_cut_longer_or_changed_in_any_character_is_none() {
        let text = key("dev", "ac-me").expose().to_owned();
        for end in 0..text.len() {
            assert!(ApiKey::parse(text.get(..end).unwrap()).is_err(), "{end}");
        }
        assert!(ApiKey::parse(&format!("{text}a")).is_err() && ApiKey::parse(&format!(" {text}")).is_err());
        for place in 0..text.len() {
            for by in ['a', '7', '_', 'ä', '-'] {
                let changed: String =
                    text.chars().enumerate().map(|(at, c)| if at == place { by } else { c }).collect();
                assert!(changed == text || ApiKey::parse(&changed).is_err(), "{changed}");
            }
        }
        assert!(ApiKey::parse(&"_".repeat(147)).is_err());
    }

    #[test]
    fn neither_a_key_nor_its_digest_shows_when_it_is_printed() {
        let key = key("dev", "acme");
        let shown = format!("{key:?} {:?}", key.digest());
        assert!(!shown.contains(key.expose()) && !shown.contains(&String::from(key.digest())), "{shown}");
    }

    #[test]
    fn a_digest_reads_back_from_its_hex_digits() {
        let text = String::from(key("dev", "acme").digest());
        assert_eq!(text.len(), 64);
        assert!(KeyDigest::try_from(text.clone()).unwrap().is(&key("dev", "acme").digest()));
        for bad in [text.get(1..).unwrap().to_owned(), format!("{text}0"), text.replace(|_| true, "x"), String::new()] {
            assert!(KeyDigest::try_from(bad).is_err());
        }
    }
}
