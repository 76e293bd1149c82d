//! The public keys of an issuer, out of a JWK set (<https://www.rfc-editor.org/rfc/rfc7517>).
//!
//! A set may hold keys of kinds that are not used here, so each key is read by itself. A key has one algorithm: the one
//! that it names, or else that of its kind. A key with a private part is known to others than its issuer, and is never
//! used.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value as Json};

/// The most keys of one set.
pub const MAX_KEYS: usize = 64;
/// The longest id of a key, in bytes.
pub(super) const MAX_KID_BYTES: usize = 256;
/// What an RSA modulus may measure, in bits: less is broken within reach, and more costs milliseconds a signature.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The members of a JWK that only its owner may know (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// An algorithm of signatures. Those with a shared secret (`HS256`), and `none`, are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with PKCS #1 v1.5 padding and SHA-256.
    Rs256,
    /// RSA with PSS padding and SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// Its name in JOSE (<https://www.rfc-editor.org/rfc/rfc7518#section-3.1>,
    /// <https://www.rfc-editor.org/rfc/rfc8037#section-3.1>).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of this name. `Ed25519` is the newer name of what is meant by `EdDSA` here
    /// (<https://www.rfc-editor.org/rfc/rfc9864>).
    pub fn named(name: &str) -> Option<Self> {
        let known = Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name);
        known.or_else(|| (name == "Ed25519").then_some(Self::EdDsa))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a public key is made of: base64url as the set has it, each checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKeyMaterial {
    /// Modulus and exponent.
    Rsa {
        /// The modulus.
        n: String,
        /// The exponent.
        e: String,
    },
    /// A point of P-256, 32 bytes each.
    P256 {
        /// Its x.
        x: String,
        /// Its y.
        y: String,
    },
    /// A point of Ed25519, 32 bytes.
    Ed25519 {
        /// The point.
        x: String,
    },
}

/// A public key of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Its id.
    pub kid: Option<String>,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// What it is made of.
    pub material: PublicKeyMaterial,
}

/// Why a key of a set is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct KeyFlaw {
    /// The member that is to blame, such as `n`; empty for the key as a whole.
    pub member: &'static str,
    /// What is wrong, and what is wanted. No value is in it.
    pub problem: String,
}

/// The keys of an issuer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

impl KeySet {
    /// Reads a set as an issuer gives it: `{"keys": [...]}`. Keys that cannot be used are left out.
    pub fn read(json: &[u8]) -> Option<Self> {
        let Json::Object(mut set) = serde_json::from_slice(json).ok()? else { return None };
        let Json::Array(keys) = set.remove("keys")? else { return None };
        if keys.len() > MAX_KEYS {
            return None;
        }
        Some(keys.iter().filter_map(|key| PublicKey::read(key).ok()).collect())
    }

    /// Whether it has no key that can be used.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys of an id. A token that names none means the only key that there is.
    pub fn find<'s>(&'s self, kid: Option<&'s str>) -> impl Iterator<Item = &'s PublicKey> + 's {
        let is_only = self.keys.len() == 1;
        self.keys.iter().filter(move |key| match kid {
            Some(kid) => key.kid.as_deref() == Some(kid),
            None => is_only,
        })
    }
}

impl FromIterator<PublicKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        Self { keys: keys.into_iter().collect() }
    }
}

impl PublicKey {
    /// Reads a key.
    ///
    /// # Errors
    /// Why it is not used.
    pub fn read(jwk: &Json) -> Result<Self, KeyFlaw> {
        let jwk =
            jwk.as_object().ok_or_else(|| flaw("", "it must be a JWK: a table with `kty` and what its kind needs"))?;
        if let Some(member) = PRIVATE.into_iter().find(|member| jwk.contains_key(*member)) {
            let problem =
                "it is a private part, which the issuer alone may have: make a new key, and give its public part alone";
            return Err(flaw(member, problem));
        }
        refuse_other_use(jwk)?;
        let (material, own) = material(jwk)?;
        let algorithm = match text(jwk, "alg")? {
            None => own,
            Some(name) => Algorithm::named(name).filter(|named| signs_with(&material, *named)).ok_or_else(|| {
                flaw(
                    "alg",
                    "it must be RS256 or PS256 of an RSA key, ES256 of a key on P-256, EdDSA of a key on Ed25519",
                )
            })?,
        };
        let kid = text(jwk, "kid")?.map(str::to_owned);
        if kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > MAX_KID_BYTES) {
            return Err(flaw("kid", format!("it must have 1 to {MAX_KID_BYTES} bytes")));
        }
        Ok(Self { kid, algorithm, material })
    }
}

fn flaw(member: &'static str, problem: impl Into<String>) -> KeyFlaw {
    KeyFlaw { member, problem: problem.into() }
}

/// A member that is a text, where it is there.
fn text<'j>(jwk: &'j Map<String, Json>, member: &'static str) -> Result<Option<&'j str>, KeyFlaw> {
    match jwk.get(member) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(flaw(member, "it must be a text")),
    }
}

/// Refuses a key that is for something else than checking signatures.
fn refuse_other_use(jwk: &Map<String, Json>) -> Result<(), KeyFlaw> {
    if text(jwk, "use")?.is_some_and(|used| used != "sig") {
        return Err(flaw("use", "it must be sig: this key is for something else than signatures"));
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Json::Array(operations)) if operations.iter().any(|one| one == "verify") => Ok(()),
        Some(_) => Err(flaw("key_ops", "it must have verify: this key is for something else than checking signatures")),
    }
}

/// What the key is made of, and the algorithm that it has unless it says otherwise.
fn material(jwk: &Map<String, Json>) -> Result<(PublicKeyMaterial, Algorithm), KeyFlaw> {
    let curve = text(jwk, "crv")?;
    match (text(jwk, "kty")?, curve) {
        (Some("RSA"), _) => {
            let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
            check_rsa(&n, &e)?;
            Ok((
                PublicKeyMaterial::Rsa { n: URL_SAFE_NO_PAD.encode(n), e: URL_SAFE_NO_PAD.encode(e) },
                Algorithm::Rs256,
            ))
        }
        (Some("EC"), Some("P-256")) => {
            Ok((PublicKeyMaterial::P256 { x: point(jwk, "x")?, y: point(jwk, "y")? }, Algorithm::Es256))
        }
        (Some("OKP"), Some("Ed25519")) => Ok((PublicKeyMaterial::Ed25519 { x: point(jwk, "x")? }, Algorithm::EdDsa)),
        (Some("EC" | "OKP"), _) => Err(flaw("crv", "it must be P-256 of kty EC, or Ed25519 of kty OKP")),
        _ => Err(flaw("kty", "it must be RSA, EC or OKP: only public keys of these kinds are used")),
    }
}

fn signs_with(material: &PublicKeyMaterial, algorithm: Algorithm) -> bool {
    match material {
        PublicKeyMaterial::Rsa { .. } => matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256),
        PublicKeyMaterial::P256 { .. } => algorithm == Algorithm::Es256,
        PublicKeyMaterial::Ed25519 { .. } => algorithm == Algorithm::EdDsa,
    }
}

fn bytes(jwk: &Map<String, Json>, member: &'static str) -> Result<Vec<u8>, KeyFlaw> {
    let text = text(jwk, member)?.ok_or_else(|| flaw(member, "it is missing: the key is not whole without it"))?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| flaw(member, "it must be base64url without padding"))
}

fn point(jwk: &Map<String, Json>, member: &'static str) -> Result<String, KeyFlaw> {
    let bytes = bytes(jwk, member)?;
    if bytes.len() == 32 {
        return Ok(URL_SAFE_NO_PAD.encode(bytes));
    }
    Err(flaw(member, format!("it has {} bytes, and must have 32", bytes.len())))
}

fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), KeyFlaw> {
    let leading = n.first().map_or(8, |first| usize::try_from(first.leading_zeros()).unwrap_or(8));
    let bits = n.len().saturating_mul(8).saturating_sub(leading);
    if leading == 8 || !RSA_BITS.contains(&bits) {
        return Err(flaw(
            "n",
            format!("its modulus has {bits} bits, and must have {} to {}", RSA_BITS.start(), RSA_BITS.end()),
        ));
    }
    // 3 and more, odd, and of at most 33 bits, as the library that checks signatures wants it too.
    let is_odd = e.last().is_some_and(|last| last & 1 == 1);
    let is_small = e.len() <= 4 || matches!(e, [1, _, _, _, _]);
    if !is_odd || !is_small || e.first() == Some(&0) || e == [1] {
        return Err(flaw("e", "it must be an odd exponent of 3 to 2^33, as a rule AQAB"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The key of RFC 8037, appendix A.2.
    fn okp() -> Json {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    fn rsa(bytes: usize) -> Json {
        json!({"kty": "RSA", "kid": "two", "n": URL_SAFE_NO_PAD.encode(vec![0xff; bytes]), "e": "AQAB"})
    }

    fn with(mut jwk: Json, member: &str, value: Json) -> Json {
        jwk.as_object_mut().unwrap().insert(member.to_owned(), value);
        jwk
    }

    fn member_of(jwk: &Json) -> &'static str {
        PublicKey::read(jwk).unwrap_err().member
    }

    #[test]
    fn a_key_has_the_algorithm_that_it_names_or_that_of_its_kind() {
        let algorithm = |jwk: Json| PublicKey::read(&jwk).unwrap().algorithm;
        assert_eq!(algorithm(okp()), Algorithm::EdDsa);
        assert_eq!(algorithm(with(okp(), "alg", json!("Ed25519"))), Algorithm::EdDsa);
        assert_eq!(algorithm(rsa(256)), Algorithm::Rs256);
        assert_eq!(algorithm(with(rsa(256), "alg", json!("PS256"))), Algorithm::Ps256);
        for (jwk, name) in
            [(rsa(256), "HS256"), (rsa(256), "none"), (rsa(256), "RS512"), (okp(), "RS256"), (rsa(256), "ES256")]
        {
            assert_eq!(member_of(&with(jwk, "alg", json!(name))), "alg", "{name}");
        }
    }

    #[test]
    fn a_key_with_a_private_part_and_one_of_a_shared_secret_are_never_used() {
        for member in PRIVATE {
            assert_eq!(member_of(&with(okp(), member, json!("AQAB"))), member);
        }
        assert_eq!(member_of(&json!({"kty": "oct", "k": "AQAB"})), "k");
    }

    #[test]
    fn keys_that_are_short_not_whole_or_of_another_kind_are_not_used() {
        assert_eq!(member_of(&rsa(128)), "n");
        assert!(PublicKey::read(&rsa(128)).unwrap_err().problem.contains("1024 bits"));
        assert!(PublicKey::read(&rsa(1024)).is_ok());
        assert_eq!(member_of(&rsa(1025)), "n");
        let padded = [&[0; 8][..], &[0xff; 256][..]].concat();
        assert_eq!(member_of(&with(rsa(256), "n", json!(URL_SAFE_NO_PAD.encode(padded)))), "n");
        for (member, value) in [
            ("e", json!("AQ")),
            ("e", json!("Ag")),
            ("e", json!("AAEAAQ")),
            ("e", json!(65537)),
            ("n", json!("+/+/")),
            ("kid", json!("")),
            ("kid", json!("k".repeat(257))),
            ("use", json!("enc")),
            ("key_ops", json!(["encrypt"])),
            ("kty", json!("AKP")),
        ] {
            assert_eq!(member_of(&with(rsa(256), member, value.clone())), member, "{value}");
        }
        assert_eq!(member_of(&with(okp(), "x", json!("AQAB"))), "x");
        assert_eq!(member_of(&with(okp(), "crv", json!("X25519"))), "crv");
        assert_eq!(member_of(&json!({"kty": "EC", "crv": "P-384"})), "crv");
        assert_eq!(member_of(&json!("key")), "");
    }

    #[test]
    fn of_a_set_the_keys_that_can_be_used_are_taken() {
        let set = json!({"keys": [okp(), rsa(128), {"kty": "AKP", "alg": "ML-DSA-44"}, rsa(256)]}).to_string();
        let set = KeySet::read(set.as_bytes()).unwrap();
        assert_eq!(set.find(Some("one")).count(), 1);
        assert_eq!(set.find(Some("two")).count(), 1, "the short one is left out");
        assert_eq!(set.find(Some("../two")).count() + set.find(None).count(), 0);
        let only = KeySet::read(json!({"keys": [okp()]}).to_string().as_bytes()).unwrap();
        assert_eq!(only.find(None).count(), 1, "a token need not name the only key");
        for none in ["", "[]", "{}", r#"{"keys":{}}"#, &json!({"keys": vec![okp(); 65]}).to_string()] {
            assert_eq!(KeySet::read(none.as_bytes()), None, "{none}");
        }
    }
}
