//! A JSON Web Token, read and not yet believed (<https://www.rfc-editor.org/rfc/rfc7519>): a compact JWS of three parts,
//! whose header is looked at for what must be refused before any key is (<https://www.rfc-editor.org/rfc/rfc8725>).
//!
//! Nothing that the header says of keys is followed: neither `jku` nor `x5u`, `jwk` or `x5c`. Its `kid` is compared with
//! the ids of the issuer's keys, and is nothing else than a text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::claim::Claims;
use super::jwk::{Algorithm, MAX_KID_BYTES};
use super::refused::Refused;

/// The longest token that is read, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// What a token may say that it is, in small letters: nothing, or one of these. Tokens of other types (of logouts, of
/// security events, proofs of possession) are signed by the same keys for something else.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// A token.
#[derive(Clone)]
pub struct Token<'t> {
    /// What is signed: header and claims as they are written.
    pub signed: &'t str,
    /// The signature, in base64url.
    pub signature: &'t str,
    /// The algorithm that the header names.
    pub algorithm: Algorithm,
    /// The id of the key that the header names.
    pub kid: Option<String>,
    /// What the token says.
    pub claims: Claims,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    /// What a reader must understand of the token: nothing is understood, so it may not be there at all.
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
}

fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl<'t> Token<'t> {
    /// Reads a token.
    ///
    /// # Errors
    /// [`Refused::TokenTooLong`], [`Refused::MalformedToken`] or [`Refused::Algorithm`].
    pub fn read(text: &'t str) -> Result<Self, Refused> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(Refused::TokenTooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Refused::MalformedToken)?;
        let (header, claims) = signed.split_once('.').ok_or(Refused::MalformedToken)?;
        let header: Header = part(header)?;
        let algorithm = Algorithm::named(&header.alg).ok_or(Refused::Algorithm)?;
        let is_token = header.typ.is_none_or(|typ| TYPES.contains(&typ.to_ascii_lowercase().as_str()));
        let is_key_named = header.kid.as_ref().is_none_or(|kid| (1..=MAX_KID_BYTES).contains(&kid.len()));
        if header.crit || !is_token || !is_key_named || signature.is_empty() {
            return Err(Refused::MalformedToken);
        }
        Ok(Self { signed, signature, algorithm, kid: header.kid, claims: Claims::new(part(claims)?) })
    }
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Refused> {
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| Refused::MalformedToken)?;
    serde_json::from_slice(&json).map_err(|_| Refused::MalformedToken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str, claims: &str, signature: &str) -> Result<(Algorithm, Option<String>), Refused> {
        let text = format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        Token::read(&text).map(|token| (token.algorithm, token.kid))
    }

    #[test]
    fn a_token_is_read_with_its_algorithm_and_the_id_of_its_key() {
        let header = r#"{"alg":"ES256","kid":"../../etc/passwd","typ":"at+JWT","jku":"https://evil.example/"}"#;
        assert_eq!(read(header, "{}", "x"), Ok((Algorithm::Es256, Some("../../etc/passwd".to_owned()))));
        assert_eq!(read(r#"{"alg":"EdDSA"}"#, "{}", "x"), Ok((Algorithm::EdDsa, None)));
    }

    #[test]
    fn none_shared_secrets_and_unknown_algorithms_are_refused_whatever_their_spelling() {
        for name in ["none", "None", "NONE", "", "HS256", "HS512", "RS384", "ES384", "es256", "RSA-OAEP"] {
            assert_eq!(read(&format!(r#"{{"alg":"{name}"}}"#), "{}", "x"), Err(Refused::Algorithm), "{name}");
        }
    }

    #[test]
    fn what_is_no_token_or_asks_for_what_is_not_understood_is_refused() {
        for header in [
            "",
            "[]",
            "{}",
            r#"{"alg":["ES256"]}"#,
            r#"{"alg":"ES256","alg":"ES256"}"#,
            r#"{"alg":"ES256","crit":[]}"#,
            r#"{"alg":"ES256","crit":null}"#,
            r#"{"alg":"ES256","typ":"logout+jwt"}"#,
            r#"{"alg":"ES256","kid":""}"#,
            r#"{"alg":"ES256","kid":7}"#,
        ] {
            assert_eq!(read(header, "{}", "x"), Err(Refused::MalformedToken), "{header}");
        }
        let good = r#"{"alg":"ES256"}"#;
        for claims in ["", "[]", "{", "7"] {
            assert_eq!(read(good, claims, "x"), Err(Refused::MalformedToken), "{claims}");
        }
        assert_eq!(read(good, "{}", ""), Err(Refused::MalformedToken), "no signature");
        assert_eq!(read(good, "{}", "x.y"), Err(Refused::MalformedToken), "four parts");
        for text in ["", ".", "..", "a", "a.b", "a.b.c", "e30.e30.", "....", "e30=.e30=.x"] {
            assert_eq!(Token::read(text).err(), Some(Refused::MalformedToken), "{text}");
        }
        let nested = "[".repeat(4_000);
        assert_eq!(read(good, &nested, "x"), Err(Refused::MalformedToken));
    }

    #[test]
    fn of_a_token_of_64_kilobytes_nothing_is_read() {
        let text = "a".repeat(64 * 1024);
        assert_eq!(Token::read(&text).err(), Some(Refused::TokenTooLong));
        assert_eq!(Token::read(text.get(..MAX_TOKEN_BYTES).unwrap()).err(), Some(Refused::MalformedToken));
    }
}
