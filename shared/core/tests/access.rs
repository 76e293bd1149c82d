//! What strangers send as a credential: whatever it is, it is read to an end, and nothing that was changed is taken.

use acequia_core::access::{ApiKey, Credentials, KeySet, PublicKey, Refused, Token};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

/// Texts that are nearly tokens: three parts, two of them nearly JSON.
fn nearly_a_token() -> impl Strategy<Value = String> {
    let json = prop_oneof![
        Just(r#"{"alg":"ES256","kid":"a","typ":"JWT"}"#.to_owned()),
        Just(r#"{"iss":"https://id.example","aud":["a"],"exp":1e308,"tenant":"acme"}"#.to_owned()),
        r#"\{"(alg|kid|iss|aud|exp|crit)":("[A-Za-z0-9]{0,8}"|[0-9.eE+-]{1,12}|null|\[\]|\{\})\}"#,
        ".{0,40}",
    ];
    (json.clone(), json, ".{0,20}").prop_map(|(header, claims, signature)| {
        format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
    })
}

proptest! {
    #[test]
    fn any_text_is_a_token_or_refused(text in prop_oneof![nearly_a_token(), ".{0,200}", "[A-Za-z0-9_.-]{0,200}"]) {
        match Token::read(&text) {
            Ok(token) => prop_assert_eq!(format!("{}.{}", token.signed, token.signature), text),
            Err(refused) => prop_assert!(matches!(refused, Refused::MalformedToken | Refused::Algorithm), "{}", refused),
        }
    }

    #[test]
    fn any_header_is_read_to_an_end(header in ".{0,200}", key in prop::option::of(".{0,200}")) {
        let request = Credentials { authorization: Some(&header), api_key: key.as_deref() };
        if let Some(claimed) = request.claimed() {
            prop_assert!(claimed.to_string().bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
        }
    }

    #[test]
    fn a_key_that_is_changed_in_one_place_is_none(secret: [u8; 32], id: [u8; 32], place in 0_usize..100, by in "[a-z0-9_]") {
        let key = ApiKey::make(&"dev".parse().unwrap(), &"acme".parse().unwrap(), id, secret);
        let text = key.expose();
        let place = place % text.len();
        let changed: String = text.chars().enumerate().map(|(at, c)| if at == place { by.clone() } else { c.to_string() }).collect();
        prop_assert!(changed == text || ApiKey::parse(&changed).is_err());
    }

    #[test]
    fn any_bytes_are_a_key_set_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200), member in "[a-z0-9]{1,3}", value in ".{0,20}") {
        prop_assert!(KeySet::read(&bytes).is_none_or(|set| set.is_empty()));
        let mut jwk = serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        jwk[member.as_str()] = value.into();
        // A member that counts is of its form, or the key is not used.
        if let Ok(key) = PublicKey::read(&jwk) {
            prop_assert!(!["d", "k", "p", "q", "dp", "dq", "qi", "oth"].contains(&member.as_str()));
            prop_assert_eq!(key.algorithm, acequia_core::access::Algorithm::EdDsa);
        }
    }
}
